"""Decision state of collection: the batches that came, the rows applied, the newest of each
license, and the days."""

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


@dataclass(frozen=True, kw_only=True)
class DayRow(Row):
    """A Beijing day of a source, by `ledger.collection.day_key`: by when the source changed its rows."""

    table = "collection_days"
    day_key: str
    rows: int
    """Applied so far."""
    newest_index: int | None
    """Leaf index of the fact of the newest of them; None: there is none."""
    agreed_index: int | None
    """Of the newest agreement; it stands as long as `rows` are `agreed_rows`."""
    agreed_rows: int | None
