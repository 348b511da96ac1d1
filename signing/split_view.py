"""Two checkpoints of one log, held against each other: do they show one history or two?

`compare` rests on signatures of the log's own key and on nodes of its tree; what a server says beside is
believed only as far as the two roots bear it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from signing import note, tiles


class SplitView(Exception):
    """One log has signed two histories. The two checkpoints are the proof."""


class Undecided(Exception):
    """What is there does not suffice to say."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Two checkpoints of one history."""

    smaller: note.Checkpoint
    larger: note.Checkpoint


def compare(
    one: str,
    other: str,
    *,
    trusted: Iterable[note.VerifierKey],
    read: Callable[[tiles.Tile], bytes] | None = None,
) -> Agreement:
    """That two signed checkpoints are of one history; raises SplitView, Undecided, NoteInvalid.

    `read` gives the log's tiles of the larger tree. 1. A key of the log signed both. 2. Trees of one size
    have one root. 3. The tiles lead to the larger root: then the smaller tree is the one they have, or is
    of another history.
    """
    known = tuple(trusted)
    heads = [head(text, trusted=known) for text in (one, other)]  # 1
    if heads[0].origin != heads[1].origin:
        raise Undecided("the checkpoints are of two logs")
    smaller, larger = sorted(heads, key=lambda one: one.size)
    if smaller.size == larger.size:
        if smaller.root != larger.root:  # 2
            raise SplitView(f"two roots for the size {smaller.size}")
        return Agreement(smaller=smaller, larger=larger)
    if read is None:
        raise Undecided("the sizes differ: the log's tiles are needed")
    tree = tiles.Tiles(larger.size, read)
    if tree.root() != larger.root:  # 3
        raise Undecided("the log's tiles do not lead to the larger checkpoint: it shows a third history")
    if tree.root(smaller.size) != smaller.root:
        raise SplitView(f"at the size {smaller.size} the larger tree has another root")
    return Agreement(smaller=smaller, larger=larger)


def head(text: str, *, trusted: tuple[note.VerifierKey, ...]) -> note.Checkpoint:
    """The tree head of a checkpoint that a key of its own origin signed; raises NoteInvalid."""
    body, signer = note.verify(text, trusted=trusted)
    found = note.parse_checkpoint(body)
    if found.origin != signer.name:
        raise note.NoteInvalid("the checkpoint is of another origin than its key")
    return found
