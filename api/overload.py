"""Overload: what is told to those for whose use there is no place, and when.

Gives `Overload`. A use that finds no place is turned away before its body is read, which costs the event loop
a third of deciding it. A caller who asks again at once, whatever it is told, would still take all that the
loop has: so the answer is held for a moment, for as many as memory allows. On a connection nothing more is
asked meanwhile, and whoever waits as told loses next to nothing. Reads nothing of the request, and knows
nobody.
"""

from __future__ import annotations

import asyncio
import functools

from api import problems
from ledger import errors

HELD_S = 0.25
"""How long it takes until somebody is told to come back."""
HELD_MAX = 2_000
"""So many wait for that at once, in one process; others are told at once."""


class Overload:
    """Those who are being turned away; for one event loop."""

    def __init__(self, *, held_s: float = HELD_S, held_max: int = HELD_MAX) -> None:
        self._held_s, self._held_max = held_s, held_max
        self._held = 0

    async def answer(self, full: errors.QueueFull) -> problems.Answer:
        """What `full` is answered with, after a moment."""
        if self._held < self._held_max:
            self._held += 1
            try:
                await asyncio.sleep(self._held_s)
            finally:
                self._held -= 1
        return _written(full.retry_after_s)


@functools.lru_cache(maxsize=64)
def _written(retry_after_s: int) -> problems.Answer:
    """The answer, which is the same for all who are told the same time."""
    return problems.response(errors.QueueFull(retry_after_s=retry_after_s))
