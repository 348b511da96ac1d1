"""What outsiders read of a log: tiles, entry bundles and proofs, never beyond what the anchor has.

Full tiles come as they are stored. Of the newest, partial ones the hashes are kept in memory as they
become known, so that no leaf is hashed for every look. Nothing is opened: entries are the stored bytes.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from ledger import errors
from ledger.reading import Reader
from signing import merkle, tiles

LEVEL_MAX = 7
"""A tile of a higher level would be of more leaves than a position can count."""


class Told(NamedTuple):
    """How far a log is told to anyone."""

    size: int
    generation: int


class Mirroring:
    """The tiles of one partition's log."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._newest: tuple[int, int, list[bytes]] = (-1, -1, [])
        """Generation, number of the level 0 tile that was asked for last while it was partial, its hashes."""

    def require_log(self, name: str) -> Told:
        """How far the log of this name is told; raises NotFound when it is another's name."""
        told = Told(*self._reader.anchored())
        if name != _name(self._reader.partition, told.generation):
            raise errors.NotFound
        return told

    def tile(self, name: str, path: str) -> tuple[tiles.Tile, bytes]:
        """A tile of hashes, by its path; raises NotFound where the tree does not reach."""
        tile = self._within(name, path)
        if not 0 <= tile.level <= LEVEL_MAX:
            raise errors.NotFound
        width = self._reader.suite.digest_bytes
        stored = self._reader.tile(tile.level, tile.number)
        if stored is not None:
            return tile, stored[: tile.width * width]
        return tile, b"".join(self._leaves(tile) if tile.level == 0 else self._roots(tile))

    def bundle(self, name: str, path: str) -> tuple[tiles.Tile, bytes]:
        """A bundle of entries, by its path behind `entries/`; raises NotFound beyond the tree."""
        tile = self._within(name, f"{tiles.BUNDLES}/{path}")
        first = tile.number * merkle.TILE_WIDTH
        return tile, tiles.bundle(self._reader.states(first, first + tile.width - 1))

    def consistency(self, name: str, size1: int, size2: int) -> list[bytes]:
        """The proof between two sizes of the tree; raises NotFound when it has not come so far."""
        if not 0 <= size1 <= size2 <= self.require_log(name).size:
            raise errors.NotFound
        return self._reader.consistency_proof(size1, size2)

    def inclusion(self, name: str, index: int, size: int) -> tuple[bytes, list[bytes]]:
        """Leaf hash and proof of an index in the tree of `size`; raises NotFound beyond the tree."""
        if not 0 <= index < size <= self.require_log(name).size:
            raise errors.NotFound
        return self._reader.node(0, index, size=size), self._reader.inclusion_proof(index, size)

    def _within(self, name: str, path: str) -> tiles.Tile:
        size = self.require_log(name).size
        try:
            tile = tiles.parse(path)
        except tiles.TileInvalid as error:
            raise errors.NotFound from error
        if not tiles.is_within(tile, size):
            raise errors.NotFound
        return tile

    def _leaves(self, tile: tiles.Tile) -> list[bytes]:
        """Leaf hashes of the newest tile; only those that were never asked for are read."""
        _, generation = self._reader.anchored()
        with self._lock:
            known = self._newest[2] if self._newest[:2] == (generation, tile.number) else []
        if len(known) < tile.width:
            first = tile.number * merkle.TILE_WIDTH
            states = self._reader.states(first + len(known), first + tile.width - 1)
            known = [*known, *(merkle.leaf_hash(one, digest=self._reader.suite.digest) for one in states)]
            with self._lock:
                self._newest = generation, tile.number, known
        return known[: tile.width]

    def _roots(self, tile: tiles.Tile) -> list[bytes]:
        """Roots of the full tiles of the row below; the reader remembers them."""
        first = tile.number * merkle.TILE_WIDTH
        return [self._reader.tile_root(tile.level - 1, first + place) for place in range(tile.width)]


def _name(partition: int, generation: int) -> str:
    return f"{partition}.{generation}" if generation else str(partition)
