"""Rejected rows of sources: kept beside the history, listed by age until a row of their license is applied.

What was refused is no fact. A reconciliation tells why a row is missing, and issuers and operators see what
waits to be put right, whose it is and since when. A row is known by keyed digests; of what it says only the
type, operation and moment are kept, and which columns were wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger import sql
from ledger.collection_reading import PARTITION
from ledger.reading import Reader


class Reject(NamedTuple):
    """A row that was rejected; members are columns of the table."""

    row_key: bytes
    """HMAC of its key and moment."""
    source: str
    """Organization and source."""
    number: str
    """Of the batch."""
    line: int
    remark: str
    rejected_at: int
    license_key: bytes | None
    """HMAC of type, issuer and source id; None: the row says too little."""
    type_code: str | None
    operation: str | None
    operated_at: int | None
    organization: str


class Open(NamedTuple):
    """A rejected row that nobody put right yet."""

    first_at: int
    """When it was rejected first."""
    row_key: bytes
    source: str
    number: str
    line: int
    remark: str
    rejected_at: int
    type_code: str | None
    operation: str | None
    operated_at: int | None
    times: int
    """In how many batches."""


class Backlog(NamedTuple):
    """What a source has not put right yet."""

    organization: str
    source: str
    rows: int
    oldest_at: int
    newest_at: int


Settled = tuple[bytes, int]
"""Key of a license, and the moment of the row of it that was applied."""


def keep(reader: Reader, rejects: Sequence[Reject], settled: Iterable[Settled], *, at: int) -> None:
    """Rows that were rejected are in the list; those older than what was applied of their license are not."""
    keys = dict(sorted(settled, key=lambda one: one[1]))
    if keys:
        columns = [list(keys), list(keys.values())]
        reader.run(sql.load("collection")["settle_rejects"], (at, *columns, PARTITION))
    if rejects:
        columns = [list(column) for column in zip(*rejects, strict=True)]
        reader.run(sql.load("collection")["keep_rejects"], (*columns, PARTITION))


def remarks(reader: Reader, row_keys: Sequence[bytes]) -> dict[bytes, str]:
    """Why some rows were rejected, of those that were."""
    return dict(reader.run(sql.load("collection")["rejects"], (PARTITION, row_keys))) if row_keys else {}


def waiting(
    reader: Reader, organization: str, *, source: str | None, after: tuple[int, bytes] | None, limit: int
) -> list[Open]:
    """Rejected rows of an organization's sources, or of one, the oldest first."""
    begun, key = after or (-1, b"")
    asked = PARTITION, organization, None if source is None else f"{organization} {source}", begun, key, limit
    return [Open(*row) for row in reader.run(sql.load("collection")["open_rejects"], asked)]


def backlogs(reader: Reader, organization: str | None = None) -> list[Backlog]:
    """How many rows each source has to put right, those with the oldest first."""
    found = reader.run(sql.load("collection")["reject_backlogs"], (PARTITION, organization))
    return [Backlog(*row) for row in found]


def dismiss(reader: Reader, *, source: str, number: str, at: int) -> int:
    """How many rows of a batch were taken off the list, though nobody put them right."""
    return len(reader.run(sql.load("collection")["dismiss_rejects"], (at, PARTITION, source, number)))
