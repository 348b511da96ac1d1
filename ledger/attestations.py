"""What outsiders attested of the log, as it is kept beside the history: cosignatures and time-stamps.

Rests on a `Reader`'s connections. Nothing here judges: what is stored was verified when it came, and
whoever it is given to verifies it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger import sql
from ledger.reading import Reader
from signing import timestamp

_LOCK = 0x6C6F67
"""Of the advisory lock by which one process at a time asks outsiders."""


class Latest(NamedTuple):
    """What a witness cosigned last."""

    witness: str
    generation: int
    size: int
    root: bytes
    line: str
    stored_at: int
    """Microseconds UTC by our clock."""


class Stamp(NamedTuple):
    """A time-stamped checkpoint."""

    size: int
    stamped: timestamp.Stamped
    stored_at: int


@dataclass(frozen=True, kw_only=True)
class Attestations:
    """The tables of one partition."""

    reader: Reader

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether, for the block, no other process asks outsiders for this ledger."""
        texts = sql.load("attesting")
        with self.reader.session() as run:
            ((is_ours,),) = run(texts["begin"], (_LOCK, self.reader.partition))
            try:
                yield is_ours
            finally:
                if is_ours:
                    run(texts["end"], (_LOCK, self.reader.partition))

    def latest(self, witnesses: Sequence[str]) -> dict[str, Latest]:
        """What some witnesses cosigned last, by verifier key."""
        rows = self._run("latest", self.reader.partition, list(witnesses))
        return {found.witness: found for found in (Latest(*row) for row in rows)}

    def save_cosignature(self, found: Latest) -> None:
        """A witness's line, kept unless it has a newer one."""
        self._run("save_cosignature", self.reader.partition, *found)

    def save_cosigned(self, *, generation: int, size: int, root: bytes, note: str, at: int) -> None:
        """A checkpoint with the lines of enough witnesses."""
        self._run("save_cosigned", self.reader.partition, generation, size, root, note, at)

    def newest_cosigned(self, generation: int) -> tuple[int, int] | None:
        """Size of the newest tree that enough witnesses cosigned, and when it was told so last."""
        rows = self._run("newest_cosigned", self.reader.partition, generation)
        return rows[0] if rows else None

    def save_stamp(
        self, *, generation: int, size: int, root: bytes, stamped: timestamp.Stamped, stamped_at: int, at: int
    ) -> None:
        """A time-stamp."""
        row = (generation, size, root, stamped.checkpoint, stamped.response, stamped_at, at)
        self._run("save_stamp", self.reader.partition, *row)

    def newest_stamp(self, generation: int) -> Stamp | None:
        """The newest time-stamped checkpoint."""
        return _stamp(self._run("newest_stamp", self.reader.partition, generation))

    def stamp_over(self, generation: int, index: int) -> Stamp | None:
        """The first time-stamped checkpoint of a tree that has a leaf index."""
        return _stamp(self._run("stamp_over", self.reader.partition, generation, index))

    def grown_at(self, size: int) -> int | None:
        """When the tree grew beyond a size, in microseconds UTC; None: it did not."""
        rows = self._run("grown_at", self.reader.partition, size)
        return rows[0][0] if rows else None

    def _run(self, name: str, *params: object) -> list[Any]:
        return self.reader.run(sql.load("attesting")[name], params)


def _stamp(rows: Sequence[Any]) -> Stamp | None:
    for size, checkpoint, response, stored_at in rows:
        stamped = timestamp.Stamped(checkpoint=checkpoint, response=response)
        return Stamp(size=size, stamped=stamped, stored_at=stored_at)
    return None
