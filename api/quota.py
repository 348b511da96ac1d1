"""How many requests of a client may be refused in a minute: counters in this process.

A refusal is an event, so that a client who asks at random could fill the ledger. Beyond the quota its
requests are turned away undecided, and one event a minute says how many. Time is passed in.
"""

from __future__ import annotations

import threading
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
    """The present minute of every client; safe between threads."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minutes: dict[bytes, _Minute] = {}
        self._over: list[_Minute] = []
        self._guard = threading.Lock()

    def check(self, asking: access.Access, *, now_s: int) -> None:
        """Nothing while the client is within its quota; raises RefusalQuota and counts that."""
        with self._guard:
            minute = self._minute(asking, now_s)
            if minute.refused < self._per_minute:
                return
            minute.turned_away += 1
        raise errors.RefusalQuota(retry_after_s=60 - now_s % 60)

    def add(self, asking: access.Access, *, now_s: int) -> None:
        """One request of the client was refused."""
        with self._guard:
            self._minute(asking, now_s).refused += 1

    def due(self, minute: int) -> list[Due]:
        """What minutes before `minute` left, each told once."""
        with self._guard:
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
