"""The rows of a replay, as many as there are, in bounded memory.

A write-back cache of the rows used last, over a scratch file that goes when the check ends. Keys are
kept as bytes that order as the database orders them. A door to `sqlite3`; holds decision
state, so never personal data.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from ledger import sql
from ledger.state import ROWS, Key, Row, State, row_values
from signing import cbor

CACHED_ROWS_MAX = 50_000
_PAGE = 2_000
_KINDS = {cls: kind for kind, cls in enumerate(ROWS)}
_LOWEST = 1 << 127


class Scratch:
    """Rows by class and key."""

    def __init__(self, path: Path, *, cached_rows_max: int = CACHED_ROWS_MAX) -> None:
        self._sql = sql.load("scratch")
        self._cached_rows_max = cached_rows_max
        self._cache: OrderedDict[tuple[type[Row], Key], Row | None] = OrderedDict()
        self._dirty: set[tuple[type[Row], Key]] = set()
        self._conn = sqlite3.connect(path, isolation_level=None)
        for name in ("unsynced", "unflushed", "create"):
            self._conn.execute(self._sql[name])

    def close(self) -> None:
        """Let the file go."""
        self._conn.close()

    def find(self, cls: type[Row], key: Key) -> Row | None:
        """The row, or None when the replay has not made one."""
        at = (cls, key)
        if at in self._cache:
            self._cache.move_to_end(at)
            return self._cache[at]
        found = self._conn.execute(self._sql["find"], (_KINDS[cls], key_bytes(key))).fetchone()
        row = None if found is None else _decoded(cls, found[0])
        self._remember(at, row)
        return row

    def put(self, row: Row) -> None:
        """`row` from here on; raises TypeError for a key that no table could hold."""
        if not isinstance(row.key, bytes | str | int):
            raise TypeError("a key is bytes, text or a number")
        at = (type(row), row.key)
        self._dirty.add(at)
        self._remember(at, row)

    def run(
        self, cls: type[Row], *, after: bytes | None, through: bytes | None
    ) -> Iterator[tuple[bytes, Row]]:
        """(key bytes, row) of one class in key order: after a key, through another; None: from end to end."""
        self._flush()
        low = b"" if after is None else after
        while True:
            page = self._conn.execute(self._sql["run"], (_KINDS[cls], low, through, _PAGE)).fetchall()
            for key, data in page:
                yield key, _decoded(cls, data)
            if len(page) < _PAGE:
                return
            low = page[-1][0]

    def _remember(self, at: tuple[type[Row], Key], row: Row | None) -> None:
        self._cache[at] = row
        self._cache.move_to_end(at)
        if len(self._cache) > self._cached_rows_max:
            self._flush()
            for _ in range(self._cached_rows_max // 4):
                self._cache.popitem(last=False)

    def _flush(self) -> None:
        """Write what changed; the cache keeps it."""
        written = []
        for at in self._dirty:
            row = self._cache[at]
            assert row is not None, "what changed is a row"
            written.append((_KINDS[at[0]], key_bytes(at[1]), cbor.encode(row_values(row))))
        self._conn.execute("BEGIN")
        self._conn.executemany(self._sql["save"], written)
        self._conn.execute("COMMIT")
        self._dirty.clear()


class ReplayState(State):
    """A state whose every change lands in a scratch."""

    def __init__(self, scratch: Scratch) -> None:
        super().__init__(scratch.find)
        self._scratch = scratch

    def find(self, cls: type[Row], key: Key) -> Row | None:
        return self._scratch.find(cls, key)

    def put(self, row: Row) -> None:
        self._scratch.put(row)


@contextlib.contextmanager
def opened(*, cached_rows_max: int = CACHED_ROWS_MAX) -> Iterator[Scratch]:
    """A scratch in a private temporary folder, gone after the block."""
    with tempfile.TemporaryDirectory(prefix="license-ledger-check-") as folder:
        scratch = Scratch(Path(folder) / "rows", cached_rows_max=cached_rows_max)
        try:
            yield scratch
        finally:
            scratch.close()


def key_bytes(key: Key) -> bytes:
    """The key as bytes, after the first byte ordered as PostgreSQL orders the key (text under "C")."""
    if isinstance(key, bytes):
        return b"b" + key
    if isinstance(key, str):
        return b"s" + key.encode()
    return b"i" + (key + _LOWEST).to_bytes(17, "big")


def _decoded(cls: type[Row], data: bytes) -> Row:
    values = (tuple(item) if isinstance(item, list) else item for item in cbor.decode(data))
    return cls(**dict(zip(cls.columns(), values, strict=True)))
