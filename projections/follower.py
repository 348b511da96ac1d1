"""Followers: each keeps one projection up with the facts, in their order, each fact once.

`step` is all of it: read facts after the stored position, apply, store the position, commit. Threads
call it in production, tests call it themselves. A fact that fails three times halts its projection
alone. The locked row of a position makes one process at a time the one that follows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger import errors, fact, recorder
from projections import db, postings
from projections.projection import Happened, Projection

BATCH_MAX = 500
REBUILD_BATCH_MAX = 4 * postings.BLOCK
"""Nobody waits for a projection that is being rebuilt; whole blocks of postings are written once."""
IDLE_S = 0.25
"""After a step that took all there was: a step for fifty facts costs what it costs for one."""
POLL_S = 0.01
FAILURES_MAX = 3
_log = logging.getLogger(__name__)


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


class Follower:
    """Follows for one projection; belongs to one thread."""

    def __init__(
        self,
        database: db.Database,
        source: recorder.Recorder,
        projection: Projection,
        *,
        slot: str | None = None,
        batch_max: int = BATCH_MAX,
        news: News | None = None,
    ) -> None:
        self.projection = projection
        self.slot = slot or projection.name
        """Name of its position; another one while it is built beside the version that is read."""
        self._database = database
        self._source = source
        self._read = news or News(source)
        self._batch_max = batch_max
        self._known: db.Position | None = None
        self._careful_until = -1
        """Facts up to this index are applied one by one: a batch with them failed."""
        self._failures = 0

    def step(self) -> int:
        """Facts applied: 0 when nothing is new, another process follows, or the projection is halted.

        Raises whatever the projection raises; then nothing of the step is stored.
        """
        known = self._known = self._known or self._database.position(self.slot)
        if not self._follows(known):
            self._known = None
            return 0
        if self._source.newest_index() <= known.through:
            return 0
        # Read before the row is locked, so that the transaction is short; most often nobody else moved it.
        news = self._news(known)
        with self._database.transaction() as work:
            position = work.lock(self.slot)
            if position is None or not self._follows(position):
                return 0
            self._known = position
            if position.through != known.through:
                news = self._news(position)
            if news:
                self.projection.apply(work, news)
                work.advance(self.slot, news[-1].index)
                position = replace(position, through=news[-1].index)
        # A crash before this commit leaves rows and position as they were; after it, both have moved.
        self._known = position
        return len(news)

    def _news(self, position: db.Position) -> Sequence[Happened]:
        limit = 1 if position.through < self._careful_until else self._batch_max
        return self._read.after(position.through, limit=limit)

    def advance(self) -> int:
        """As `step`, but what fails is tried again, fact by fact, and the third failure halts."""
        try:
            applied = self.step()
        except errors.Unavailable:
            self._known = None
            return 0
        except Exception as error:  # noqa: BLE001
            # Whatever a projection raises, it stops that projection and nothing else.
            self._fail(error)
            return 0
        if applied:
            self._failures = 0
        return applied

    def catch_up(self) -> int:
        """Facts applied until nothing more came."""
        total = 0
        while applied := self.advance():
            total += applied
        return total

    def resume(self) -> None:
        """A halted projection tries again."""
        with self._database.transaction() as work:
            work.halt(self.slot, None)
        self._known, self._failures = None, 0

    def _follows(self, position: db.Position) -> bool:
        return position.halted_at is None and position.version == self.projection.version

    def _fail(self, error: Exception) -> None:
        at = self._known.through if self._known is not None else -1
        self._known = None
        if at >= self._careful_until and self._batch_max > 1:
            self._careful_until = at + self._batch_max
            return
        self._failures += 1
        if self._failures >= FAILURES_MAX:
            _log.error("a projection halts", extra={"error_type": type(error).__name__}, exc_info=error)
            self._halt(at)

    def _halt(self, through: int) -> None:
        """Stop before the fact after `through`, unless somebody else came past it."""
        self._failures = 0
        try:
            with self._database.transaction() as work:
                position = work.lock(self.slot, waits=True)
                if position is not None and position.through == through:
                    work.halt(self.slot, through + 1)
        except (errors.Unavailable, db.Refused):
            # It will fail again, and halt when the database can be reached.
            self._failures = FAILURES_MAX - 1


def happened(source: recorder.Recorder, *, after: int, limit: int) -> list[Happened]:
    """The next facts after leaf index `after`; raises Unavailable or HistoryBroken."""
    facts = source.facts(after=after, limit=limit)
    return [Happened(index, stored.event, fact.from_event(stored.event)) for index, stored in facts]


class News:
    """Facts as the followers of one process read them: each is fetched and decoded once for all of them.

    Kept are the newest facts that somebody read; whoever is behind them reads for itself.
    """

    def __init__(self, source: recorder.Recorder, *, kept_max: int = 2 * BATCH_MAX) -> None:
        self._source = source
        self._kept_max = kept_max
        self._kept: list[Happened] = []
        """In a row, each index one more than the one before."""
        self._guard = threading.Lock()

    def after(self, index: int, *, limit: int) -> Sequence[Happened]:
        """The next facts after leaf index `index`; raises Unavailable or HistoryBroken."""
        with self._guard:
            if not self._kept or index >= self._kept[-1].index:
                found = happened(self._source, after=index, limit=limit)
                if found:
                    follows = bool(self._kept) and index == self._kept[-1].index
                    self._kept = [*(self._kept if follows else ()), *found][-self._kept_max :]
                return found
            first = self._kept[0].index
            if index + 1 >= first:
                return self._kept[index + 1 - first : index + 1 - first + limit]
        return happened(self._source, after=index, limit=limit)


class Followers:
    """The followers of one process, a thread each."""

    def __init__(
        self, database: db.Database, source: recorder.Recorder, projections: Sequence[Projection]
    ) -> None:
        self._database = database
        self._source = source
        self.projections = tuple(projections)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._wakes: list[threading.Event] = []

    def start(self) -> Followers:
        """Begin to follow."""
        news = News(self._source)
        for projection in self.projections:
            wake = threading.Event()
            follower = Follower(self._database, self._source, projection, news=news)
            thread = threading.Thread(
                target=self._follow, args=(follower, wake), name=f"follower {projection.name}", daemon=True
            )
            self._wakes.append(wake)
            self._threads.append(thread)
            thread.start()
        return self

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Look for new facts now, rather than after the idle wait."""
        for wake in self._wakes:
            wake.set()

    def status(self) -> list[Status]:
        """Where each projection stands; raises Unavailable."""
        head = self._source.newest_index()
        found = []
        for projection in self.projections:
            position = self._database.position(projection.name)
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
        """Return once the projection `name` has come through `index`; raises BehindIndex."""
        give_up_at = time.monotonic() + timeout_s
        self.wake()
        while True:
            position = self._database.position(name)
            if position.through >= index:
                return
            left = give_up_at - time.monotonic()
            if position.halted_at is not None or left <= 0:
                raise errors.BehindIndex(through=position.through)
            time.sleep(min(POLL_S, left))

    def _follow(self, follower: Follower, wake: threading.Event) -> None:
        while not self._stopping.is_set():
            if follower.advance() < BATCH_MAX:
                wake.wait(IDLE_S)
                wake.clear()
