"""The appender's process: beside one service, or beside the workers of one, it appends for all of them.

`Process` is the service's end, `main` is what runs there, and `ledger/remote_appender.py` what goes between.
Who appends is chosen where a service is opened: `by_thread`, a thread of its own process, where somebody
tries something; `beside`, where a ledger is served; `elsewhere`, in a worker: the process beside all of them.
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
from typing import Any, ClassVar

import uvloop

from api import processes
from ledger import (
    appender,
    config,
    embedded_files,
    errors,
    opening,
    queueing,
    remote_appender,
    remote_connection,
    vault,
)

Observed = Callable[[queueing.Appended], None]
Loop = asyncio.AbstractEventLoop | None
Appending = Callable[[opening.Ledger, Observed, Loop], contextlib.AbstractContextManager[queueing.Appends]]
"""Who appends during the block, and tells of every batch; asked on an event loop or by a thread beside it."""
_BACKLOG = 256
PAUSE_MAX_S = 1.0
"""Before a process that died is replaced: all who append wait for it."""
LOOKS_EVERY_S = 1.0
"""After whether the appender still appends."""
LINGERS_S = 8.0
"""So long a process whose service is gone waits for those who still ask."""


class Process(processes.Process):
    """A process that appends, as long as the block lasts; whoever has its path may ask it."""

    program: ClassVar[tuple[str, ...]] = ("-m", __name__)
    """What runs there; benchmarks run their own around it."""

    def __init__(self, configured: config.Config) -> None:
        parent = embedded_files.SOCKET_PARENT
        try:
            # Open to us alone, and short enough for a socket's address, wherever the data lies.
            self._folder = tempfile.TemporaryDirectory(
                prefix="ledger-", dir=parent, ignore_cleanup_errors=True
            )
        except OSError as error:
            raise errors.Unavailable(f"no folder for a socket in {parent}: {error.strerror}") from error
        self.path = Path(self._folder.name) / "appender"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(_BACKLOG)
        super().__init__(
            self.program,
            remote_connection.CODE_DIGEST.encode() + b" " + base64.b64encode(pickle.dumps(configured)),
            name="appender's process",
            pause_max_s=PAUSE_MAX_S,
            passed=(self._listening.fileno(),),
        )

    def stop(self) -> None:
        """End it once what is queued is appended."""
        super().stop()
        self._listening.close()
        self._folder.cleanup()


@contextlib.contextmanager
def by_thread(
    ledger: opening.Ledger,
    observed: Observed,
    loop: Loop,
) -> Iterator[queueing.Appends]:
    """A thread of this process appends."""
    with ledger.appending(observed=observed) as appending:
        yield appending


@contextlib.contextmanager
def beside(ledger: opening.Ledger, observed: Observed, loop: Loop) -> Iterator[queueing.Appends]:
    """A process beside this one appends, and ends with it."""
    with Process(ledger.config) as process, elsewhere(process.path)(ledger, observed, loop) as appending:
        yield appending


def elsewhere(path: Path) -> Appending:
    """A process that somebody else started appends."""

    @contextlib.contextmanager
    def connected(ledger: opening.Ledger, observed: Observed, loop: Loop) -> Iterator[queueing.Appends]:
        assert loop is not None, "another process is asked on an event loop"
        renew = ledger.vault.require_version
        asked = remote_appender.RemoteAppender(path, loop=loop, observed=observed, renew=renew).start()
        try:
            yield asked
        finally:
            asked.stop()

    return connected


def main() -> None:
    """Append until the service is gone."""
    processes.run(_append)


def _append(told: bytes, line: socket.socket) -> None:
    # Whoever ends all processes at once ends the service, which says when it is over for this one.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code, packed = told.split()
    if code.decode() != remote_connection.CODE_DIGEST:
        raise RuntimeError(remote_connection.FOREIGN)
    configured: config.Config = pickle.loads(base64.b64decode(packed))  # noqa: S301 - of who started us
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
    loop.add_reader(line, over.set)
    connections = remote_connection.Connections(appending, ring_version=lambda: opened.ring.version)
    # The socket is the service's, which has it for the next process, too.
    kept: dict[str, Any] = {"cleanup_socket": False}  # known to uvloop, and to Python from 3.13 on
    server = await loop.create_unix_server(connections.another, sock=listening, **kept)
    processes.ready(line)
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), LOOKS_EVERY_S)
        if not appending.is_running:
            raise RuntimeError("the appender has ended")
    loop.remove_reader(line)
    server.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGERS_S):
            await connections.nobody_asks.wait()


if __name__ == "__main__":
    main()
