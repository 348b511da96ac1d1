"""Workers: several processes that serve one ledger at one address.

The parent keeps up the database, the followers and the appender that all workers ask, holds the address and
replaces a worker that dies. Each worker listens on a socket of its own, so that the kernel spreads
connections evenly, and ends with the parent.
"""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from api import appending, following, logs, main, service, views
from ledger import appender, config, errors, opening

WORKERS_MAX = 64
_BACKLOG = 2_048
_SILENT_S = 60
"""A worker that says nothing for so long is replaced; one that comes up on a very busy machine is not."""


class SharedAddress(socket.socket):
    """An address that several processes listen on: unpickled in a worker, it is a socket of that worker's.

    The parent's own socket is bound and never listens: it holds the address, and gets no connection.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Another socket at the same address."""
        return _bound, (self.family, self.getsockname())


def _bound(family: int, address: tuple[Any, ...]) -> SharedAddress:
    bound = SharedAddress(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise errors.Unavailable(f"the address cannot be listened on: {error.strerror}") from error
    return bound


def application(
    configured: config.Config, settings: service.Settings, wake: following.Bell, appender_path: Path
) -> FastAPI:
    """What one worker serves; its ledger was brought up to date before, and is followed beside it."""
    logs.configure()
    threading.Thread(target=_end_with_parent, name="parent's end", daemon=True).start()
    app = main.create_app(
        configured,
        settings=settings,
        migrate=False,
        followed=views.elsewhere(wake),
        appended=appending.elsewhere(appender_path),
    )
    appender.spare_collector()
    return app


def _end_with_parent() -> None:
    """Nobody would end a worker whose parent was killed, nor follow for it."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is started by its parent"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def serve(
    configured: config.Config,
    *,
    workers: int,
    host: str,
    port: int,
    settings: service.Settings | None = None,
    **options: Any,
) -> None:
    """Serve until told to end; `options` are uvicorn's. Raises Unavailable where the address is taken."""
    chosen = dataclasses.replace(settings or service.Settings(), metrics_ports=workers)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with opening.opened(configured) as ledger:
        main.bring_up_to_date(ledger)
    with (
        opening.database(configured, migrate=False) as (ways, _),
        _bound(family, (host, port)) as address,
        following.Process(ways.service) as followers,
        appending.Process(configured) as appended,
    ):
        running = uvicorn.Config(
            functools.partial(application, configured, chosen, followers.wake, appended.path),
            factory=True,
            workers=workers,
            host=host,
            port=port,
            backlog=_BACKLOG,
            timeout_worker_healthcheck=_SILENT_S,
            **options,
        )
        Multiprocess(running, sockets=[address]).run()
