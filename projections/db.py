"""The door to the database of this floor: a pool, transactions, positions of projections, migration.

A `Database` reads by key and in one statement a page, so that a page and the index it has come
`through` belong together. Its connections see the projections' schema first. Knows no facts.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import psycopg
import psycopg_pool
from psycopg import conninfo as conninfos
from psycopg import pq
from psycopg.adapt import Dumper

from ledger import errors, pooling, state, store_pipeline, tables
from projections import sql

SCHEMA, NEXT_SCHEMA = "projections", "projections_next"
VERSIONS = {"trail": 5, "holder": 3, "catalog": 2, "statistics": 4, "tasks": 8, "draft": 1, "dispute": 2}
"""Projection to the version of its tables; it rises when they, or what stands in them, change."""
_SETTINGS = {
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "2s",
    "jit": "off",
    # Every read here goes by key to a page of rows; a plan that reads a table whole is never wanted.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

T = TypeVar("T")


class Refused(Exception):
    """The database refuses a statement; nothing of its transaction is stored."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a projection came."""

    version: int
    """Of its tables."""
    through: int
    """Leaf index of the last fact applied; -1 before the first."""
    halted_at: int | None
    """Leaf index of the fact that cannot be applied."""


class _Column(NamedTuple):
    """Many values of one parameter, packed at once: element by element costs ten times as much."""

    data: bytes


class _ColumnDumper(Dumper):
    """Takes a packed column as it is; the statement says the type."""

    format = pq.Format.BINARY

    def dump(self, obj: _Column) -> bytes:
        """The bytes on the wire."""
        return obj.data


_PARAMETER = re.compile(r"%b(?:::(\w+\[\]))?")


@functools.cache
def _kinds(statement: str) -> tuple[str | None, ...]:
    """The type of array that each parameter of a statement says, if any."""
    return tuple(found[1] for found in _PARAMETER.finditer(statement))


class Work:
    """One transaction on the projections of one partition."""

    def __init__(self, conn: psycopg.Connection[Any], partition: int) -> None:
        self._conn = conn
        self.partition = partition

    def run(self, statement: str, params: Sequence[Any] = ()) -> list[Any]:
        """Rows of one statement; a list whose parameter says `%b::bigint[]` or the like goes as a column."""
        cursor = self._execute(statement, params)
        return cursor.fetchall() if cursor.description else []

    def change(self, statement: str, params: Sequence[Any] = ()) -> int:
        """How many rows one statement changed."""
        return self._execute(statement, params).rowcount

    def _execute(self, statement: str, params: Sequence[Any]) -> psycopg.Cursor[Any]:
        packed = [
            _Column(store_pipeline.packed(kind, value)) if kind and type(value) is list else value
            for kind, value in zip(_kinds(statement), params, strict=True)
        ]
        return self._conn.execute(statement, packed, prepare=True, binary=True)

    def script(self, statements: str) -> None:
        """Run several statements without parameters."""
        self._conn.execute(statements)

    def rows(self, cls: type[state.R], keys: Collection[state.Key]) -> dict[state.Key, state.R]:
        """The rows of `cls` that are there, by key."""
        if not keys:
            return {}
        table = tables.table(cls)
        return table.by_key(self.run(table.rows, (self.partition, list(keys))))

    def save(self, rows: Collection[state.Row]) -> None:
        """Insert or replace rows of one class."""
        if rows:
            table = tables.table(type(next(iter(rows))))
            self.run(table.save, (*table.arrays(rows), self.partition))

    def lock(self, name: str, *, waits: bool = False) -> Position | None:
        """The position of a projection, ours until the transaction ends; None when another has it."""
        statement = sql.load("positions")["wait_for_position" if waits else "lock_position"]
        return _position(self.run(statement, (self.partition, name)))

    def advance(self, name: str, through: int) -> None:
        """The projection has come through an index."""
        self.run(sql.load("positions")["advance"], (through, self.partition, name))

    def halt(self, name: str, index: int | None) -> None:
        """The projection stops before an index; None: it goes on."""
        self.run(sql.load("positions")["halt"], (index, self.partition, name))

    def begin(self, name: str, *, version: int) -> None:
        """The projection has followed nothing yet."""
        self.run(sql.load("positions")["begin"], (self.partition, name, version))


