"""The one kind of QR symbol that is made here, encoded quickly (ISO/IEC 18004): version 9, level M, one mask.

What no text changes is taken from the library's own symbol once; the rest is arithmetic on integers. Every
printed page has a symbol, and the library takes longer for one than a signature does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

VERSION = 9
MASK = 3
SIDE = 4 * VERSION + 17
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_ALPHANUMERIC, _COUNT_BITS, _PAIR_BITS, _LAST_BITS = 0b0010, 9, 11, 6
"""§7.4.4 and table 3: versions to 9 count characters in nine bits."""
_BLOCKS = (36, 36, 36, 37, 37)
"""Data codewords of the blocks of version 9 at level M (table 9)."""
_CORRECTING = 22
_DATA = sum(_BLOCKS)
_PADDING = (0xEC, 0x11)
_FIELD = 0x11D
"""x⁸ + x⁴ + x³ + x² + 1 (§7.5.2)."""


class Layout(NamedTuple):
    """What is the same in every symbol."""

    template: bytes
    """A byte a module, row by row: 1 is dark; 0 where data stands."""
    places: tuple[int, ...]
    """Of the bits of the codewords, in their order."""
    masked: int
    """The bits of the codewords that the mask turns over, the first one the highest."""


def encoded(text: str, layout: Layout) -> bytes:
    """The modules of a text of `ALPHABET`, a byte each, row by row, 1 is dark."""
    words = _codewords(text)
    bits = int.from_bytes(words, "big") ^ layout.masked
    made = bytearray(layout.template)
    for place, bit in zip(layout.places, f"{bits:0{8 * len(words)}b}", strict=True):
        if bit == "1":
            made[place] = 1
    return bytes(made)


def places(free: bytes) -> tuple[int, ...]:
    """Where the bits of codewords stand in a symbol, of which `free` says what is not taken (§7.7.3)."""
    return tuple(place for place in _zigzag() if free[place])


def masked(held: tuple[int, ...]) -> int:
    """The bits that mask 3 turns over: where row and column together are a multiple of three (table 10)."""
    return int("".join("1" if (place // SIDE + place % SIDE) % 3 == 0 else "0" for place in held), 2)


def _zigzag() -> Iterator[int]:
    """Columns by twos from the right, upwards and downwards in turn, without that of the timing pattern."""
    is_upwards = True
    for right in (*range(SIDE - 1, 6, -2), 5, 3, 1):
        rows = range(SIDE - 1, -1, -1) if is_upwards else range(SIDE)
        for row in rows:
            yield from (row * SIDE + right, row * SIDE + right - 1)
        is_upwards = not is_upwards


def _codewords(text: str) -> bytes:
    """Data and error correction, the blocks interleaved (§7.6)."""
    data, blocks = _data(text), []
    start = 0
    for length in _BLOCKS:
        blocks.append(data[start : start + length])
        start += length
    corrections = [_correction(block) for block in blocks]
    longest = max(_BLOCKS)
    return bytes(
        [block[place] for place in range(longest) for block in blocks if place < len(block)]
        + [correction[place] for place in range(_CORRECTING) for correction in corrections]
    )


def _data(text: str) -> bytes:
    """The data codewords: mode, count, characters by twos, and padding."""
    values = [_VALUES[letter] for letter in text]
    bits = _ALPHANUMERIC << _COUNT_BITS | len(values)
    length = 4 + _COUNT_BITS
    for first, second in zip(values[::2], values[1::2], strict=False):
        bits = bits << _PAIR_BITS | first * len(ALPHABET) + second
    length += len(values) // 2 * _PAIR_BITS
    if len(values) % 2:
        bits = bits << _LAST_BITS | values[-1]
        length += _LAST_BITS
    ended = min(length + 4, 8 * _DATA)
    filled = -(-ended // 8)
    made = (bits << 8 * filled - length).to_bytes(filled, "big")
    return made + bytes(_PADDING[place % 2] for place in range(_DATA - filled))


def _correction(block: bytes) -> bytes:
    """The remainder by the generator polynomial (§7.5.2)."""
    table, top, rest = _remainders(), 8 * (_CORRECTING - 1), 0
    inner = (1 << top) - 1
    for word in block:
        rest = (rest & inner) << 8 ^ table[rest >> top ^ word]
    return rest.to_bytes(_CORRECTING, "big")


@functools.cache
def _remainders() -> tuple[int, ...]:
    """For each leading word the multiple of the generator that takes it away."""
    generator = [1]
    root = 1
    for _ in range(_CORRECTING):
        shifted = [*generator, 0]
        for place, factor in enumerate(generator):
            shifted[place + 1] ^= _product(factor, root)
        generator, root = shifted, _product(root, 2)
    return tuple(
        int.from_bytes(bytes(_product(word, factor) for factor in generator[1:]), "big")
        for word in range(256)
    )


def _product(one: int, other: int) -> int:
    made = 0
    while other:
        if other & 1:
            made ^= one
        one = one << 1 ^ (_FIELD if one & 0x80 else 0)
        other >>= 1
    return made


_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
