"""Recovery: what to do when the database lacks what the anchor has seen.

`recover` says what is lost, and changes nothing. Told to declare the loss, it appends `LossDeclared`
to what survived and opens a successor origin: the old origin signs nothing any more, so that no two
histories ever carry one name at one size. Signing keys and erasures that the history lost are recorded
again. What stands in the lost range is gone; receipts for it keep verifying, and say that it existed.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ledger import (
    anchoring,
    errors,
    keeping,
    key_commands,
    log,
    registry_commands,
    rekeying,
    sql,
    trust_shared,
)
from ledger.anchor import Mark
from ledger.command import Command, Reads, RowKey, View, Wants
from ledger.fact import Draft
from ledger.opening import Ledger
from ledger.pen import Pen, Recorded
from ledger.state import GenerationRow, KeyRow, StreamRow
from ledger.store import Identity, Look
from ledger.vault import Vault
from ledger.writing import Head
from signing import keys, note

PARTITION = 0
ADVICE_ANCHOR = (
    "the anchor file is absent or damaged: put its copy back; without one nobody can say what was signed, "
    "and no origin may go on"
)
STREAMS_PER_BATCH = 200


@dataclass(frozen=True, kw_only=True)
class LossReport:
    """What the anchor has and what the database has."""

    anchored_origin: str
    anchored_size: int
    found_origin: str
    """Origin line of the database's newest tree head."""
    found_size: int
    is_contained: bool
    """The database's history contains what the anchor has: nothing is lost."""
    lost_from: int | None
    """First leaf index that is lost; None when nothing is, or when the histories differ before the end."""
    lost_until: int | None
    """The leaf index after the last lost one."""
    successor: str | None = None
    """The origin line opened by a declaration."""
    declared: tuple[Recorded, ...] = ()
    """The facts that the declaration recorded, receipts under the successor origin."""


def recover(ledger: Ledger, *, declare_loss: bool = False) -> LossReport:
    """What is lost; with `declare_loss` appending goes on under a successor origin.

    Raises HistoryBehindAnchor when the anchor cannot be read, and Conflict when a loss is to be declared
    and there is none.
    """
    report = _look(ledger)
    if not declare_loss:
        return report
    if report.is_contained:
        raise errors.Conflict("nothing is lost: the database contains what the anchor has")
    _rekey(ledger)
    pen = RecoveryPen(ledger.recorder, ledger.vault)
    try:
        (declared,) = pen.append([DeclareLoss(actor=ledger.console, mark=_anchored(ledger), pen=pen)])
    finally:
        pen.close()
    if isinstance(declared, errors.LedgerError):
        raise declared
    trust_shared.forget(ledger.config.data)
    recorded = declared.recorded + _erase_again(ledger)
    successor = str(recorded[0].event.fact["origin"])
    return LossReport(**vars(report) | {"successor": successor, "declared": recorded})


def see(ledger: Ledger, text: str) -> bool:
    """Whether a checkpoint, or a receipt or manifest with one, is newer than the anchor, which then has it.

    So that a ledger whose newest anchor was lost with its machine learns what it signed. Raises Invalid
    unless a log key of the ledger that is believed signed it, HistoryBehindAnchor when the anchor has
    another tree of that size.
    """
    vault = ledger.vault
    seen, anchored = _seen(vault, text), _anchored(ledger)
    if seen.order == anchored.order and seen.root != anchored.root:
        raise errors.HistoryBehindAnchor("the anchor has another tree of that size")
    if seen.order <= anchored.order:
        return False
    with contextlib.closing(anchoring.Anchoring(vault.anchor)) as moved:
        # From here nothing is appended to a history that lacks it.
        moved.write(seen)
    return True


def _seen(vault: Vault, text: str) -> Mark:
    """The anchor's mark of a signed checkpoint."""
    try:
        signed = anchoring.kept_checkpoint(text)
        origin = signed.partition("\n")[0]
        generation_of(origin, first=log.origin_line(vault.ring.origin, partition=PARTITION, generation=0))
        trusted = [
            note.VerifierKey(name=origin, public=keys.SigningKey(held.seed).public, suite=vault.suite)
            for held in vault.ring.signing
            if held.purpose == "log" and held.compromised_since is None
        ]
        head = note.parse_checkpoint(note.verify(signed, trusted=trusted)[0])
    except note.NoteInvalid as error:
        raise errors.Invalid(f"no checkpoint of this ledger: {error}", field="seen") from error
    except errors.HistoryBehindAnchor as error:
        raise errors.Invalid("the checkpoint is of another origin", field="seen") from error
    return Mark(origin=head.origin, size=head.size, root=head.root.hex(), system="", timeline="")


def generation_of(origin: str, *, first: str) -> int:
    """The generation of an origin line, `first` being that of generation 0; raises HistoryBehindAnchor."""
    base, _, number = origin.rpartition(".")
    if origin == first:
        return 0
    if base == first and number.isdecimal():
        return int(number)
    raise errors.HistoryBehindAnchor("the anchor belongs to another ledger")


