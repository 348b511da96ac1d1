"""Postings: under which subjects an event is found, in few bytes however many events there are.

A subject is a kind and a value, known by 64 bits of their digest; those of two subjects may be equal, so
that whoever reads a posting asks the event itself whether it belongs. Indexes are cut into blocks of
512, and a row holds where in one block the events of one subject lie: the same rows, whatever the
batches in which the facts came. Does no I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

from signing import suites

BLOCK = 512
"""Indexes a block: what a subject has in one is at most 1 kB, which PostgreSQL keeps in the row."""


@lru_cache(maxsize=65_536)
def subject(kind: int, value: bytes) -> int:
    """The number of a subject: 64 bits with a sign."""
    digest = suites.INTL.digest(bytes([kind]) + value)
    return int.from_bytes(digest[:8], "big", signed=True)


def pack(indexes: Iterable[int]) -> bytes:
    """Where some indexes of one block lie in it, 2 bytes each, in their order."""
    offsets = [index % BLOCK for index in indexes]
    return struct.pack(f">{len(offsets)}H", *offsets)


def unpack(block: int, offsets: bytes) -> list[int]:
    """The indexes behind a row."""
    begin = block * BLOCK
    return [begin + offset for offset in struct.unpack(f">{len(offsets) // 2}H", offsets)]


class Postings:
    """The postings of some events, gathered to be stored."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], list[int]] = {}

    def add(self, index: int, subjects: Iterable[int]) -> None:
        """The event at `index`, which comes after those added before, is found under `subjects`."""
        block = index // BLOCK
        for one in subjects:
            self._found.setdefault((one, block), []).append(index)

    def columns(self) -> tuple[Sequence[int], Sequence[int], Sequence[bytes]]:
        """Subjects, blocks and offsets, a row each, in the order of their key."""
        keys = sorted(self._found)
        packed = [pack(self._found[key]) for key in keys]
        return [one for one, _ in keys], [block for _, block in keys], packed
