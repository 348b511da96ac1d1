"""The listener of the metrics: an address of its own, and a token of its own.

The public address knows no `/metrics`. Who reads them learns how much is refused and for which reasons, so
that also on this machine the token in `secrets/metrics` of the data folder is asked for, before anything
else is done. A reading waits until the one before it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import metrics, service
from ledger import errors

BACKLOG, CONNECTIONS_MAX = 16, 8


@contextlib.asynccontextmanager
async def listening(
    bind: tuple[str, int] | None, *, token: str, counted: metrics.Metrics, served: service.Service
) -> AsyncIterator[None]:
    """Answer on `bind`, or the first port after it that is free, during the block; nothing where it is None.

    Raises Unavailable when as many ports as there may be are taken.
    """
    if bind is None:
        yield
        return
    server = _Server(
        uvicorn.Config(
            application(token, counted, served),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=5,
        )
    )
    with _bound(bind, ports=served.settings.metrics_ports) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await task


def application(token: str, counted: metrics.Metrics, served: service.Service) -> Starlette:
    """`GET /metrics` for who has the token."""
    one_by_one = asyncio.Lock()
    expected = f"Bearer {token}".encode()

    async def read(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
        async with one_by_one:
            text = await served.read(counted.exposed, served)
        return Response(text, headers={"Cache-Control": "no-store"}, media_type=metrics.CONTENT_TYPE)

    return Starlette(routes=[Route("/metrics", read, methods=["GET"])])


class _Server(uvicorn.Server):
    """One of two servers in a process: signals are the other's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


def _bound(bind: tuple[str, int], *, ports: int) -> socket.socket:
    host, first = bind
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, first + ports):
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if port == first + ports - 1:
                raise errors.Unavailable("the address of the metrics cannot be listened on") from error
    raise AssertionError("there is one port at least")
