"""Decision state of collection: the batches that came, the rows applied, and the newest of each license."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.row import Row


@dataclass(frozen=True, kw_only=True)
class BatchRow(Row):
    """A batch of a source, by `ledger.collection.Batch.key`."""

    table = "collection_batches"
    batch_key: str
    digest: bytes
    rows: int
    received_index: int
    settled_index: int | None
    rejected: int
    waiting: int


@dataclass(frozen=True, kw_only=True)
class CollectedRow(Row):
    """The newest row of a source about a license."""

    table = "collected_licenses"
    license_ref: bytes
    batch_key: str
    operation: str
    operated_at: int


@dataclass(frozen=True, kw_only=True)
class AppliedRow(Row):
    """A row of a source that was applied, by `ledger.collection.row_key`."""

    table = "collected_rows"
    row_key: bytes
    license_ref: bytes
    source: str
    """Organization and source."""
    number: str
    """Of the batch."""
    type_code: str
    operation: str
    operated_at: int
    digest: bytes
    collected_index: int
