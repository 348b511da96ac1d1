"""Reading the log: events by index, receipts for events of any age, the newest signed checkpoint.

Rests on a pool of plain connections, beside the append path. Checkpoints are those the anchor has;
receipts are built from hash tiles, so their cost does not grow with the log.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import psycopg
import psycopg_pool

from ledger import clock, comparison, days, errors, log, number, place, pooling, sql, tables, tiling
from ledger.batch import Entry
from ledger.state import AuthorizationRow, Key, OrganizationRow, R, Row
from ledger.state_document import SealRow
from ledger.state_mandate import MandateRow
from ledger.vault import Vault
from signing import ids, keyring, keys, merkle, note, receipt, seal, suites, tiles

NOTES_CACHED = 16
"""The same tree head is signed for many receipts, with the same bytes: Ed25519 is deterministic."""
KEY_TRIES = 3
SEALS_MAX = 100
SUCCESSORS_MAX = 10_000
MANDATES_MAX = 200


class Snapshot:
    """Decision state at one moment; the first look fixes it, and the clock is read with the first."""

    def __init__(self, conn: psycopg.Connection[Any], partition: int) -> None:
        self._conn = conn
        self._partition = partition
        self.at, self.ring_version = clock.read(self._run, partition=partition)

    def row(self, cls: type[R], key: Key) -> R | None:
        """One row as it stood."""
        table = tables.table(cls)
        found = self._run(table.rows, (self._partition, [key]))
        row: Row | None = table.row(found[0]) if found else None
        return row  # type: ignore[return-value]

    def head_at(self) -> int:
        """When the newest fact was recorded, in microseconds UTC; 0: there is none."""
        rows = self._run(sql.load("reading")["head_at"], (self._partition,))
        return int(rows[0][0]) if rows else 0

    def _run(self, statement: str, params: Sequence[Any]) -> list[Any]:
        return self._conn.execute(statement, params, prepare=True, binary=True).fetchall()


class SignedHead(NamedTuple):
    """A tree head that the anchor has, and how to prove from it."""

    size: int
    root: bytes
    generation: int
    frontier: tuple[bytes, ...]
    note: str
    """The signed checkpoint, where there are any with its cosignatures."""


class Reader:
    """Reads of one partition; `is_witnessed`: cosigned checkpoints are told rather than newer ones."""

    def __init__(
        self,
        conninfo: str,
        vault: Vault,
        *,
        partition: int = 0,
        pool_max: int = 8,
        is_witnessed: bool = False,
    ) -> None:
        self._vault = vault
        self._is_witnessed = is_witnessed
        self._partition = partition
        self._sql = sql.load("append")
        self._knows_filed = False
        self.pool: pooling.Pool = psycopg_pool.ConnectionPool(
            conninfo,
            min_size=1,
            max_size=pool_max,
            kwargs={"autocommit": True, **pooling.KEEPALIVES},
            open=True,
            check=pooling.check,
            timeout=10.0,
            reconnect_timeout=2.0,
        )
        self._nodes = tiling.Nodes(states=self.states, tile=self._stored_tile, suite=vault.suite)
        self._signed = functools.lru_cache(maxsize=NOTES_CACHED)(self._note)
        self._doubted = functools.lru_cache(maxsize=NOTES_CACHED)(self._is_doubted)

    def close(self) -> None:
        """Give the connections back."""
        self.pool.close()

    def run(self, statement: str, params: Sequence[Any] = ()) -> list[Any]:
        """Rows of one statement; raises Unavailable."""
        try:
            with self.pool.connection() as conn:
                cursor = conn.execute(statement, params, prepare=True, binary=True)
                return cursor.fetchall() if cursor.description else []
        except pooling.GONE as error:
            raise errors.Unavailable("the database cannot be reached") from error

    def row(self, cls: type[R], key: Key) -> R | None:
        """One row of decision state as it is committed now."""
        table = tables.table(cls)
        found = self.run(table.rows, (self._partition, [key]))
        row: Row | None = table.row(found[0]) if found else None
        return row  # type: ignore[return-value]

    def rows(self, cls: type[R], keys: Collection[Key]) -> dict[Key, R]:
        """Those rows of decision state that there are, by key, as they are committed now."""
        table = tables.table(cls)
        return table.by_key(self.run(table.rows, (self._partition, list(keys)))) if keys else {}

    @contextlib.contextmanager
    def at_once(self) -> Iterator[Snapshot]:
        """Decision state as it stood at one moment, for the time of the block; raises Unavailable."""
        try:
            with self.pool.connection() as conn:
                conn.isolation_level, conn.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
                try:
                    with conn.transaction():
                        yield Snapshot(conn, self._partition)
                finally:
                    if not conn.closed:
                        conn.isolation_level = conn.read_only = None
        except pooling.GONE as error:
            raise errors.Unavailable("the database cannot be reached") from error

    def pieces(self, license_ref: bytes, version: int) -> list[tuple[int, int, bool]]:
        """(number, place in a status list, whether it is cancelled) of a version's printed pieces."""
        text = sql.load("reading")["pieces"]
        return self.run(text, (self._partition, license_ref, version, place.PIECES_MAX))

    def seals(self, organization: str) -> list[SealRow]:
        """The newest seals of an issuer, the newest first."""
        table = tables.table(SealRow)
        text = sql.load("reading")["seals"].format(columns=table.columns)
        found = [table.row(values) for values in self.run(text, (self._partition, organization, SEALS_MAX))]
        return [row for row in found if isinstance(row, SealRow)]

    def successors(self) -> list[OrganizationRow]:
        """Organizations that took over from others, by their codes."""
        table = tables.table(OrganizationRow)
        text = sql.load("reading")["successors"].format(columns=table.columns)
        found = [table.row(values) for values in self.run(text, (self._partition, SUCCESSORS_MAX))]
        return [row for row in found if isinstance(row, OrganizationRow)]

    def mandates(
        self, streams: Sequence[bytes], *, persons: Sequence[bytes] | None, day: int
    ) -> list[MandateRow]:
        """Who may act for the holder of some streams on a day, or one of some persons; at most 200, the first
        first.
        """
        table = tables.table(MandateRow)
        text = sql.load("reading")["mandates"].format(columns=table.columns)
        who = None if persons is None else list(persons)
        asked = (self._partition, list(streams), days.start(day + 1), *[days.start(day)] * 2, who, who)
        found = [table.row(values) for values in self.run(text, (*asked, MANDATES_MAX))]
        return [row for row in found if isinstance(row, MandateRow)]

    def candidates(self, asked: Sequence[tuple[bytes, str, str | None]]) -> list[AuthorizationRow]:
        """Authorizations of streams for requesters: (stream, requester, type code or None for all)."""
        table = tables.table(AuthorizationRow)
        text = self._sql["candidates"].format(columns=table.columns)
        columns = [list(column) for column in zip(*asked, strict=True)]
        found = [table.row(values) for values in self.run(text, (*columns, self._partition))]
        return [row for row in found if isinstance(row, AuthorizationRow)]

    def find(self, kind: str, *items: str) -> Entry | None:
        """What the lookup of a code, identifier or operator names now.

        Another process may have changed the pepper: what is not found is looked for again when the
        database asks for a newer key ring than the lookup was made with.
        """
        while True:
            known = self._vault.ring.version
            digests = list(self._vault.lookup(kind, *items).digests)
            rows = self.run(self._sql["directory_entries"], (self._partition, digests))
            if rows:
                return Entry(stream_id=rows[0][1], target=rows[0][2])
            if not self._is_renewed(known):
                return None

    def clients(self) -> list[bytes]:
        """Every client that was ever registered."""
        return [client_id for (client_id,) in self.run(sql.load("reading")["clients"], (self._partition,))]

    def filed(self, printed: str, types: Sequence[str]) -> number.Filed:
        """What has, or had, this printed number and is of one of some types: at most 200 references."""
        text, normal = sql.load("reading")["filed"], comparison.code(printed)
        # Asked before the look: what is filed meanwhile is found by it, or was told to be missing.
        is_done = self._is_filing_done()
        while True:
            known = self._vault.ring.version
            lookups = [number.filed_under(self._vault, normal, type_code) for type_code in types]
            firsts = [digest for lookup in lookups for digest in lookup.digests]
            ends = [digest + b"\xff" * (ids.ID_BYTES + 1) for digest in firsts]
            most = number.FILED_MAX + 1
            rows = self.run(text, (firsts, ends, self._partition, most, most))
            if rows or not self._is_renewed(known):
                refs = tuple(target for (target,) in rows)
                return number.Filed(
                    types=frozenset(types),
                    refs=refs[: number.FILED_MAX],
                    is_all=is_done and len(refs) < most,
                )

    def _is_filing_done(self) -> bool:
        """Whether licenses recorded before numbers were filed are filed too; once it is so it stays so."""
        if not self._knows_filed:
            rows = self.run(sql.load("reading")["is_filing_done"], (self._partition,))
            self._knows_filed = bool(rows and rows[0][0])
        return self._knows_filed

    def _is_renewed(self, known: int) -> bool:
        """Whether the database asks for a newer key ring than `known`, which is here now."""
        ((version,),) = self.run(sql.load("keeping")["ring_version"], (self._partition,))
        if version <= known:
            return False
        self._vault.require_version(version)
        return True

    def events(self, indexes: Sequence[int]) -> list[bytes]:
        """Stored bytes at some leaf indexes, in their order; raises EventNotFound."""
        rows = self.run(self._sql["events_at"], (self._partition, [index + 1 for index in indexes]))
        states = {position - 1: state for position, state in rows}
        if any(index not in states for index in indexes):
            raise errors.EventNotFound
        return [states[index] for index in indexes]

    def checkpoint(self) -> str:
        """The newest checkpoint that the anchor has, signed."""
        size, root, generation, _ = self._head()
        return self._sign(size, root, generation)

    def cosigned(self) -> str | None:
        """The newest checkpoint that enough witnesses cosigned, with their lines.

        None: there is none, or it is under a key that was compromised since.
        """
        found = self._cosigned_head() if self._is_witnessed else None
        return None if found is None else found.note

    def receipt(self, index: int) -> str:
        """A receipt for the event at `index`, as `receipts`."""
        return self.receipts([index])[0]

    def receipts(self, indexes: Sequence[int]) -> list[str]:
        """Receipts of some events, all under one checkpoint; raises EventNotFound.

        It is the newest cosigned one that has them all, else the newest of all.
        """
        head = self._cosigned_head() if self._is_witnessed else None
        if head is None or any(index >= head.size for index in indexes):
            head = self.head()
        size, frontier, digest = head.size, head.frontier, self._vault.suite.digest
        if not all(0 <= index < size for index in indexes):
            raise errors.EventNotFound
        node = functools.partial(self._nodes.node, size=size)
        proofs = [
            merkle.inclusion_proof(index, size, frontier=frontier, node=node, digest=digest)
            for index in indexes
        ]
        return [
            receipt.write(index=index, proof=proof, checkpoint=head.note)
            for index, proof in zip(indexes, proofs, strict=True)
        ]

    def head(self) -> SignedHead:
        """The newest tree head that the anchor has, signed."""
        size, root, generation, frontier = self._head()
        return SignedHead(size, root, generation, frontier, self._sign(size, root, generation))

    @contextlib.contextmanager
    def session(self) -> Iterator[Callable[[str, Sequence[Any]], list[Any]]]:
        """What runs statements in one session, for the block; raises Unavailable."""
        try:
            with self.pool.connection() as conn:
                yield lambda statement, params: conn.execute(statement, params, binary=True).fetchall()
        except pooling.GONE as error:
            raise errors.Unavailable("the database cannot be reached") from error

    @property
    def partition(self) -> int:
        """Whose events these are."""
        return self._partition

    @property
    def suite(self) -> suites.Suite:
        """The ledger's."""
        return self._vault.suite

    def anchored(self) -> tuple[int, int]:
        """Size and generation of the newest tree head that the anchor has."""
        size, _, generation, _ = self._head()
        return size, generation

    def states(self, first: int, last: int) -> list[bytes]:
        """Stored bytes of a run of leaf indexes, both ends included."""
        rows = self.run(self._sql["event_states"], (self._partition, first + 1, last + 1))
        return [state for _, state in rows]

    def tile(self, level: int, number: int) -> bytes | None:
        """A full tile as it is stored; None while it is not full."""
        return self._nodes.tile(level, number)

    def tile_root(self, level: int, number: int) -> bytes:
        """The root over a full tile."""
        return self._nodes.tile_root(level, number)

    def consistency_proof(self, size1: int, size2: int) -> list[bytes]:
        """The proof between two sizes of the tree that it has had; empty from nothing."""
        node = functools.partial(self._nodes.node, size=size2)
        return merkle.consistency_proof(size1, size2, node=node, digest=self.suite.digest) if size1 else []

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """The proof of a leaf index in the tree of a size that it has had."""
        node = functools.partial(self._nodes.node, size=size)
        frontier = tiles.frontier(size, node)
        return merkle.inclusion_proof(index, size, frontier=frontier, node=node, digest=self.suite.digest)

    def node(self, level: int, number: int, *, size: int) -> bytes:
        """The root of a perfect subtree within `size` leaves."""
        return self._nodes.node(level, number, size=size)

    def data_key(self, owner: bytes, number: int = 0) -> seal.DataKey | None:
        """The data key of a stream; None when it is destroyed."""
        key = self._vault.cached(owner, number)
        for _ in range(KEY_TRIES):
            wraps = [] if key is not None else self.wraps([owner])
            if not wraps:
                break
            # A bucket renewed since the wrap was read does not open it; the wrap there now, it does.
            key = self._vault.unwrap(wraps).get(owner)
        return key

    def prepare_keys(self, wanted: Iterable[tuple[bytes, int]]) -> None:
        """Have the data keys (stream, number) at hand that open, so that each costs no read of its own."""
        missing = {owner for owner, number in wanted if self._vault.cached(owner, number) is None}
        if missing:
            self._vault.unwrap(self.wraps(list(missing)))

    def wraps(self, stream_ids: Sequence[bytes]) -> list[keyring.WrappedKey]:
        """Wrapped data keys of some streams."""
        names = ("stream_id", "number", "bucket", "generation", "wrapped")
        rows = self.run(self._sql["data_keys"], (self._partition, list(stream_ids)))
        return [keyring.WrappedKey(**dict(zip(names, row, strict=True))) for row in rows]

    def _head(self) -> tuple[int, bytes, int, tuple[bytes, ...]]:
        mark = self._vault.anchor.read()
        rows = self.run(sql.load("reading")["checkpoint"], (self._partition, mark.size))
        if not rows or rows[0][0].hex() != mark.root:
            raise errors.HistoryBehindAnchor
        root, generation, frontier, ring_version = rows[0]
        # Another process may have retired the log key: it signs no tree that knows of that.
        self._vault.require_version(ring_version or 0)
        return mark.size, root, generation, self._peaks(frontier)

    def _cosigned_head(self) -> SignedHead | None:
        size, generation = self.anchored()
        rows = self.run(sql.load("attesting")["cosigned"], (self._partition, generation, size))
        if not rows:
            return None
        size, root, text, frontier = rows[0]
        if self._doubted(text, self._vault.ring.version):
            return None  # the newest of all, under the key that signs now, is believed
        return SignedHead(size, root, generation, self._peaks(frontier), text)

    def _peaks(self, frontier: bytes) -> tuple[bytes, ...]:
        width = self._vault.suite.digest_bytes
        return tuple(frontier[i : i + width] for i in range(0, len(frontier), width))

    def _sign(self, size: int, root: bytes, generation: int) -> str:
        return self._signed(size, root, generation, self._vault.ring.version)

    def _note(self, size: int, root: bytes, generation: int, _: int) -> str:
        """The signed tree head under the keys of one version of the key ring."""
        origin = log.origin_line(self._vault.ring.origin, partition=self._partition, generation=generation)
        text = note.Checkpoint(origin=origin, size=size, root=root).text
        return note.sign(text, name=origin, key=self._vault.log_key, suite=self._vault.suite)

    def _is_doubted(self, signed: str, _: int) -> bool:
        """Whether one version of the key ring calls the key of a checkpoint compromised."""
        known = [held for held in self._vault.ring.signing if held.purpose == "log"]
        publics = [keys.SigningKey(held.seed).public for held in known if held.compromised_since is not None]
        return any(
            line.key_hash == note.VerifierKey(name=line.name, public=public).hash
            for line in note.taken_apart(signed)[1]
            for public in publics
        )

    def _stored_tile(self, level: int, number: int) -> bytes | None:
        rows = self.run(self._sql["tile"], (self._partition, level, number))
        hashes: bytes | None = rows[0][0] if rows else None
        return hashes
