"""RFC 6962 trees: vectors of another log, the naive definition, and every proof both ways."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import merkle

VECTORS = Path(__file__).parent / "vectors"
SIZE_MAX = 80


def vectors(name: str) -> list[Any]:
    cases = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    assert len(cases) == 98
    return [pytest.param(case, id=case["name"]) for case in cases]


def raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def verify_inclusion(case: dict[str, Any]) -> None:
    proof = [raw(item) for item in case["proof"] or []]
    merkle.verify_inclusion(
        raw(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, raw(case["root"])
    )


def verify_consistency(case: dict[str, Any]) -> None:
    proof = [raw(item) for item in case["proof"] or []]
    merkle.verify_consistency(case["size1"], case["size2"], proof, raw(case["root1"]), raw(case["root2"]))


@pytest.mark.parametrize("case", vectors("merkle_inclusion.json"))
def test_an_inclusion_vector_is_judged_as_published(case: dict[str, Any]) -> None:
    if not case["wantErr"]:
        return verify_inclusion(case)
    with pytest.raises(merkle.ProofInvalid):
        verify_inclusion(case)
    return None


@pytest.mark.parametrize("case", vectors("merkle_consistency.json"))
def test_a_consistency_vector_is_judged_as_published(case: dict[str, Any]) -> None:
    if not case["wantErr"]:
        return verify_consistency(case)
    with pytest.raises(merkle.ProofInvalid):
        verify_consistency(case)
    return None


# --- the definitions of RFC 6962 §2.1, as slow as they read ---


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(b"\x00" + bytes([index])).digest() for index in range(count)]


def split(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def mth(nodes: Sequence[bytes]) -> bytes:
    if not nodes:
        return hashlib.sha256(b"").digest()
    if len(nodes) == 1:
        return nodes[0]
    k = split(len(nodes))
    return hashlib.sha256(b"\x01" + mth(nodes[:k]) + mth(nodes[k:])).digest()


def path(index: int, nodes: Sequence[bytes]) -> list[bytes]:
    if len(nodes) == 1:
        return []
    k = split(len(nodes))
    if index < k:
        return [*path(index, nodes[:k]), mth(nodes[k:])]
    return [*path(index - k, nodes[k:]), mth(nodes[:k])]


def subproof(old: int, nodes: Sequence[bytes], is_whole: bool) -> list[bytes]:
    if old == len(nodes):
        return [] if is_whole else [mth(nodes)]
    k = split(len(nodes))
    if old <= k:
        return [*subproof(old, nodes[:k], is_whole), mth(nodes[k:])]
    return [*subproof(old - k, nodes[k:], False), mth(nodes[:k])]


def frontier(nodes: Sequence[bytes]) -> merkle.Frontier:
    peaks, start = [], 0
    for level in reversed(range(len(nodes).bit_length())):
        if len(nodes) >> level & 1:
            peaks.append(mth(nodes[start : start + (1 << level)]))
            start += 1 << level
    return tuple(peaks)


def node_reader(nodes: Sequence[bytes]) -> merkle.NodeReader:
    def node(level: int, index: int) -> bytes:
        assert (index + 1) << level <= len(nodes), "only complete nodes are stored"
        return mth(nodes[index << level : (index + 1) << level])

    return node


sizes = st.integers(0, SIZE_MAX)


@given(sizes, sizes)
def test_an_extension_is_the_tree_over_all_leaves(old_size: int, added: int) -> None:
    nodes = leaves(old_size + added)
    tree = merkle.Extension.of(frontier(nodes[:old_size]), old_size, nodes[old_size:])
    assert (tree.old_size, tree.size) == (old_size, old_size + added)
    assert tree.frontier == frontier(nodes)
    assert tree.root == mth(nodes) == merkle.frontier_root(tree.frontier) == merkle.root(nodes)


@given(sizes, st.integers(1, SIZE_MAX))
def test_an_extension_proves_each_of_its_new_leaves(old_size: int, added: int) -> None:
    nodes = leaves(old_size + added)
    tree = merkle.Extension.of(frontier(nodes[:old_size]), old_size, nodes[old_size:])
    for index in range(old_size, tree.size):
        proof = tree.proof(index)
        assert proof == path(index, nodes)
        merkle.verify_inclusion(nodes[index], index, tree.size, proof, tree.root)


@given(sizes, sizes)
def test_the_rows_of_an_extension_are_complete_nodes(old_size: int, added: int) -> None:
    nodes = leaves(old_size + added)
    tree = merkle.Extension.of(frontier(nodes[:old_size]), old_size, nodes[old_size:])
    node = node_reader(nodes)
    completed = 0
    for level, (base, row) in enumerate(zip(tree.bases, tree.rows, strict=True)):
        assert list(row) == [node(level, base + place) for place in range(len(row))]
        completed += base + len(row) == tree.size >> level
    assert completed == len(tree.rows)


@given(st.integers(1, SIZE_MAX), st.data())
def test_stored_nodes_prove_any_leaf(size: int, data: st.DataObject) -> None:
    nodes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, frontier=frontier(nodes), node=node_reader(nodes))
    assert proof == path(index, nodes)
    merkle.verify_inclusion(nodes[index], index, size, proof, mth(nodes))


@given(st.integers(1, SIZE_MAX), st.data())
def test_stored_nodes_prove_that_a_tree_only_grew(size2: int, data: st.DataObject) -> None:
    nodes = leaves(size2)
    size1 = data.draw(st.integers(1, size2))
    proof = merkle.consistency_proof(size1, size2, node=node_reader(nodes))
    assert proof == subproof(size1, nodes, True)
    merkle.verify_consistency(size1, size2, proof, mth(nodes[:size1]), mth(nodes))


@given(st.integers(1, SIZE_MAX), st.data())
def test_an_inclusion_proof_proves_no_other_leaf_place_or_tree(size: int, data: st.DataObject) -> None:
    nodes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = path(index, nodes), mth(nodes)
    other = hashlib.sha256(b"other").digest()
    lies: list[tuple[bytes, int, list[bytes], bytes]] = [
        (other, index, proof, root),
        (nodes[index], index, proof, other),
        (nodes[index], index, [*proof, other], root),
        (nodes[index], index, [other, *proof], root),
        (nodes[index], size, proof, root),
        (nodes[index], -1, proof, root),
        *((nodes[index], place, proof, root) for place in range(size) if place != index),
        *((nodes[index], index, [*proof[:at], other, *proof[at + 1 :]], root) for at in range(len(proof))),
        *((nodes[index], index, [*proof[:at], *proof[at + 1 :]], root) for at in range(len(proof))),
    ]
    for leaf, place, lie, said in lies:
        with pytest.raises(merkle.ProofInvalid):
            merkle.verify_inclusion(leaf, place, size, lie, said)


@given(st.integers(2, SIZE_MAX), st.data())
def test_a_consistency_proof_proves_no_other_pair_of_trees(size2: int, data: st.DataObject) -> None:
    nodes = leaves(size2)
    size1 = data.draw(st.integers(1, size2 - 1))
    proof, root1, root2 = subproof(size1, nodes, True), mth(nodes[:size1]), mth(nodes)
    other = hashlib.sha256(b"other").digest()
    lies: list[tuple[int, int, list[bytes], bytes, bytes]] = [
        (size1, size2, proof, other, root2),
        (size1, size2, proof, root1, other),
        (size1, size2, [*proof, other], root1, root2),
        (size1, size2, [], root1, root2),
        (size2, size1, proof, root2, root1),
        (size2, size2, proof, root2, root2),
        (size2, size2, [], root1, root2),
        (0, size2, [], root1, root2),
        (-1, size2, proof, root1, root2),
        *((size1, size2, [*proof[:at], other, *proof[at + 1 :]], root1, root2) for at in range(len(proof))),
    ]
    for said1, said2, lie, first, second in lies:
        with pytest.raises(merkle.ProofInvalid):
            merkle.verify_consistency(said1, said2, lie, first, second)


hashes = st.lists(st.binary(min_size=32, max_size=32) | st.binary(max_size=33), max_size=70)
numbers = st.integers(-2, 1 << 70)


@given(st.binary(max_size=33), numbers, numbers, hashes, st.binary(max_size=33))
def test_no_inclusion_proof_raises_anything_but_its_own_error(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    with pytest.raises(merkle.ProofInvalid):
        merkle.verify_inclusion(leaf, index, size, proof, root + b"x")


@given(st.binary(max_size=33), numbers, numbers, hashes)
def test_no_consistency_proof_raises_anything_but_its_own_error(
    root: bytes, size1: int, size2: int, proof: list[bytes]
) -> None:
    with pytest.raises(merkle.ProofInvalid):
        merkle.verify_consistency(size1, size2, proof, root, root + b"x")


def test_a_leaf_is_never_a_node() -> None:
    left, right = leaves(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.leaf_hash(b"") != mth([])
