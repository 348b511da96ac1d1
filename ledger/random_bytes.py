"""Random bytes of the operating system, drawn for many at once.

Every draw of its own would give up the interpreter's lock, for which a thread that computes lets the caller
wait, while the ledger is locked.
"""

from __future__ import annotations

import os

_DRAWN = 4_096


class RandomBytes:
    """For one thread and one batch; no byte is given twice."""

    def __init__(self) -> None:
        self._drawn = b""
        self._given = 0

    def take(self, count: int) -> bytes:
        """`count` fresh bytes."""
        if count > _DRAWN:
            return os.urandom(count)
        begin, end = self._given, self._given + count
        if end > len(self._drawn):
            self._drawn, begin, end = os.urandom(_DRAWN), 0, count
        self._given = end
        return self._drawn[begin:end]
