"""Rebuilding: decision state derived again from the events alone, in bounded memory.

`rebuild` replaces the state tables of a ledger in one transaction under the partition's lock, and says
what differed. `replay` is what it rests on; a restore uses it too. Events are read and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from ledger import errors, fact, sql, tables
from ledger.opening import Ledger
from ledger.state import ROWS, Row, State, loaded
from signing import event, merkle, suites

PARTITION = 0
EVENTS_PER_STEP = 1_000
Progress = Callable[[int], None]
"""Told how many events were replayed so far."""


def no_progress(events: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay went through."""

    size: int
    root: bytes
    """Of the tree over the events' bytes; empty for an empty history."""


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What a rebuild did."""

    events: int
    changed: dict[str, int]
    """Rows that were missing, too many or different before, by table; only tables that had some."""


def rebuild(ledger: Ledger, *, progress: Progress = no_progress) -> Rebuilt:
    """Decision state as the events have it; nothing is appended meanwhile, and reading goes on."""
    texts = sql.load("rebuild")
    with psycopg.connect(owner_of(ledger)) as conn:
        conn.execute(texts["be_patient"])
        conn.execute(sql.load("append")["lock_partition"], (PARTITION,))
        for cls in ROWS:
            conn.execute(texts["keep_before"].format(table=cls.table, partition=PARTITION))
            conn.execute(texts["clear"].format(table=cls.table, partition=PARTITION))
        replayed = replay(conn, suite=ledger.vault.suite, progress=progress)
        changed = {cls.table: _changed(conn, cls) for cls in ROWS}
    # From here everybody decides on the rebuilt state.
    return Rebuilt(events=replayed.size, changed={name: rows for name, rows in changed.items() if rows})


def owner_of(ledger: Ledger) -> str:
    """The owner's connection string; raises Invalid when it is not configured."""
    if ledger.ways.owner is None:
        raise errors.Invalid("the owner's database URL is needed", field="LEDGER_OWNER_DATABASE_URL")
    return ledger.ways.owner


def replay(
    conn: psycopg.Connection[Any], *, suite: suites.Suite, progress: Progress = no_progress
) -> Replayed:
    """Evolve every event, in its order, into the empty state tables; raises HistoryBroken."""
    text = sql.load("rebuild")["events"]
    size, root, frontier = 0, b"", tuple[bytes, ...]()
    while True:
        cursor = conn.execute(text, (PARTITION, size, EVENTS_PER_STEP), binary=True, prepare=True)
        rows = cursor.fetchall()
        if not rows:
            return Replayed(size=size, root=root)
        if [position for position, _ in rows] != list(range(size + 1, size + len(rows) + 1)):
            raise errors.HistoryBroken("positions are not dense")
        states = [state for _, state in rows]
        _evolve(conn, states, size)
        leaves = [merkle.leaf_hash(state, digest=suite.digest) for state in states]
        grown = merkle.Extension.of(frontier, size, leaves, digest=suite.digest)
        size, root, frontier = grown.size, grown.root, grown.frontier
        progress(size)


def _evolve(conn: psycopg.Connection[Any], states: Sequence[bytes], first_index: int) -> None:
    """What a run of events changes, written to the state tables."""
    try:
        known = [(about, fact.from_event(about)) for about in map(event.parse, states)]
    except event.EventInvalid as error:
        raise errors.HistoryBroken("an event cannot be read") from error
    touched = {key for about, made in known for key in (*made.touches(about), *fact.actor_keys(about))}
    rows: dict[tuple[type[Row], Any], Row | None] = dict.fromkeys(touched)
    for cls, keys in _by_class(touched).items():
        table = tables.table(cls)
        found = conn.execute(table.rows, (PARTITION, keys), binary=True, prepare=True)
        for row in map(table.row, found.fetchall()):
            rows[cls, row.key] = row
    state = State(loaded(rows))
    for index, (about, made) in enumerate(known, start=first_index):
        made.evolve(about, state, index)
    for cls in _by_class(state.changed):
        table = tables.table(cls)
        arrays = table.arrays(state.changed_of(cls))
        conn.execute(table.save, (*arrays, PARTITION), binary=True, prepare=True)


def _by_class(keys: Any) -> dict[type[Row], list[Any]]:
    found: dict[type[Row], list[Any]] = {}
    for cls, key in keys:
        found.setdefault(cls, []).append(key)
    return found


def _changed(conn: psycopg.Connection[Any], cls: type[Row]) -> int:
    text = sql.load("rebuild")["changed"]
    statement = text.format(table=cls.table, partition=PARTITION, key=cls.columns()[0])
    row = conn.execute(statement).fetchone()
    assert row is not None, "a count always answers"
    count: int = row[0]
    return count
