"""Migration: schema, range and day tables, roles and logins; run as the database's owner.

`migrate` can be run again at any time and by several at once. It applies what is missing, keeps tables
of events and keys ahead of use, drops idempotency days older than any repeat is promised for, and collects
attachments that nothing needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql as composing

from ledger import days, errors, sql
from ledger.store import IDEMPOTENCY_DAYS, wall_clock

RANGE_POSITIONS = 50_000_000
DAYS_AHEAD = 40
DAYS_PER_TABLE = 8
VERSIONS = (
    "migration_001",
    "migration_002",
    "migration_003",
    "migration_004",
    "migration_005",
    "migration_007",
    "migration_008",
    "migration_009",
    "migration_010",
    "migration_011",
    "migration_012",
    "migration_016",
    "migration_018",
    "migration_021",
    "migration_022",
    "migration_024",
    "migration_025",
    "migration_026",
    "migration_027",
    "migration_029",
    "migration_030",
    "migration_031",
    "migration_032",
    "migration_033",
    "migration_034",
)
SERVER_VERSION_MIN = 150000
SERVICE_ROLE, READER_ROLE = "ledger_service", "ledger_reader"


@dataclass(frozen=True, kw_only=True)
class Login:
    """A login to be made or updated, with the role it gets."""

    name: str
    password: str
    role: str

    def __repr__(self) -> str:
        return f"Login({self.name}, {self.role})"


def migrate(owner_conninfo: str, *, logins: tuple[Login, ...] = ()) -> int:
    """The schema version after all that was missing is there; raises Unavailable."""
    texts = sql.load("maintenance")
    try:
        with psycopg.connect(owner_conninfo) as conn:
            if conn.info.server_version < SERVER_VERSION_MIN:
                raise errors.Unavailable("PostgreSQL 15 or newer is needed")
            conn.execute(texts["lock_migration"])
            version = _apply(conn, texts)
            add_ranges(conn)
            _turn_days(conn, texts, days.of_instant(wall_clock()))
            _collect_attachments(conn)
            for login in logins:
                _login(conn, texts, login)
    except psycopg.Error as error:
        raise errors.Unavailable(f"the migration failed: {type(error).__name__}") from error
    return version


def create_database(server_conninfo: str, name: str) -> None:
    """A database called `name`, unless it is there."""
    texts = sql.load("maintenance")
    with psycopg.connect(server_conninfo, autocommit=True) as conn:
        if not _one(conn, texts["database_exists"], name):
            statement = composing.SQL(texts["create_database"]).format(name=composing.Identifier(name))
            conn.execute(statement)


def set_ring(owner_conninfo: str, *, ledger_id: bytes, version: int) -> None:
    """The first ring version of a new ledger."""
    with psycopg.connect(owner_conninfo) as conn:
        conn.execute(sql.load("maintenance")["ring_state"], (ledger_id, version))


def _apply(conn: psycopg.Connection, texts: sql.Statements) -> int:
    conn.execute(texts["versions"])
    applied: int = _one(conn, texts["applied"])
    for version, name in enumerate(VERSIONS, start=1):
        if version > applied:
            for statement in sql.load(name).values():
                conn.execute(statement)
            conn.execute(texts["record_version"], (version,))
    return len(VERSIONS)


def add_ranges(conn: psycopg.Connection) -> None:
    """Two range tables are always ahead of the newest position."""
    texts = sql.load("maintenance")
    row = conn.execute(texts["newest_range"]).fetchone()
    assert row is not None, "an aggregate always answers"
    first, newest = row
    while first <= newest + 2 * RANGE_POSITIONS:
        end = first + RANGE_POSITIONS
        conn.execute(texts["add_range"].format(first=first, end=end))
        first = end


def _turn_days(conn: psycopg.Connection, texts: sql.Statements, today: int) -> None:
    """Tables of idempotency keys are there for all days ahead, and gone for days that no repeat is of.

    A table holds eight days, so that a look-up over the days of a promise meets two or three of them.
    """
    tables = conn.execute(texts["key_tables"]).fetchall()
    first, horizon = today - IDEMPOTENCY_DAYS, today + DAYS_AHEAD
    while first < horizon:
        behind = next((end for start, end in tables if start <= first < end), None)
        if behind is not None:
            first = behind
            continue
        block_end = first - first % DAYS_PER_TABLE + DAYS_PER_TABLE
        end = min([block_end, *(start for start, _ in tables if start > first)])
        if not _one(conn, texts["default_keys"], first, end):
            conn.execute(texts["add_key_table"].format(first=first, end=end))
        first = end
    for start, end in tables:
        if end < today - IDEMPOTENCY_DAYS:
            conn.execute(texts["drop_key_table"].format(first=start))


def _collect_attachments(conn: psycopg.Connection) -> None:
    """Sealed bytes that no fact came to name, of drafts that are over and of erased holders go."""
    texts = sql.load("attachments")
    for name in ("settle", "collect_unnamed", "collect_drafts", "collect_erased"):
        conn.execute(texts[name])


def _login(conn: psycopg.Connection, texts: sql.Statements, login: Login) -> None:
    name = composing.Identifier(login.name)
    if not _one(conn, texts["login_exists"], login.name):
        conn.execute(composing.SQL(texts["make_login"]).format(login=name))
    verifier = conn.pgconn.encrypt_password(login.password.encode(), login.name.encode(), b"scram-sha-256")
    password = composing.Literal(verifier.decode())
    conn.execute(composing.SQL(texts["set_password"]).format(login=name, password=password))
    role = composing.Identifier(login.role)
    conn.execute(composing.SQL(texts["grant_role"]).format(role=role, login=name))


def _one(conn: psycopg.Connection, statement: str, *params: object) -> Any:
    row = conn.execute(statement, params).fetchone()
    assert row is not None, "the statement always answers"
    return row[0]
