"""Hash tiles (C2SP tlog-tiles): which ones a batch fills, and the nodes they answer for.

A full tile holds 256 node hashes of one row; rows are 8 levels apart. Tiles are written in the batch
that fills them, so every node that is not in a tile lies within the newest 256 entries of its row. `Nodes`
keeps what was read, for whoever proves much.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence

from signing import merkle, suites

TILES_CACHED = 1024
TREES_CACHED = 1024
"""16 KiB each. A proof hashes a tile as often as its whole tree does: the next of the same tile is free."""
NODES_CACHED = 65_536
"""Some 16 MiB: those over full tiles of the first 8 million leaves, or of whatever is asked about."""

StateReader = Callable[[int, int], Sequence[bytes]]
"""states(first, last): stored bytes of leaf indexes, both included."""
TileReader = Callable[[int, int], bytes | None]
"""tile(level, number): the hashes of a full tile, or None."""
Tile = tuple[int, int, bytes]
"""(level, number, hashes)."""


class Tail:
    """The leaf hashes behind the last full tile, remembered from batch to batch of one appender.

    They are used for the tree alone from which they come: somebody else may have appended meanwhile.
    """

    def __init__(self) -> None:
        self._size = -1
        self._root = b""
        self._leaves: list[bytes] = []

    def row(
        self, size: int, root: bytes, leaves: Sequence[bytes], states: StateReader, digest: merkle.Hash
    ) -> list[bytes]:
        """The leaf hashes behind the last full tile, `leaves` at their end.

        Those before `leaves` are read where they are not known, and only if a tile is filled: else the
        row is empty.
        """
        width = merkle.TILE_WIDTH
        partial = size % width
        if not partial:
            return list(leaves)
        if (size, root) == (self._size, self._root):
            return [*self._leaves, *leaves]
        if partial + len(leaves) < width:
            return []
        return [
            *(merkle.leaf_hash(state, digest=digest) for state in states(size - partial, size - 1)),
            *leaves,
        ]

    def keep(self, size: int, root: bytes, row: Sequence[bytes]) -> None:
        """Remember what of `row` fills no tile yet; it ends with the last leaf of the tree of `size`."""
        partial = size % merkle.TILE_WIDTH
        if len(row) >= partial:
            self._size, self._root = size, root
            self._leaves = list(row[len(row) - partial :])


def filled(size: int, row: Sequence[bytes], tile: TileReader, digest: merkle.Hash) -> list[Tile]:
    """The tiles that a batch fills after `size` leaves; reads only where it fills one of a row above.

    `row` is the leaf hashes behind the last full tile: those of before and the batch's.
    """
    width = merkle.TILE_WIDTH
    first = size // width
    end = first + len(row) // width
    tiles: list[Tile] = []
    level = 0
    while first < end:
        own = [(level, first + i, row[i * width : (i + 1) * width]) for i in range(end - first)]
        tiles += [(level, number, b"".join(hashes)) for level, number, hashes in own]
        roots = [merkle.root(hashes, digest=digest) for _, _, hashes in own]
        row_start, row_end = first, end
        first, end, level = row_start // width, row_end // width, level + 1
        if first == end:
            break
        row = [
            tile_root(level - 1, number, tile=tile, digest=digest)
            for number in range(first * width, row_start)
        ] + roots
    return tiles


class Nodes:
    """Nodes of a tree whose full tiles are stored; keeps those that were read, and what follows from them."""

    def __init__(self, *, states: StateReader, tile: TileReader, suite: suites.Suite) -> None:
        self._states = states
        self._stored = tile
        self._suite = suite
        self._tile = functools.lru_cache(maxsize=TILES_CACHED)(self._full_tile)
        self._tree = functools.lru_cache(maxsize=TREES_CACHED)(self._tree_of_tile)
        self._over_tiles = functools.lru_cache(maxsize=NODES_CACHED)(self._root_over_tiles)
        self.tile_root = functools.lru_cache(maxsize=NODES_CACHED)(self._root_of_tile)
        """tile_root(level, number): the root over a full tile."""

    def tile(self, level: int, number: int) -> bytes | None:
        """A full tile as it is stored; None while it is not full."""
        try:
            return self._tile(level, number)
        except LookupError:
            return None

    def node(self, level: int, number: int, *, size: int) -> bytes:
        """The root of the perfect subtree of 2^level leaves at `number`, all within `size` leaves."""
        row_level, height = divmod(level, merkle.TILE_HEIGHT)
        first = number << height
        tile, offset = divmod(first, merkle.TILE_WIDTH)
        if (tile + 1) << merkle.TILE_HEIGHT * (row_level + 1) <= size:
            # One that is not stored though `size` leaves fill it is made up for by what lies below it.
            with contextlib.suppress(LookupError):
                width = self._suite.digest_bytes
                start = (offset >> height) * width
                return self._tree(row_level, tile)[height][start : start + width]
        if row_level:
            return self._over_tiles(level, number)
        states = self._states(first, first + (1 << height) - 1)
        digest = self._suite.digest
        return merkle.root([merkle.leaf_hash(state, digest=digest) for state in states], digest=digest)

    def _root_over_tiles(self, level: int, number: int) -> bytes:
        """A node in a tile that is not full, over tiles that are: every proof goes through some of them."""
        row_level, height = divmod(level, merkle.TILE_HEIGHT)
        tiles = range(number << height, (number + 1) << height)
        roots = [self.tile_root(row_level - 1, tile) for tile in tiles]
        return merkle.root(roots, digest=self._suite.digest)

    def _root_of_tile(self, level: int, number: int) -> bytes:
        return tile_root(level, number, tile=self.tile, digest=self._suite.digest)

    def _tree_of_tile(self, level: int, number: int) -> tuple[bytes, ...]:
        return tree(self._tile(level, number), digest=self._suite.digest)

    def _full_tile(self, level: int, number: int) -> bytes:
        hashes = self._stored(level, number)
        if hashes is None:
            raise LookupError  # not remembered: it may be filled later
        return hashes


def tree(hashes: bytes, *, digest: merkle.Hash) -> tuple[bytes, ...]:
    """All nodes over the hashes of a full tile, row by row from the hashes up to the root."""
    rows = [hashes]
    width = len(hashes) // merkle.TILE_WIDTH
    while len(rows[-1]) > width:
        row = rows[-1]
        pairs = range(0, len(row), 2 * width)
        rows.append(b"".join([digest(b"\x01" + row[at : at + 2 * width]) for at in pairs]))
    return tuple(rows)


def tile_root(level: int, number: int, *, tile: TileReader, digest: merkle.Hash) -> bytes:
    """The root over a full tile, which is a node of the row above."""
    stored = tile(level, number)
    assert stored is not None, "a filled tile is stored with the batch that filled it"
    width = len(stored) // merkle.TILE_WIDTH
    hashes = [stored[i : i + width] for i in range(0, len(stored), width)]
    return merkle.root(hashes, digest=digest)
