"""What a batch reads in a second step, once it knows the streams: nearly always nothing.

Of a license with several parties, or that is disputed, the stream in which it stands; of a holder with
several files what was asked for of one, of the others too; of one who has ended, what the types of the
licenses say, since some outlive their holders; of whom licenses are compared, how often that missed; of a
type for which local ones stand, or that stands for another, what was asked for of it, of those too.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger import comparison, joining, party
from ledger.batch import Batch
from ledger.command import Reads
from ledger.state import LicenseRow, MissRow, Row, RowKey, StreamRow, TypeRow, TypeRulesRow
from ledger.state_dispute import DisputeRow


def following(batch: Batch, loaded: Mapping[RowKey, Row | None]) -> Reads | None:
    """What follows from the rows that were just loaded; None: nothing more."""
    reads, homes = Reads(), set[bytes]()
    mapped: list[TypeRow] = []
    for row in loaded.values():
        if isinstance(row, LicenseRow) and row.parties:
            # A license that a holder has with others may stand in another's stream, and asks the others too.
            reads.rows |= {(StreamRow, one.stream_id) for one in party.of(row)}
            homes.add(row.stream_id)
        elif isinstance(row, StreamRow):
            if row.same_holder:
                _read_others(batch, row, reads)
                homes.add(comparison.counted_in(row))
            if row.ended_at is not None:
                reads.rows |= {(TypeRulesRow, code) for code in _types(batch, set(joining.streams(row)))}
        elif isinstance(row, TypeRow) and (row.local_types or row.stands_for):
            mapped.append(row)
        elif isinstance(row, DisputeRow):
            _read_moved(batch, row, reads)
    for one in mapped:
        _read_mapped(batch, one, reads)
    if homes:
        reads.rows |= _misses(batch, homes)
    reads.rows -= batch.rows.keys()
    if not (reads.rows or reads.held or reads.candidates or reads.shared):
        return None
    return reads


def _read_moved(batch: Batch, row: DisputeRow, reads: Reads) -> None:
    """The stream of a license whose holder was corrected since it was disputed."""
    held = None if row.license_ref is None else batch.rows.get((LicenseRow, row.license_ref))
    if isinstance(held, LicenseRow) and held.stream_id != row.stream_id:
        reads.rows.add((StreamRow, held.stream_id))
        reads.data_keys.add(held.stream_id)


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


def _read_mapped(batch: Batch, row: TypeRow, reads: Reads) -> None:
    """What was asked for of a type, of those that stand for it, and grants of what it stands for."""
    code, local = row.type_code, row.local_types
    held = {stream_id for stream_id, of_type in {*batch.held, *reads.held} if of_type == code}
    granted = {(stream_id, requester) for stream_id, requester, named in batch.candidates if named == code}
    if not held and not granted:
        return
    reads.rows |= {(TypeRow, one) for one in local}
    reads.held |= {(stream_id, one) for stream_id in held for one in local} - batch.held.keys()
    kin = (*local, *row.stands_for[:1])
    reads.candidates |= {(*pair, one) for pair in granted for one in kin} - batch.candidates.keys()
    if any(isinstance(one, StreamRow) and one.ended_at is not None for one in batch.rows.values()):
        reads.rows |= {(TypeRulesRow, one) for one in local}


def _misses(batch: Batch, homes: set[bytes]) -> set[RowKey]:
    """What counts the misses in some streams by those for whom the batch asked for any."""
    asked = {key for cls, key in batch.rows if cls is MissRow and isinstance(key, bytes)}
    requesters = {comparison.requester_of(key) for key in asked}
    return {
        (MissRow, comparison.miss_key(stream_id, requester))
        for stream_id in homes
        for requester in requesters
    }


def _types(batch: Batch, streams: set[bytes]) -> set[str]:
    """Types of licenses that the batch asked for in some streams."""
    asked = {code for one, code in batch.held if one in streams}
    rows = (row for row in batch.rows.values() if isinstance(row, LicenseRow))
    return asked | {row.type_code for row in rows if row.stream_id in streams}
