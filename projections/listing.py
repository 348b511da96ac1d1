"""Lists of rows of one table, in the order of one of their indexes: a page of them, and what a list is.

The statement of a list stands in the SQL file of its room and may name `p.through`, the index that the
projection has come through; `page` in `positions.sql` puts that index beside the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from ledger import state, tables
from projections import db, paging, sql

_FIRST = paging.Bounds(since=0, until=paging.INDEX_MAX)


@dataclass(frozen=True, kw_only=True)
class Listing(Generic[state.R]):
    """A list of rows."""

    projection: str
    """Whose tables it reads."""
    file: str
    name: str
    """Of its statement, in `<file>.sql`."""
    row: type[state.R]
    index: str
    """The column that gives the order."""
    words: Mapping[str, str]
    """What its statement leaves open."""

    def text(self) -> str:
        """The statement of a page."""
        return sql.load("positions")["page"].format(
            columns=", ".join(f"t.{column}" for column in self.row.columns()),
            listed=sql.load(self.file)[self.name].format(**self.words),
            projection=self.projection,
            index=self.index,
        )


def listing(
    projection: str, name: str, row: type[state.R], *, index: str, file: str | None = None, **words: str
) -> Listing[state.R]:
    """The list `name` of a projection, whose statement stands in the projection's file or in `file`."""
    return Listing(
        projection=projection, file=file or projection, name=name, row=row, index=index, words=words
    )


def page(
    database: db.Database,
    cursors: paging.Cursors,
    listed: Listing[state.R],
    asked: Mapping[str, Any],
    *,
    of: Sequence[Any],
    limit: int,
    cursor: str | None,
    first: paging.Bounds = _FIRST,
    is_by_index: bool = True,
) -> paging.Page[state.R]:
    """A page of a list; `asked` are its statement's own parameters, `of` is what its cursors belong to.

    `is_by_index`: whether the list is in the order of leaf indexes, so that it ends where it was followed to.
    """
    text, table, followed = listed.text(), tables.table(listed.row), [-1]

    def read(values: Sequence[Any]) -> state.R:
        return table.row(values)  # type: ignore[return-value]

    def fetch(bounds: paging.Bounds, count: int) -> paging.Fetched[state.R]:
        span = {"since": bounds.since, "until": bounds.until, "limit": count}
        params = {"partition": database.partition, **span, **asked}
        followed[0], rows = db.page_of(database.read(text, params), read)
        through = followed[0] if is_by_index else paging.INDEX_MAX
        return paging.Fetched(through=through, rows=[(getattr(row, listed.index), row) for row in rows])

    made = paging.page(cursors, cursor, of=list(of), first=first, limit=limit, fetch=fetch)
    return replace(made, through=followed[0])
