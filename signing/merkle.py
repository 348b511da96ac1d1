"""RFC 6962 Merkle trees: leaf and node hashes, frontier, proofs, and their verification.

A tree is known by its *frontier*: the roots of the perfect subtrees that cover its leaves, largest
first, one for each bit set in its size. Appending and proving need no other memory. `verify_*`
return nothing or raise ProofInvalid. Nothing here stores or fetches; readers are passed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Hash = Callable[[bytes], bytes]
Frontier = tuple[bytes, ...]
NodeReader = Callable[[int, int], bytes]
"""node(level, index): the root of the perfect subtree of 2^level leaves at `index`."""

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
"""A full tile holds the 256 node hashes of one row (C2SP tlog-tiles)."""


class ProofInvalid(ValueError):
    """A proof that does not lead to the root it is said to lead to."""


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf_hash(data: bytes, *, digest: Hash = _sha256) -> bytes:
    """RFC 6962 §2.1: digest(0x00 ‖ data)."""
    return digest(b"\x00" + data)


def node_hash(left: bytes, right: bytes, *, digest: Hash = _sha256) -> bytes:
    """RFC 6962 §2.1: digest(0x01 ‖ left ‖ right)."""
    return digest(b"\x01" + left + right)


def frontier_root(frontier: Frontier, *, digest: Hash = _sha256) -> bytes:
    """The root of the tree with this frontier; digest of nothing for the empty tree."""
    if not frontier:
        return digest(b"")
    root = frontier[-1]
    for peak in reversed(frontier[:-1]):
        root = node_hash(peak, root, digest=digest)
    return root


def root(leaves: Sequence[bytes], *, digest: Hash = _sha256) -> bytes:
    """The root over leaf hashes (not leaf data), for trees small enough to be in memory."""
    if not leaves:
        return digest(b"")
    row = list(leaves)
    while len(row) > 1:
        # The last of an odd row goes up as it is: what is left of it is a power of two.
        last = row[len(row) & ~1 :]
        row = [digest(b"\x01" + row[at] + row[at + 1]) for at in range(0, len(row) - 1, 2)] + last
    return row[0]


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A tree of `old_size` leaves extended by some leaves: the new tree and proofs for the new leaves.

    `rows[k]` holds the complete nodes of level k from index `bases[k]` on: those the new leaves
    completed and, where it is their left sibling, one taken from the old frontier.
    """

    old_size: int
    size: int
    frontier: Frontier
    root: bytes
    bases: tuple[int, ...]
    rows: tuple[tuple[bytes, ...], ...]
    edges: tuple[bytes, ...]
    """edges[k]: the root from the last node of level k to the end of the tree; none without new leaves."""

    @classmethod
    def of(
        cls, frontier: Frontier, old_size: int, leaves: Sequence[bytes], *, digest: Hash = _sha256
    ) -> Extension:
        """The tree with `frontier` and `old_size` leaves, extended by leaf hashes `leaves`."""
        assert len(frontier) == old_size.bit_count(), "the frontier has one peak for each bit of the size"
        size = old_size + len(leaves)
        peaks = list(frontier)
        bases, rows = [], []
        fresh = list(leaves)
        level = 0
        while fresh or peaks:
            odd = (old_size >> level) & 1
            row = [peaks.pop(), *fresh] if odd else fresh
            bases.append((old_size >> level) - odd)
            rows.append(tuple(row))
            fresh = [digest(b"\x01" + row[i] + row[i + 1]) for i in range(0, len(row) - 1, 2)]
            level += 1
        new_frontier = _frontier(size, bases, rows)
        return cls(
            old_size=old_size,
            size=size,
            frontier=new_frontier,
            root=frontier_root(new_frontier, digest=digest),
            bases=tuple(bases),
            rows=tuple(rows),
            edges=_edges(size, bases, rows, digest) if leaves else (),
        )

    def proof(self, index: int) -> list[bytes]:
        """The inclusion proof of leaf `index`, one of the new leaves, leaf's sibling first."""
        assert self.old_size <= index < self.size, "only the new leaves can be proven from a frontier"
        path = [self.sibling(level, index >> level) for level in range(self.height)]
        return [node for node in path if node is not None]

    @property
    def height(self) -> int:
        """Levels from the leaves up to the root, which is not counted."""
        return (self.size - 1).bit_length()

    def sibling(self, level: int, node: int) -> bytes | None:
        """What stands in a proof of a new leaf for `node` of a level on its path: None where nothing does."""
        last = (self.size - 1) >> level
        if node & 1:
            return self.rows[level][node - 1 - self.bases[level]]
        if node + 1 < last:
            return self.rows[level][node + 1 - self.bases[level]]
        return self.edges[level] if node + 1 == last else None


def _frontier(size: int, bases: list[int], rows: list[tuple[bytes, ...]]) -> Frontier:
    return tuple(
        rows[level][(size >> level) - 1 - bases[level]]
        for level in reversed(range(size.bit_length()))
        if (size >> level) & 1
    )


