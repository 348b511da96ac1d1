"""The log: JSON lines that say what happened, where and how long, and nothing about anyone.

Gives `configure` for a process and `RequestLog` for an application. A line has the route's template,
never the path or query; the text of a message is its template, never its arguments; an exception is
its type and the places in the code, never its words, since those may repeat a value. What the code
wants to say goes into the fields of `FIELDS`.
"""

from __future__ import annotations

import contextvars
import json
import logging
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Protocol, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signing import ids

FIELDS = (
    "method",
    "route",
    "status",
    "duration_ms",
    "client_id",
    "incident",
    "error",
    "error_type",
    "anchored_timeline",
    "found_timeline",
    "index",
    "size",
    "count",
    "partition",
    "projection",
    "job",
)
"""The `extra` members that a line may carry; others are left out."""

FRAMES_MAX = 20
_IDS_DRAWN = 64
CAUSES_MAX = 5
REQUEST_ID_HEADER = b"request-id"

_OURS = ("api", "ledger", "projections", "signing")
_TRUSTED = (*_OURS, "uvicorn.error")
"""Loggers whose message templates are fixed text. Of others a line says only from where they spoke."""

_request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
_log = logging.getLogger(__name__)


def configure(*, level: str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """The one handler of this process, which replaces all others; uvicorn runs with `log_config=None`."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # Its lines have the raw path; RequestLog writes them instead.
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(True)
    return handler


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if _is_below(record.name, _TRUSTED) and isinstance(record.msg, str):
            line["event"] = record.msg
        else:
            line["place"] = _place(record.pathname, record.lineno, record.funcName)
        if (request_id := _request_id.get()) is not None:
            line["request_id"] = request_id
        line |= {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line |= _described(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=_type_name)


class Counted(Protocol):
    """Who counts requests."""

    def request(self, *, method: str, route: str, status: int | None, seconds: float) -> None:
        """A request was answered, or broken off (no status)."""

    def problem(self, kind: str) -> None:
        """Its answer was a problem document of this type."""


class RequestLog:
    """One line per request, and a `Request-Id` on every answer.

    The id is always made here: one that a caller sends could say anything. Who authenticates a request
    sets `request.state.client_id`, 26 characters of text.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Callable[[], float] = time.perf_counter,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        counted: Counted | None = None,
    ) -> None:
        self._app = app
        self._counted = counted
        self._clock = clock
        self._ids = _ids(randomness)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application behind it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started_s = ids.text(next(self._ids)), self._clock()
        status: int | None = None

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (REQUEST_ID_HEADER, request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        token = _request_id.set(request_id)
        try:
            await self._app(scope, receive, watch)
        finally:
            fields = _request_fields(scope, status, duration_s := self._clock() - started_s)
            _log.info("request", extra=fields)
            if self._counted is not None:
                self._counted.request(
                    method=fields["method"], route=fields["route"], status=status, seconds=duration_s
                )
                if (problem := scope.get("state", {}).get("problem")) is not None:
                    self._counted.problem(problem)
            _request_id.reset(token)


def _ids(randomness: Callable[[int], bytes]) -> Iterator[bytes]:
    """Random ids, drawn many at once: a draw of its own for each would give up the interpreter's lock."""
    while True:
        drawn = randomness(_IDS_DRAWN * ids.ID_BYTES)
        yield from (drawn[at : at + ids.ID_BYTES] for at in range(0, len(drawn), ids.ID_BYTES))


def request_id() -> str | None:
    """The id of the request being served, for what is handed to other threads."""
    return _request_id.get()


def route_template(scope: Scope) -> str:
    """`/v1/licenses/{license_ref}`, or `unmatched`."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    for route in (context, scope.get("route")):
        template = getattr(route, "path", None)
        if isinstance(template, str):
            return template
    return "unmatched"


def _request_fields(scope: Scope, status: int | None, duration_s: float) -> dict[str, Any]:
    method = scope["method"]
    return {
        "method": method if method in _METHODS else "other",
        "route": route_template(scope),
        "status": status,
        "duration_ms": round(duration_s * 1000, 3),
        "client_id": scope.get("state", {}).get("client_id"),
    }


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _described(error: BaseException) -> dict[str, Any]:
    """Types and places of an error and what caused it."""
    causes: list[str] = []
    frames = _frames(error)
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < CAUSES_MAX:
        causes.append(_type_name(cause))
        # The place where it began is the one that helps.
        frames = _frames(cause) or frames
        cause = cause.__cause__ or cause.__context__
    described: dict[str, Any] = {"error": _type_name(error), "frames": frames}
    return {**described, "causes": causes} if causes else described


def _frames(error: BaseException) -> list[str]:
    found = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [_place(frame.filename, frame.lineno, frame.name) for frame in found]


def _place(file: str, line: int | None, function: str | None) -> str:
    """`ledger/use.py:42 decide`: the last two parts of the path say enough."""
    return f"{'/'.join(PurePath(file).parts[-2:])}:{line} {function}"


def _type_name(item: object) -> str:
    return f"{type(item).__module__}.{type(item).__qualname__}"


def _is_below(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)
