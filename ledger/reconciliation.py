"""Agreement of a source and the ledger on one day 对账: both have the same rows, and nothing else.

The sheet that was compared is named by its digest; the rule under the lock is that the day still has the rows
that were compared. A row that comes later opens the day again, and it is agreed on anew. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ledger import collection, days, errors
from ledger.fact import Fact, Touched
from ledger.state import OrganizationRow, State, altered
from ledger.state_collection import DayRow
from signing import cbor, event, suites

NUMBER = "sheet"
"""Stands for a batch's number where a source is spoken of without one."""
_MODULUS = 1 << 256


class Line(NamedTuple):
    """A line of a sheet: rows of one day that belong together."""

    day: int
    issuer: str
    type_code: str
    area_code: str


class Sum:
    """A digest over rows in whatever order they come: the sum of their digests modulo 2^256.

    Rows are those of the ledger, whose digests are keyed: nobody chooses them to come to a sum.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, row_key: bytes, digest: bytes, *, suite: suites.Suite) -> None:
        """One more row."""
        hashed = suite.digest(cbor.encode([row_key, digest]))
        self._sum = (self._sum + int.from_bytes(hashed, "big")) % _MODULUS

    @property
    def digest(self) -> bytes:
        """Of the rows so far."""
        return self._sum.to_bytes(32, "big")


def sheet_digest(lines: Iterable[tuple[Line, int, bytes]], *, suite: suites.Suite) -> bytes:
    """The digest of a sheet: over (day, issuer, type, area, rows, sum of the rows) in this order, sorted."""
    return suite.digest(cbor.encode(sorted([*line, rows, digest] for line, rows, digest in lines)))


@dataclass(frozen=True, kw_only=True)
class ReconciliationAgreed(Fact):
    """对账一致: the sheet of a source has the rows that were applied of a day, word for word."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "organization"
    source: str
    day: int
    """By when the source changed the rows, in Beijing."""
    rows: int
    """Applied."""
    through: int | None
    """Leaf index of the fact of the newest of them; None: the day has none."""
    rejected: int
    """Rows of the sheet that were refused, as both sides know."""
    outdated: int
    """Rows of the sheet that came behind a newer one of their license."""
    lines: int
    """By issuer, type and area: so many has the sheet."""
    digest: bytes
    """Of the sheet, as `sheet_digest` has it."""

    def _key(self, about: event.Event) -> str:
        return collection.day_key(f"{about.organization} {self.source}", self.day)

    def touches(self, about: event.Event) -> Touched:
        yield OrganizationRow, about.organization
        yield DayRow, self._key(about)

    def allow(self, about: event.Event, state: State) -> None:
        collection.Batch(about.organization, self.source, NUMBER).check()
        own = state.get(OrganizationRow, about.organization)
        if own is not None and own.stream_id != about.stream_id:
            raise errors.Conflict("an agreement stands in its organization's stream")
        if about.recorded_at < days.start(self.day + 1):
            raise errors.Invalid("a day is agreed on when it is over", field="day")
        row = state.get(DayRow, self._key(about))
        held = (0, None) if row is None else (row.rows, row.newest_index)
        if held != (self.rows, self.through):
            raise errors.Conflict("rows of this day came meanwhile: compare again", field="day")
        if min(self.rejected, self.outdated, self.lines) < 0:
            raise errors.Invalid("a number of rows", field="rows")
        if row is not None and row.agreed_rows == row.rows:
            raise errors.AlreadyExists("the day is agreed on", field="day")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.get(DayRow, self._key(about))
        row = row or DayRow(
            day_key=self._key(about), rows=0, newest_index=None, agreed_index=None, agreed_rows=None
        )
        state.put(altered(row, agreed_index=index, agreed_rows=row.rows))
