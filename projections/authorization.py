"""Lists of authorizations: those that stand in a holder's file, and those that a requester has.

Reads the tables that the projection `holder` keeps. Says what stands as recorded; whether an
authorization permits a use at an instant is said by `ledger.use`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import power
from projections import db, listing, paging
from projections.holder import AuthorizationRow

_ALONE = power.Reach()
_NAMED = {"streams": "stream_id = ANY(%(value)b)", "requester": "requester = %(value)b"}
"""By what a list names authorizations, as an index has it."""


@dataclass(frozen=True, kw_only=True)
class About:
    """Whose authorizations are listed, and for whom: of streams, unless a requester is named."""

    streams: tuple[bytes, ...] = ()
    """The streams of a holder's file, in which they stand."""
    requester: str | None = None
    seen_by: str | None = None
    """Only those that this organization may use or granted, or whose grantor it succeeded; None: all."""
    reach: power.Reach = _ALONE
    """What it has taken over, and handed on."""


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
        words = {"file": "authorization", "named": _NAMED[name]}
        listed = listing.listing("holder", "granted", AuthorizationRow, index="granted_index", **words)
        asked = {"value": value, "seen_by": about.seen_by, **_succeeded(about.reach)}
        of = ["authorizations", name, value, about.seen_by]
        return listing.page(self._database, self._cursors, listed, asked, of=of, limit=limit, cursor=cursor)


def _succeeded(reach: power.Reach) -> dict[str, list[str]]:
    """Of whom, and for which types (or `*`), an organization may change what was granted; and no more.

    A grant lies in no division: what passed in some divisions alone is left out.
    """
    taken, gone = (
        [
            (one.organization, code)
            for one in many
            if not one.areas
            for code in one.type_codes or (power.EVERY,)
        ]
        for many in (reach.taken_over, reach.handed_over)
    )
    return {
        "of_whom": [organization for organization, _ in taken],
        "taken_types": [type_code for _, type_code in taken],
        "gone_types": [type_code for _, type_code in gone],
    }
