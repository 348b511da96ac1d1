"""A front-end database for tests: the published table on a second database, and its answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo as conninfos
from psycopg import sql as composing

from ledger import collection_sync, front, front_database, reading, sql, stock_row
from tests.world import World

PASSWORD = "front-password-of-the-tests"
TABLE = front.asked("front.licenses")


class Front:
    """The database of a department, as its owner has it."""

    def __init__(self, server_url: str, name: str, *, encoding: str = "UTF8") -> None:
        self.server_url, self.name, self.role = server_url, name, f"{name}_role"
        made = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'"
        with psycopg.connect(server_url, autocommit=True) as conn:
            conn.execute(_sql(made).format(composing.Identifier(name), composing.Literal(encoding)))
        self.url = conninfos.make_conninfo(server_url, dbname=name)
        self.conninfo = conninfos.make_conninfo(self.url, user=self.role, password=PASSWORD)
        self.conn = psycopg.connect(self.url, autocommit=True)
        for statement in sql.load("front_table").values():
            self.conn.execute(statement.replace("license_ledger", self.role))
        self.do(f"ALTER ROLE {self.role} PASSWORD '{PASSWORD}'")

    def drop(self) -> None:
        """Gone, with its role."""
        self.do(f"DROP OWNED BY {self.role}")
        self.conn.close()
        with psycopg.connect(self.server_url, autocommit=True) as conn:
            for statement in ("DROP DATABASE {} WITH (FORCE)", "DROP ROLE {}"):
                name = self.name if "DATABASE" in statement else self.role
                conn.execute(_sql(statement).format(composing.Identifier(name)))

    def do(self, statement: str, *values: Any) -> None:
        """What the department does."""
        self.conn.execute(_sql(statement), values)

    def put(self, number: str | None, rows: list[dict[str, Any]], *, of: int | None = None) -> None:
        """Rows of a batch, which says that it has so many; all of them unless said."""
        for row in rows:
            said = {"batch": number, "batch_rows": len(rows) if of is None else of, **row}
            names = composing.SQL(", ").join(map(composing.Identifier, said))
            marks = composing.SQL(", ").join([composing.Placeholder()] * len(said))
            statement = _sql("INSERT INTO front.licenses ({}) VALUES ({})").format(names, marks)
            self.conn.execute(statement, list(said.values()))

    def answers(self) -> list[tuple[Any, ...]]:
        """Source id, state and remark of every row, in the order in which they were put."""
        asked = "SELECT source_id, state, error_remark FROM front.licenses ORDER BY sequence"
        return self.conn.execute(_sql(asked)).fetchall()

    def states(self) -> list[str | None]:
        """The states alone."""
        return [state for _, state, _ in self.answers()]

    def answered(self) -> int:
        """How many rows have an answer."""
        return sum(state is not None for state in self.states())


def _sql(text: str) -> composing.SQL:
    return composing.SQL(text)  # type: ignore[arg-type]


@contextlib.contextmanager
def syncing(world: World, front_: Front, folder: Path, **changes: Any) -> Iterator[collection_sync.Sync]:
    """A sync of the issuer's source `archive`."""
    asked = changes.pop("asked", TABLE)
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        members: dict[str, Any] = {
            "vault": world.ledger.vault,
            "reader": reader,
            "submit": world.appender.submit,
            "newest_index": world.ledger.recorder.newest_index,
            "actor": world.issuer,
            "source": "archive",
            "defaults": stock_row.Defaults(),
            "database": front_database.Database(front_database.connection(front_.conninfo, None), asked),
            "folder": folder,
            "shown": lambda number, state: contextlib.nullcontext(lambda now: None),
        }
        yield collection_sync.Sync(**members | changes)


def synced(world: World, front_: Front, folder: Path, **changes: Any) -> collection_sync.Summary:
    """What one run came to."""
    with syncing(world, front_, folder, **changes) as sync, sync.alone():
        return sync.run()
