"""Where projections stand, and waiting until one has come through an index.

Asks the database alone, whoever follows, wherever: threads of this process, a process beside it, another
machine. Who waits wakes the followers that are within reach.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger import errors, recorder
from projections import db
from projections.projection import Projection

POLL_MIN_S, POLL_MAX_S = 0.002, 0.01
"""Who waits looks again so soon, then after twice as long each time."""
Wake = Callable[[str], None]
"""Has followers look for new facts now, and for the projection of this name first; never waits."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a projection stands."""

    name: str
    through: int
    """Leaf index of the last fact applied; -1 before the first."""
    head: int
    """Leaf index of the newest fact."""
    halted_at: int | None
    """Leaf index of the fact that cannot be applied."""
    is_outdated: bool
    """Its tables are of another version: it must be rebuilt."""

    @property
    def lag(self) -> int:
        """Facts not applied yet."""
        return self.head - self.through

    @property
    def is_ready(self) -> bool:
        """Whether it follows."""
        return self.halted_at is None and not self.is_outdated


@dataclass(frozen=True, kw_only=True)
class Positions:
    """The positions of some projections."""

    database: db.Database
    source: recorder.Recorder
    projections: Sequence[Projection]
    wake: Wake

    def status(self) -> list[Status]:
        """Where each projection stands; raises Unavailable."""
        head = self.source.newest_index()
        found = []
        for projection in self.projections:
            position = self.database.position(projection.name)
            found.append(
                Status(
                    name=projection.name,
                    through=position.through,
                    head=max(head, position.through),
                    halted_at=position.halted_at,
                    is_outdated=position.version != projection.version,
                )
            )
        return found

    def wait_for(self, index: int, *, name: str, timeout_s: float = 1.0) -> None:
        """Return once the projection `name` has come through `index`; raises BehindIndex.

        For an index that no fact has yet nobody waits: a thread that waits is one that other reads need.
        """
        give_up_at = time.monotonic() + timeout_s
        is_asked, poll_s = False, POLL_MIN_S
        while (position := self.database.position(name)).through < index:
            if not is_asked:
                if index > self.source.newest_index():
                    raise errors.BehindIndex(through=position.through)
                self.wake(name)
                is_asked = True
            left = give_up_at - time.monotonic()
            if position.halted_at is not None or left <= 0:
                raise errors.BehindIndex(through=position.through)
            time.sleep(min(poll_s, left))
            poll_s = min(2 * poll_s, POLL_MAX_S)
