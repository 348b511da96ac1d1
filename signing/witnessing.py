"""What a witness is sent and when it signs: the rule of `add-checkpoint`, without I/O.

`write` and `parse` spell a submission; `judge` gives the tree head that may be cosigned, or raises a
`Refusal` that says why not and which HTTP status says so. Rests on c2sp.org/tlog-witness. Nothing is
stored here: whoever cosigns keeps the head first, under one lock with the question for the latest.
`vouched` is what may be kept of a note: its text and the lines that were verified, and no stranger's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from signing import merkle, note, spelling

SUBMISSION_BYTES_MAX = 80 * 1024
"""63 hashes and a note of the largest size."""
PROOF_MAX = 63
LINE_BYTES_MAX = 512
"""For the line of a cosignature: the witness's name, and 76 bytes in base64."""


class Refusal(ValueError):
    """A submission that is not cosigned."""

    status = 400
    reason = "malformed"


class OriginUnknown(Refusal):
    """No log of this name is witnessed here."""

    status = 404
    reason = "origin-unknown"


class Unsigned(Refusal):
    """No key that is known for the log signed the checkpoint, or one did wrongly."""

    status = 403
    reason = "not-signed-by-the-log"


class Moved(Refusal):
    """The proof begins elsewhere than at the latest head that was cosigned; `size` is that head's."""

    status = 409
    reason = "old-size"

    def __init__(self, message: str, *, size: int) -> None:
        super().__init__(message)
        self.size = size


class RolledBack(Moved):
    """The log shows a smaller tree than it has shown before."""

    reason = "rolled-back"


class Inconsistent(Refusal):
    """The proof does not lead from the latest head to this one."""

    status = 422
    reason = "proof-refused"


class Forked(Inconsistent):
    """The log shows another tree of the size that it has shown before. The two checkpoints prove it."""

    reason = "forked"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A checkpoint, and the proof that it follows the one of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: str
    """The signed note."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The latest tree head that a witness cosigned for a log."""

    size: int
    root: bytes


EMPTY = Head(size=0, root=merkle.frontier_root(()))
"""Of whom nothing was cosigned yet."""


def write(submission: Submission) -> str:
    """The body of `add-checkpoint`."""
    lines = "".join(f"{spelling.to_base64(item)}\n" for item in submission.proof)
    return f"old {submission.old_size}\n{lines}\n{submission.checkpoint}"


def parse(body: bytes) -> Submission:
    """The submission that a body spells; raises Refusal."""
    if len(body) > SUBMISSION_BYTES_MAX:
        raise Refusal("too long")
    try:
        head, separator, checkpoint = body.decode().partition("\n\n")
        first, *rest = head.split("\n")
        if not separator or not first.startswith("old ") or len(rest) > PROOF_MAX:
            raise Refusal("no old size, no checkpoint, or a proof without end")
        return Submission(
            old_size=spelling.from_decimal(first.removeprefix("old ")),
            proof=tuple(spelling.from_base64(line) for line in rest),
            checkpoint=checkpoint,
        )
    except (UnicodeDecodeError, spelling.SpellingInvalid) as error:
        raise Refusal("the old size or the proof is not spelled as it must be") from error


def origin_of(submission: Submission) -> str:
    """The log that a submission says it is of; nothing is verified."""
    return submission.checkpoint.partition("\n")[0]


def judge(
    submission: Submission,
    *,
    logs: Mapping[str, Sequence[note.VerifierKey]],
    latest: Mapping[str, Head],
) -> tuple[str, note.Checkpoint]:
    """Text and tree head that may be cosigned; raises Refusal.

    1. The origin is one of `logs`.
    2. A key of the log signed the checkpoint, and no line of such a key is wrong; its root is a hash.
    3. The old size is not above the checkpoint's, and is that of the latest head cosigned (0: none).
    4. A tree of that size has the same root; an empty one that of the empty tree.
    5. The proof leads from the latest head to this one; from nothing there is nothing to prove.
    """
    keys = logs.get(origin_of(submission))  # 1
    if keys is None:
        raise OriginUnknown("no log of this origin is witnessed here")
    try:
        text, _ = note.verify(submission.checkpoint, trusted=keys)  # 2
        checkpoint = note.parse_checkpoint(text)
    except note.NoteInvalid as error:
        raise Unsigned(str(error)) from error
    if len(checkpoint.root) != len(EMPTY.root):
        raise Refusal("the root is no hash")
    if submission.old_size > checkpoint.size:  # 3
        raise Refusal("the old size is above the checkpoint's")
    known = latest.get(checkpoint.origin, EMPTY)
    if checkpoint.size < known.size:
        raise RolledBack("the log has shown a larger tree", size=known.size)
    if submission.old_size != known.size:
        raise Moved("the proof begins at another size than the latest that was cosigned", size=known.size)
    if checkpoint.size == known.size and checkpoint.root != known.root:  # 4
        raise Forked("the log has shown another tree of this size")
    if known.size == 0 < checkpoint.size:
        if submission.proof:
            raise Inconsistent("from an empty tree there is nothing to prove")
        return text, checkpoint
    try:
        merkle.verify_consistency(
            known.size, checkpoint.size, submission.proof, known.root, checkpoint.root
        )  # 5
    except merkle.ProofInvalid as error:
        raise Inconsistent(str(error)) from error
    return text, checkpoint


def vouched(submission: Submission, *, keys: Sequence[note.VerifierKey]) -> str:
    """The note of a checkpoint that was judged, with the lines of `keys` alone, one of each.

    Anyone can add lines to a signed note. Kept with them, and the cosignature behind them, it could be more
    than a note may be, and not be read again. Raises Refusal where it leaves no room for a cosignature.
    """
    text, lines = note.taken_apart(submission.checkpoint)
    known = {(key.name, key.hash) for key in keys}
    own = {(line.name, line.key_hash): line for line in lines if (line.name, line.key_hash) in known}
    signed = note.of(text, [*own.values()][: note.SIGNATURES_MAX - 1])
    if len(signed) > note.NOTE_BYTES_MAX - LINE_BYTES_MAX:
        raise Refusal("the checkpoint leaves no room for a cosignature")
    return signed
