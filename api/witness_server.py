"""A witness over HTTP: `POST /add-checkpoint` of C2SP tlog-witness, and what it cosigned of each log last.

A program of its own, with nothing of a ledger. A request has a deadline and a size; a connection that
does not begin a request, or is slow to end one, is closed; more connections than it has places for get 503.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http import h11_impl

from signing import witness, witnessing

SIZE_TYPE = "text/x.tlog.size"
REASON_HEADER = "Witness-Refusal"
CONNECTIONS_MAX = 128
_log = logging.getLogger(__name__)
NOTED_EVERY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long a sender may take."""

    head_s: float = 10.0
    """From the connection, or the answer before, to the end of the request's head."""
    body_s: float = 10.0
    """For the body."""


def application(
    witnessed: witness.Witness,
    *,
    deadlines: Deadlines = Deadlines(),
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The routes of a witness that this process has."""
    notes = _Notes(clock)

    async def add_checkpoint(request: Request) -> Response:
        log = ""
        try:
            body = await asyncio.wait_for(_body(request), deadlines.body_s)
            log = witnessing.origin_of(submission := witnessing.parse(body))
            line = await run_in_threadpool(witnessed.add, submission, now_s=int(clock()))
        except TimeoutError:
            return _refused(408, "too-slow")
        except _TooLarge:
            return _refused(413, "too-large")
        except witnessing.Moved as moved:
            notes.take(moved, log)
            return _refused(moved.status, moved.reason, f"{moved.size}\n", SIZE_TYPE)
        except witnessing.Refusal as refusal:
            notes.take(refusal, log)
            return _refused(refusal.status, refusal.reason, f"{refusal}\n")
        except witness.WitnessError as error:
            _log.error("the witness cannot work", extra={"error_type": str(error)})
            return _refused(503, "state")
        return Response(line.encode(), 200, _KEPT_NOWHERE, "text/plain; charset=utf-8")

    async def cosigned(request: Request) -> Response:
        try:
            head = await run_in_threadpool(witnessed.head, request.path_params["digest"])
        except witness.WitnessError:
            return _refused(503, "state")
        if head is None:
            return _refused(404, "origin-unknown")
        return Response(head.encode(), 200, _KEPT_NOWHERE, "text/plain; charset=utf-8")

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{digest}/checkpoint", cosigned, methods=["GET"]),
        ]
    )


def server(app: Starlette, *, host: str, port: int, deadlines: Deadlines = Deadlines()) -> uvicorn.Server:
    """The server of a witness, not yet started."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=_impatient(deadlines.head_s),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=60,
            h11_max_incomplete_event_size=16 * 1024,
        )
    )


_KEPT_NOWHERE = {"Cache-Control": "no-store"}


class _TooLarge(Exception):
    """A body above the limit."""


async def _body(request: Request) -> bytes:
    """The body, never more of it than a submission can have; raises _TooLarge."""
    data = b""
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > witnessing.SUBMISSION_BYTES_MAX:
                raise _TooLarge
    except ClientDisconnect as error:
        raise witnessing.Refusal("the connection ended before the body did") from error
    return data


class _Notes:
    """Tells of logs that show another history than before; each of each reason once in a while.

    The log signed what is told of here, so that its name is one that the witness's operator added. But that
    it was the log who sent it is sure of `forked` alone: an old checkpoint, or a new one with a proof that is
    none, can be anybody's, who could fill the program's log with them.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    def take(self, refusal: witnessing.Refusal, log: str) -> None:
        """Tell of a refusal, if that is due."""
        if not isinstance(refusal, witnessing.RolledBack | witnessing.Inconsistent):
            return
        now, which = self._clock(), (log, refusal.reason)
        if abs(now - self._told.get(which, -NOTED_EVERY_S)) >= NOTED_EVERY_S:
            self._told[which] = now
            _log.warning("a checkpoint was refused", extra={"reason": refusal.reason, "log": log})


def _refused(
    status: int, reason: str, text: str = "", media_type: str = "text/plain; charset=utf-8"
) -> Response:
    headers = {REASON_HEADER: reason, "Cache-Control": "no-store", "Content-Type": media_type}
    if status in (408, 413):
        headers["Connection"] = "close"
    return Response(text.encode(), status, headers)


def _impatient(head_s: float) -> type[h11_impl.H11Protocol]:
    """A protocol that closes a connection whose request's head does not come in time."""

    class Impatient(h11_impl.H11Protocol):
        _due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            if not self._is_serving() and self._due is None:
                self._wait_for_head()
            super().data_received(data)
            if self._is_serving():
                self._stop_waiting()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _is_serving(self) -> bool:
            cycle: h11_impl.RequestResponseCycle | None = getattr(self, "cycle", None)
            return cycle is not None and not cycle.response_complete

        def _wait_for_head(self) -> None:
            self._due = self.loop.call_later(head_s, self.transport.close)

        def _stop_waiting(self) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None

    return Impatient
