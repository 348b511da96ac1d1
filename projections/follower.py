"""Followers: each keeps one projection up with the facts, in their order, each fact once.

`step` is all of it: read facts after the stored position, apply, store the position, commit. `Followers`
calls it in a process beside the service or in a thread, tests call it themselves. A fact that fails three
times halts its projection alone. The locked row of a position makes one process at a time the one that
follows.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from ledger import errors, fact, recorder
from projections import db, postings
from projections.projection import Happened, Projection
from signing import event

BATCH_MAX = 500
REBUILD_BATCH_MAX = 4 * postings.BLOCK
"""Nobody waits for a projection that is being rebuilt; whole blocks of postings are written once."""
IDLE_S = 0.25
"""After a step that took all there was: a step for fifty facts costs what it costs for one."""
FAILURES_MAX = 3
_log = logging.getLogger(__name__)


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
        self.has_more = False
        """Whether the last step took as much as it may, so that there may be more."""

    def step(self) -> int:
        """Facts applied: 0 when nothing is new, another process follows, or the projection is halted.

        Raises whatever the projection raises; then nothing of the step is stored.
        """
        known = self._known = self._known or self._database.position(self.slot)
        if not self._follows(known):
            self._known = None
            return 0
        # Read before the row is locked, so that the transaction is short; most often nobody else moved it.
        news = self._news(known)
        if not news:
            return 0
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
        news = self._read.after(position.through, limit=limit)
        self.has_more = len(news) >= limit
        return news

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
    found: list[Happened] = []
    try:
        for index, data in source.states_after(after=after, limit=limit):
            # One after the other: what has just been made is still at hand for the next step.
            about = event.parse(data)
            found.append(Happened(index, about, fact.from_event(about)))
    except event.EventInvalid as error:
        raise errors.HistoryBroken("an event cannot be read") from error
    return found


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
    """The followers of one process: one thread steps one projection after the other.

    A step is `BATCH_MAX` facts at most, so that a projection that is far behind, or slow, holds the others up
    for one step of its own; one that fails halts alone.
    """

    def __init__(
        self, database: db.Database, source: recorder.Recorder, projections: Sequence[Projection]
    ) -> None:
        news = News(source)
        self._followers = [Follower(database, source, projection, news=news) for projection in projections]
        self._stopping = threading.Event()
        self._waking = threading.Event()
        self._wanted: set[str] = set()
        self._thread = threading.Thread(target=self.follow, args=(self._rest,), name="followers", daemon=True)

    def follow(self, rest: Callable[[float], Collection[str] | None]) -> None:
        """Keep the projections up until `rest` gives None.

        It is told how many seconds there is time for, and gives the projections that somebody waits for.
        """
        wanted: Collection[str] | None = ()
        while wanted is not None:
            wanted = rest(0.0 if self.advance(wanted) else IDLE_S)

    def advance(self, wanted: Collection[str] = ()) -> bool:
        """A step of each projection, those that are wanted first; whether there may be more to do at once."""
        has_more = False
        for follower in sorted(self._followers, key=lambda one: one.projection.name not in wanted):
            has_more |= follower.advance() > 0 and follower.has_more
        return has_more

    def start(self) -> Followers:
        """Begin to follow in a thread of this process."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End after the step at hand."""
        self._stopping.set()
        self._waking.set()
        self._thread.join()

    def wake(self, name: str) -> None:
        """Look for new facts now, rather than after the idle wait, and for one projection first."""
        self._wanted.add(name)
        self._waking.set()

    def _rest(self, seconds: float) -> Collection[str] | None:
        self._waking.wait(seconds)
        self._waking.clear()
        # Whoever wakes us from here on is heard at the next rest.
        wanted, self._wanted = self._wanted, set()
        return None if self._stopping.is_set() else wanted
