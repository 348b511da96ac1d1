"""Lists of authorizations: those that stand in a holder's file, and those that a requester has.

Reads the tables that the projection `holder` keeps. Says what stands as recorded; whether an
authorization permits a use at an instant is said by `ledger.use`.
"""

from __future__ import annotations

from dataclasses import dataclass

from projections import db, listing, paging
from projections.holder import AuthorizationRow


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
        listed = listing.listing(
            "holder", name, AuthorizationRow, index="granted_index", file="authorization"
        )
        asked = {"value": value, "seen_by": about.seen_by}
        of = ["authorizations", name, value, about.seen_by]
        return listing.page(self._database, self._cursors, listed, asked, of=of, limit=limit, cursor=cursor)
