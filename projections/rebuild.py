"""Rebuilding a projection: its next version is made beside the one that is read, and takes its place.

Readers and followers go on meanwhile; the change of place is one transaction, and readers wait for it
no longer than it takes to rename some tables. Works as the owner of the database.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from ledger import errors, recorder
from projections import db, follower, sql
from projections.projection import Projection

ATTEMPTS = 30


def rebuild(owner_conninfo: str, source: recorder.Recorder, projection: Projection) -> int:
    """The index that the rebuilt projection has come through when it takes its place.

    Raises Conflict while another process rebuilds it, and what the projection itself raises. What a
    crash leaves behind is not read by anybody and goes with the next rebuild.
    """
    with (
        _without_collector(),
        db.Database(owner_conninfo, schema=db.NEXT_SCHEMA, pool_max=3) as database,
        database.rebuilding(projection.name),
    ):
        builder = follower.Follower(
            database, source, projection, slot=slot(projection), batch_max=follower.REBUILD_BATCH_MAX
        )
        _begin(database, projection)
        attempts = 0
        while True:
            while builder.step():
                pass
            try:
                return _put_in_place(database, source, projection)
            except errors.Unavailable:
                # A reader held a table for longer than the lock time-out: let others by, try again.
                attempts += 1
                if attempts == ATTEMPTS:
                    raise


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Facts stream by and form no cycles; looking through them for some costs a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def slot(projection: Projection) -> str:
    """The name of the position of a projection that is being rebuilt."""
    return f"{projection.name}.next"


def _begin(database: db.Database, projection: Projection) -> None:
    texts = sql.load("positions")
    with database.transaction() as work:
        for table in projection.tables:
            work.script(texts["drop_table"].format(schema=db.NEXT_SCHEMA, table=table))
        work.script(sql.load(projection.name)["tables"])
        work.script(texts["grants"].format(schema=db.NEXT_SCHEMA))
        work.begin(slot(projection), version=projection.version)


def _put_in_place(database: db.Database, source: recorder.Recorder, projection: Projection) -> int:
    """Nobody follows the old tables while their position is ours; once this commits, nobody reads them."""
    texts = sql.load("positions")
    with database.transaction() as work:
        old = work.lock(projection.name, waits=True)
        new = work.lock(slot(projection), waits=True)
        assert old is not None, "the tables were made by a migration"
        assert new is not None, "the rebuild began with a position"
        through = _catch_up(work, source, projection, after=new.through, until=old.through)
        tables = ", ".join(f"{db.SCHEMA}.{table}" for table in projection.tables)
        work.script(texts["lock_tables"].format(tables=tables))
        for table in projection.tables:
            work.script(texts["drop_table"].format(schema=db.SCHEMA, table=table))
            work.script(texts["put_in_place"].format(table=table))
        work.begin(projection.name, version=projection.version)
        work.advance(projection.name, through)
        work.run(texts["forget"], (work.partition, slot(projection)))
    return through


def _catch_up(
    work: db.Work, source: recorder.Recorder, projection: Projection, *, after: int, until: int
) -> int:
    """The index come through, at least `until`: who has read that far never sees less."""
    while after < until:
        happened = follower.happened(source, after=after, limit=follower.BATCH_MAX)
        projection.apply(work, happened)
        after = happened[-1].index
    return after
