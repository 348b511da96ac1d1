"""The followers' process: beside one service, or beside the workers of one, it keeps the projections up.

`Process` is the service's end (`api/processes.py`): it wakes the process, too. `main` is what runs there. It
knows the login of the service and no key of the ledger: projections open nothing that is sealed.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import select
import signal
import socket
import sys
from multiprocessing.connection import Connection

from api import processes
from ledger import appender, recorder
from projections import db, follower, registry

_NAMES = tuple(projection.name for projection in registry.ALL)
"""A byte in the pipe says which one somebody waits for."""


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


class Process(processes.Process):
    """A process that follows, as long as the block lasts."""

    def __init__(self, conninfo: str) -> None:
        self._heard, rope = multiprocessing.Pipe(duplex=False)
        self.wake = Bell(rope)
        told = json.dumps({"conninfo": conninfo}).encode()
        super().__init__(("-m", __name__), told, name="followers' process", passed=(self._heard.fileno(),))

    def stop(self) -> None:
        """End it after the step at hand."""
        super().stop()
        self._heard.close()


def main() -> None:
    """Follow until the service is gone."""
    processes.run(
        lambda told, line: _follow(json.loads(told)["conninfo"], _Rest(line, bell=int(sys.argv[1])))
    )


class _Rest:
    """Until the bell rings or the time is over: what is wanted; None once there is nobody to follow for."""

    def __init__(self, line: socket.socket, *, bell: int) -> None:
        self.line, self._bell = line, bell
        self._is_told_to_end = False
        os.set_blocking(bell, False)
        self._poll = select.poll()
        self._poll.register(line, select.POLLIN)
        self._poll.register(bell, select.POLLIN)
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
            processes.ready(rest.line)
            team.follow(rest)
    finally:
        source.datastore.close()


if __name__ == "__main__":
    main()
