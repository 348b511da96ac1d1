"""The projections as the endpoints read them: the holder's file and the trail, kept up by followers.

`opened` starts a follower for each projection; several processes may do so, one of them follows at a
time. Reads wait for an index when they are asked to, for a second at most.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from ledger import opening
from projections import (
    authorization,
    catalog,
    db,
    draft,
    follower,
    holder,
    registry,
    statistics,
    tasks,
    trail_pages,
)

POOL_MAX = 8


@dataclass(frozen=True, kw_only=True)
class Views:
    """What can be asked of the projections."""

    database: db.Database
    followers: follower.Followers
    files: holder.Files
    authorizations: authorization.Lists
    trail: trail_pages.Pages
    types: catalog.Types
    statistics: statistics.Sums
    tasks: tasks.Lists
    drafts: draft.Lists

    def wait_for(self, index: int | None, *, name: str) -> None:
        """Return once a projection has come through `index`; raises BehindIndex."""
        if index is not None:
            self.followers.wait_for(index, name=name)

    def through(self, name: str) -> int:
        """The index that a projection has come through."""
        return self.database.position(name).through


def migrate(owner_conninfo: str) -> tuple[str, ...]:
    """Make the tables that are missing; returns the projections that must be rebuilt."""
    return db.migrate(owner_conninfo)


@contextlib.contextmanager
def opened(ledger: opening.Ledger) -> Iterator[Views]:
    """The projections of an open ledger, followed for the time of the block."""
    cursor_key = ledger.vault.ring.body_key
    with db.Database(ledger.ways.service, pool_max=POOL_MAX) as database:
        followers = follower.Followers(database, ledger.recorder, registry.ALL).start()
        try:
            yield Views(
                database=database,
                followers=followers,
                files=holder.Files(database, cursor_key=cursor_key),
                authorizations=authorization.Lists(database, cursor_key=cursor_key),
                trail=trail_pages.Pages(database, cursor_key=cursor_key),
                types=catalog.Types(database, cursor_key=cursor_key),
                statistics=statistics.Sums(database),
                tasks=tasks.Lists(database, cursor_key=cursor_key),
                drafts=draft.Lists(database, cursor_key=cursor_key),
            )
        finally:
            followers.stop()
