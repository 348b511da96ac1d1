"""How many requests of a client may be refused in a minute: counters in this process.

A refusal is an event, so that a client who asks at random could fill the ledger. Beyond the quota its
requests are turned away undecided, and one event a minute says how many. Time is passed in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from api import access
from ledger import errors


@dataclass(frozen=True, kw_only=True)
class Due:
    """What one client's minute left to be recorded."""

    client_id: bytes
    organization: str
    generation: int
    minute: int
    count: int


@dataclass(kw_only=True)
class _Minute:
    asking: access.Access
    minute: int
    refused: int = 0
    turned_away: int = 0


class RefusalCounts:
    """The present minute of every client, and what it has in flight; for one event loop.

    The quota is exact: with so many requests in flight that all of them refused would reach it, the
    next one waits until one of them is decided.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minutes: dict[bytes, _Minute] = {}
        self._over: list[_Minute] = []
        self._in_flight: dict[bytes, int] = {}
        self._waiting: dict[bytes, deque[asyncio.Future[None]]] = {}

    async def admit(self, asking: access.Access, *, now_s: Callable[[], int]) -> None:
        """Return once the request may be decided, until `settle`; raises RefusalQuota and counts that."""
        client_id = asking.client_id
        while True:
            at = now_s()
            minute = self._minute(asking, at)
            if minute.refused >= self._per_minute:
                minute.turned_away += 1
                self._wake(asking, at)
                raise errors.RefusalQuota(retry_after_s=60 - at % 60)
            if minute.refused + self._in_flight.get(client_id, 0) < self._per_minute:
                self._in_flight[client_id] = self._in_flight.get(client_id, 0) + 1
                return
            turn = asyncio.get_running_loop().create_future()
            queue = self._waiting.setdefault(client_id, deque())
            queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in queue:
                    queue.remove(turn)
                self._wake(asking, now_s())
                raise

    def settle(self, asking: access.Access, *, now_s: int, was_refused: bool) -> None:
        """A request that was admitted is decided, or never will be."""
        left = self._in_flight[asking.client_id] - 1
        if left:
            self._in_flight[asking.client_id] = left
        else:
            del self._in_flight[asking.client_id]
        if was_refused:
            self._minute(asking, now_s).refused += 1
        self._wake(asking, now_s)

    def _wake(self, asking: access.Access, now_s: int) -> None:
        """Wake as many as may go on; all of them, to be turned away, when the quota is reached."""
        queue = self._waiting.get(asking.client_id)
        if queue is None:
            return
        minute = self._minute(asking, now_s)
        free = self._per_minute - minute.refused - self._in_flight.get(asking.client_id, 0)
        count = len(queue) if minute.refused >= self._per_minute else min(free, len(queue))
        for _ in range(count):
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
        if not queue:
            del self._waiting[asking.client_id]

    def due(self, minute: int) -> list[Due]:
        """What minutes before `minute` left, each told once."""
        ended = [item for item in self._minutes.values() if item.minute < minute]
        for item in ended:
            del self._minutes[item.asking.client_id]
        over, self._over = [*self._over, *ended], []
        return [
            Due(
                client_id=item.asking.client_id,
                organization=item.asking.organization,
                generation=item.asking.generation,
                minute=item.minute,
                count=item.turned_away,
            )
            for item in over
            if item.turned_away
        ]

    def _minute(self, asking: access.Access, now_s: int) -> _Minute:
        found = self._minutes.get(asking.client_id)
        if found is None or found.minute < now_s // 60:
            if found is not None:
                self._over.append(found)
            found = self._minutes[asking.client_id] = _Minute(asking=asking, minute=now_s // 60)
        return found
