"""Commands of collection: a batch comes, its rows issue, amend and end licenses, and it is settled.

A row does what issuing, amending or changing a status does, on the same path and under the same powers; what
it adds is order: a row is applied once, and never behind a newer one of its source. A license that another
source delivered is told and left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import collection, days, errors, license_commands, status_commands, stock_commands
from ledger.collection import Batch
from ledger.command import Command, Reads, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.state import LicenseRow, RowKey
from ledger.state_collection import AppliedRow, BatchRow, CollectedRow, DayRow
from ledger.vault import Vault

EXISTS, OUTDATED = "exists", "outdated"
"""What becomes of a row that the ledger has, or than which it has a newer one."""


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A row of a batch: what tells it from others, and when it changed."""

    batch: Batch
    operation: str
    operated_at: int
    digest: bytes

    def rows(self, license_ref: bytes) -> set[RowKey]:
        """Rows that deciding about it reads."""
        source = collection.source_of(self.batch.key)
        return {
            (BatchRow, self.batch.key),
            (CollectedRow, license_ref),
            (AppliedRow, self.key(license_ref)),
            (DayRow, collection.day_key(source, days.of_instant(self.operated_at))),
        }

    def key(self, license_ref: bytes) -> bytes:
        """The key of the row once it is applied."""
        return collection.row_key(license_ref, operated_at=self.operated_at, operation=self.operation)

    def refuse_known(self, view: View, license_ref: bytes, *, is_status: bool = False) -> None:
        """Nothing when it comes behind all that the ledger has of its license.

        Raises AlreadyExists, which says where it is and what is told of it; DoubleSource; or Conflict where
        the source says two things of one moment.
        """
        row = view.state.get(CollectedRow, license_ref)
        if row is None:
            return
        if collection.source_of(row.batch_key) != collection.source_of(self.batch.key):
            raise errors.DoubleSource(field="source_id", license_ref=license_ref)
        applied = view.state.get(AppliedRow, self.key(license_ref))
        if applied is not None and applied.digest != self.digest:
            raise errors.Conflict("another row of this moment was applied", field="operated_at")
        if applied is not None:
            raise errors.AlreadyExists(
                "the row was applied",
                license_ref=license_ref,
                index=_index(view, applied, is_status=is_status),
                told=EXISTS,
                batch_key=self.batch._replace(number=applied.number).key,
            )
        if not collection.is_newer(row, operated_at=self.operated_at, operation=self.operation):
            raise errors.AlreadyExists(
                "the ledger has a newer row", license_ref=license_ref, index=None, told=OUTDATED
            )

    def draft(self, license_ref: bytes, stream_id: bytes) -> Draft:
        """The fact that says which row is behind the others of its command."""
        made = collection.LicenseCollected(
            license_ref=license_ref,
            source=self.batch.source,
            number=self.batch.number,
            operation=self.operation,
            operated_at=self.operated_at,
            digest=self.digest,
        )
        return Draft(fact=made, stream_id=stream_id)


def _index(view: View, row: AppliedRow, *, is_status: bool) -> int:
    """The index of the fact that a row of a source led to."""
    version_index = view.state.need(LicenseRow, row.license_ref).version_index
    is_version = not is_status and version_index < row.collected_index
    return version_index if is_version else row.collected_index - 1


@dataclass(frozen=True, kw_only=True)
class CollectLicense(stock_commands.ImportLicense):
    """新增: a license that a source issued."""

    outcome: ClassVar[str] = "issued"
    delivered: Delivered

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= self.delivered.rows(self.license_ref)
        return wants

    def reads(self, view: View) -> Reads:
        reads = super().reads(view)
        known = view.entry(self.source.lookup(view.vault))
        if known is not None and known.target is not None:
            reads.rows |= self.delivered.rows(known.target)
        return reads

    def decide(self, view: View) -> list[Draft]:
        issued, *beside = super().decide(view)
        return [issued, *beside, self.delivered.draft(self.license_ref, issued.stream_id)]

    def _refuse_known(self, view: View) -> None:
        known = view.entry(self.source.lookup(view.vault))
        if known is not None and known.target is not None:
            self.delivered.refuse_known(view, known.target)
            row = view.state.get(CollectedRow, known.target)
            if row is not None:
                raise errors.AlreadyExists("the license is issued", field="source_id")
            super()._refuse_known(view)
        taken = view.entry(self._id_lookup(view.vault)) if self.identifier is not None else None
        if taken is not None and taken.target is not None:
            raise errors.DoubleSource(field="source_id", license_ref=taken.target)


@dataclass(frozen=True, kw_only=True)
class CollectAmendment(license_commands.AmendLicense):
    """变更: the next version of a license that a source delivered."""

    gives_way: ClassVar[bool] = True
    outcome: ClassVar[str] = "amended"
    delivered: Delivered

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= self.delivered.rows(self.license_ref)
        return wants

    def decide(self, view: View) -> list[Draft]:
        self.delivered.refuse_known(view, self.license_ref)
        amended, *beside = super().decide(view)
        return [amended, *beside, self.delivered.draft(self.license_ref, amended.stream_id)]


@dataclass(frozen=True, kw_only=True)
class CollectStatus(status_commands.ChangeStatus):
    """状态变更, 注销: what a source says became of its license."""

    gives_way: ClassVar[bool] = True
    delivered: Delivered

    @property
    def outcome(self) -> str:
        """What is told of the row."""
        return "ended" if self.delivered.operation == "D" else "changed"

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= self.delivered.rows(self.license_ref)
        return wants

    def decide(self, view: View) -> list[Draft]:
        self.delivered.refuse_known(view, self.license_ref, is_status=True)
        changed, *beside = super().decide(view)
        return [changed, *beside, self.delivered.draft(self.license_ref, changed.stream_id)]


@dataclass(frozen=True, kw_only=True)
class _OfBatch(Command):
    batch: Batch
    rows: int

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(BatchRow, self.batch.key)})

    def _own(self, view: View) -> bytes:
        own = actor_stream(self.actor, view)
        assert own is not None, "an issuer has a stream"
        return own


@dataclass(frozen=True, kw_only=True)
class ReceiveBatch(_OfBatch):
    """A batch comes; nothing is recorded when it came before, and BatchDiffers raised for other content."""

    digest: bytes

    def decide(self, view: View) -> list[Draft]:
        known = view.state.get(BatchRow, self.batch.key)
        if known is not None and known.digest == self.digest:
            return []
        made = collection.BatchReceived(
            source=self.batch.source, number=self.batch.number, rows=self.rows, digest=self.digest
        )
        return [Draft(fact=made, stream_id=self._own(view))]


@dataclass(frozen=True, kw_only=True)
class SettleBatch(_OfBatch):
    """Every row of a batch has its outcome; nothing is recorded when as much was said before."""

    applied: int
    known: int
    rejected: int
    waiting: int

    def decide(self, view: View) -> list[Draft]:
        row = view.state.get(BatchRow, self.batch.key)
        if row is not None and row.settled_index is not None and row.waiting <= self.waiting:
            return []
        made = collection.BatchSettled(
            source=self.batch.source,
            number=self.batch.number,
            rows=self.rows,
            applied=self.applied,
            known=self.known,
            rejected=self.rejected,
            waiting=self.waiting,
        )
        return [Draft(fact=made, stream_id=self._own(view))]
