"""Status lists: in the standard's form, exact, bounded, and read alike by a decoder of its own.

`decoded` is written from draft-ietf-oauth-status-list §4.1 and §5.2 and uses nothing of `signing`; the
vectors are the standard's own (§4.1, Appendix C).
"""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import cbor, keys, spelling, status_list, suites, token

KEY = keys.SigningKey(b"\x02" * 32)
KEY_ID = suites.key_id(suites.INTL, purpose=token.PURPOSE, public=KEY.public)
TRUSTED = {KEY_ID: KEY.public}
VECTORS = json.loads((Path(__file__).parent / "vectors" / "status_list.json").read_text())["vectors"]
STATUSES = {int(place): status for place, status in VECTORS[-1]["statuses"].items()}
"""Of Appendix C.2, two bits for each of 2^20 places; every other place is 0."""
LIST = status_list.StatusList(
    uri="https://ledger.example/v1/status-lists/7",
    issued_at=1_770_000_000,
    expires_at=1_770_086_400,
    ttl_s=3_600,
    compressed=status_list.pack((status, [place]) for place, status in STATUSES.items()),
)
DATA = status_list.sign(LIST, key=KEY, suite=suites.INTL)


def decoded(bits: int, compressed: bytes) -> list[int]:
    """§4.1: statuses of `bits` each, from the least significant bit of the first byte on."""
    data = zlib.decompress(compressed)
    mask = (1 << bits) - 1
    return [byte >> shift & mask for byte in data for shift in range(0, 8, bits)]


def read_by_a_stranger(data: bytes, *, public: bytes, uri: str) -> list[int]:
    """§5.2 and §8.3, steps 3 to 6, with libraries of others."""
    message = cbor2.loads(data)
    assert message.tag == 18
    protected, unprotected, payload, signature = message.value
    header = cbor2.loads(protected)
    assert (header[1], header[16], unprotected) == (-8, "application/statuslist+cwt", {})
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    claims = cbor2.loads(payload)
    assert claims[2] == uri
    assert claims[6] < claims[4]
    assert claims[65534] > 0
    return decoded(claims[65533]["bits"], claims[65533]["lst"])


@pytest.mark.parametrize("vector", VECTORS, ids=["4.1, 1 bit", "4.1, 2 bits", "C.1", "C.2"])
def test_the_strangers_decoder_reads_the_vectors_of_the_standard(vector: dict[str, Any]) -> None:
    found = decoded(vector["bits"], bytes.fromhex(vector["compressed"]))
    assert len(found) == vector["places"]
    assert {str(place): status for place, status in enumerate(found) if status} == vector["statuses"]


def test_our_array_is_that_of_the_standard() -> None:
    # Which compressed form it gets is the compressor's choice.
    theirs = bytes.fromhex(VECTORS[-1]["compressed"])
    assert zlib.decompress(LIST.compressed) == zlib.decompress(theirs)
    assert replace(LIST, compressed=theirs).at(1993) == status_list.SUSPENDED


def test_a_stranger_reads_our_list() -> None:
    found = read_by_a_stranger(DATA, public=KEY.public, uri=LIST.uri)
    assert {place: status for place, status in enumerate(found) if status} == STATUSES


def test_we_read_our_list() -> None:
    read = status_list.parse(DATA, trusted=TRUSTED)
    assert read == LIST
    assert read.number == status_list.number(DATA) == 7
    assert [read.at(place) for place in (*STATUSES, 1, 1_048_575)] == [*STATUSES.values(), 0, 0]
    assert status_list.key_id(DATA) == KEY_ID
    for place in (-1, status_list.PLACES):
        with pytest.raises(status_list.StatusListInvalid, match="no such place"):
            read.at(place)


@settings(max_examples=8, deadline=None)
@given(st.dictionaries(st.integers(0, status_list.PLACES - 1), st.integers(1, 3), max_size=30))
def test_whatever_is_packed_is_read_back_by_both(statuses: dict[int, int]) -> None:
    packed = status_list.pack((status, [place]) for place, status in statuses.items())
    opened = replace(LIST, compressed=packed)
    assert {place: opened.at(place) for place in statuses} == statuses
    found = decoded(2, packed)
    assert {place: status for place, status in enumerate(found) if status} == statuses


def resigned(payload: Any, *, protected: Any = None, tag: bytes = b"\xd2") -> bytes:
    """A list of any content, signed by our key."""
    header = cbor.encode(protected or {1: -8, 4: KEY_ID, 16: status_list.TYPE})
    body = payload if isinstance(payload, bytes) else cbor.encode(payload)
    signature = KEY.sign(cbor.encode(["Signature1", header, b"", body]))
    return tag + cbor.encode([header, {}, body, signature])


