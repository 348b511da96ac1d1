"""The pen: one batch from the lock to the signed checkpoint.

Every stage says what is safe when we crash in it. A pen belongs to one thread, holds one session, and
keeps no truth: head and state are read under the lock for every batch.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeVar

from ledger import anchoring, days, errors, log, second_reads, tiling
from ledger.anchor import Mark
from ledger.batch import Batch, Effects, NewEntry
from ledger.command import Command, Reads, View, Wants
from ledger.deciding import Answered, Decided, Recorded, Result, decide_all, outcomes, recorded
from ledger.drafting import Encoded
from ledger.recorder import Recorder
from ledger.state import GenerationRow
from ledger.store import (
    Identity,
    Loaded,
    Look,
    Lost,
    Session,
    StoreError,
    Unknown,
    wall_clock,
)
from ledger.vault import Vault
from ledger.writing import Addition, Head, Write
from signing import merkle

__all__ = ["Pen", "Recorded", "Result", "Stage", "require_anchored"]
ADD_FROM = 32
"""So many events are sent to be inserted while the next are decided."""
CLOCK_BACK_US = 2_000_000
CLOCK_OFF_US = 5_000_000
CONTENDED_US = 1_000
SETTLE_FOR_S = 30.0
T = TypeVar("T")
_log = logging.getLogger(__name__)
Stage = Literal["locked", "inserted", "committing", "committed", "anchored"]


class Pen:
    """Appends batches of commands, one at a time."""

    def __init__(
        self,
        recorder: Recorder,
        vault: Vault,
        *,
        clock: Callable[[], int] = wall_clock,
        reached: Callable[[Stage], None] = lambda stage: None,
    ) -> None:
        self._recorder = recorder
        self._vault = vault
        self._clock = clock
        self._reached = reached
        """Called at every commit point; tests crash here."""
        self._session: Session | None = None
        self._is_contended = False
        """Whether the last batch waited for the lock."""
        self._ring_version: int | None = None
        """What the database said under the lock."""
        self._anchoring = anchoring.Anchoring(vault.anchor)
        self._tail = tiling.Tail()
        self._newest: Head | None = None
        """The head of our own last batch, as it was written."""
        self.commit_s = self.anchor_s = 0.0
        """How long the last batch took to commit and to anchor."""

    def close(self) -> None:
        """Give session and lane back."""
        self.drop_session()
        self._anchoring.close()

    def drop_session(self) -> None:
        """Forget the session: whatever it had open is rolled back by the server."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def await_turn(self) -> None:
        """Wait for the lock before a batch is taken, where others were in the way of the last one.

        What comes meanwhile is in this batch then, not in the next. Where nobody was in the way, the lock is
        taken with the first look, which saves a round trip.
        """
        if self._session is None or not self._is_contended:
            return
        try:
            self._session.lock()
        except Exception:  # noqa: BLE001
            # No batch is taken yet that could be told of it: `append` begins with another session.
            self.drop_session()

    def append(self, commands: Sequence[Command]) -> list[Result | errors.LedgerError]:
        """One outcome a command, all facts of the batch in one commit.

        Raises Lost when nothing of the batch is stored and it can be tried again, Refused when the
        database does not take it, and a LedgerError when appending has stopped.
        """
        self.commit_s = self.anchor_s = 0.0
        session = self._session = self._session or self._connect()
        try:
            if self._anchoring.is_behind:
                self._catch_up(session)
            head, decided = self._decide(session, commands)
            if not decided.events:
                self._confirm(session, head, decided)
                return outcomes(decided, [])
            new_head, extension = self._write(session, head, decided)
        except errors.LedgerError:
            session.rollback()
            raise
        except Exception:
            # A crash up to here leaves nothing behind: the server rolls back.
            self.drop_session()
            raise
        begun = time.perf_counter()
        identity = self._commit(session, new_head)
        self.commit_s = time.perf_counter() - begun
        # From here the facts exist, even if we crash.
        self._reached("committed")
        try:
            self._anchor(new_head, before=head, identity=identity)
        except OSError as error:
            # The facts exist, and nobody signs them before the anchor has them.
            raise errors.OutcomeUnknown from error
        self.anchor_s = time.perf_counter() - begun - self.commit_s
        # From here no other history can be signed for this origin.
        self._reached("anchored")
        checkpoint = anchoring.signed(self._vault, new_head)
        return outcomes(decided, recorded(decided.events, extension, checkpoint))

    def _connect(self) -> Session:
        """A new session; that it is on another server or timeline than the anchor is said, once."""
        mark = self._vault.anchor.read()
        session = self._recorder.session()
        found = session.identity
        if mark.size and (mark.system, mark.timeline) != (found.system, found.timeline):
            _log.warning(
                "another database server or timeline than the anchor's",
                extra={"anchored_timeline": mark.timeline, "found_timeline": found.timeline},
            )
        return session

    def _decide(self, session: Session, commands: Sequence[Command]) -> tuple[Head, Decided]:
        """Lock, look, load, decide; events are sent meanwhile. Not committed: a crash here leaves nothing."""
        mark = self._vault.anchor.read()
        while True:
            ring = self._vault.ring
            wants, unfit = self._wants(commands)
            look = self._look(session, mark, wants, commands)
            if look.ring_version is not None:
                self._vault.require_version(look.ring_version)
            if self._vault.ring is ring:
                break
            # Lookups are under another pepper now: what was looked up may not have been found.
            session.rollback()
        self._ring_version = look.ring_version
        self._is_contended = look.waited_us > CONTENDED_US
        self._require_anchored(mark, look)
        self._require_sound(look.head)
        batch = Batch(vault=self._vault, at=self._at(look.clock, look.head), size=look.head.size)
        batch.unfit.update(unfit)
        self._load(session, batch, commands, look.found)

        def add(first_index: int, events: Sequence[Encoded], answered: Sequence[Answered]) -> None:
            rows = self._recorder.rows(events, size=first_index)
            day = days.of_instant(batch.at)
            session.add(Addition(first_position=first_index + 1, events=rows, answered=answered, day=day))

        return look.head, decide_all(batch, commands, look.found, add=add, add_from=ADD_FROM)

    def _wants(self, commands: Sequence[Command]) -> tuple[Wants, dict[int, errors.LedgerError]]:
        """What the commands want to know first, and those that cannot say it."""
        wants = Wants()
        unfit: dict[int, errors.LedgerError] = {}
        for number, asked in enumerate(commands):
            with _costing_one(unfit, number):
                more = asked.all_wants(self._vault)
                wants.rows |= more.rows
                wants.lookups += more.lookups
                wants.use_codes += more.use_codes
        return wants, unfit

    def _look(self, session: Session, mark: Mark, wants: Wants, commands: Sequence[Command]) -> Look:
        repeats = [asked.repeat.key for asked in commands if asked.repeat is not None]
        today = days.of_instant(self._clock())
        look = session.begin(anchor_size=mark.size, wants=wants, repeats=repeats, today=today)
        self._reached("locked")
        return look

    def _require_anchored(self, mark: Mark, look: Look) -> None:
        require_anchored(self._vault, mark, look)
        if look.head.size > mark.size:
            require_own(self._vault, look.head)

    def _require_sound(self, head: Head) -> None:
        """Nothing when the head's frontier is that of its root; raises HistoryBroken.

        The batch's root comes from the frontier, and would be signed.
        """
        if head == self._newest or not head.size:
            return
        if merkle.frontier_root(head.frontier, digest=self._vault.suite.digest) != head.root:
            raise errors.HistoryBroken("the newest tree head does not fit together")

    def _at(self, clock: int, head: Head) -> int:
        """The moment of recording: the database's clock, never behind the head."""
        if head.at - clock > CLOCK_BACK_US:
            raise errors.ClockUnfit("the database's clock is behind the newest fact")
        if abs(self._clock() - clock) > CLOCK_OFF_US:
            raise errors.ClockUnfit("the clocks of database and service differ")
        return max(clock, head.at)

    def _load(self, session: Session, batch: Batch, commands: Sequence[Command], found: Loaded) -> None:
        """Load what the commands read once they know what their lookups name."""
        batch.rows.update(found.rows)
        batch.entries.update(found.entries)
        batch.use_codes.update(found.use_codes)
        reads, view = Reads(), View(batch)
        for number, asked in enumerate(commands):
            if number in batch.unfit:
                continue
            with _costing_one(batch.unfit, number):
                further = asked.all_reads(view)
                reads.rows |= further.rows
                reads.held |= further.held
                reads.candidates |= further.candidates
                reads.data_keys |= further.data_keys
                reads.shared |= further.shared
                reads.naming |= further.naming
        reads.rows -= batch.rows.keys()
        for stream_id in list(reads.data_keys):
            known = self._vault.cached(stream_id)
            if known is not None:
                reads.data_keys.remove(stream_id)
                batch.data_keys[stream_id] = known
        rows = {**found.rows, **self._take(session, batch, reads).rows}
        while (more := second_reads.following(batch, rows)) is not None:
            rows = self._take(session, batch, more).rows

    def _take(self, session: Session, batch: Batch, reads: Reads) -> Loaded:
        """Load into the batch."""
        loaded = session.load(reads)
        batch.rows.update(loaded.rows)
        batch.held.update(loaded.held)
        batch.candidates.update(loaded.candidates)
        batch.shared.update(loaded.shared)
        batch.naming.update(loaded.naming)
        batch.data_keys.update(self._vault.unwrap(loaded.wraps))
        return loaded

    def _write(self, session: Session, head: Head, decided: Decided) -> tuple[Head, merkle.Extension]:
        """Write the rest of the batch; not committed, so a crash here leaves nothing behind."""
        digest = self._vault.suite.digest
        leaves = [merkle.leaf_hash(item.data, digest=digest) for item in decided.events]
        extension = merkle.Extension.of(head.frontier, head.size, leaves, digest=digest)
        generation, at = _generation(decided.batch, head), decided.batch.at
        mac = self._vault.head_mac(generation=generation, size=extension.size, root=extension.root, at=at)
        new_head = Head(
            size=extension.size,
            generation=generation,
            root=extension.root,
            frontier=extension.frontier,
            at=at,
            mac=mac,
        )
        wraps = [self._vault.wrap(key) for key in decided.batch.effects.keys]
        # A wrap outside that no committed batch needs does no harm; one that is missing would.
        try:
            self._vault.wraps.append(wraps)
        except OSError as error:
            raise errors.Unavailable("the wraps cannot be written") from error
        effects = decided.batch.effects
        row = self._tail.row(head.size, head.root, leaves, session.states, digest)
        write = Write(
            head=new_head,
            rows=list(decided.batch.state.changed.values()),
            dropped=[digest for lookup in effects.dropped for digest in lookup.digests],
            entries=[self._sealed_entry(entry, decided.batch) for entry in effects.entries],
            wraps=wraps,
            tiles=tiling.filled(head.size, row, session.tile, digest),
            forgotten=effects.forgotten,
            ring_version=self._published(effects),
        )
        session.write(write)
        self._reached("inserted")
        self._tail.keep(new_head.size, new_head.root, row)
        self._newest = new_head
        for key in effects.keys:
            self._vault.remember(key)
        return new_head, extension

    def _published(self, effects: Effects) -> int | None:
        """The key ring version that every appender must have from this batch on, when it changes.

        A changed ring is saved before the commit: one that no batch names does no harm. A ring that is
        newer than the database says (whoever saved it crashed) becomes everyone's with its first use.
        """
        if effects.ring is not None:
            self._vault.save_ring(effects.ring)
        version = max(self._vault.ring.version, effects.ring_version or 0)
        return version if self._ring_version is not None and version > self._ring_version else None

    def _sealed_entry(
        self, entry: NewEntry, batch: Batch
    ) -> tuple[bytes, str, int, bytes, bytes | None, bytes]:
        key = batch.data_keys.get(entry.stream_id) or self._vault.cached(entry.stream_id)
        if key is None:
            raise errors.HolderErasedConflict
        lookup, nonce = entry.lookup, batch.random.take(self._vault.suite.nonce_bytes)
        sealed = self._vault.seal_entry(key, kind=lookup.kind, content=entry.content, nonce=nonce)
        return lookup.digests[0], lookup.kind, lookup.pepper_id, entry.stream_id, entry.target, sealed

    def _commit(self, session: Session, head: Head) -> Identity:
        """COMMIT, and where it landed; an unknown outcome is settled. Raises Lost when it did not land."""
        self._reached("committing")
        try:
            session.commit()
        except Unknown as unknown:
            self.drop_session()
            old = session.identity
            root = self._settled(lambda fresh: anchoring.confirmed_root(fresh, head.size, ended=old))
            if root != head.root:
                raise Lost("the batch did not land") from unknown
        return session.identity if self._session is None else self._session.identity

    def _settled(self, ask: Callable[[Session], T]) -> T:
        """What `ask` finds; tried again on new sessions, since facts exist that are not answered yet."""
        give_up_at = time.monotonic() + SETTLE_FOR_S
        while True:
            try:
                session = self._session = self._session or self._recorder.session()
                return ask(session)
            except (StoreError, errors.Unavailable) as error:
                self.drop_session()
                if time.monotonic() > give_up_at:
                    raise errors.OutcomeUnknown from error
                time.sleep(0.1)

    def _confirm(self, session: Session, head: Head, decided: Decided) -> None:
        """End a batch that adds nothing; what a repeat is told of must be durable and anchored first."""
        if not any(isinstance(outcome, Result) for outcome in decided.outcomes):
            session.rollback()
            return
        try:
            session.commit()
        except Unknown as unknown:
            raise Lost("nothing was written") from unknown
        if self._vault.anchor.read().order < (head.generation, head.size):
            self._advance(head, session)

    def _catch_up(self, session: Session) -> None:
        """Anchor what was committed while the anchor could not be written; no more facts before that."""
        mark = self._vault.anchor.read()
        look = session.begin(anchor_size=mark.size)
        session.rollback()
        self._require_anchored(mark, look)
        self._require_sound(look.head)
        self._advance(look.head, session)

    def _advance(self, head: Head, session: Session) -> None:
        """Anchor a head that somebody committed; raises Unavailable when that cannot be done."""
        try:
            self._anchor(head, before=head, identity=session.identity)
        except OSError as error:
            raise errors.Unavailable("the anchor cannot be written") from error

    def _anchor(self, head: Head, *, before: Head, identity: Identity) -> None:
        """The anchor contains `head` when this returns; raises HistoryBehindAnchor or OSError if not."""
        self._anchoring.advance(
            self._mark(head, identity),
            before=before,
            root_at=lambda size: self._settled(lambda session: anchoring.root(session, size)),
        )

    def _mark(self, head: Head, identity: Identity) -> Mark:
        return Mark(
            origin=log.origin_line(self._vault.ring.origin, partition=0, generation=head.generation),
            size=head.size,
            root=head.root.hex(),
            system=identity.system,
            timeline=identity.timeline,
        )