class Database:
    """A pool of connections to the projections."""

    def __init__(self, conninfo: str, *, partition: int = 0, schema: str = SCHEMA, pool_max: int = 8) -> None:
        self.partition = partition
        settings = _SETTINGS | {"search_path": ",".join(dict.fromkeys((schema, SCHEMA, "public")))}
        given = conninfos.conninfo_to_dict(conninfo).get("options") or ""
        options = " ".join([str(given), *(f"-c {name}={value}" for name, value in settings.items())])
        self._pool: pooling.Pool = psycopg_pool.ConnectionPool(
            conninfos.make_conninfo(conninfo, options=options.strip()),
            min_size=1,
            max_size=pool_max,
            kwargs={"autocommit": True, **pooling.KEEPALIVES},
            configure=_configure,
            open=True,
            check=pooling.check,
            timeout=5.0,
            reconnect_timeout=2.0,
        )

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()

    def read(self, statement: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """Rows of one statement; raises Unavailable."""
        with _translated(), self._pool.connection() as conn:
            return conn.execute(statement, params, prepare=True, binary=True).fetchall()

    def rows(self, cls: type[state.R], keys: Collection[state.Key]) -> dict[state.Key, state.R]:
        """The rows of `cls` that are there, by key; raises Unavailable."""
        if not keys:
            return {}
        table = tables.table(cls)
        return table.by_key(self.read(table.rows, (self.partition, list(keys))))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Work]:
        """Work that is committed when the block ends; raises Unavailable or Refused."""
        with _translated(), self._pool.connection() as conn, conn.transaction():
            yield Work(conn, self.partition)

    @contextlib.contextmanager
    def rebuilding(self, name: str) -> Iterator[None]:
        """Nobody else rebuilds the projection during the block; raises Conflict when somebody does."""
        texts = sql.load("positions")
        with _translated(), self._pool.connection() as conn:
            row = conn.execute(texts["lock_rebuild"], (name,)).fetchone()
            if row is None or not row[0]:
                raise errors.Conflict("the projection is being rebuilt")
            try:
                yield
            finally:
                conn.execute(texts["unlock_rebuild"], (name,))

    def position(self, name: str) -> Position:
        """How far a projection came; raises Unavailable when it has no tables."""
        found = _position(self.read(sql.load("positions")["position"], (self.partition, name)))
        if found is None:
            raise errors.Unavailable("a projection has no tables yet: run `license-ledger migrate`")
        return found


def _configure(conn: psycopg.Connection[Any]) -> None:
    conn.adapters.register_dumper(_Column, _ColumnDumper)


def migrate(owner_conninfo: str, *, partition: int = 0) -> tuple[str, ...]:
    """Make the tables that are missing; returns the projections whose tables are of another version.

    Those are read as they are until they are rebuilt. Can be run again at any time, by several at once.
    """
    texts = sql.load("positions")
    with (
        Database(owner_conninfo, partition=partition, pool_max=1) as database,
        database.transaction() as work,
    ):
        work.run(texts["lock_migration"])
        work.script(texts["schema"])
        known = dict(work.run(texts["known"], (partition,)))
        for name, version in VERSIONS.items():
            if name not in known:
                work.script(sql.load(name)["tables"])
                work.begin(name, version=version)
        work.script(texts["grants"].format(schema=SCHEMA))
    return tuple(name for name, version in VERSIONS.items() if known.get(name, version) != version)


def page_of(rows: list[Any], read: Callable[[Sequence[Any]], T]) -> tuple[int, list[T]]:
    """The index come through, and the rows behind it; without rows, one line holds the index alone."""
    if not rows:
        raise errors.Unavailable("a projection has no tables yet: run `license-ledger migrate`")
    return rows[0][0], [read(row[1:]) for row in rows if row[1] is not None]


def _position(rows: list[Any]) -> Position | None:
    if not rows:
        return None
    version, through, halted_at = rows[0]
    return Position(version=version, through=through, halted_at=halted_at)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except pooling.GONE as error:
        raise errors.Unavailable("the database cannot be reached") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise errors.Unavailable("a projection has no tables yet: run `license-ledger migrate`") from error
    except psycopg.Error as error:
        raise Refused(type(error).__name__) from error
