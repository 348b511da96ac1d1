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
from typing import NamedTuple

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


class Order:
    """The order of one batch."""

    def __init__(self, path: Path) -> None:
        self._sql = sql.load("collection")
        stock_results.open_private(path, 0).close()
        self._conn = sqlite3.connect(path, isolation_level=None)
        for name in ("unsynced", "unflushed", "create"):
            self._conn.execute(self._sql[name])

    def close(self) -> None:
        """Let the file go."""
        self._conn.close()

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
    path = folder / NAME
    path.unlink(missing_ok=True)
    made = Order(path)
    try:
        yield made
    finally:
        made.close()
        path.unlink(missing_ok=True)
