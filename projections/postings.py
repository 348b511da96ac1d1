"""Postings: under which subjects an event is found, in few bytes however many events there are.

A subject is a kind and a value, known by 64 bits of their digest; those of two subjects may be equal, so
that whoever reads a posting asks the event itself whether it belongs. Indexes are cut into blocks of
512, and a row holds where in one block the events of one subject lie: the same rows, whatever the
batches in which the facts came. Does no I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from signing import suites

KINDS: dict[str, int] = {
    "license": 1,
    "holder": 2,
    "requester": 3,
    "case": 4,
    "operator": 5,
    "issuer": 6,
    "item": 7,
    "channel": 8,
    "finding": 9,
    "reason": 10,
}
"""Subject to its number; a holder's events are found by the store's own index of streams."""
BLOCK = 512
"""Indexes a block: what a subject has in one is at most 1 kB, which PostgreSQL keeps in the row."""


_KIND_BYTES = tuple(bytes([number]) for number in range(max(KINDS.values()) + 1))


def subject(kind: int, value: bytes) -> int:
    """The number of a subject: 64 bits with a sign."""
    return int.from_bytes(suites.INTL.digest(_KIND_BYTES[kind] + value)[:8], "big", signed=True)


_OFFSETS = tuple(offset.to_bytes(2, "big") for offset in range(BLOCK))
"""Each place in a block, as it is stored."""


def pack(indexes: Iterable[int]) -> bytes:
    """Where some indexes of one block lie in it, in their order."""
    return b"".join(_OFFSETS[index % BLOCK] for index in indexes)


def unpack(block: int, offsets: bytes) -> list[int]:
    """The indexes behind a row."""
    begin = block * BLOCK
    return [begin + offset for offset in struct.unpack(f">{len(offsets) // 2}H", offsets)]


class Postings:
    """The postings of some events, gathered to be stored."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[int, bytes]] = {}
        self._last = -1
        self._found: dict[int, bytes] = {}
        """What the block has to which something was added last."""

    def add(self, index: int, subjects: Iterable[int]) -> None:
        """The event at `index` is found under `subjects`."""
        block, offset = divmod(index, BLOCK)
        if block != self._last:
            self._last, self._found = block, self._blocks.setdefault(block, {})
        found = self._found
        packed = _OFFSETS[offset]
        for one in subjects:
            found[one] = found[one] + packed if one in found else packed

    def drop(self, index: int, one: int) -> bool:
        """Whether the event at `index` was added under a subject here; it is no more."""
        block = index // BLOCK
        found = self._blocks.get(block, {})
        indexes = unpack(block, found.get(one, b""))
        if index not in indexes:
            return False
        indexes.remove(index)
        if indexes:
            found[one] = pack(indexes)
        else:
            del found[one]
        return True

    def columns(self) -> tuple[list[int], list[int], list[bytes]]:
        """Subjects, blocks and offsets, a row each: block after block, each in the order of its subjects."""
        subjects: list[int] = []
        blocks: list[int] = []
        offsets: list[bytes] = []
        for block, found in self._blocks.items():
            keys = sorted(found)
            subjects += keys
            blocks += [block] * len(keys)
            offsets += map(found.__getitem__, keys)
        return subjects, blocks, offsets
