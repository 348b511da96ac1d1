"""Sessions on PostgreSQL that lock, load, write and commit batches; the append path's door to psycopg.

A `Session` is one connection with its own deadlines. It tells apart what never landed (`Lost`), what
the database refuses (`Refused`) and what is not known (`Unknown`). Positions, trees and rules are the
caller's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ledger import errors, party, pooling, sql, store_pipeline, tables
from ledger.batch import Entry
from ledger.command import Reads, RowKey, Wants
from ledger.state import AuthorizationRow, LicenseRow, Row
from ledger.store_pipeline import Answer
from ledger.writing import Addition, Head, Write
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
    "SET plan_cache_mode = 'force_generic_plan'",
)


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
class Look:
    """What is read right after the lock."""

    head: Head
    clock: int
    """The database's clock in microseconds UTC."""
    waited_us: int
    """How long the lock was waited for, as the server saw it."""
    ring_version: int | None
    anchored_root: bytes | None
    """The root this history has at the anchor's size."""
    anchored_generation: int | None
    found: Loaded
    """What the batch wanted to know first."""


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
    shared: dict[bytes, list[bytes]] = field(default_factory=dict)
    naming: dict[tuple[bytes, bytes], list[tuple[str, bytes]]] = field(default_factory=dict)


class Session:
    """One connection of the append path."""

    def __init__(self, conninfo: str, *, partition: int = 0, digest_bytes: int = 32) -> None:
        self._partition = partition
        self._digest_bytes = digest_bytes
        self._sql = sql.load("append")
        self._warnings: list[str] = []
        try:
            self._conn = psycopg.connect(conninfo, autocommit=True, **pooling.KEEPALIVES)
        except psycopg.Error as error:
            raise Lost("the database cannot be reached") from error
        self._conn.add_notice_handler(
            lambda notice: self._warnings.append(notice.severity_nonlocalized or "")
        )
        self._pipeline = store_pipeline.Pipeline(self._conn)
        self._is_locking = False
        """A transaction has begun, with the lock first."""
        self._waited_us: int | None = None
        """How long `lock` waited; None: the lock is taken with the look."""
        try:
            for setting in _SETTINGS:
                self._pipeline.ask(setting)
            self.identity = self._identify()
            # A client that stops amid a pipeline holds the lock without a time-out of the server's.
            self._ask("end_stalled")
            self._pipeline.gather(within_s=ANSWER_DEADLINE_S)
        except psycopg.Error as error:
            self.close()
            raise Lost("the database cannot be reached") from error

    def _identify(self) -> Identity:
        identity = self._ask("session_identity")
        self._pipeline.gather(within_s=ANSWER_DEADLINE_S)
        ((pid, started_at, is_standby, system, timeline),) = identity.rows
        if is_standby:
            self.close()
            raise errors.Unavailable("the database is a standby: nothing can be appended here")
        return Identity(pid=pid, started_at=started_at, system=system, timeline=timeline)

    def close(self) -> None:
        """End the session; an open transaction is rolled back by the server."""
        with contextlib.suppress(psycopg.Error):
            self._conn.close()

    def lock(self) -> int:
        """How many microseconds the partition was waited for; the next `begin` goes on under the lock.

        Raises Lost.
        """
        self._ask_lock()
        waited = self._ask("waited")
        self._gather()
        ((self._waited_us,),) = waited.rows
        return self._waited_us

    def _ask_lock(self) -> None:
        if not self._is_locking:
            self._pipeline.ask("BEGIN")
            self._ask("lock_partition", self._partition)
            self._waited_us = None
        self._is_locking = True

    def begin(
        self, *, anchor_size: int, wants: Wants | None = None, repeats: Sequence[bytes] = (), today: int = 0
    ) -> Look:
        """Lock the partition, then read head, clock, and what a batch wants to know first; raises Lost.

        The lock comes first and in a statement of its own: what is read after it is what stands under it.
        `today` is the caller's Beijing day; a key that was answered on the day after is found too.
        """
        found = _nothing()
        wants = wants or Wants()
        digests = [digest for lookup in wants.lookups for digest in lookup.digests]
        self._ask_lock()
        look = self._ask("look", anchor_size, self._partition)
        days_of_keys = (today - IDEMPOTENCY_DAYS, today + 1)
        answered = self._ask("idempotency", self._partition, *days_of_keys, repeats) if repeats else None
        rows = self._ask_rows(wants.rows)
        entries = self._ask("directory_entries", self._partition, digests) if digests else None
        coded = self._ask_use_codes(wants.use_codes)
        self._gather()
        self._finish_rows(rows, found)
        for lookup, stream_id, target in entries.rows if entries else ():
            found.entries[lookup] = Entry(stream_id=stream_id, target=target)
        for key, body_digest, first_index, count in answered.rows if answered else ():
            found.answered[key] = Answered(body_digest=body_digest, first_index=first_index, events=count)
        for row in self._fetched(AuthorizationRow, coded):
            found.use_codes[row.use_code_digest] = row.authorization_ref
            found.rows[AuthorizationRow, row.authorization_ref] = row
        return self._look(look.rows[0], found)

    def _look(self, row: Any, found: Loaded) -> Look:
        now, waited_us, ring_version, *head, root, generation = row
        return Look(
            head=Head() if head[0] is None else self._head(head),
            clock=now,
            # What our own side did since, as taking the batch, is no wait.
            waited_us=waited_us if self._waited_us is None else self._waited_us,
            ring_version=ring_version,
            anchored_root=root,
            anchored_generation=generation,
            found=found,
        )

    def load(self, reads: Reads) -> Loaded:
        """What a batch's commands read once they know what their lookups name; raises Lost."""
        found = _nothing()
        held, candidates, keys = list(reads.held), list(reads.candidates), list(reads.data_keys)
        rows = self._ask_rows(reads.rows)
        held_rows, others_rows, shared_rows = self._ask_held(held, list(reads.shared))
        candidate_rows = self._ask_candidates(candidates)
        wraps = self._ask("data_keys", self._partition, keys) if keys else None
        pairs = list(reads.naming)
        naming = self._ask("naming_entries", *_columns(pairs), self._partition) if pairs else None
        self._gather()
        self._finish_rows(rows, found)
        found.held = {pair: [] for pair in held}
        for row in self._fetched(LicenseRow, held_rows):
            found.rows[LicenseRow, row.license_ref] = row
            found.held[row.stream_id, row.type_code].append(row.license_ref)
        for row in self._fetched(LicenseRow, others_rows):
            found.rows[LicenseRow, row.license_ref] = row
            for one in party.of(row):
                if one.stream_id != row.stream_id and (one.stream_id, row.type_code) in found.held:
                    found.held[one.stream_id, row.type_code].append(row.license_ref)
        found.shared = {stream_id: [] for stream_id in reads.shared}
        for row in self._fetched(LicenseRow, shared_rows):
            found.rows[LicenseRow, row.license_ref] = row
            for one in party.of(row):
                if one.stream_id in found.shared:
                    found.shared[one.stream_id].append(row.license_ref)
        found.candidates = {asked: [] for asked in candidates}
        for row in self._fetched(AuthorizationRow, candidate_rows):
            found.rows[AuthorizationRow, row.authorization_ref] = row
            for type_code in (None, *row.type_codes):
                refs = found.candidates.get((row.stream_id, row.requester, type_code), [])
                refs.append(row.authorization_ref)
        found.naming = {pair: [] for pair in pairs}
        for stream_id, target, kind, sealed in naming.rows if naming else ():
            found.naming[stream_id, target].append((kind, sealed))
        found.wraps = [keyring.WrappedKey(**_named(row)) for row in (wraps.rows if wraps else ())]
        return found

    def add(self, addition: Addition) -> None:
        """Let the server begin to insert; what it says of it is heard by `write`. Nothing is committed."""
        columns = _columns(addition.events)
        with _translated():
            self._ask("insert_events", addition.first_position - 1, *columns, self._partition)
            if addition.answered:
                answered = _columns(addition.answered)
                self._ask("insert_idempotency", addition.day, *answered, self._partition)
            self._pipeline.send()

    def write(self, batch: Write) -> None:
        """What the batch stores beside its events; raises Refused or Lost. Nothing is committed yet."""
        head = batch.head
        peaks = b"".join(head.frontier)
        columns = (head.size, head.generation, head.root, peaks, head.at, head.mac)
        self._ask("insert_checkpoint", *columns, self._partition)
        if batch.tiles:
            self._ask("insert_tiles", *_columns(batch.tiles), self._partition)
        if batch.dropped:
            self._ask("forget_lookups", self._partition, list(batch.dropped))
        if batch.entries:
            self._ask("insert_directory", *_columns(batch.entries), self._partition)
        if batch.wraps:
            wraps = [(w.stream_id, w.number, w.bucket, w.generation, w.wrapped) for w in batch.wraps]
            self._ask("insert_data_keys", *_columns(wraps), self._partition)
        for cls in {type(row) for row in batch.rows}:
            table = tables.table(cls)
            arrays = table.arrays(row for row in batch.rows if type(row) is cls)
            self._pipeline.ask(table.save, *arrays, self._partition)
        for stream_id in batch.forgotten:
            self._ask("forget_stream", self._partition, stream_id)
            self._ask("forget_key", self._partition, stream_id)
        if batch.ring_version is not None:
            self._ask("set_ring_version", batch.ring_version, self._partition)
        self._gather()

    def commit(self) -> None:
        """COMMIT, within its deadline; raises Unknown when anything but a plain success comes back."""
        self._warnings.clear()
        self._is_locking = False
        try:
            answer = self._pipeline.ask("COMMIT")
            self._pipeline.gather(within_s=COMMIT_DEADLINE_S)
        except psycopg.Error as error:
            raise Unknown("COMMIT was not answered") from error
        if answer.status != b"COMMIT" or self._warnings:
            raise Unknown("COMMIT was answered with a warning")

    def rollback(self) -> None:
        """Give the lock back; raises Lost."""
        self._is_locking = False
        with contextlib.suppress(Refused):
            self._gather()
        self._pipeline.ask("ROLLBACK")
        self._gather()

    def run(self, statement: str, *params: Any) -> list[Any]:
        """Rows of one statement of maintenance, in the open transaction; raises Refused or Lost."""
        answer = self._pipeline.ask(statement, *params)
        self._gather()
        return answer.rows

    def end_backend(self, identity: Identity) -> None:
        """End another session of ours, if it still lives."""
        self.run(self._sql["end_backend"], identity.pid, identity.started_at)

    def tile(self, level: int, tile: int) -> bytes | None:
        """One full hash tile."""
        rows = self.run(self._sql["tile"], self._partition, level, tile)
        return rows[0][0] if rows else None

    def states(self, first: int, last: int) -> list[bytes]:
        """Stored bytes of leaf indexes `first` to `last`, both included."""
        rows = self.run(self._sql["event_states"], self._partition, first + 1, last + 1)
        return [state for _, state in rows]

    def _ask(self, name: str, *params: Any) -> Answer:
        return self._pipeline.ask(self._sql[name], *params)

    def _gather(self) -> None:
        with _translated():
            self._pipeline.gather(within_s=ANSWER_DEADLINE_S)

    def _head(self, row: Any) -> Head:
        size, generation, root, frontier, at, mac = row
        width = self._digest_bytes
        peaks = tuple(frontier[i : i + width] for i in range(0, len(frontier), width))
        return Head(size=size, generation=generation, root=root, frontier=peaks, at=at, mac=mac)

    def _ask_rows(self, keys: set[RowKey]) -> list[tuple[type[Row], list[Any], Answer]]:
        by_class: dict[type[Row], list[Any]] = {}
        for cls, key in keys:
            by_class.setdefault(cls, []).append(key)
        return [
            (cls, wanted, self._pipeline.ask(tables.table(cls).rows, self._partition, wanted))
            for cls, wanted in by_class.items()
        ]

    def _finish_rows(self, asked: list[tuple[type[Row], list[Any], Answer]], into: Loaded) -> None:
        for cls, wanted, answer in asked:
            into.rows.update({(cls, key): None for key in wanted})
            for row in self._fetched(cls, answer):
                into.rows[cls, row.key] = row

    def _ask_use_codes(self, digests: list[bytes]) -> Answer | None:
        if not digests:
            return None
        text = self._sql["by_use_code"].format(columns=tables.table(AuthorizationRow).columns)
        return self._pipeline.ask(text, self._partition, digests)

    def _ask_held(
        self, held: list[tuple[bytes, str]], shared: list[bytes]
    ) -> tuple[Answer | None, Answer | None, Answer | None]:
        """Licenses that stand in a holder's stream, those that stand in another's, and those with several."""
        columns = tables.table(LicenseRow).columns
        own = others = several = None
        if held:
            own = self._pipeline.ask(
                self._sql["held"].format(columns=columns), *_columns(held), self._partition
            )
            text = self._sql["held_with_others"].format(columns=columns)
            others = self._pipeline.ask(text, *_columns(held), self._partition)
        if shared:
            text = self._sql["shared"].format(columns=columns)
            several = self._pipeline.ask(text, shared, self._partition, self._partition)
        return own, others, several

    def _ask_candidates(self, candidates: list[tuple[bytes, str, str | None]]) -> Answer | None:
        if not candidates:
            return None
        text = self._sql["candidates"].format(columns=tables.table(AuthorizationRow).columns)
        return self._pipeline.ask(text, *_columns(candidates), self._partition)

    def _fetched(self, cls: type[Row], answer: Answer | None) -> Iterator[Any]:
        table = tables.table(cls)
        for values in answer.rows if answer is not None else ():
            yield table.row(values)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
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
