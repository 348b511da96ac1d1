"""Deadlines of a connection: an answer that does not come in time never comes.

A server, or the way to it, can be frozen without an error. The socket is shut down then, which ends the
wait with one. Looks at the clock a few times a second, so that an answer in time costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

LOOK_EVERY_S = 0.1


class Watch:
    """Watches one connection from a thread of its own until it is closed."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._due: float | None = None
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="deadline", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut the connection when the block takes longer."""
        self._due = time.monotonic() + seconds
        try:
            yield
        finally:
            self._due = None

    def close(self) -> None:
        """Watch no more; the connection is not touched."""
        self._is_closed.set()
        self._thread.join()
        self._socket.close()

    def _look(self) -> None:
        while not self._is_closed.wait(LOOK_EVERY_S):
            due = self._due
            if due is not None and time.monotonic() > due:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
