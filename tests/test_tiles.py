"""Paths of tiles: the standard's examples, every flaw, and the tiles that a tree of a size has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import merkle, tiles

BAD_PATHS = {
    "nothing": "",
    "no number": "0/",
    "no level": "/000",
    "a level with a leading zero": "00/000",
    "a level above 63": "64/000",
    "a sign": "+1/000",
    "a number without its zeroes": "0/1",
    "a group too many": "0/x000/001",
    "a last group with x": "0/x001",
    "a first group without x": "0/001/000",
    "seven groups": "0/" + "x001/" * 6 + "000",
    "a width of nothing": "0/000.p/0",
    "a width with a leading zero": "0/000.p/01",
    "a width of a full tile": "0/000.p/256",
    "a width of more": "0/000.p/999",
    "a newline behind": "0/000\n",
    "other digits": "0/\u0660\u0660\u0660",
    "another word": "Entries/000",
}


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (tiles.Tile(0, 0), "0/000"),
        (tiles.Tile(3, 1_234_067), "3/x001/x234/067"),
        (tiles.Tile(63, 5, 17), "63/005.p/17"),
        (tiles.Tile(-1, 1000, 255), "entries/x001/000.p/255"),
    ],
)
def test_a_tile_has_one_path(tile: tiles.Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse(path) == tile


@given(st.integers(-1, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_every_path_is_read_back(level: int, number: int, width: int) -> None:
    tile = tiles.Tile(level, number, width)
    assert tiles.parse(tile.path) == tile


@pytest.mark.parametrize("flaw", BAD_PATHS)
def test_a_path_with_a_flaw_names_no_tile(flaw: str) -> None:
    with pytest.raises(tiles.TileInvalid):
        tiles.parse(BAD_PATHS[flaw])


def test_a_tree_of_70_000_leaves_has_the_tiles_that_the_standard_says() -> None:
    found = list(tiles.of_size(70_000))
    assert sum(tile.level == 0 and tile.is_full for tile in found) == 273
    assert [tile for tile in found if not tile.is_full] == [
        tiles.Tile(0, 273, 112),
        tiles.Tile(1, 1, 17),
        tiles.Tile(2, 0, 1),
    ]
    assert [tile.width for tile in tiles.of_size(256)] == [256, 1]
    assert list(tiles.of_size(0)) == []


@given(st.integers(1, 70_000))
def test_what_a_tree_has_lies_within_it_and_nothing_more_does(size: int) -> None:
    for tile in tiles.of_size(size):
        assert tiles.is_within(tile, size)
        assert tile.is_full or not tiles.is_within(tiles.Tile(tile.level, tile.number, tile.width + 1), size)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    tile = tiles.Tile(-1, 0, len(entries))
    data = tiles.bundle(entries)
    assert tiles.entries(tile, data) == entries
    for cut in (data[:-1], data + b"\0", data + b"\0\0"):
        with pytest.raises(tiles.TileInvalid):
            tiles.entries(tile, cut)


def test_roots_and_proofs_follow_from_tiles() -> None:
    leaves = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(700)]
    stored: dict[tiles.Tile, bytes] = {}
    for tile in tiles.of_size(700):
        if tile.level == 0:
            row = leaves[tile.number * 256 : tile.number * 256 + tile.width]
        else:
            row = [merkle.root(leaves[number * 256 : (number + 1) * 256]) for number in range(tile.width)]
        stored[tile] = b"".join(row)
    tree = tiles.Tiles(700, stored.__getitem__)
    for size in (1, 2, 255, 256, 257, 512, 699, 700):
        assert tree.root(size) == merkle.root(leaves[:size])
        proof = tree.consistency_proof(size, 700)
        merkle.verify_consistency(size, 700, proof, tree.root(size), tree.root())
    stored[tiles.Tile(0, 0)] += bytes(32)
    with pytest.raises(tiles.TileInvalid):
        tree.root(3)
