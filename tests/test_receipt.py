"""Receipts: a proof of one event, with one spelling, that nothing else passes for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import keys, merkle, note, receipt
from tests import judges

NAME = "ledger.example/log/0"
KEY = keys.SigningKey(bytes([7]) * 32)
TRUSTED = note.VerifierKey(name=NAME, public=KEY.public)
OTHER_NAME = "ledger.example/log/1"
OTHER_KEY = keys.SigningKey(bytes([9]) * 32)
OTHER = note.VerifierKey(name=OTHER_NAME, public=OTHER_KEY.public)
EVENTS = [bytes([index]) * 100 for index in range(7)]


def tree(size: int) -> merkle.Extension:
    return merkle.Extension.of((), 0, [merkle.leaf_hash(event) for event in EVENTS[:size]])


def checkpoint(size: int, *, origin: str = NAME, name: str = NAME, key: keys.SigningKey = KEY) -> str:
    text = note.Checkpoint(origin=origin, size=size, root=tree(size).root).text
    return note.sign(text, name=name, key=key)


def receipt_of(index: int, size: int) -> str:
    return receipt.write(index=index, proof=tree(size).proof(index), checkpoint=checkpoint(size))


GOOD = receipt_of(2, 7)
PROOF_LINE = GOOD.split("\n")[2]

BAD: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "another header": lambda: GOOD.replace("@v1", "@v2"),
    "text before the header": lambda: "x\n" + GOOD,
    "no index": lambda: GOOD.replace("index 2\n", ""),
    "an index without number": lambda: GOOD.replace("index 2", "index "),
    "an index with a leading zero": lambda: GOOD.replace("index 2", "index 02"),
    "an index with a sign": lambda: GOOD.replace("index 2", "index +2"),
    "an index with two spaces": lambda: GOOD.replace("index 2", "index  2"),
    "an index in other digits": lambda: GOOD.replace("index 2", "index \u0662"),
    "an index without end": lambda: GOOD.replace("index 2", "index " + "2" * 9000),
    "another index": lambda: GOOD.replace("index 2", "index 3"),
    "an index beyond the tree": lambda: GOOD.replace("index 2", "index 7"),
    "extra data": lambda: GOOD.replace("\nindex", "\nextra AAAA\nindex"),
    "extra data after the index": lambda: GOOD.replace("index 2\n", "index 2\nextra AAAA\n"),
    "a proof line with spare bits": lambda: GOOD.replace(
        PROOF_LINE, PROOF_LINE[:-2] + chr(ord(PROOF_LINE[-2]) + 1) + "="
    ),
    "a proof line without padding": lambda: GOOD.replace(PROOF_LINE, PROOF_LINE[:-1]),
    "a proof line with a space": lambda: GOOD.replace(PROOF_LINE, PROOF_LINE + " "),
    "a proof line too many": lambda: GOOD.replace(PROOF_LINE, PROOF_LINE + "\n" + PROOF_LINE),
    "a proof line too few": lambda: GOOD.replace(PROOF_LINE + "\n", ""),
    "a short hash": lambda: GOOD.replace(PROOF_LINE, "AAAA"),
    "a proof without end": lambda: GOOD.replace(PROOF_LINE, "\n".join([PROOF_LINE] * 64)),
    "no blank line": lambda: GOOD.replace("\n\n", "\n", 1),
    "two blank lines": lambda: GOOD.replace("\n\n", "\n\n\n", 1),
    "carriage returns": lambda: GOOD.replace("\n", "\r\n"),
    "no checkpoint": lambda: GOOD.partition("\n\n")[0] + "\n\n",
    "a checkpoint without signature": lambda: GOOD.rpartition("\n\n")[0] + "\n",
    "something after the signature": lambda: GOOD + "\n",
    "a checkpoint of an earlier tree": lambda: GOOD.partition("\n\n")[0] + "\n\n" + checkpoint(6),
    "a checkpoint of a stranger": lambda: (
        GOOD.partition("\n\n")[0] + "\n\n" + checkpoint(7, key=keys.SigningKey(bytes(32)))
    ),
    "a trusted key's checkpoint for another origin": lambda: (
        GOOD.partition("\n\n")[0] + "\n\n" + checkpoint(7, name=OTHER_NAME, key=OTHER_KEY)
    ),
    "too long": lambda: GOOD + "— x AAAAAAAA\n" * 6000,
}


@pytest.mark.parametrize("size", range(1, 8))
def test_every_event_of_every_tree_has_a_receipt(size: int) -> None:
    for index in range(size):
        text = receipt_of(index, size)
        proven = receipt.verify(text, event=EVENTS[index], trusted=[OTHER, TRUSTED])
        assert (proven.index, proven.checkpoint.size, proven.signer) == (index, size, TRUSTED)


@pytest.mark.parametrize(("old", "size"), [(old, size) for size in range(1, 8) for old in range(size)])
def test_the_receipts_of_a_tree_are_those_of_its_proofs(old: int, size: int) -> None:
    leaves = [merkle.leaf_hash(event) for event in EVENTS[:size]]
    grown = merkle.Extension.of(tree(old).frontier, old, leaves[old:])
    receipts = receipt.Receipts(grown, checkpoint(size))
    for index in range(old, size):
        assert receipts.write(index) == receipt_of(index, size)


def test_a_receipt_is_read_back() -> None:
    parsed = receipt.parse(GOOD)
    assert receipt.write(index=parsed.index, proof=parsed.proof, checkpoint=parsed.checkpoint) == GOOD


def test_witnesses_may_add_their_lines() -> None:
    receipt.verify(GOOD + "— witness.example AAAAAAAA\n", event=EVENTS[2], trusted=[TRUSTED])


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_receipt_is_refused(make: Callable[[], str]) -> None:
    with pytest.raises(receipt.ReceiptInvalid):
        receipt.verify(make(), event=EVENTS[2], trusted=[OTHER, TRUSTED])


def test_another_event_is_refused() -> None:
    for index, event in enumerate(EVENTS):
        if index != 2:
            with pytest.raises(receipt.ReceiptInvalid):
                receipt.verify(GOOD, event=event, trusted=[TRUSTED])


def test_without_trusted_keys_nothing_is_proven() -> None:
    with pytest.raises(receipt.ReceiptInvalid):
        receipt.verify(GOOD, event=EVENTS[2], trusted=[])


def test_every_changed_byte_of_a_receipt_is_refused() -> None:
    data = GOOD.encode()
    for place in range(len(data)):
        for flip in (1, 0x20, 0x80):
            changed = bytearray(data)
            changed[place] ^= flip
            with pytest.raises(receipt.ReceiptInvalid):
                receipt.verify(
                    changed.decode(errors="surrogateescape"), event=EVENTS[2], trusted=[OTHER, TRUSTED]
                )


pieces = st.sampled_from(
    [receipt.HEADER, "\n", "\n\n", "index ", "2", PROOF_LINE, checkpoint(7), "— ", "extra ", "é", "\ud800"]
)
scraps = st.lists(pieces | st.text(max_size=4)).map("".join)


@given(scraps | scraps.map(lambda scrap: f"{receipt.HEADER}\nindex 2\n{scrap}"))
def test_any_text_has_one_reading_or_is_refused(text: str) -> None:
    try:
        parsed = receipt.parse(text)
    except receipt.ReceiptInvalid:
        return
    assert receipt.write(index=parsed.index, proof=parsed.proof, checkpoint=parsed.checkpoint) == text
    try:
        receipt.verify(text, event=EVENTS[2], trusted=[TRUSTED])
    except receipt.ReceiptInvalid:
        return


def test_another_implementation_verifies_our_receipt() -> None:
    judges.need("tlog_scales.tlog")
    from tlog_scales import signing, tlog

    parsed = receipt.parse(GOOD)
    head = tlog.Checkpoint.from_text(parsed.checkpoint)
    head.verify(signing.Vkey.from_string(TRUSTED.text))
    theirs = tlog.InclusionProof(parsed.index, head.size, list(parsed.proof))
    theirs.check(merkle.leaf_hash(EVENTS[2]), head.root_hash)
    with pytest.raises(tlog.InclusionProofInvalid):
        theirs.check(merkle.leaf_hash(EVENTS[3]), head.root_hash)