def _edges(size: int, bases: list[int], rows: list[tuple[bytes, ...]], digest: Hash) -> tuple[bytes, ...]:
    edge = rows[0][size - 1 - bases[0]]
    edges = [edge]
    last, level = size - 1, 0
    while last > 0:
        if last & 1:
            edge = node_hash(rows[level][last - 1 - bases[level]], edge, digest=digest)
        edges.append(edge)
        last, level = last >> 1, level + 1
    return tuple(edges)


def inclusion_proof(
    index: int, size: int, *, frontier: Frontier, node: NodeReader, digest: Hash = _sha256
) -> list[bytes]:
    """The proof of leaf `index` in the tree of `size` leaves, whose frontier is given (§2.1.1).

    Below its peak the path is read with `node`; above it, it follows from the frontier alone.
    """
    assert 0 <= index < size, "the leaf is in the tree"
    levels = [level for level in reversed(range(size.bit_length())) if (size >> level) & 1]
    start, peak = 0, 0
    while index >= start + (1 << levels[peak]):
        start += 1 << levels[peak]
        peak += 1
    path = [node(step, (index >> step) ^ 1) for step in range(levels[peak])]
    right = frontier[peak + 1 :]
    if right:
        path.append(frontier_root(right, digest=digest))
    return path + list(reversed(frontier[:peak]))


def consistency_proof(size1: int, size2: int, *, node: NodeReader, digest: Hash = _sha256) -> list[bytes]:
    """The proof that the tree of `size1` leaves is a prefix of that of `size2` (§2.1.2)."""
    assert 0 < size1 <= size2, "an earlier and a later tree"

    def subtree(start: int, end: int) -> bytes:
        width = end - start
        if width & (width - 1) == 0 and start % width == 0:
            level = width.bit_length() - 1
            return node(level, start >> level)
        split = 1 << ((width - 1).bit_length() - 1)
        return node_hash(subtree(start, start + split), subtree(start + split, end), digest=digest)

    def subproof(old: int, start: int, end: int, known: bool) -> list[bytes]:
        if old == end - start:
            return [] if known else [subtree(start, end)]
        split = 1 << ((end - start - 1).bit_length() - 1)
        if old <= split:
            return [*subproof(old, start, start + split, known), subtree(start + split, end)]
        return [*subproof(old - split, start + split, end, False), subtree(start, start + split)]

    return subproof(size1, 0, size2, True)


def verify_inclusion(
    leaf_hash: bytes,
    index: int,
    size: int,
    proof: Sequence[bytes],
    root: bytes,
    *,
    digest: Hash = _sha256,
) -> None:
    """Nothing when `leaf_hash` is leaf `index` of the tree; raises ProofInvalid (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofInvalid("the index is not in the tree")
    _require_hashes([leaf_hash, root, *proof], digest)
    last, computed = size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if index & 1 or index == last:
            computed = node_hash(sibling, computed, digest=digest)
            while not index & 1 and index != 0:
                index, last = index >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling, digest=digest)
        index, last = index >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof is too short")
    if computed != root:
        raise ProofInvalid("the proof leads to another root")


def verify_consistency(
    size1: int,
    size2: int,
    proof: Sequence[bytes],
    root1: bytes,
    root2: bytes,
    *,
    digest: Hash = _sha256,
) -> None:
    """Nothing when tree 1 is a prefix of tree 2; raises ProofInvalid (RFC 9162 §2.1.4.2).

    Two trees of one size are the same tree, with an empty proof. Nothing is proven from an empty tree
    to a larger one: any tree follows it, so that a caller who holds none has nothing to ask.
    """
    if not 0 <= size1 <= size2 or (size1 == 0 and size2 > 0):
        raise ProofInvalid("the first tree is empty, or larger than the second")
    if size1 == size2:
        if proof:
            raise ProofInvalid("the proof should be empty")
        if root1 != root2 or (size1 == 0 and root1 != digest(b"")):
            raise ProofInvalid("two roots for one size")
        return
    if not proof:
        raise ProofInvalid("the proof is empty")
    _require_hashes([root1, root2, *proof], digest)
    _walk_consistency(size1, size2, list(proof), root1, root2, digest)


def _walk_consistency(
    size1: int, size2: int, proof: list[bytes], root1: bytes, root2: bytes, digest: Hash
) -> None:
    if size1 & (size1 - 1) == 0:
        proof.insert(0, root1)
    old, last = size1 - 1, size2 - 1
    while old & 1:
        old, last = old >> 1, last >> 1
    first = second = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if old & 1 or old == last:
            first = node_hash(sibling, first, digest=digest)
            second = node_hash(sibling, second, digest=digest)
            while not old & 1 and old != 0:
                old, last = old >> 1, last >> 1
        else:
            second = node_hash(second, sibling, digest=digest)
        old, last = old >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof is too short")
    if first != root1 or second != root2:
        raise ProofInvalid("the proof leads to other roots")


def _require_hashes(hashes: Sequence[bytes], digest: Hash) -> None:
    length = len(digest(b""))
    if any(len(item) != length for item in hashes):
        raise ProofInvalid("a hash has the wrong length")
