"""Bulk: items of batch calls enter in pieces, so that who asks for one thing does not wait behind a thousand.

Gives `Bulk`, which lets so many items of all batch calls of a process in at once: as many as fill the
appender's batches while nobody else asks, and few while others do or did just now. An item that is in has its
turn of the event loop and its place in a batch; one that waits costs nothing. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType

ALONE, BESIDE = 512, 24
"""Items at once: two full batches of the appender; one that takes little longer than that of others alone."""
OTHERS_RECENT_S = 1.0


class Bulk:
    """Items that are in, and those that wait; for one event loop."""

    def __init__(
        self, *, alone: int = ALONE, beside: int = BESIDE, clock: Callable[[], float] | None = None
    ) -> None:
        self._alone, self._beside, self._clock = alone, beside, clock
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._others_at = float("-inf")

    def others_ask(self) -> None:
        """Somebody asks for one thing now."""
        self._others_at = self._now()

    async def __aenter__(self) -> None:
        """Returns once the item may go in."""
        if not self._waiting and self._inside < self._room():
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The item is decided, or never will be."""
        self._leave()

    def _leave(self) -> None:
        """One that was in is out; whoever may go in now does."""
        self._inside -= 1
        while self._waiting and self._inside < self._room():
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

    def _room(self) -> int:
        return self._beside if self._now() < self._others_at + OTHERS_RECENT_S else self._alone

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()
