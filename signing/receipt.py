"""Receipts: C2SP tlog-proofs, the detached signature of one event.

`write` makes the text, `parse` reads it, `verify` judges it against the event's bytes and trusted
verifier keys. Rests on c2sp.org/tlog-proof@v1 and `merkle`, `note`. Without extra data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from signing import merkle, note, spelling, suites

HEADER = "c2sp.org/tlog-proof@v1"
RECEIPT_BYTES_MAX = 64 * 1024
_PROOF_MAX = 63


class ReceiptInvalid(ValueError):
    """A receipt that does not prove the event under the trusted keys."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A parsed receipt; nothing in it is trusted before `verify`."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    """The signed note."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """What a verified receipt says: the event is leaf `index` of this checkpoint's tree."""

    index: int
    checkpoint: note.Checkpoint
    signer: note.VerifierKey


def write(*, index: int, proof: Sequence[bytes], checkpoint: str) -> str:
    """The receipt's text; `checkpoint` is a signed note."""
    return _text(index, "".join([_line(item) for item in proof]), checkpoint)


class Receipts:
    """The receipts of the new leaves of a tree; the path that several of them share is written once."""

    def __init__(self, tree: merkle.Extension, checkpoint: str) -> None:
        """`checkpoint` is the signed note of `tree`."""
        self._tree = tree
        self._checkpoint = checkpoint
        self._paths: dict[tuple[int, int], str] = {(tree.height, 0): ""}
        """By level and node, what a proof says from there on."""

    def write(self, index: int) -> str:
        """As `write`, for leaf `index`."""
        assert self._tree.old_size <= index < self._tree.size, "one of the new leaves"
        return _text(index, self._path(0, index), self._checkpoint)

    def _path(self, level: int, node: int) -> str:
        known = self._paths.get((level, node))
        if known is None:
            sibling, above = self._tree.sibling(level, node), self._path(level + 1, node >> 1)
            known = self._paths[level, node] = above if sibling is None else _line(sibling) + above
        return known


def _text(index: int, lines: str, checkpoint: str) -> str:
    return f"{HEADER}\nindex {index}\n{lines}\n{checkpoint}"


def _line(item: bytes) -> str:
    """One hash of a proof."""
    return spelling.to_base64(item) + "\n"


def parse(text: str) -> Receipt:
    """The parts of a receipt; raises ReceiptInvalid."""
    if len(text) > RECEIPT_BYTES_MAX:
        raise ReceiptInvalid("too long")
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != HEADER or not separator:
        raise ReceiptInvalid("not a tlog-proof")
    if len(lines) > 1 and lines[1].startswith("extra "):
        raise ReceiptInvalid("extra data is not used here")
    if len(lines) < 2 or not lines[1].startswith("index ") or len(lines) > 2 + _PROOF_MAX:
        raise ReceiptInvalid("no index line, or a proof without end")
    try:
        index = spelling.from_decimal(lines[1].removeprefix("index "))
        proof = tuple(spelling.from_base64(line) for line in lines[2:])
    except spelling.SpellingInvalid as error:
        raise ReceiptInvalid(f"index or proof: {error}") from error
    return Receipt(index=index, proof=proof, checkpoint=checkpoint)


def verify(
    text: str,
    *,
    event: bytes,
    trusted: Iterable[note.VerifierKey],
    suite: suites.Suite = suites.INTL,
) -> Proven:
    """What the receipt proves of the stored bytes `event`; raises ReceiptInvalid.

    1. The text is a tlog-proof.
    2. A trusted key signed the checkpoint, and its name is the checkpoint's origin.
    3. The event's leaf hash is in the checkpointed tree at the index.
    """
    parsed = parse(text)  # 1
    try:
        body, signer = note.verify(parsed.checkpoint, trusted=trusted)  # 2
        checkpoint = note.parse_checkpoint(body)
    except note.NoteInvalid as error:
        raise ReceiptInvalid(f"the checkpoint: {error}") from error
    if checkpoint.origin != signer.name:
        raise ReceiptInvalid("the checkpoint is of another origin than its key")
    try:
        merkle.verify_inclusion(  # 3
            merkle.leaf_hash(event, digest=suite.digest),
            parsed.index,
            checkpoint.size,
            parsed.proof,
            checkpoint.root,
            digest=suite.digest,
        )
    except merkle.ProofInvalid as error:
        raise ReceiptInvalid(f"the inclusion proof: {error}") from error
    return Proven(index=parsed.index, checkpoint=checkpoint, signer=signer)
