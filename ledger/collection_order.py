"""The rows of a batch in the order in which they are worked off, however they stand in its file.

Rows of one license come one after another by when they changed; to be worked off side by side, the first of
every license make a wave, then the second of each, and so on. The order is kept in a scratch file beside the
batch, which holds digests and offsets; memory does not grow with the batch. A door to `sqlite3`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from ledger import sql, stock_results

NAME = "order"
_PAGE = 2_000


class Spot(NamedTuple):
    """Where a row of a file begins, and when it is worked off."""

    place: int
    """From 1."""
    wave: int
    line: int
    offset: int
    lines: int


class _Scratch:
    """A file that lives as long as one run."""

    def __init__(self, path: Path, *, table: str) -> None:
        self._sql = sql.load("collection")
        stock_results.open_private(path, 0).close()
        self._conn = sqlite3.connect(path, isolation_level=None)
        for name in ("unsynced", "unflushed", table):
            self._conn.execute(self._sql[name])

    def close(self) -> None:
        """Let the file go."""
        self._conn.close()


class Seen(_Scratch):
    """The rows that a sheet named."""

    def add(self, keys: Iterable[bytes]) -> None:
        """Some more."""
        self._conn.execute("BEGIN")
        self._conn.executemany(self._sql["see"], ((key,) for key in keys))
        self._conn.execute("COMMIT")

    def __contains__(self, key: bytes) -> bool:
        return self._conn.execute(self._sql["is_seen"], (key,)).fetchone() is not None


class Order(_Scratch):
    """The order of one batch."""

    def fill(self, rows: Iterable[tuple[bytes, int, int, int, int, int]]) -> int:
        """How many rows: (key, moment, rank, line, offset, lines) of each; ordered from here on."""
        self._conn.execute("BEGIN")
        self._conn.executemany(self._sql["add"], rows)
        self._conn.execute(self._sql["arrange"])
        self._conn.execute("COMMIT")
        ((count,),) = self._conn.execute(self._sql["count"])
        return int(count)

    def spots(self, *, after: int) -> Iterator[Spot]:
        """Every row behind a place."""
        while True:
            page = self._conn.execute(self._sql["spots"], (after, _PAGE)).fetchall()
            for values in page:
                yield Spot(*values)
            if len(page) < _PAGE:
                return
            after = page[-1][0]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Order]:
    """An order in a folder, gone after the block."""
    with _opened(Order, folder, "create") as made:
        yield made


@contextlib.contextmanager
def seeing(folder: Path) -> Iterator[Seen]:
    """What a sheet names, in a folder, gone after the block."""
    with _opened(Seen, folder, "create_seen") as made:
        yield made


S = TypeVar("S", bound=_Scratch)


@contextlib.contextmanager
def _opened(kind: type[S], folder: Path, table: str) -> Iterator[S]:
    path = folder / NAME
    path.unlink(missing_ok=True)
    made = kind(path, table=table)
    try:
        yield made
    finally:
        made.close()
        path.unlink(missing_ok=True)
