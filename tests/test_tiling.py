"""Tiles a batch fills come out the same whether the leaves before it are remembered or read."""

from __future__ import annotations

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


def root_of(leaves: list[bytes]) -> bytes:
    return merkle.root(leaves, digest=DIGEST)
