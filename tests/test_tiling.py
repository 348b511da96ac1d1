"""Tiles a batch fills come out the same whether the leaves before it are remembered or read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import tiling
from signing import merkle, suites

DIGEST = suites.INTL.digest


def leaf(number: int) -> bytes:
    return merkle.leaf_hash(number.to_bytes(4, "big"))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.sampled_from(["ours", "theirs", "restart"])), max_size=12),
)
def test_a_remembered_tail_fills_the_tiles_that_reading_would(steps: list[tuple[int, str]]) -> None:
    tail, size, stored = tiling.Tail(), 0, {}
    reads = 0

    def states(first: int, last: int) -> list[bytes]:
        nonlocal reads
        reads += 1
        assert last < size
        return [number.to_bytes(4, "big") for number in range(first, last + 1)]

    for count, kind in steps:
        leaves = [leaf(number) for number in range(size, size + count)]
        if kind == "restart":
            tail = tiling.Tail()
        used = tiling.Tail() if kind == "theirs" else tail
        row = used.row(size, root(size), leaves, states, DIGEST)
        for level, number, hashes in tiling.filled(size, row, lambda *_: None, DIGEST):
            stored[level, number] = hashes
        size += count
        used.keep(size, root(size), row)
    for number in range(size // 256):
        assert stored[0, number] == b"".join(leaf(one) for one in range(number * 256, (number + 1) * 256))
    assert len([key for key in stored if key[0] == 0]) == size // 256
    assert reads <= len(steps)


def test_whoever_appends_alone_reads_nothing() -> None:
    def states(first: int, last: int) -> list[bytes]:
        raise AssertionError("nothing has to be read")

    tail, size = tiling.Tail(), 0
    for _ in range(20):
        leaves = [leaf(number) for number in range(size, size + 100)]
        row = tail.row(size, root(size), leaves, states, DIGEST)
        size += 100
        tail.keep(size, root(size), row)
        assert len(row) % 256 == size % 256


def root(size: int) -> bytes:
    return size.to_bytes(32, "big")


def test_all_nodes_of_a_tile_are_what_its_leaves_say() -> None:
    leaves = [leaf(number) for number in range(256)]
    rows = tiling.tree(b"".join(leaves), digest=DIGEST)
    assert [len(row) for row in rows] == [32 << height for height in range(8, -1, -1)]
    for height, number in ((0, 0), (1, 127), (3, 5), (7, 1), (8, 0)):
        below = leaves[number << height : (number + 1) << height]
        assert rows[height][number * 32 : (number + 1) * 32] == root_of(below)


SIZE = (1 << 16) + 3 * 256 + 77
"""A full tile of tile roots, three tiles behind it, and some leaves that fill none."""


@pytest.fixture(scope="module")
def rows() -> list[list[bytes]]:
    """All complete nodes of a tree of `SIZE` leaves, level by level."""
    made = [[leaf(number) for number in range(SIZE)]]
    while len(made[-1]) > 1:
        below = made[-1]
        made.append([merkle.node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)])
    return made


class Store:
    """The tiles and states of such a tree; counts what is asked of it."""

    def __init__(self, rows: list[list[bytes]]) -> None:
        self.tiles = {
            (level, number): b"".join(rows[8 * level][number << 8 : (number + 1) << 8])
            for level in (0, 1)
            for number in range(SIZE >> 8 * (level + 1))
        }
        self.reads = 0

    def nodes(self) -> tiling.Nodes:
        return tiling.Nodes(states=self._states, tile=self._tile, suite=suites.INTL)

    def _tile(self, level: int, number: int) -> bytes | None:
        self.reads += 1
        return self.tiles.get((level, number))

    def _states(self, first: int, last: int) -> list[bytes]:
        self.reads += 1
        return [number.to_bytes(4, "big") for number in range(first, last + 1)]


def test_nodes_are_those_of_the_tree_at_whatever_size_they_are_asked(rows: list[list[bytes]]) -> None:
    nodes = Store(rows).nodes()
    tile = 1 << 16
    sizes = [tile + 256, 255, 256, tile - 1, SIZE, 257, tile, tile + 1, 5_000, tile + 3 * 256, 1, SIZE - 1]
    for size in sizes:
        for level in range(size.bit_length()):
            last = (size >> level) - 1
            for number in {0, last // 2, last} if last >= 0 else ():
                assert nodes.node(level, number, size=size) == rows[level][number]


def test_a_tile_that_was_not_there_is_looked_for_again(rows: list[list[bytes]]) -> None:
    store = Store(rows)
    nodes, held = store.nodes(), store.tiles.pop((0, 3))
    assert nodes.tile(0, 3) is None
    assert nodes.node(2, 200, size=SIZE) == rows[2][200]
    store.tiles[0, 3] = held
    assert nodes.tile(0, 3) == held
    assert nodes.tile_root(0, 3) == rows[8][3]


def test_what_was_read_or_computed_is_not_read_again(rows: list[list[bytes]]) -> None:
    store = Store(rows)
    nodes, places = store.nodes(), [(0, 7), (5, 40), (8, 256), (8, 257), (9, 128), (15, 1), (16, 0)]
    for _ in range(2):
        for level, number in places:
            # The size at which half of these lie in a tile that is not full.
            size = max(257 * 256, (number + 1) << level)
            assert nodes.node(level, number, size=size) == rows[level][number]
        places, reads = places[::-1], store.reads
    assert store.reads == reads > 0
    nodes.node(0, SIZE - 1, size=SIZE)
    assert store.reads == reads + 1


def root_of(leaves: list[bytes]) -> bytes:
    return merkle.root(leaves, digest=DIGEST)
