"""What a check reads from the database: short snapshots, read-only, a bounded run of rows at a time.

Works with the service's or the owner's login; a table that the login may not read is said to be
unreadable. Judges nothing. A door to psycopg.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from ledger import errors, sql, tables
from ledger.state import Key, Row

ROWS_MAX = 2_000
"""Rows of one fetch: with the largest events 120 MB, with usual ones 2 MB."""
ATTACHMENTS_MAX = 16
"""Attachments of one fetch: at most 32 MB."""
PAGE = 21
"""Rows of a list of oddities: one more than a report tells."""

EventColumns = tuple[int, bytes, int, str, int, bytes]
"""Position, stream, version, topic, recorded_at, stored bytes."""
CheckpointColumns = tuple[int, int, bytes, bytes, int, bytes | None]
"""Size, generation, root, frontier, at, mac."""
DirectoryColumns = tuple[bytes, str, bytes, bytes, int | None, int | None, int | None, bytes | None]
"""Lookup, kind, stream, sealed content; number, bucket, generation and bytes of the wrapped data key."""
TileKey = tuple[int, int]
"""(level, number)."""


class Unreadable(Exception):
    """The login may not read this table."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Where a snapshot's events and tree heads end."""

    position: int
    size: int
    ledger_id: bytes | None
    """As the database says it."""


class Source:
    """One connection of a check."""

    def __init__(self, conninfo: str, *, partition: int = 0) -> None:
        self._partition = partition
        self._sql = sql.load("check")
        try:
            self._conn = psycopg.connect(conninfo, autocommit=True)
        except psycopg.Error as error:
            raise errors.Unavailable("the database cannot be reached") from error
        self._conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._conn.read_only = True

    def close(self) -> None:
        """End the session."""
        self._conn.close()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Ends]:
        """One moment of the database for the reads in the block."""
        with self._translated(), self._conn.transaction():
            yield self._ends()

    def _ends(self) -> Ends:
        position, size, ledger_id = self._all("head", *[self._partition] * 3)[0]
        return Ends(position=position or 0, size=size or 0, ledger_id=ledger_id)

    def first_position(self) -> int | None:
        """The lowest position."""
        return self._one("first_position", self._partition)

    def next_position(self, after: int) -> int | None:
        """The first position after one."""
        return self._one("next_position", self._partition, after)

    def events(self, after: int, through: int) -> list[EventColumns]:
        """The events of a run of at most ROWS_MAX positions."""
        return self._all("events", self._partition, after, through, ROWS_MAX)

    def checkpoints(self, after: int, through: int) -> list[CheckpointColumns]:
        """The tree heads with sizes in a run of at most ROWS_MAX."""
        return self._all("checkpoints", self._partition, after, through, ROWS_MAX)

    def tiles(self, keys: Sequence[TileKey]) -> dict[TileKey, bytes]:
        """Those of some tiles that are stored."""
        levels, numbers = [level for level, _ in keys], [number for _, number in keys]
        rows = self._all("tiles", levels, numbers, self._partition, len(keys))
        return {(level, number): hashes for level, number, hashes in rows}

    def tiles_beyond(self) -> list[TileKey]:
        """Tiles that no tree of this snapshot's size has."""
        return self._all("tiles_beyond", self._partition, self._partition, PAGE)

    def rows(self, cls: type[Row], *, after: Key | None) -> list[tuple[Any, ...]]:
        """Rows of a state table in key order, at most ROWS_MAX."""
        table = tables.table(cls)
        if after is None:
            return self._run(table.scan_first, (self._partition, ROWS_MAX))
        return self._run(table.scan, (self._partition, after, ROWS_MAX))

    def directory(self, after: bytes | None) -> list[DirectoryColumns]:
        """Directory rows in order of lookup, at most ROWS_MAX; raises Unreadable."""
        try:
            if after is None:
                return self._all("directory_first", self._partition, ROWS_MAX)
            return self._all("directory", self._partition, after, ROWS_MAX)
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreadable("directory") from error

    def sourceless(self, refs: Sequence[bytes]) -> list[bytes]:
        """The first of some imported licenses to which no source leads; raises Unreadable."""
        try:
            return [ref for (ref,) in self._all("sourceless", refs, self._partition, PAGE)]
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreadable("sourceless") from error

    def attachments(self, after: bytes | None) -> list[tuple[bytes, bytes | None, bytes | None]]:
        """Digest, license and sealed bytes of what must be there, in order of digest; raises Unreadable."""
        texts = sql.load("attachments")
        try:
            if after is None:
                return self._run(texts["wanted_first"], (self._partition, ATTACHMENTS_MAX))
            return self._run(texts["wanted"], (self._partition, after, ATTACHMENTS_MAX))
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreadable("attachments") from error

    def oddities(self, name: str) -> list[tuple[Any, ...]]:
        """The first rows of a statement that finds what should not be; raises Unreadable."""
        params = [self._partition] * (self._sql[name].count("%b") - 1)
        try:
            return self._all(name, *params, PAGE)
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreadable(name) from error

    def _one(self, name: str, *params: Any) -> int | None:
        rows = self._all(name, *params)
        return rows[0][0] if rows else None

    def _all(self, name: str, *params: Any) -> list[Any]:
        return self._run(self._sql[name], params)

    def _run(self, statement: str, params: Sequence[Any]) -> list[Any]:
        with self._translated():
            return self._conn.execute(statement, params, prepare=True, binary=True).fetchall()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise errors.Unavailable("the database cannot be read") from error