def require_anchored(vault: Vault, mark: Mark, look: Look) -> None:
    """Nothing when the history contains what the anchor has seen, under the origin that it has seen.

    Raises HistoryBehindAnchor.
    """
    if mark.size == 0:
        return
    root, generation = look.anchored_root, look.anchored_generation or 0
    if mark.size > look.head.size or root is None or root.hex() != mark.root:
        raise errors.HistoryBehindAnchor(anchored_size=mark.size, found_size=look.head.size)
    if log.origin_line(vault.ring.origin, partition=0, generation=generation) != mark.origin:
        raise errors.HistoryBehindAnchor("the anchor belongs to another origin")


def require_own(vault: Vault, head: Head) -> None:
    """Nothing when this ledger wrote the head, which no anchor has seen yet; raises HistoryBroken.

    A service that crashed before the anchor leaves such a head, and so does whoever writes to the database
    past the ledger.
    """
    mac = vault.head_mac(generation=head.generation, size=head.size, root=head.root, at=head.at)
    if head.mac is None or not hmac.compare_digest(head.mac, mac):
        raise errors.HistoryBroken("the newest tree head was not written by this ledger")


def _generation(batch: Batch, head: Head) -> int:
    """The origin's generation after the batch: a declared loss opens the next."""
    return max([head.generation, *(row.generation for row in batch.state.changed_of(GenerationRow))])


@contextlib.contextmanager
def _costing_one(unfit: dict[int, errors.LedgerError], number: int) -> Iterator[None]:
    """Whatever a command raises before it is decided costs that command, never the batch."""
    try:
        yield
    except errors.LedgerError as error:
        unfit[number] = error
    except Exception as error:  # noqa: BLE001
        _log.error("a command failed", extra={"error_type": type(error).__name__}, exc_info=True)
        unfit[number] = errors.LedgerError()
