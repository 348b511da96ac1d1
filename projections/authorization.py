"""Lists of authorizations: those that stand in a holder's file, and those that a requester has.

Reads the tables that the projection `holder` keeps. Says what stands as recorded; whether an
authorization permits a use at an instant is said by `ledger.use`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import tables
from projections import db, paging, sql
from projections.holder import AuthorizationRow

_FIRST = paging.Bounds(since=0, until=paging.INDEX_MAX)


@dataclass(frozen=True, kw_only=True)
class About:
    """Whose authorizations are listed, and for whom: of streams, unless a requester is named."""

    streams: tuple[bytes, ...] = ()
    """The streams of a holder's file, in which they stand."""
    requester: str | None = None
    seen_by: str | None = None
    """Only those that this organization may use or granted; None: all."""


class Lists:
    """Reads authorizations in the order in which they were granted."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def page(
        self, about: About, *, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[AuthorizationRow]:
        """A page of them, oldest first."""
        by_stream = about.requester is None
        name, value = ("streams", list(about.streams)) if by_stream else ("requester", about.requester)
        table = tables.table(AuthorizationRow)
        columns = ", ".join(f"t.{column}" for column in AuthorizationRow.columns())
        text = sql.load("authorization")[name].format(columns=columns)

        def fetch(bounds: paging.Bounds, count: int) -> paging.Fetched[AuthorizationRow]:
            params = {
                "partition": self._database.partition,
                "value": value,
                "seen_by": about.seen_by,
                "since": bounds.since,
                "until": bounds.until,
                "limit": count,
            }
            through, rows = db.page_of(self._database.read(text, params), table.row)
            found = [row for row in rows if isinstance(row, AuthorizationRow)]
            return paging.Fetched(through=through, rows=[(row.granted_index, row) for row in found])

        of = ["authorizations", name, value, about.seen_by]
        return paging.page(self._cursors, cursor, of=of, first=_FIRST, limit=limit, fetch=fetch)