CLAIMS: dict[int, Any] = {
    2: LIST.uri,
    4: LIST.expires_at,
    6: LIST.issued_at,
    65533: {"bits": 2, "lst": LIST.compressed},
    65534: 3_600,
}
WRONG: dict[str, bytes] = {
    "nothing": b"",
    "no tag": DATA[1:],
    "another tag": b"\xd1" + DATA[1:],
    "cut short": DATA[:-1],
    "a byte more": DATA + b"\0",
    "too long": DATA + bytes(status_list.LIST_BYTES_MAX),
    "a bit of the statuses changed": DATA.replace(LIST.compressed, LIST.compressed[:-1] + b"\0"),
    "another type": resigned(CLAIMS, protected={1: -8, 4: KEY_ID, 16: "application/cwt"}),
    "another algorithm": resigned(CLAIMS, protected={1: -7, 4: KEY_ID, 16: status_list.TYPE}),
    "no key": resigned(CLAIMS, protected={1: -8, 16: status_list.TYPE}),
    "a stranger's key": resigned(CLAIMS, protected={1: -8, 4: b"0000", 16: status_list.TYPE}),
    "no statuses": resigned({key: value for key, value in CLAIMS.items() if key != 65533}),
    "a claim too many": resigned(CLAIMS | {7: 1}),
    "one bit a status": resigned(CLAIMS | {65533: {"bits": 1, "lst": LIST.compressed}}),
    "bits that are true": resigned(CLAIMS | {65533: {"bits": True, "lst": LIST.compressed}}),
    "statuses in text": resigned(CLAIMS | {65533: {"bits": 2, "lst": "x"}}),
    "an address without number": resigned(CLAIMS | {2: "https://ledger.example/v1/status-lists/"}),
    "a number with a zero": resigned(CLAIMS | {2: "https://ledger.example/v1/status-lists/07"}),
    "a bare number": resigned(CLAIMS | {2: "7"}),
    "a time of zero": resigned(CLAIMS | {6: 0}),
    "a time in text": resigned(CLAIMS | {4: "2026"}),
    "claims that are an array": resigned([1]),
    "claims that are no CBOR": resigned(b"\xff"),
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_what_is_no_list_of_a_trusted_key_is_refused(data: bytes) -> None:
    with pytest.raises(status_list.StatusListInvalid):
        status_list.parse(data, trusted=TRUSTED)


BOMBS: dict[str, Callable[[], bytes]] = {
    "too few places": lambda: zlib.compress(bytes(status_list.ARRAY_BYTES - 1)),
    "too many places": lambda: zlib.compress(bytes(status_list.ARRAY_BYTES + 1)),
    "a bomb": lambda: zlib.compress(bytes(30_000_000), 9),
    "something behind": lambda: LIST.compressed + b"\0",
    "cut short": lambda: LIST.compressed[:-4],
    "no zlib": lambda: b"\0" * 20,
}


@pytest.mark.parametrize("compressed", BOMBS.values(), ids=BOMBS)
def test_statuses_that_are_not_those_of_one_list_are_refused_unopened(
    compressed: Callable[[], bytes],
) -> None:
    said = replace(LIST, compressed=compressed())
    read = status_list.parse(status_list.sign(said, key=KEY, suite=suites.INTL), trusted=TRUSTED)
    with pytest.raises(status_list.StatusListInvalid):
        read.at(0)


def test_a_list_and_a_token_are_never_taken_for_each_other() -> None:
    with pytest.raises(token.TokenInvalid):
        token.parse(spelling.to_base32(DATA[1:150]), trusted=TRUSTED)
    said = token.Token(
        license_ref=bytes(16),
        version=1,
        piece=0,
        valid_from=1,
        valid_to=None,
        issued_on=1,
        status_list=7,
        status_index=1,
        paper_digest=bytes(12),
        paper_salt=bytes(8),
    )
    with pytest.raises(status_list.StatusListInvalid):
        status_list.parse(b"\xd2" + token.sign(said, key=KEY, suite=suites.INTL), trusted=TRUSTED)


def test_random_bytes_in_a_list_never_break_the_reader() -> None:
    drawn = random.Random(hashlib.sha256(DATA).digest())
    for _ in range(300):
        place = drawn.randrange(len(DATA))
        spoiled = bytearray(DATA)
        spoiled[place] ^= 1 << drawn.randrange(8)
        with pytest.raises(status_list.StatusListInvalid):
            status_list.parse(bytes(spoiled), trusted=TRUSTED).at(0)
