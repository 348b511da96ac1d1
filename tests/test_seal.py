"""Sealed parts: they open under their key, in their place, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from signing import cbor, keys, seal, suites

KEY = seal.DataKey(owner=bytes([1]) * 16, number=0, secret=bytes([2]) * 32)
PLACE = seal.Place(
    format=1,
    ledger_id=bytes([3]) * 16,
    stream_id=bytes([4]) * 16,
    event_id=bytes([5]) * 16,
    topic="LicenseIssued",
    part="fields",
)
NONCE = bytes(range(12))
CONTENT = {"name": [bytes(16), "某某"]}
PART = seal.seal(CONTENT, key=KEY, place=PLACE, nonce=NONCE, suite=suites.INTL)

ELSEWHERE = {
    "another format": PLACE._replace(format=2),
    "another ledger": PLACE._replace(ledger_id=bytes(16)),
    "another stream": PLACE._replace(stream_id=bytes(16)),
    "another event": PLACE._replace(event_id=bytes(16)),
    "another topic": PLACE._replace(topic="LicenseAmended"),
    "another part": PLACE._replace(part="fields/1"),
}
OTHER_KEYS = {
    "another owner": replace(KEY, owner=bytes(16)),
    "another number": replace(KEY, number=1),
    "another secret": replace(KEY, secret=bytes(32)),
}
NOT_PARTS: list[Any] = [
    None,
    5,
    "",
    "12345",
    b"12345",
    [],
    {},
    PART[:4],
    [*PART, 0],
    dict.fromkeys(range(5)),
    ["guomi", *PART[1:]],
    [None, *PART[1:]],
    [PART[0], PART[1], False, *PART[3:]],
    [PART[0], PART[1], None, *PART[3:]],
    [*PART[:3], None, PART[4]],
    [*PART[:3], b"", PART[4]],
    [*PART[:3], bytes(200), PART[4]],
    [*PART[:4], None],
    [*PART[:4], b""],
    [*PART[:4], PART[4][:15]],
]


def test_a_part_opens_in_its_place_under_its_key() -> None:
    assert seal.unseal(PART, key=KEY, place=PLACE) == CONTENT
    assert seal.owner(PART) == (KEY.owner, KEY.number)


def test_a_part_is_made_as_the_format_says() -> None:
    info = cbor.encode(["part", PLACE.event_id, "fields"])
    part_key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(KEY.secret)
    place = [1, PLACE.ledger_id, PLACE.stream_id, PLACE.event_id, "LicenseIssued", "fields"]
    ciphertext = AESGCM(part_key).encrypt(NONCE, cbor.encode(CONTENT), cbor.encode(place))
    assert ["intl", KEY.owner, 0, NONCE, ciphertext] == PART


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_part_does_not_open_elsewhere(place: seal.Place) -> None:
    with pytest.raises(seal.PartInvalid):
        seal.unseal(PART, key=KEY, place=place)


@pytest.mark.parametrize("key", OTHER_KEYS.values(), ids=OTHER_KEYS)
def test_a_part_does_not_open_under_another_key(key: seal.DataKey) -> None:
    with pytest.raises(seal.PartInvalid):
        seal.unseal(PART, key=key, place=PLACE)


@pytest.mark.parametrize("part", NOT_PARTS, ids=repr)
def test_what_is_not_a_part_is_refused(part: Any) -> None:
    with pytest.raises(seal.PartInvalid):
        seal.unseal(part, key=KEY, place=PLACE)


def test_every_changed_byte_is_refused() -> None:
    for item in (3, 4):
        for place in range(len(PART[item])):
            changed = bytearray(PART[item])
            changed[place] ^= 1
            with pytest.raises(seal.PartInvalid):
                seal.unseal([*PART[:item], bytes(changed), *PART[item + 1 :]], key=KEY, place=PLACE)


def test_sealed_bytes_that_are_not_deterministic_are_refused() -> None:
    part_key = keys.derive(KEY.secret, info=cbor.encode(["part", PLACE.event_id, PLACE.part]))
    ciphertext = keys.seal(part_key, nonce=NONCE, plaintext=b"\x18\x01", context=PLACE.context())
    with pytest.raises(seal.PartInvalid):
        seal.unseal([*PART[:4], ciphertext], key=KEY, place=PLACE)


def test_what_could_not_be_read_back_is_not_sealed() -> None:
    for content in (1.5, "\ud800", {1: 1, "a": 1}):
        with pytest.raises(cbor.EncodingError):
            seal.seal(content, key=KEY, place=PLACE, nonce=NONCE, suite=suites.INTL)


def test_a_nonce_of_another_length_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        seal.seal(CONTENT, key=KEY, place=PLACE, nonce=bytes(16), suite=suites.INTL)


def test_no_secret_stands_in_a_repr() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)


@given(st.recursive(st.none() | st.text() | st.binary(), st.lists, max_leaves=5), st.text(max_size=12))
def test_any_content_is_read_back(content: Any, part: str) -> None:
    place = PLACE._replace(part=part)
    sealed = seal.seal(content, key=KEY, place=place, nonce=NONCE, suite=suites.INTL)
    assert seal.unseal(sealed, key=KEY, place=place) == content


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists))
def test_no_part_raises_anything_but_its_own_error(part: Any) -> None:
    with pytest.raises(seal.PartInvalid):
        seal.unseal(part, key=KEY, place=PLACE)
