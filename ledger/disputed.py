"""Disputes as decision state has them, read for those who may know: of a license, and what became of one.

Gives rows and words; opens nothing that is sealed.
"""

from __future__ import annotations

from ledger import reading, sql, tables
from ledger.state import altered
from ledger.state_dispute import DisputeRow

SHOWN_MAX = 20
"""Of one license, the newest."""
OPEN, LAPSED = "open", "lapsed"


def of_license(reader: reading.Reader, license_ref: bytes, *, before: int) -> list[DisputeRow]:
    """The newest disputes about a license, the newest first, as they stood before a leaf index."""
    table = tables.table(DisputeRow)
    text = sql.load("reading")["disputes"].format(columns=table.columns)
    found = [
        table.row(values) for values in reader.run(text, (reader.partition, license_ref, before, SHOWN_MAX))
    ]
    return [as_of(row, before) for row in found if isinstance(row, DisputeRow)]


def as_of(row: DisputeRow, before: int) -> DisputeRow:
    """The dispute as it stood before a leaf index."""
    if row.settled_index is None or row.settled_index < before:
        return row
    return altered(row, outcome=None, settled_at=None, settled_index=None, mended_index=None)


def status(row: DisputeRow, *, is_erased: bool) -> str:
    """`upheld`, `rejected` or `withdrawn`; else `open`, or `lapsed` where the holder was erased."""
    return row.outcome or (LAPSED if is_erased else OPEN)
