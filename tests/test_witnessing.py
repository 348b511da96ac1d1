"""The rule of a witness: what is cosigned, and what is refused for which reason."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import keys, merkle, note, tiles, witnessing

ORIGIN = "ledger.example/log/0"
KEY = keys.SigningKey(bytes([1]) * 32)
LOGS = {ORIGIN: (note.VerifierKey(name=ORIGIN, public=KEY.public),)}
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(20)]
OTHER = [*LEAVES[:5], merkle.leaf_hash(b"another"), *LEAVES[6:]]
"""A fork at index 5."""


def signed(
    size: int, leaves: list[bytes] = LEAVES, *, key: keys.SigningKey = KEY, origin: str = ORIGIN
) -> str:
    head = note.Checkpoint(origin=origin, size=size, root=merkle.root(leaves[:size]))
    return note.sign(head.text, name=origin, key=key)


def proof(old: int, new: int, leaves: list[bytes] = LEAVES) -> tuple[bytes, ...]:
    def node(level: int, index: int) -> bytes:
        return merkle.root(leaves[index << level : (index + 1) << level])

    return tuple(merkle.consistency_proof(old, new, node=node)) if old else ()


def submission(old: int, new: int, leaves: list[bytes] = LEAVES, **changes: Any) -> witnessing.Submission:
    members = {"old_size": old, "proof": proof(old, new, leaves), "checkpoint": signed(new, leaves)}
    return witnessing.Submission(**members | changes)


def judged(
    asked: witnessing.Submission, latest: int | None = None, leaves: list[bytes] = LEAVES
) -> note.Checkpoint:
    known = (
        {} if latest is None else {ORIGIN: witnessing.Head(size=latest, root=merkle.root(leaves[:latest]))}
    )
    _, head = witnessing.judge(asked, logs=LOGS, latest=known)
    return head


@pytest.mark.parametrize(("latest", "new"), [(None, 0), (None, 7), (0, 7), (1, 2), (5, 5), (7, 20), (8, 16)])
def test_a_log_that_grows_is_cosigned(latest: int | None, new: int) -> None:
    assert judged(submission(latest or 0, new), latest).size == new


REFUSED: dict[str, tuple[witnessing.Submission, int | None, type[witnessing.Refusal], int]] = {
    "a log that nobody knows": (
        submission(0, 3, checkpoint=signed(3, origin="other.example/0")),
        None,
        witnessing.OriginUnknown,
        404,
    ),
    "a stranger's signature": (
        submission(0, 3, checkpoint=signed(3, key=keys.SigningKey(bytes([2]) * 32))),
        None,
        witnessing.Unsigned,
        403,
    ),
    "no checkpoint but a text": (submission(0, 3, checkpoint=f"{ORIGIN}\nx"), None, witnessing.Unsigned, 403),
    "a signed text that is no checkpoint": (
        submission(0, 3, checkpoint=note.sign(f"{ORIGIN}\nx\n", name=ORIGIN, key=KEY)),
        None,
        witnessing.Unsigned,
        403,
    ),
    "an old size above the checkpoint's": (submission(0, 3, old_size=4), 4, witnessing.Refusal, 400),
    "an old size that is not the latest": (submission(3, 9), 5, witnessing.Moved, 409),
    "a log that begins again at nothing": (submission(0, 9), 5, witnessing.Moved, 409),
    "a log that was rolled back": (submission(3, 4), 9, witnessing.RolledBack, 409),
    "a log rolled back to nothing": (submission(0, 0), 9, witnessing.RolledBack, 409),
    "a fork of the same size": (submission(9, 9, OTHER), 9, witnessing.Forked, 422),
    "an empty tree with a root": (
        submission(
            0,
            0,
            checkpoint=note.sign(
                note.Checkpoint(origin=ORIGIN, size=0, root=bytes(32)).text, name=ORIGIN, key=KEY
            ),
        ),
        None,
        witnessing.Forked,
        422,
    ),
    "a root that is no hash": (
        submission(
            0,
            3,
            checkpoint=note.sign(
                note.Checkpoint(origin=ORIGIN, size=3, root=bytes(31)).text, name=ORIGIN, key=KEY
            ),
        ),
        None,
        witnessing.Refusal,
        400,
    ),
    "a fork that has grown": (submission(9, 12, OTHER), 9, witnessing.Inconsistent, 422),
    "a fork with the proof of the true log": (
        submission(9, 12, checkpoint=signed(12, OTHER)),
        9,
        witnessing.Inconsistent,
        422,
    ),
    "no proof": (submission(9, 12, proof=()), 9, witnessing.Inconsistent, 422),
    "a proof with a hash too many": (
        submission(9, 12, proof=(*proof(9, 12), bytes(32))),
        9,
        witnessing.Inconsistent,
        422,
    ),
    "a hash of another length": (submission(9, 12, proof=(b"x",)), 9, witnessing.Inconsistent, 422),
    "a proof from nothing": (submission(0, 3, proof=(bytes(32),)), None, witnessing.Inconsistent, 422),
    "a proof that nothing was added": (submission(9, 9, proof=(bytes(32),)), 9, witnessing.Inconsistent, 422),
}


@pytest.mark.parametrize("flaw", REFUSED)
def test_everything_else_is_refused_for_a_reason_of_its_own(flaw: str) -> None:
    asked, latest, refusal, status = REFUSED[flaw]
    with pytest.raises(witnessing.Refusal) as caught:
        judged(asked, latest)
    assert type(caught.value) is refusal
    assert caught.value.status == status
    if isinstance(caught.value, witnessing.Moved):
        assert caught.value.size == latest


def test_a_submission_is_read_back() -> None:
    for asked in (submission(0, 3), submission(3, 20), submission(9, 9)):
        assert witnessing.parse(witnessing.write(asked).encode()) == asked


GOOD = witnessing.write(submission(3, 20))
BAD_BODIES = {
    "nothing": "",
    "no checkpoint": "old 3\n",
    "no old line": GOOD.partition("\n")[2],
    "another word": GOOD.replace("old ", "new "),
    "a size with a leading zero": GOOD.replace("old 3", "old 03"),
    "a negative size": GOOD.replace("old 3", "old -3"),
    "a size without end": GOOD.replace("old 3", f"old {'9' * 5000}"),
    "a hash that is no base64": GOOD.replace("\n", "\n?\n", 1),
    "64 hashes": "old 3\n" + f"{'A' * 43}=\n" * 64 + "\n" + signed(9),
    "too long": GOOD + "x" * witnessing.SUBMISSION_BYTES_MAX,
    "a carriage return": GOOD.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("flaw", BAD_BODIES)
def test_a_body_with_a_flaw_is_malformed(flaw: str) -> None:
    with pytest.raises(witnessing.Refusal) as caught:
        witnessing.parse(BAD_BODIES[flaw].encode())
    assert caught.value.status == 400


def test_a_body_that_is_no_text_is_malformed() -> None:
    with pytest.raises(witnessing.Refusal):
        witnessing.parse(b"old 3\n\xff\n\n")


def fuzzed(data: bytes) -> None:
    """Nothing but a refusal, or a head that follows the latest."""
    head = None
    with contextlib.suppress(witnessing.Refusal):
        head = judged(witnessing.parse(data), 9)
    assert head is None or (head.size >= 9 and head.root == merkle.root(LEAVES[: head.size]))


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data: bytes) -> None:
    fuzzed(data)


@given(st.integers(0, len(GOOD.encode()) - 1), st.integers(0, 255), st.integers(9, 20))
def test_a_changed_byte_never_has_another_tree_cosigned(place: int, value: int, new: int) -> None:
    body = bytearray(witnessing.write(submission(9, new)).encode())
    body[place % len(body)] = value
    fuzzed(bytes(body))


@given(st.integers(1, 20), st.integers(0, 20))
def test_proofs_from_nodes_are_those_that_verify(old: int, more: int) -> None:
    new = min(20, old + more)
    assert judged(submission(old, new), old).size == new
    nodes = tiles.frontier(
        new, lambda level, index: merkle.root(LEAVES[index << level : (index + 1) << level])
    )
    assert merkle.frontier_root(nodes) == merkle.root(LEAVES[:new])
