"""What a batch reads in a second step, once it knows the streams: nearly always nothing.

Of a license with several parties the stream in which it stands; of a holder with several files what was asked
for of one, of the others too; of one who has ended, what the types of the licenses say, since some outlive
their holders.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger import joining, party
from ledger.command import Batch, Reads
from ledger.state import LicenseRow, Row, RowKey, StreamRow, TypeRulesRow


def following(batch: Batch, loaded: Mapping[RowKey, Row | None]) -> Reads | None:
    """What follows from the rows that were just loaded; None: nothing more."""
    reads = Reads()
    for row in loaded.values():
        if isinstance(row, LicenseRow) and row.parties:
            # A license that a holder has with others may stand in another's stream, and asks the others too.
            reads.rows |= {(StreamRow, one.stream_id) for one in party.of(row)}
        elif isinstance(row, StreamRow):
            if row.same_holder:
                _read_others(batch, row, reads)
            if row.ended_at is not None:
                reads.rows |= {(TypeRulesRow, code) for code in _types(batch, set(joining.streams(row)))}
    reads.rows -= batch.rows.keys()
    if not (reads.rows or reads.held or reads.candidates or reads.shared):
        return None
    return reads


def _read_others(batch: Batch, row: StreamRow, reads: Reads) -> None:
    """What was asked for of a stream, of the other streams of its holder."""
    own = row.stream_id
    for other in joining.streams(row)[1:]:
        reads.rows.add((StreamRow, other))
        reads.data_keys.add(other)
        reads.held |= {(other, code) for one, code in batch.held if one == own}
        reads.candidates |= {
            (other, requester, code) for one, requester, code in batch.candidates if one == own
        }
        if own in batch.shared:
            reads.shared.add(other)
    reads.held -= batch.held.keys()
    reads.candidates -= batch.candidates.keys()
    reads.shared -= batch.shared.keys()


def _types(batch: Batch, streams: set[bytes]) -> set[str]:
    """Types of licenses that the batch asked for in some streams."""
    asked = {code for one, code in batch.held if one in streams}
    rows = (row for row in batch.rows.values() if isinstance(row, LicenseRow))
    return asked | {row.type_code for row in rows if row.stream_id in streams}
