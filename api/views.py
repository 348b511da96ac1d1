"""The projections as the endpoints read them: the holder's file and the trail, kept up by followers.

`opened` has them followed: `beside`, in a process of their own, where a ledger is served; by a thread, where
somebody tries something; `elsewhere`, by the process beside the workers, of which we are one. Several may do
so, one of them follows at a time. Reads wait for an index when they are asked to, for a second at most.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from api import following
from ledger import opening
from projections import (
    authorization,
    catalog,
    db,
    dispute,
    draft,
    follower,
    holder,
    positions,
    registry,
    statistics,
    tasks,
    trail_pages,
)

POOL_MAX = 8
Following = Callable[[opening.Ledger, db.Database], contextlib.AbstractContextManager[positions.Wake]]
"""Who follows during the block, which is given what wakes them."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """What can be asked of the projections."""

    database: db.Database
    positions: positions.Positions
    files: holder.Files
    authorizations: authorization.Lists
    trail: trail_pages.Pages
    types: catalog.Types
    statistics: statistics.Sums
    tasks: tasks.Lists
    drafts: draft.Lists
    disputes: dispute.Lists

    def wait_for(self, index: int | None, *, name: str) -> None:
        """Return once a projection has come through `index`; raises BehindIndex."""
        if index is not None:
            self.positions.wait_for(index, name=name)

    def through(self, name: str) -> int:
        """The index that a projection has come through."""
        return self.database.position(name).through


def migrate(owner_conninfo: str) -> tuple[str, ...]:
    """Make the tables that are missing; returns the projections that must be rebuilt."""
    return db.migrate(owner_conninfo)


@contextlib.contextmanager
def by_thread(ledger: opening.Ledger, database: db.Database) -> Iterator[positions.Wake]:
    """A thread of this process follows."""
    followers = follower.Followers(database, ledger.recorder, registry.ALL).start()
    try:
        yield followers.wake
    finally:
        followers.stop()


@contextlib.contextmanager
def beside(ledger: opening.Ledger, database: db.Database) -> Iterator[positions.Wake]:
    """A process beside this one follows, and ends with it."""
    with following.Process(ledger.ways.service) as process:
        yield process.wake


def elsewhere(wake: positions.Wake) -> Following:
    """A process that somebody else started follows."""
    return lambda ledger, database: contextlib.nullcontext(wake)


@contextlib.contextmanager
def opened(ledger: opening.Ledger, *, followed: Following) -> Iterator[Views]:
    """The projections of an open ledger, followed for the time of the block."""
    cursor_key = ledger.vault.ring.body_key
    with (
        db.Database(ledger.ways.service, pool_max=POOL_MAX) as database,
        followed(ledger, database) as wake,
    ):
        yield Views(
            database=database,
            positions=positions.Positions(
                database=database, source=ledger.recorder, projections=registry.ALL, wake=wake
            ),
            files=holder.Files(database, cursor_key=cursor_key),
            authorizations=authorization.Lists(database, cursor_key=cursor_key),
            trail=trail_pages.Pages(database, cursor_key=cursor_key),
            types=catalog.Types(database, cursor_key=cursor_key),
            statistics=statistics.Sums(database),
            tasks=tasks.Lists(database, cursor_key=cursor_key),
            drafts=draft.Lists(database, cursor_key=cursor_key),
            disputes=dispute.Lists(database, cursor_key=cursor_key),
        )
