"""Trust files of format 2: keys with their history, lists, checkpoints, and a signature over all of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from signing import (
    cosignature,
    keys,
    merkle,
    note,
    receipt,
    spelling,
    status_list,
    suites,
    trust,
    trust_members,
)
from tests import test_trust
from tests.test_trust import BASE, COMPROMISED, RETIRED, origin, token_key

LOG = keys.SigningKey(bytes([1]) * 32)
NEXT = keys.SigningKey(bytes([6]) * 32)
LISTS = {
    number: status_list.sign(
        status_list.StatusList(
            uri=f"https://ledger.example/v1/status-lists/{number}",
            issued_at=1_769_846_400,
            expires_at=1_769_932_800,
            ttl_s=3_600,
            compressed=status_list.pack([(1, [number])]),
        ),
        key=keys.SigningKey(bytes([4]) * 32),
        suite=suites.INTL,
    )
    for number in (0, 3)
}
LEAVES = [bytes([number]) for number in range(4)]
TREE = merkle.Extension.of((), 0, [merkle.leaf_hash(leaf) for leaf in LEAVES])
CHECKPOINT = note.sign(
    note.Checkpoint(origin=f"{BASE}/0.1", size=4, root=TREE.root).text, name=f"{BASE}/0.1", key=LOG
)
LEDGER = replace(
    test_trust.LEDGER,
    origins=(
        origin(0, 1, 2, 7, key_2=RETIRED, key_7=COMPROMISED),
        replace(origin(1, 1, 2, 6, key_2=RETIRED), checkpoint=CHECKPOINT),
    ),
    token_keys=(token_key(3, **RETIRED), token_key(4), token_key(8, **COMPROMISED)),
    witnesses=("witness.example/w1+0123abcd+BAAA",),
    quorum=1,
    documents=trust.Documents(
        roots=(b"root",),
        time_stamp_roots=(b"time",),
        certificates=(
            trust.IssuerCertificate(issuer="11350000000000019H", certificate=b"one", revoked_at=None),
            trust.IssuerCertificate(
                issuer="11350000000000019H",
                certificate=b"two",
                revoked_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            ),
            trust.IssuerCertificate(
                issuer="11350000000000019H",
                certificate=b"three",
                revoked_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                reason="superseded",
            ),
        ),
        revocation_lists=(b"list",),
        successions=(
            trust.Succession(
                successor="11350000000000019H",
                predecessor="12350000000000018X",
                since=date(2026, 1, 2),
                type_codes=("one", "two"),
                areas=("350100",),
            ),
        ),
    ),
    status_lists=LISTS,
)
FILE = trust.TrustFile(ledgers=(LEDGER,), made_at=datetime(2026, 1, 31, 8, tzinfo=UTC), fresh_s=86_400)
SIGNERS = [(f"{BASE}/0.1", LOG)]
DATA = trust.write(FILE, signers=SIGNERS)


def test_a_signed_trust_file_is_read_back() -> None:
    read = trust.parse(DATA)
    assert read == FILE
    assert trust.write(read, signers=SIGNERS) == DATA
    assert read.fresh_until == datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert [one.key.text for one in read.signatures] == [
        note.VerifierKey(name=SIGNERS[0][0], public=LOG.public).text
    ]


def test_a_stranger_verifies_the_signature() -> None:
    body, _, rest = DATA.rpartition(b',"signatures":')
    body += b"}"
    (said,) = json.loads(rest[:-1])
    typed = test_trust.spelling_of(said["key"])
    message = b"\x83\x65trust\x02" + b"\x59" + len(body).to_bytes(2, "big") + body
    assert 256 <= len(body) < 65_536
    Ed25519PublicKey.from_public_bytes(typed[1:]).verify(test_trust.decoded(said["signature"]), message)


def test_believed_and_doubted_keys_are_apart() -> None:
    assert [key.name for key in trust.verifier_keys(LEDGER)] == [f"{BASE}/0"] * 2 + [f"{BASE}/0.1"] * 3
    assert list(trust.token_keys(LEDGER)) == [key.key_id for key in LEDGER.token_keys[:2]]
    assert list(trust.doubted_token_keys(LEDGER)) == [LEDGER.token_keys[2].key_id]


def test_a_list_is_found_by_its_number() -> None:
    found = trust.listed(LEDGER, 3)
    assert found is not None
    assert (found.number, found.at(3), found.at(0)) == (3, status_list.INVALID, status_list.VALID)
    assert trust.listed(LEDGER, 1) is None


def receipt_of(number: int, *, size: int) -> str:
    """A receipt of the first leaf in a tree of some size, signed by key `number` under origin 0."""
    tree = merkle.Extension.of((), 0, [merkle.leaf_hash(leaf) for leaf in LEAVES[:size]])
    text = note.Checkpoint(origin=f"{BASE}/0", size=size, root=tree.root).text
    signed = note.sign(text, name=f"{BASE}/0", key=keys.SigningKey(bytes([number]) * 32))
    return receipt.write(index=0, proof=tree.proof(0), checkpoint=signed)


def test_a_key_proves_up_to_the_last_size_that_it_signed() -> None:
    for number, size in ((1, 4), (2, 1), (2, 2)):
        assert trust.prove(LEDGER, receipt_of(number, size=size), event=LEAVES[0]).checkpoint.size == size
    with pytest.raises(receipt.ReceiptInvalid, match="retired at size 2"):
        trust.prove(LEDGER, receipt_of(2, size=3), event=LEAVES[0])
    with pytest.raises(receipt.ReceiptInvalid, match="no trusted key"):
        trust.prove(LEDGER, receipt_of(9, size=3), event=LEAVES[0])


def test_a_compromised_key_proves_nothing_alone_whatever_size_it_names() -> None:
    for size in (1, 2, 3, 4):
        with pytest.raises(trust.KeyCompromised, match="fresh receipt"):
            trust.prove(LEDGER, receipt_of(7, size=size), event=LEAVES[0])
    with pytest.raises(receipt.ReceiptInvalid) as refused:
        trust.prove(LEDGER, receipt_of(7, size=2), event=LEAVES[1])
    assert not isinstance(refused.value, trust.KeyCompromised), "it does not hold under that key either"


def test_a_witness_vouches_for_what_a_key_signed_before_it_was_compromised() -> None:
    seeds = [bytes([50 + number]) * 32 for number in range(2)]
    names = ["witness.example/a", "witness.example/b"]
    held = [
        cosignature.CosignerKey(name=name, public=keys.SigningKey(seed).public)
        for name, seed in zip(names, seeds, strict=True)
    ]
    known = replace(LEDGER, witnesses=tuple(key.text for key in held), quorum=2)

    def cosigned(*, size: int, by: int) -> str:
        text = receipt_of(7, size=size)
        body = note.taken_apart(receipt.parse(text).checkpoint)[0]
        pairs = list(zip(names, seeds, strict=True))[:by]
        lines = [cosignature.sign(body, name=name, key=keys.SigningKey(seed), at_s=1) for name, seed in pairs]
        return cosignature.added(text, lines)

    assert trust.prove(known, cosigned(size=1, by=2), event=LEAVES[0]).checkpoint.size == 1
    one = replace(known, quorum=0)
    assert trust.prove(one, cosigned(size=1, by=1), event=LEAVES[0]).checkpoint.size == 1
    # A witness whose kind of key this reader does not know is passed over; a quorum of it is not.
    other = f"witness.example/c+00000000+{spelling.to_base64(bytes([6]) * 33)}"
    more = replace(one, witnesses=(other, *one.witnesses))
    assert trust.prove(more, cosigned(size=1, by=1), event=LEAVES[0]).checkpoint.size == 1
    alone = replace(more, witnesses=(other,), quorum=1)
    for ledger, size, by in ((known, 1, 1), (one, 1, 0), (known, 2, 2), (LEDGER, 1, 2), (alone, 1, 2)):
        with pytest.raises(trust.KeyCompromised):
            trust.prove(ledger, cosigned(size=size, by=by), event=LEAVES[0])


# --- a later file is vouched for by the one at hand ---


def later(**changes: Any) -> trust.TrustFile:
    return replace(FILE, made_at=FILE.made_at + timedelta(hours=1), **changes)


def signed(file: trust.TrustFile, *signers: tuple[str, keys.SigningKey]) -> trust.TrustFile:
    return trust.parse(trust.write(file, signers=signers or SIGNERS))


def test_a_later_file_is_vouched_for_by_a_key_of_the_one_at_hand() -> None:
    assert trust.vouched(signed(later()), by=FILE).public == LOG.public
    # After a rotation, the key that signs then was known before as prepared.
    origins = (
        LEDGER.origins[0],
        origin(1, 1, 2, 6, key_1={"status": "retired", "last_size": 9}, key_2=RETIRED),
    )
    rotated = later(ledgers=(replace(LEDGER, origins=origins),))
    assert trust.vouched(signed(rotated, (f"{BASE}/0.1", NEXT)), by=FILE).public == NEXT.public
    one = test_trust.parsed_first()
    assert trust.vouched(signed(later()), by=one).public == LOG.public


def test_a_key_that_the_file_at_hand_calls_retired_vouches_for_no_later_one() -> None:
    old = keys.SigningKey(bytes([2]) * 32)
    revived = replace(LEDGER, origins=(LEDGER.origins[0], origin(1, 2)))
    by_thief = signed(later(ledgers=(revived,)), (f"{BASE}/0.1", old))
    with pytest.raises(trust.TrustInvalid, match="no key that is active"):
        trust.vouched(by_thief, by=FILE)


def test_a_file_of_a_stranger_an_older_one_and_one_of_a_thief_are_not() -> None:
    elsewhere = replace(LEDGER, ledger_id=b"another ledger..")
    with pytest.raises(trust.TrustInvalid, match="not trusted"):
        trust.vouched(signed(later(ledgers=(elsewhere,))), by=FILE)
    with pytest.raises(trust.TrustInvalid, match="older"):
        trust.vouched(signed(FILE), by=later())
    imitated = replace(LEDGER, origins=(origin(0, 9),))
    with pytest.raises(trust.TrustInvalid, match="no key that is active"):
        trust.vouched(
            signed(later(ledgers=(imitated,)), (f"{BASE}/0", keys.SigningKey(b"\x09" * 32))), by=FILE
        )
    doubting = replace(LEDGER, origins=(LEDGER.origins[0], origin(1, 1, 6, key_1=COMPROMISED)))
    with pytest.raises(trust.TrustInvalid, match="no key that is active"):
        trust.vouched(signed(later()), by=replace(FILE, ledgers=(doubting,)))
    with pytest.raises(trust.TrustInvalid, match="format 1"):
        trust.vouched(test_trust.parsed_first(), by=FILE)


# --- what is refused ---


def test_a_file_of_a_time_without_end_is_refused() -> None:
    last = datetime(trust_members.YEAR_MAX, 12, 31, 23, 59, 59, tzinfo=UTC)
    until = signed(replace(FILE, made_at=last, fresh_s=trust_members.FRESH_S_MAX)).fresh_until
    assert until is not None
    assert until > last
    with pytest.raises(trust.TrustInvalid, match="made_at"):
        signed(replace(FILE, made_at=last + timedelta(seconds=1)))


Change = Callable[[dict[str, Any]], object]


def first(content: dict[str, Any]) -> dict[str, Any]:
    ledger: dict[str, Any] = content["ledgers"][0]
    return ledger


WRONG: dict[str, Change] = {
    "two ledgers": lambda c: c["ledgers"].append(copy.deepcopy(c["ledgers"][0])),
    "no ledger": lambda c: c.update(ledgers=[]),
    "no freshness": lambda c: c.pop("fresh_s"),
    "a freshness of years": lambda c: c.update(fresh_s=10**9),
    "a freshness that is true": lambda c: c.update(fresh_s=True),
    "a member too many": lambda c: c.update(comment=""),
    "a later format": lambda c: c.update(format=3),
    "the members of format 1": lambda c: c.update(format=1),
    "a log key as text": lambda c: first(c)["origins"][0].update(keys=["x"]),
    "a log key without history": lambda c: first(c)["origins"][0]["keys"][0].pop("status"),
    "a last size below 0": lambda c: first(c)["token_keys"][0].update(last_size=-1),
    "a last size in text": lambda c: first(c)["token_keys"][0].update(last_size="1"),
    "an unknown status": lambda c: first(c)["token_keys"][0].update(status="lost"),
    "a compromised key since nowhere": lambda c: first(c)["token_keys"][2].update(compromised_since=None),
    "an active key compromised since": lambda c: first(c)["token_keys"][1].update(compromised_since=0),
    "a quorum of more than there are": lambda c: first(c).update(quorum=2),
    "a witness with a space": lambda c: first(c).update(witnesses=["a b+01234567+AAAA"]),
    "a witness without key": lambda c: first(c).update(witnesses=["a+01234567"]),
    "a witness twice": lambda c: first(c)["witnesses"].append(first(c)["witnesses"][0]),
    "a checkpoint of nobody": lambda c: first(c)["origins"][1].update(checkpoint="x\n1\nAA==\n\n— x AAAA\n"),
    "a checkpoint of another origin": lambda c: first(c)["origins"][0].update(checkpoint=CHECKPOINT),
    "lists out of order": lambda c: first(c)["status_lists"].reverse(),
    "a list twice": lambda c: first(c)["status_lists"].append(first(c)["status_lists"][1]),
    "a list that is none": lambda c: first(c)["status_lists"].append("AAAA"),
    "a certificate that is a number": lambda c: first(c)["documents"].update(roots=[1]),
    "a reason without a revocation": lambda c: first(c)["documents"]["certificates"][0].update(reason="x"),
    "a revocation without its reason, said": lambda c: first(c)["documents"]["certificates"][1].update(
        reason=None
    ),
    "a revocation on no day": lambda c: first(c)["documents"]["certificates"][0].update(revoked_at="2026"),
    "a succession since no day": lambda c: first(c)["documents"]["successions"][0].update(since="2026"),
    "a succession of another spelling": lambda c: first(c)["documents"]["successions"][0].update(
        since="20260102"
    ),
    "a succession without divisions": lambda c: first(c)["documents"]["successions"][0].pop("areas"),
    "no succession, said": lambda c: first(c)["documents"].update(successions=[]),
    "successions left out": lambda c: first(c)["documents"].pop("successions"),
    "no documents": lambda c: first(c).update(documents=None),
    "another status of a key": lambda c: first(c)["token_keys"][2].update(
        status="active", compromised_since=None
    ),
    "a list left out": lambda c: first(c)["status_lists"].pop(),
    "longer fresh": lambda c: c.update(fresh_s=172_800),
    "no signature": lambda c: c.update(signatures=[]),
    "another's signature": lambda c: c["signatures"][0].update(signature="AAAA"),
    "a signature of a retired key": lambda c: c["signatures"][0].update(
        key=first(c)["origins"][1]["keys"][1]["key"]
    ),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_wrong_or_altered_file_is_refused(change: Change) -> None:
    content = json.loads(DATA)
    change(content)
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    assert data != DATA
    with pytest.raises(trust.TrustInvalid):
        trust.parse(data)


def test_white_space_is_not_free_in_a_signed_file() -> None:
    for data in (json.dumps(json.loads(DATA)).encode(), DATA + b"\n"):
        with pytest.raises(trust.TrustInvalid, match="not written as its format says"):
            trust.parse(data)


@pytest.mark.parametrize(
    "signers",
    [(), [(f"{BASE}/0.1", keys.SigningKey(bytes([2]) * 32))], [(f"{BASE}/0", LOG)]],
    ids=["nobody", "a retired key", "a key of an origin that ended"],
)
def test_only_an_active_key_of_the_newest_origin_signs(signers: list[tuple[str, keys.SigningKey]]) -> None:
    with pytest.raises(trust.TrustInvalid):
        trust.write(FILE, signers=signers)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_no_byte_of_a_signed_file_changes_unnoticed(place: int, flip: int) -> None:
    changed = bytearray(DATA)
    changed[place] ^= flip
    with pytest.raises(trust.TrustInvalid):
        trust.parse(bytes(changed))
