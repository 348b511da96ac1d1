"""Cosignatures: whose are believed, how many are asked for, and what another program says of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import cosignature, keys, note, receipt
from tests import judges

ORIGIN = "ledger.example/log/0"
LOG = keys.SigningKey(bytes([1]) * 32)
TEXT = f"{ORIGIN}\n3\n{'A' * 43}=\n"
SIGNED = note.sign(TEXT, name=ORIGIN, key=LOG)
WITNESSES = {f"witness.example/w{number}": keys.SigningKey(bytes([number]) * 32) for number in (2, 3, 4)}
TRUSTED = tuple(cosignature.CosignerKey(name=name, public=key.public) for name, key in WITNESSES.items())


def line(number: int, *, text: str = TEXT, at_s: int = 1_700_000_000) -> str:
    name = f"witness.example/w{number}"
    return cosignature.sign(text, name=name, key=WITNESSES[name], at_s=at_s)


def cosigned(*lines: str) -> str:
    return cosignature.added(SIGNED, lines)


def test_a_cosigned_checkpoint_tells_who_and_when() -> None:
    found = cosignature.verified(cosigned(line(2), line(4, at_s=7)), trusted=TRUSTED)
    assert {(one.key.name, one.at_s) for one in found} == {
        ("witness.example/w2", 1_700_000_000),
        ("witness.example/w4", 7),
    }


def test_the_logs_own_signature_is_verified_beside_cosignatures() -> None:
    text, _ = note.verify(
        cosigned(line(2), line(3)), trusted=[note.VerifierKey(name=ORIGIN, public=LOG.public)]
    )
    assert text == TEXT


@pytest.mark.parametrize(("cosigners", "quorum"), [((), 0), ((2,), 1), ((2, 3), 2), ((2, 3, 4), 2)])
def test_a_quorum_is_enough(cosigners: tuple[int, ...], quorum: int) -> None:
    policy = cosignature.Policy(witnesses=TRUSTED, quorum=quorum)
    found = cosignature.require(cosigned(*map(line, cosigners)), policy=policy)
    assert len(found) == len(cosigners)


def test_fewer_than_the_quorum_are_refused_and_one_witness_counts_once() -> None:
    policy = cosignature.Policy(witnesses=TRUSTED, quorum=2)
    with pytest.raises(cosignature.CosignaturesMissing, match="1 of 3 witnesses"):
        cosignature.require(cosigned(line(2), line(2, at_s=5)), policy=policy)


def test_of_several_by_one_witness_the_newest_counts() -> None:
    (found,) = cosignature.verified(cosigned(line(2, at_s=9), line(2, at_s=5)), trusted=TRUSTED)
    assert found.at_s == 9


def test_lines_of_strangers_are_passed_over() -> None:
    stranger = cosignature.sign(TEXT, name="witness.example/w2", key=keys.SigningKey(bytes([9]) * 32), at_s=1)
    assert cosignature.verified(cosigned(stranger), trusted=TRUSTED) == ()
    plain = note.sign(TEXT, name="witness.example/w2", key=WITNESSES["witness.example/w2"])
    assert cosignature.verified(cosigned(plain.removeprefix(f"{TEXT}\n")), trusted=TRUSTED) == ()


@pytest.mark.parametrize(
    "flaw",
    ["another text", "another time", "cut short", "longer", "a time without end"],
)
def test_a_wrong_line_of_a_trusted_witness_refuses_the_note(flaw: str) -> None:
    (made,) = note.parse_lines(line(2))
    signature = {
        "another text": note.parse_lines(line(2, text=TEXT.replace("\n3\n", "\n4\n")))[0].signature,
        "another time": bytes(8) + made.signature[8:],
        "cut short": made.signature[:-1],
        "longer": made.signature + b"\0",
        "a time without end": b"\xff" * 8 + made.signature[8:],
    }[flaw]
    bad = note.signature_line(made._replace(signature=signature))
    with pytest.raises(note.NoteInvalid):
        cosignature.verified(cosigned(bad), trusted=TRUSTED)


@pytest.mark.parametrize("key", TRUSTED)
def test_a_witnesss_key_is_read_back(key: cosignature.CosignerKey) -> None:
    assert cosignature.CosignerKey.parse(key.text) == key
    with pytest.raises(note.NoteInvalid):
        note.VerifierKey.parse(key.text)
    with pytest.raises(note.NoteInvalid):
        cosignature.CosignerKey.parse(note.VerifierKey(name=key.name, public=key.public).text)


def test_a_policy_can_be_kept() -> None:
    twice = cosignature.CosignerKey(name="witness.example/other", public=TRUSTED[0].public)
    with pytest.raises(note.NoteInvalid, match="larger than"):
        cosignature.Policy(witnesses=TRUSTED, quorum=4)
    with pytest.raises(note.NoteInvalid, match="twice"):
        cosignature.Policy(witnesses=(*TRUSTED, twice), quorum=1)


def test_a_receipt_under_a_cosigned_checkpoint_proves_the_same() -> None:
    root = receipt.merkle.leaf_hash(b"event")
    text = note.Checkpoint(origin=ORIGIN, size=1, root=root).text
    signed = cosignature.added(note.sign(text, name=ORIGIN, key=LOG), [line(2, text=text)])
    written = receipt.write(index=0, proof=(), checkpoint=signed)
    trusted = [note.VerifierKey(name=ORIGIN, public=LOG.public)]
    assert receipt.verify(written, event=b"event", trusted=trusted).index == 0
    assert len(cosignature.verified(receipt.parse(written).checkpoint, trusted=TRUSTED)) == 1


@given(st.integers(0, 2**63 - 1))
def test_another_program_verifies_our_cosignatures(at_s: int) -> None:
    judges.need("tlog_scales")
    from tlog_scales import signing as others
    from tlog_scales import tlog

    (made,) = note.parse_lines(line(3, at_s=at_s))
    head = tlog.Checkpoint.from_text(SIGNED)
    verifier = others.Vkey.from_string(TRUSTED[1].text).get_verifier()
    assert isinstance(verifier, others.Ed25519CosignatureVerifier)
    verifier.verify(made.signature, head)
    assert verifier.get_timestamp(made.signature) == at_s
