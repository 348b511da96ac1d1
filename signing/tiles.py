"""Tiles of a log as outsiders fetch them: their paths, which ones a tree has, and what follows from them.

`path` and `parse` spell a tile's place, `of_size` lists the tiles of a tree, `Tiles` answers for nodes,
roots and proofs from tiles that a reader gives. Rests on c2sp.org/tlog-tiles and `merkle`. Nothing is
fetched here; a tile is believed only through the root to which it leads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from signing import merkle

LEVEL_MAX = 63
BUNDLES = "entries"
ENTRY_LENGTH_BYTES = 2
"""Of the length before each entry of a bundle."""
_PATH = re.compile(r"(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
HASH_BYTES = 32


class TileInvalid(ValueError):
    """A path that names no tile, or a tile or bundle that is not what its path says."""


@dataclass(frozen=True, order=True)
class Tile:
    """The place of a tile of hashes, or of a bundle of entries (level -1), and how wide it is."""

    level: int
    number: int
    width: int = merkle.TILE_WIDTH

    @property
    def is_full(self) -> bool:
        """Whether it never grows."""
        return self.width == merkle.TILE_WIDTH

    @property
    def path(self) -> str:
        """`<L>/<N>[.p/<W>]`, as it stands behind `<prefix>/tile/`."""
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        level = BUNDLES if self.level < 0 else str(self.level)
        return f"{level}/{'/'.join(groups)}" + ("" if self.is_full else f".p/{self.width}")


def parse(path: str) -> Tile:
    """The tile that a path names; raises TileInvalid unless `Tile.path` would write it so."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileInvalid("not the path of a tile")
    level = -1 if match[1] == BUNDLES else int(match[1])
    number = int(match[2].replace("/", "").replace("x", ""))
    tile = Tile(level, number, merkle.TILE_WIDTH if match[3] is None else int(match[3]))
    if level > LEVEL_MAX or tile.width > merkle.TILE_WIDTH or tile.path != path:
        raise TileInvalid("not the one path of a tile")
    return tile


def is_within(tile: Tile, size: int) -> bool:
    """Whether a tree of `size` leaves has all of the tile's hashes or entries."""
    row = size >> merkle.TILE_HEIGHT * max(tile.level, 0)
    return tile.number * merkle.TILE_WIDTH + tile.width <= row


def of_size(size: int) -> Iterator[Tile]:
    """The hash tiles of a tree of `size` leaves, rows upwards; the last of a row may be partial."""
    level = 0
    while row := size >> merkle.TILE_HEIGHT * level:
        full, rest = divmod(row, merkle.TILE_WIDTH)
        yield from (Tile(level, number) for number in range(full))
        if rest:
            yield Tile(level, full, rest)
        level += 1


def hashes(tile: Tile, data: bytes) -> list[bytes]:
    """The hashes of a tile; raises TileInvalid when there are more or fewer than its width."""
    if len(data) != tile.width * HASH_BYTES:
        raise TileInvalid("a tile of another length than its path says")
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def bundle(entries: list[bytes]) -> bytes:
    """An entry bundle: each entry behind its length in two bytes."""
    return b"".join(len(entry).to_bytes(ENTRY_LENGTH_BYTES, "big") + entry for entry in entries)


def entries(tile: Tile, data: bytes) -> list[bytes]:
    """The entries of a bundle; raises TileInvalid when there are more or fewer, or one is cut short."""
    found, start = [], 0
    while start < len(data):
        begin = start + ENTRY_LENGTH_BYTES
        start = begin + int.from_bytes(data[start:begin], "big")
        found.append(data[begin:start])
    if start != len(data) or len(found) != tile.width:
        raise TileInvalid("a bundle of another length than its path says")
    return found


class Tiles:
    """A tree of `size` leaves known by its tiles, which `read` gives; raises TileInvalid on a bad one."""

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        self._size = size
        self._read = read

    def node(self, level: int, index: int) -> bytes:
        """The root of the perfect subtree of 2^level leaves at `index`."""
        row, height = divmod(level, merkle.TILE_HEIGHT)
        number, start = divmod(index << height, merkle.TILE_WIDTH)
        return merkle.root(self._tile(row, number)[start : start + (1 << height)])

    def root(self, size: int | None = None) -> bytes:
        """The root of the tree, or of an earlier one within it."""
        size = self._size if size is None else size
        assert size <= self._size, "a tree within this one"
        return merkle.frontier_root(frontier(size, self.node))

    def consistency_proof(self, size1: int, size2: int) -> list[bytes]:
        """The proof that the tree of `size1` leaves is a prefix of that of `size2`."""
        return merkle.consistency_proof(size1, size2, node=self.node) if size1 else []

    def _tile(self, row: int, number: int) -> list[bytes]:
        left = (self._size >> merkle.TILE_HEIGHT * row) - number * merkle.TILE_WIDTH
        tile = Tile(row, number, min(left, merkle.TILE_WIDTH))
        return hashes(tile, self._read(tile))


def frontier(size: int, node: merkle.NodeReader) -> merkle.Frontier:
    """The frontier of a tree of `size` leaves whose nodes can be read."""
    return tuple(
        node(level, (size >> level) - 1) for level in reversed(range(size.bit_length())) if size >> level & 1
    )
