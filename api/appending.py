"""The appender's process: beside one service, or beside the workers of one, it appends for all of them.

`Process` is the service's end, `main` is what runs there, and `ledger/distant.py` what goes between. Who
appends is chosen where a service is opened: `by_thread`, a thread of its own process, where somebody tries
something; `beside`, where a ledger is served; `elsewhere`, in a worker: the process beside all of them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import uvloop

from api import processes
from ledger import appender, config, distant, embedded_files, opening, queueing, vault

Observed = Callable[[queueing.Appended], None]
Appending = Callable[[opening.Ledger, Observed], contextlib.AbstractContextManager[queueing.Appends]]
"""Who appends during the block, and tells of every batch."""
_BACKLOG = 256
LINGERS_S = 8.0
"""So long a process whose service is gone waits for those who still ask."""


class Process(processes.Process):
    """A process that appends, as long as the block lasts; whoever has its path may ask it."""

    program: ClassVar[tuple[str, ...]] = ("-m", __name__)
    """What runs there; benchmarks run their own around it."""

    def __init__(self, configured: config.Config) -> None:
        # Open to us alone, and short enough for the address of a socket, whatever the data folder is called.
        self._folder = tempfile.TemporaryDirectory(
            prefix="ledger-", dir=embedded_files.SOCKET_PARENT, ignore_cleanup_errors=True
        )
        self.path = Path(self._folder.name) / "appender"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(_BACKLOG)
        super().__init__(
            self.program,
            base64.b64encode(pickle.dumps(configured)),
            name="appender's process",
            passed=(self._listening.fileno(),),
        )

    def stop(self) -> None:
        """End it once what is queued is appended."""
        super().stop()
        self._listening.close()
        self._folder.cleanup()


@contextlib.contextmanager
def by_thread(ledger: opening.Ledger, observed: Observed) -> Iterator[queueing.Appends]:
    """A thread of this process appends."""
    with ledger.appending(observed=observed) as appending:
        yield appending


@contextlib.contextmanager
def beside(ledger: opening.Ledger, observed: Observed) -> Iterator[queueing.Appends]:
    """A process beside this one appends, and ends with it."""
    with Process(ledger.config) as process, _connected(process.path, ledger, observed) as appending:
        yield appending


def elsewhere(path: Path) -> Appending:
    """A process that somebody else started appends."""
    return lambda ledger, observed: _connected(path, ledger, observed)


@contextlib.contextmanager
def _connected(path: Path, ledger: opening.Ledger, observed: Observed) -> Iterator[queueing.Appends]:
    asked = distant.DistantAppender(path, observed=observed, renew=ledger.vault.require_version).start()
    try:
        yield asked
    finally:
        asked.stop()


def main() -> None:
    """Append until the service is gone."""
    processes.run(_append)


def _append(told: bytes, line: socket.socket) -> None:
    configured: config.Config = pickle.loads(base64.b64decode(told))  # noqa: S301 -- of the service that started us
    listening = socket.socket(fileno=int(sys.argv[-1]))
    path = Path(listening.getsockname())
    with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appending:
        appender.spare_collector()
        uvloop.run(_serve(listening, line, appending, ledger.vault))
    # A service that was killed has left it behind.
    with contextlib.suppress(OSError):
        path.unlink()
        path.parent.rmdir()


async def _serve(
    listening: socket.socket, line: socket.socket, appending: appender.Appender, opened: vault.Vault
) -> None:
    """Take commands until the service is gone, and those who ask for it are."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.add_reader(line, over.set)
    desks = distant.Desks(appending, ring_version=lambda: opened.ring.version)
    server = await loop.create_unix_server(desks.another, sock=listening)
    processes.ready(line)
    await over.wait()
    loop.remove_reader(line)
    server.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGERS_S):
            await desks.nobody_asks.wait()


if __name__ == "__main__":
    main()
