"""The followers' process: beside one service, or beside the workers of one, it keeps the projections up.

`Process` is the service's end: it starts the process, replaces one that dies, wakes it, and ends it. `main`
is what runs there. Between them is one pair of sockets: through it the process is told which database to
follow in, so that no password stands in a list of processes, and says when it follows; when the service's end
closes, however the service died, the process ends after the step at hand. It knows the login of the service
and no key of the ledger: projections open nothing that is sealed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from api import logs
from ledger import appender, config, recorder
from projections import db, follower, registry

READY_WITHIN_S = 20.0
"""A service that starts waits for its followers so long at most; lists that lag are served as well."""
ENDED_WITHIN_S = 10.0
"""What has not ended by itself until then is killed, and loses nothing by it."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 30.0
"""Before a process that died is replaced: twice as long each time,"""
LIVED_S = 60.0
"""unless it had lived so long."""
_READY = b"!"
_NAMES = tuple(projection.name for projection in registry.ALL)
"""A byte in the pipe says which one somebody waits for."""
_log = logging.getLogger(__name__)


class Bell:
    """Wakes the followers of a process; workers of the service get it with what they are told."""

    def __init__(self, rope: Connection) -> None:
        self._rope = rope
        os.set_blocking(rope.fileno(), False)

    def __call__(self, name: str) -> None:
        """Have them look now, and for one projection first.

        A pipe that is full wakes as well; one that nobody reads any more cannot.
        """
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._rope.fileno(), bytes([_NAMES.index(name)]))


class Process:
    """A process that follows, as long as the block lasts."""

    def __init__(self, conninfo: str) -> None:
        self._told = json.dumps({"conninfo": conninfo}).encode() + b"\n"
        self._heard, rope = multiprocessing.Pipe(duplex=False)
        self.wake = Bell(rope)
        self._guard = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="followers' keeper", daemon=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        if not self._ready.wait(READY_WITHIN_S):
            _log.warning("followers are not up yet")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def process_id(self) -> int | None:
        """Of the process that follows now; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    def stop(self) -> None:
        """End it after the step at hand."""
        with self._guard:
            self._stopping.set()
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)
        self._keeper.join(ENDED_WITHIN_S)
        if self._keeper.is_alive() and self._child is not None:
            self._child.kill()
            self._keeper.join()
        self._heard.close()

    def _keep(self) -> None:
        """Start it, and another one when it has ended, until told to stop."""
        pause_s = PAUSE_MIN_S
        while not self._stopping.is_set():
            began = time.monotonic()
            status = self._run()
            if not self._stopping.is_set():
                _log.error("the followers' process ended", extra={"reason": f"exit status {status}"})
            if time.monotonic() - began >= LIVED_S:
                pause_s = PAUSE_MIN_S
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def _run(self) -> int | None:
        """Its exit status, once it has ended; None when it was not to be started any more."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self._guard:
                if self._stopping.is_set():
                    return None
                child, self._line = self._started(theirs), ours
                self._child = child
            with contextlib.suppress(OSError):
                ours.sendall(self._told)
                while ours.recv(1):
                    self._ready.set()
            with self._guard:
                self._line = None
        status = child.wait()
        self._child = None
        return status

    def _started(self, line: socket.socket) -> subprocess.Popen[bytes]:
        """A new process: it runs the code that we run, and knows none of the settings of the ledger."""
        passed = {name: said for name, said in config.child_environment().items() if name[:7] != "LEDGER_"}
        bell = self._heard.fileno()
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", __name__, str(bell)],
            stdin=line.fileno(),
            pass_fds=(bell,),
            env=passed | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
        )


def main() -> None:
    """Follow until the service is gone."""
    logs.configure()
    line, bell = socket.socket(fileno=sys.stdin.fileno()), int(sys.argv[1])
    with line.makefile("rb") as told:
        said = told.readline()
    if not said.endswith(b"\n"):
        return  # the service is gone already
    try:
        _follow(json.loads(said)["conninfo"], _Rest(line, bell))
    except Exception as error:  # noqa: BLE001
        # Whatever it is, the service starts another one.
        _log.critical("following failed", exc_info=error)
        raise SystemExit(1) from None


class _Rest:
    """Until the bell rings or the time is over: what is wanted; None once there is nobody to follow for."""

    def __init__(self, line: socket.socket, bell: int) -> None:
        self.line, self._bell = line, bell
        self._is_told_to_end = False
        os.set_blocking(bell, False)
        self._poll = select.poll()
        self._poll.register(line, select.POLLIN)
        self._poll.register(bell, select.POLLIN)
        # Ctrl-C goes to every process of a terminal; the service says when it ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._end)

    def __call__(self, seconds: float) -> set[str] | None:
        woken = dict(self._poll.poll(1_000 * seconds))
        if self.line.fileno() in woken or self._is_told_to_end:
            return None
        return {_NAMES[said] for said in os.read(self._bell, 1 << 16)} if self._bell in woken else set()

    def _end(self, *_: object) -> None:
        self._is_told_to_end = True


def _follow(conninfo: str, rest: _Rest) -> None:
    source = recorder.open_recorder(conninfo, pool_size=1)
    try:
        with db.Database(conninfo, pool_max=1) as database:
            team = follower.Followers(database, source, registry.ALL)
            appender.spare_collector()
            with contextlib.suppress(OSError):  # the service is gone, and we are soon
                rest.line.send(_READY)
            team.follow(rest)
    finally:
        source.datastore.close()


if __name__ == "__main__":
    main()
