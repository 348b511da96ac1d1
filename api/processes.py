"""A process beside a service, for the time of a block: it is started, replaced when it dies, and ended.

Between the two is one pair of sockets. Through it the process is told what it needs, so that no password
stands in a list of processes or an environment, and says when it is ready. When the service's end closes,
however the service died, the process ends after the step at hand.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from api import logs
from ledger import config

READY_WITHIN_S = 20.0
"""A service that starts waits for it so long at most, and serves what it can without it."""
ENDED_WITHIN_S = 10.0
"""What has not ended by itself until then is killed, and loses nothing by it."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 30.0
"""Before a process that died is replaced: twice as long each time,"""
LIVED_S = 60.0
"""unless it had lived so long."""
_READY = b"!"
_log = logging.getLogger(__name__)


class Process:
    """A process that runs a program, as long as the block lasts."""

    def __init__(
        self,
        program: Sequence[str],
        told: bytes,
        *,
        name: str,
        passed: Sequence[int] = (),
        pause_max_s: float = PAUSE_MAX_S,
    ) -> None:
        """`program`: what Python is to run, `-m` and a module of ours. `told`: one line, without its end.
        `passed`: file descriptors, whose numbers are its last arguments. `pause_max_s`: before it is
        replaced, at most.
        """
        self._program, self._told, self._passed = tuple(program), told + b"\n", tuple(passed)
        self._late, self._ended = f"the {name} is not up yet", f"the {name} ended"
        self._pause_max_s = pause_max_s
        self._guard = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"keeper of the {name}", daemon=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        if not self._ready.wait(READY_WITHIN_S):
            _log.warning(self._late)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def process_id(self) -> int | None:
        """Of the process that runs now; None while there is none."""
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

    def _keep(self) -> None:
        """Start it, and another one when it has ended, until told to stop."""
        pause_s = PAUSE_MIN_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                reason = f"exit status {self._run()}"
            except OSError as error:
                reason = f"not started: {error.strerror}"
            if not self._stopping.is_set():
                _log.error(self._ended, extra={"reason": reason})
            if time.monotonic() - began >= LIVED_S:
                pause_s = PAUSE_MIN_S
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, self._pause_max_s)

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
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", *self._program, *map(str, self._passed)],
            stdin=line.fileno(),
            pass_fds=self._passed,
            env=passed | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
        )


def run(work: Callable[[bytes, socket.socket], None]) -> None:
    """What the module does: `work` with what it was told and its line to the service, until that is gone."""
    logs.configure()
    line = socket.socket(fileno=sys.stdin.fileno())
    with line.makefile("rb") as told:
        said = told.readline()
    if not said.endswith(b"\n"):
        return  # the service is gone already
    # Ctrl-C goes to every process of a terminal; the service says when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work(said, line)
    except Exception as error:  # noqa: BLE001
        # Whatever it is, the service starts another one.
        _log.critical("a process beside the service failed", exc_info=error)
        raise SystemExit(1) from None


def ready(line: socket.socket) -> None:
    """Say that the process does its work from now on."""
    with contextlib.suppress(OSError):  # the service is gone, and we are soon
        line.send(_READY)