class RecoveryPen(Pen):
    """A pen that writes on what survived, and then moves the anchor to the successor origin."""

    found: Head
    """The head under the lock."""

    def _require_anchored(self, mark: Mark, look: Look) -> None:
        if is_contained(self._vault, mark, look):
            raise errors.Conflict("nothing is lost: the database contains what the anchor has")
        self.found = look.head

    def _anchor(self, head: Head, *, before: Head, identity: Identity) -> None:
        """The successor's first head; only what was declared lost is replaced."""
        mark = self._mark(head, identity)
        first = log.origin_line(self._vault.ring.origin, partition=PARTITION, generation=0)
        if generation_of(self._vault.anchor.read().origin, first=first) >= head.generation:
            raise errors.HistoryBehindAnchor("the anchor moved on meanwhile")
        # From here the old origin is never signed again.
        self._anchoring.write(mark)


@dataclass(frozen=True, kw_only=True)
class DeclareLoss(Command):
    """The loss, and the facts about signing keys that were lost with the rest."""

    mark: Mark
    pen: RecoveryPen

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {(KeyRow, held.key_id) for held in vault.ring.signing}
        return Wants(rows=rows | {(StreamRow, vault.ring.registry)})

    def reads(self, view: View) -> Reads:
        generations = {self._generation(view.vault), self.pen.found.generation}
        return Reads(rows={(GenerationRow, generation) for generation in generations})

    def decide(self, view: View) -> list[Draft]:
        generation, found = self._generation(view.vault), self.pen.found
        made = log.LossDeclared(
            generation=generation,
            origin=log.origin_line(view.vault.ring.origin, partition=PARTITION, generation=generation),
            anchored_size=self.mark.size,
            anchored_root=bytes.fromhex(self.mark.root),
            surviving_generation=found.generation,
            surviving_size=found.size,
            surviving_root=found.root,
        )
        facts = [made, *key_commands.key_facts(view.ring, view)]
        return [Draft(fact=fact, stream_id=view.vault.ring.registry) for fact in facts]

    def _generation(self, vault: Vault) -> int:
        """Above what the anchor and the surviving history have had."""
        first = log.origin_line(vault.ring.origin, partition=PARTITION, generation=0)
        return max(generation_of(self.mark.origin, first=first), self.pen.found.generation) + 1


@dataclass(frozen=True, kw_only=True)
class EraseStream(Command):
    """The fact of an erasure that was lost: the keys are gone already."""

    stream_id: bytes

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(StreamRow, self.stream_id)})

    def reads(self, view: View) -> Reads:
        return Reads(shared={self.stream_id})

    def decide(self, view: View) -> list[Draft]:
        return registry_commands.erasure(view, [self.stream_id])


def is_contained(vault: Vault, mark: Mark, look: Look) -> bool:
    """Whether the history under the lock has what the anchor has, under its origin."""
    if mark.size == 0:
        return True
    origin = log.origin_line(vault.ring.origin, partition=PARTITION, generation=look.anchored_generation or 0)
    is_same = look.anchored_root is not None and look.anchored_root.hex() == mark.root
    return is_same and mark.size <= look.head.size and origin == mark.origin


def _look(ledger: Ledger) -> LossReport:
    """What the anchor and the database have now."""
    vault, mark = ledger.vault, _anchored(ledger)
    first = log.origin_line(vault.ring.origin, partition=PARTITION, generation=0)
    generation_of(mark.origin, first=first)
    with contextlib.closing(ledger.recorder.session()) as session:
        look = session.begin(anchor_size=mark.size)
        session.rollback()
    contained = is_contained(vault, mark, look)
    is_behind = not contained and look.head.size < mark.size
    return LossReport(
        anchored_origin=mark.origin,
        anchored_size=mark.size,
        found_origin=log.origin_line(vault.ring.origin, partition=PARTITION, generation=look.head.generation),
        found_size=look.head.size,
        is_contained=contained,
        lost_from=look.head.size if is_behind else None,
        lost_until=mark.size if is_behind else None,
    )


def _anchored(ledger: Ledger) -> Mark:
    try:
        return ledger.vault.anchor.read()
    except errors.HistoryBehindAnchor as error:
        raise errors.HistoryBehindAnchor(ADVICE_ANCHOR) from error


def _rekey(ledger: Ledger) -> None:
    """Data keys and lookups as the key files and the wraps outside have them, before anybody appends."""
    with contextlib.closing(ledger.recorder.session()) as session:
        session.begin(anchor_size=0)
        session.run(sql.load("rebuild")["be_patient"])
        ledger.vault.reload()
        rekeying.rekey(session.run, ledger.vault)
        keeping.commit(session)


def _erase_again(ledger: Ledger) -> tuple[Recorded, ...]:
    """Holders whose erasure is in the lost range: their keys are gone, and the history says so again."""
    text, recorded = sql.load("keeping")["keyless_holders"], tuple[Recorded, ...]()
    with contextlib.closing(ledger.recorder.session()) as session:
        streams = [row[0] for row in session.run(text, PARTITION)]
    with ledger.appending() as appender:
        asked = [EraseStream(actor=ledger.console, stream_id=stream_id) for stream_id in streams]
        while asked:
            some, asked = asked[:STREAMS_PER_BATCH], asked[STREAMS_PER_BATCH:]
            futures = [(one, appender.submit(one)) for one in some]
            for one, future in futures:
                result = future.result()
                recorded += result.recorded
                # Of a holder with too many shared licenses only a part was erased.
                asked += [] if registry_commands.is_erased(result) else [one]
    return recorded
