"""Sessions on PostgreSQL that lock, load, write and commit batches; the append path's door to psycopg.

A `Session` is one connection with its own deadlines. It tells apart what never landed (`Lost`), what
the database refuses (`Refused`) and what is not known (`Unknown`). Positions, trees and rules are the
caller's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ledger import errors, sql, tables
from ledger.command import Entry, Reads, RowKey, Wants
from ledger.state import AuthorizationRow, LicenseRow, Row
from ledger.store_watch import Watch
from signing import keyring

COMMIT_DEADLINE_S = 4.0
ANSWER_DEADLINE_S = 12.0
"""For everything but COMMIT; a little more than the server gives a statement."""
IDEMPOTENCY_DAYS = 7
_SETTINGS = (
    "SET lock_timeout = '4s'",
    "SET idle_in_transaction_session_timeout = '3s'",
    "SET statement_timeout = '10s'",
    "SET default_transaction_isolation = 'read committed'",
    "SET client_min_messages = 'warning'",
    "SET synchronous_commit = 'on'",
    "SET jit = off",
)
_KEEPALIVES = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class StoreError(Exception):
    """Base of what a session can meet."""


class Lost(StoreError):
    """The session is gone, or gave up waiting; its transaction did not commit."""


class Refused(StoreError):
    """The database refuses the batch; nothing of it is stored."""


class Unknown(StoreError):
    """COMMIT was sent and its outcome is not known."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What tells a session, its server and its timeline apart."""

    pid: int
    started_at: int
    system: str
    timeline: str


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest committed tree head of a partition."""

    size: int = 0
    generation: int = 0
    root: bytes = b""
    frontier: tuple[bytes, ...] = ()
    at: int = 0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is read right after the lock."""

    head: Head
    clock: int
    """The database's clock in microseconds UTC."""
    ring_version: int | None
    anchored_root: bytes | None
    """The root this history has at the anchor's size."""
    anchored_generation: int | None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What an idempotency key led to before."""

    body_digest: bytes
    first_index: int
    events: int


@dataclass(kw_only=True)
class Loaded:
    """Results of one load, by what was asked for."""

    rows: dict[RowKey, Row | None]
    entries: dict[bytes, Entry]
    use_codes: dict[bytes, bytes]
    answered: dict[bytes, Answered]
    held: dict[tuple[bytes, str], list[bytes]]
    candidates: dict[tuple[bytes, str, str | None], list[bytes]]
    wraps: list[keyring.WrappedKey]


class EventRow(NamedTuple):
    """One row of `events`, but for its position."""

    stream_id: UUID
    version: int
    topic: str
    recorded_at: int
    state: bytes


@dataclass(kw_only=True)
class Write:
    """Everything one batch stores."""

    head: Head
    """The new head."""
    first_position: int
    events: Sequence[EventRow]
    rows: Sequence[Row] = ()
    entries: Sequence[tuple[bytes, str, int, bytes, bytes | None, bytes]] = ()
    """(lookup, kind, pepper id, stream, target, sealed)."""
    wraps: Sequence[keyring.WrappedKey] = ()
    answered: Sequence[tuple[bytes, bytes, int, int]] = ()
    """(key, body digest, first index, events)."""
    day: int = 0
    tiles: Sequence[tuple[int, int, bytes]] = ()
    """(level, tile, hashes)."""
    forgotten: Sequence[bytes] = ()
    """Streams whose directory rows and data keys go."""
    ring_version: int | None = None


class Session:
    """One connection of the append path."""

    def __init__(self, conninfo: str, *, partition: int = 0, digest_bytes: int = 32) -> None:
        self._partition = partition
        self._digest_bytes = digest_bytes
        self._sql = sql.load("append")
        self._warnings: list[str] = []
        try:
            self._conn = psycopg.connect(conninfo, autocommit=True, **_KEEPALIVES)  # type: ignore[arg-type]
        except psycopg.Error as error:
            raise Lost("the database cannot be reached") from error
        self._conn.add_notice_handler(
            lambda notice: self._warnings.append(notice.severity_nonlocalized or "")
        )
        self._watch = Watch(self._conn.fileno())
        try:
            with self._watch.within(ANSWER_DEADLINE_S):
                for setting in _SETTINGS:
                    self._conn.execute(setting)
                self.identity = self._identify()
                # A client that stops amid a pipeline holds the lock without a time-out of the server's.
                self._conn.execute(self._sql["end_stalled"])
        except psycopg.Error as error:
            self.close()
            raise Lost("the database cannot be reached") from error

    def _identify(self) -> Identity:
        row = self._conn.execute(self._sql["session_identity"]).fetchone()
        assert row is not None, "a session knows itself"
        pid, started_at, is_standby, system, timeline = row
        if is_standby:
            self.close()
            raise errors.Unavailable("the database is a standby: nothing can be appended here")
        return Identity(pid=pid, started_at=started_at, system=system, timeline=timeline)

    def close(self) -> None:
        """End the session; an open transaction is rolled back by the server."""
        self._watch.close()
        with contextlib.suppress(psycopg.Error):
            self._conn.close()

    def begin(self, *, anchor_size: int) -> Look:
        """Pipeline 1, first half: lock the partition, read head and clock; raises Lost."""
        with self._translated(), self._conn.pipeline():
            self._conn.execute("BEGIN")
            self._run("lock_partition", self._partition)
            head = self._run("head", self._partition)
            clock = self._run("clock", self._partition)
            anchored = self._run("checkpoint_at", self._partition, anchor_size)
        head_row, clock_row, anchored_row = head.fetchone(), clock.fetchone(), anchored.fetchone()
        assert clock_row is not None, "a clock always answers"
        return Look(
            head=Head() if head_row is None else self._head(head_row),
            clock=clock_row[0],
            ring_version=clock_row[1],
            anchored_root=None if anchored_row is None else anchored_row[0],
            anchored_generation=None if anchored_row is None else anchored_row[1],
        )

    def resolve(self, wants: Wants, *, repeats: Sequence[bytes], day: int) -> Loaded:
        """Pipeline 1: rows, lookups, use codes and idempotency keys of a batch."""
        found = _nothing()
        digests = [digest for lookup in wants.lookups for digest in lookup.digests]
        with self._translated(), self._conn.pipeline():
            rows = self._start_rows(wants.rows)
            entries = self._run("directory_entries", self._partition, digests) if digests else None
            since = day - IDEMPOTENCY_DAYS
            keys = list(repeats)
            answered = self._run("idempotency", self._partition, since, day, keys) if keys else None
            coded = self._start_use_codes(wants.use_codes)
        self._finish_rows(rows, found)
        for lookup, stream_id, target in entries.fetchall() if entries else ():
            found.entries[lookup] = Entry(stream_id=stream_id, target=target)
        for key, body_digest, first_index, count in answered.fetchall() if answered else ():
            found.answered[key] = Answered(body_digest=body_digest, first_index=first_index, events=count)
        for row in self._fetched(AuthorizationRow, coded):
            found.use_codes[row.use_code_digest] = row.authorization_ref
            found.rows[AuthorizationRow, row.authorization_ref] = row
        return found

    def load(self, reads: Reads) -> Loaded:
        """Pipeline 1, second half: what the resolved commands read."""
        found = _nothing()
        held, candidates, keys = list(reads.held), list(reads.candidates), list(reads.data_keys)
        with self._translated(), self._conn.pipeline():
            rows = self._start_rows(reads.rows)
            held_rows = self._start_held(held)
            candidate_rows = self._start_candidates(candidates)
            wraps = self._run("data_keys", self._partition, keys) if keys else None
        self._finish_rows(rows, found)
        found.held = {pair: [] for pair in held}
        for row in self._fetched(LicenseRow, held_rows):
            found.rows[LicenseRow, row.license_ref] = row
            found.held[row.stream_id, row.type_code].append(row.license_ref)
        found.candidates = {asked: [] for asked in candidates}
        for row in self._fetched(AuthorizationRow, candidate_rows):
            found.rows[AuthorizationRow, row.authorization_ref] = row
            for type_code in (None, *row.type_codes):
                refs = found.candidates.get((row.stream_id, row.requester, type_code), [])
                refs.append(row.authorization_ref)
        found.wraps = [keyring.WrappedKey(**_named(row)) for row in (wraps.fetchall() if wraps else ())]
        return found

    def write(self, batch: Write) -> None:
        """Pipeline 2: everything the batch stores; raises Refused or Lost. Nothing is committed yet."""
        with self._translated(), self._conn.pipeline():
            self._write_events(batch)
            if batch.tiles:
                self._run("insert_tiles", *_columns(batch.tiles), self._partition)
            if batch.answered:
                self._run("insert_idempotency", batch.day, *_columns(batch.answered), self._partition)
            if batch.entries:
                self._run("insert_directory", *_columns(batch.entries), self._partition)
            if batch.wraps:
                wraps = [(w.stream_id, w.number, w.bucket, w.generation, w.wrapped) for w in batch.wraps]
                self._run("insert_data_keys", *_columns(wraps), self._partition)
            for cls in {type(row) for row in batch.rows}:
                table = tables.table(cls)
                arrays = table.arrays(row for row in batch.rows if type(row) is cls)
                self._conn.execute(table.save, (*arrays, self._partition), prepare=True, binary=True)
            for stream_id in batch.forgotten:
                self._run("forget_stream", self._partition, stream_id)
                self._run("forget_key", self._partition, stream_id)
            if batch.ring_version is not None:
                self._run("set_ring_version", batch.ring_version, self._partition)

    def _write_events(self, batch: Write) -> None:
        arrays = (
            [row.stream_id for row in batch.events],
            [row.version for row in batch.events],
            [row.topic for row in batch.events],
            [row.recorded_at for row in batch.events],
            [row.state for row in batch.events],
        )
        self._run("insert_events", batch.first_position - 1, *arrays, self._partition)
        head = batch.head
        self._run(
            "insert_checkpoint",
            head.size,
            head.generation,
            head.root,
            b"".join(head.frontier),
            head.at,
            self._partition,
        )

    def commit(self) -> None:
        """COMMIT, within its deadline; raises Unknown when anything but a plain success comes back."""
        self._warnings.clear()
        try:
            with self._watch.within(COMMIT_DEADLINE_S):
                cursor = self._conn.execute("COMMIT")
        except psycopg.Error as error:
            raise Unknown("COMMIT was not answered") from error
        if cursor.statusmessage != "COMMIT" or self._warnings:
            raise Unknown("COMMIT was answered with a warning")

    def rollback(self) -> None:
        """Give the lock back; raises Lost."""
        with self._translated():
            self._conn.execute("ROLLBACK")

    def run(self, statement: str, *params: Any) -> list[Any]:
        """Rows of one statement of maintenance, in the open transaction; raises Refused or Lost."""
        with self._translated():
            cursor = self._conn.execute(statement, params, prepare=True, binary=True)
            return cursor.fetchall() if cursor.description else []

    def end_backend(self, identity: Identity) -> None:
        """End another session of ours, if it still lives."""
        with self._translated():
            self._run("end_backend", identity.pid, identity.started_at)

    def tile(self, level: int, tile: int) -> bytes | None:
        """One full hash tile."""
        with self._translated():
            row = self._run("tile", self._partition, level, tile).fetchone()
        return None if row is None else row[0]

    def states(self, first: int, last: int) -> list[bytes]:
        """Stored bytes of leaf indexes `first` to `last`, both included."""
        with self._translated():
            rows = self._run("event_states", self._partition, first + 1, last + 1).fetchall()
        return [state for _, state in rows]

    def _run(self, name: str, *params: Any) -> psycopg.Cursor[Any]:
        return self._conn.execute(self._sql[name], params, prepare=True, binary=True)

    def _head(self, row: Any) -> Head:
        size, generation, root, frontier, at = row
        width = self._digest_bytes
        peaks = tuple(frontier[i : i + width] for i in range(0, len(frontier), width))
        return Head(size=size, generation=generation, root=root, frontier=peaks, at=at)

    def _start_rows(self, keys: set[RowKey]) -> list[tuple[type[Row], list[Any], psycopg.Cursor[Any]]]:
        by_class: dict[type[Row], list[Any]] = {}
        for cls, key in keys:
            by_class.setdefault(cls, []).append(key)
        return [
            (
                cls,
                wanted,
                self._conn.execute(
                    tables.table(cls).rows, (self._partition, wanted), prepare=True, binary=True
                ),
            )
            for cls, wanted in by_class.items()
        ]

    def _finish_rows(
        self, started: list[tuple[type[Row], list[Any], psycopg.Cursor[Any]]], into: Loaded
    ) -> None:
        for cls, wanted, cursor in started:
            into.rows.update({(cls, key): None for key in wanted})
            for row in self._fetched(cls, cursor):
                into.rows[cls, row.key] = row

    def _start_use_codes(self, digests: list[bytes]) -> psycopg.Cursor[Any] | None:
        if not digests:
            return None
        text = self._sql["by_use_code"].format(columns=tables.table(AuthorizationRow).columns)
        return self._conn.execute(text, (self._partition, digests), prepare=True, binary=True)

    def _start_held(self, held: list[tuple[bytes, str]]) -> psycopg.Cursor[Any] | None:
        if not held:
            return None
        text = self._sql["held"].format(columns=tables.table(LicenseRow).columns)
        return self._conn.execute(text, (*_columns(held), self._partition), prepare=True, binary=True)

    def _start_candidates(
        self, candidates: list[tuple[bytes, str, str | None]]
    ) -> psycopg.Cursor[Any] | None:
        if not candidates:
            return None
        text = self._sql["candidates"].format(columns=tables.table(AuthorizationRow).columns)
        return self._conn.execute(text, (*_columns(candidates), self._partition), prepare=True, binary=True)

    def _fetched(self, cls: type[Row], cursor: psycopg.Cursor[Any] | None) -> Iterator[Any]:
        table = tables.table(cls)
        for values in cursor.fetchall() if cursor is not None else ():
            yield table.row(values)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with self._watch.within(ANSWER_DEADLINE_S):
                yield
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Lost(type(error).__name__) from error
        except psycopg.Error as error:
            raise Refused(type(error).__name__) from error


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _named(row: Any) -> dict[str, Any]:
    return dict(zip(("stream_id", "number", "bucket", "generation", "wrapped"), row, strict=True))


def _nothing() -> Loaded:
    return Loaded(rows={}, entries={}, use_codes={}, answered={}, held={}, candidates={}, wraps=[])


def wall_clock() -> int:
    """This machine's clock in microseconds UTC."""
    return time.time_ns() // 1000
