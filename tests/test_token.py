"""QR tokens: small, signed, and refused when one bit differs."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from signing import cbor, keys, suites, token

KEY = keys.SigningKey(bytes([6]) * 32)
KEY_ID = suites.key_id(suites.INTL, purpose=token.PURPOSE, public=KEY.public)
TRUSTED = {KEY_ID: KEY.public}
TOKEN = token.Token(
    license_ref=bytes(range(16)),
    version=1,
    piece=0,
    valid_from=20_454,
    valid_to=None,
    issued_on=20_454,
    status_list=3,
    status_index=70_000,
    paper_digest=bytes(12),
    paper_salt=bytes(8),
)
SIGNED = token.sign(TOKEN, key=KEY, suite=suites.INTL)
URL = token.url(SIGNED, host="ledger.example")
LARGEST = replace(
    TOKEN,
    version=999,
    piece=999,
    valid_from=-(1 << 16),
    valid_to=(1 << 16) - 1,
    issued_on=(1 << 16) - 1,
    status_list=(1 << 16) - 1,
    status_index=(1 << 31) - 1,
)
"""Larger than any that is issued before the year 2149: a version has three digits (GB/T 36904)."""

_count = st.integers(0, 999)
_date = st.integers(-(1 << 16), (1 << 16) - 1)
tokens = st.builds(
    token.Token,
    license_ref=st.binary(min_size=16, max_size=16),
    version=_count,
    piece=_count,
    valid_from=_date,
    valid_to=st.none() | _date,
    issued_on=_date,
    status_list=st.integers(0, (1 << 16) - 1),
    status_index=st.integers(0, (1 << 31) - 1),
    paper_digest=st.binary(min_size=12, max_size=12),
    paper_salt=st.binary(min_size=8, max_size=8),
)


def b32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")


def signed(payload: Any, *, protected: Any = None, unprotected: Any = None, extra: Any = ()) -> str:
    """Something that the trusted key signed, whatever it says."""
    head = cbor.encode({1: -8, 4: KEY_ID} if protected is None else protected)
    body = payload if isinstance(payload, bytes) else cbor.encode(payload)
    signature = KEY.sign(cbor.encode(["Signature1", head, b"", body]))
    return b32(cbor.encode([head, unprotected or {}, body, signature, *extra]))


ITEMS = [1, *vars(TOKEN).values()]
NOT_TOKENS = {
    "an unknown format": signed([2, *ITEMS[1:]]),
    "a format that is true": signed([True, *ITEMS[1:]]),
    "an item too few": signed(ITEMS[:-1]),
    "an item too many": signed([*ITEMS, 0]),
    "a map": signed(dict(enumerate(ITEMS))),
    "a short reference": signed([1, bytes(15), *ITEMS[2:]]),
    "a reference in text": signed([1, "a" * 16, *ITEMS[2:]]),
    "a version that is true": signed([*ITEMS[:2], True, *ITEMS[3:]]),
    "a negative version": signed([*ITEMS[:2], -1, *ITEMS[3:]]),
    "no start": signed([*ITEMS[:4], None, *ITEMS[5:]]),
    "an end in text": signed([*ITEMS[:5], "2030", *ITEMS[6:]]),
    "a day beyond all calendars": signed([*ITEMS[:5], 1 << 31, *ITEMS[6:]]),
    "a short digest": signed([*ITEMS[:9], bytes(11), ITEMS[10]]),
    "a short salt": signed([*ITEMS[:10], bytes(7)]),
    "a payload that is not deterministic": signed(b"\x98\x0b" + cbor.encode(ITEMS)[1:]),
    "an unprotected header": signed(ITEMS, unprotected={4: KEY_ID}),
    "a fifth item": signed(ITEMS, extra=(0,)),
    "another algorithm": signed(ITEMS, protected={1: -7, 4: KEY_ID}),
    "no algorithm": signed(ITEMS, protected={4: KEY_ID}),
    "no key id": signed(ITEMS, protected={1: -8}),
    "one more header": signed(ITEMS, protected={1: -8, 4: KEY_ID, 5: b""}),
    "a key id in text": signed(ITEMS, protected={1: -8, 4: "a"}),
    "a protected header that is no map": signed(ITEMS, protected=[1, 4]),
    "nothing": "",
    "a number": b32(b"\x05"),
    "four numbers": b32(cbor.encode([1, 2, 3, 4])),
    "a map of four": b32(cbor.encode({1: 1, 2: 2, 3: 3, 4: 4})),
    "a tag before it": b32(b"\xd2" + SIGNED),
    "something after it": b32(SIGNED + b"\0"),
    "the path alone": "HTTPS://LEDGER.EXAMPLE/V/",
    "padding": URL + "=" * (-len(b32(SIGNED)) % 8),
    "a query": URL + "?x=1",
    "a slash at the end": URL + "/",
    "a letter whose upper case is ASCII": URL.replace("S", "\u017f"),
    "a space inside": URL[:-3] + " " + URL[-3:],
    "too long": URL + "A" * 200,
    "a lone surrogate": URL + "\ud800",
}


def test_a_token_is_read_from_its_url_in_any_case_or_bare() -> None:
    for text in (URL, URL.lower(), b32(SIGNED), b32(SIGNED).lower(), f" {URL}\n"):
        assert token.parse(text, trusted=TRUSTED) == TOKEN


@given(tokens)
def test_any_token_is_read_back_from_a_url_that_fits(original: token.Token) -> None:
    url = token.url(token.sign(original, key=KEY, suite=suites.INTL), host="a" * token.HOST_LENGTH_MAX)
    assert token.parse(url, trusted=TRUSTED) == original
    assert len(url) <= token.URL_LENGTH_MAX


def test_the_largest_token_leaves_room_for_a_host() -> None:
    largest = token.sign(LARGEST, key=KEY, suite=suites.INTL)
    host = "a" * (token.URL_LENGTH_MAX - len("HTTPS:///V/") - len(b32(largest)))
    assert len(host) == token.HOST_LENGTH_MAX
    assert len(token.url(largest, host=host)) == token.URL_LENGTH_MAX == 262
    with pytest.raises(token.TokenInvalid):
        token.url(largest, host=host + "a")


def test_a_url_has_only_characters_of_the_qr_alphabet() -> None:
    assert set(URL) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


@pytest.mark.parametrize("host", ["", "a b", "a/b", "某某", "stra\u00dfe.example", "a:b", "a?b", "a\n"])
def test_what_is_not_a_host_is_refused(host: str) -> None:
    with pytest.raises(token.TokenInvalid):
        token.url(SIGNED, host=host)


def test_every_flipped_bit_is_refused() -> None:
    for place in range(len(SIGNED)):
        for bit in range(8):
            changed = bytearray(SIGNED)
            changed[place] ^= 1 << bit
            with pytest.raises(token.TokenInvalid):
                token.parse(b32(bytes(changed)), trusted=TRUSTED)


def test_every_other_character_of_a_token_is_refused() -> None:
    start = URL.index(token.PATH) + len(token.PATH)
    for place in range(start, len(URL)):
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567":
            if other != URL[place]:
                with pytest.raises(token.TokenInvalid):
                    token.parse(URL[:place] + other + URL[place + 1 :], trusted=TRUSTED)


@pytest.mark.parametrize("text", NOT_TOKENS.values(), ids=NOT_TOKENS)
def test_what_is_not_a_token_is_refused(text: str) -> None:
    with pytest.raises(token.TokenInvalid):
        token.parse(text, trusted=TRUSTED)


def test_the_tests_of_shape_reach_beyond_the_signature() -> None:
    assert token.parse(signed(ITEMS), trusted=TRUSTED) == TOKEN


def test_an_unknown_key_is_refused() -> None:
    stranger = keys.SigningKey(bytes([5]) * 32)
    for trusted in ({}, {b"\0\0\0\0": KEY.public}, {KEY_ID: stranger.public}, {KEY_ID: b""}):
        with pytest.raises(token.TokenInvalid):
            token.parse(URL, trusted=trusted)


def test_the_key_of_another_purpose_has_another_id() -> None:
    assert suites.key_id(suites.INTL, purpose="log", public=KEY.public) != KEY_ID


def test_what_could_not_be_read_back_is_not_signed() -> None:
    for wrong in (replace(TOKEN, license_ref=b""), replace(TOKEN, version=-1), replace(TOKEN, piece=1 << 31)):
        with pytest.raises(AssertionError):
            token.sign(wrong, key=KEY, suite=suites.INTL)


def test_a_token_is_the_cose_sign1_of_the_standard() -> None:
    head = bytes.fromhex("a2012704") + b"\x44" + KEY_ID
    payload = cbor.encode(ITEMS)
    to_be_signed = b"\x84\x6aSignature1" + cbor.encode(head) + b"\x40" + cbor.encode(payload)
    signature = Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32).sign(to_be_signed)
    parts = [cbor.encode(head), b"\xa0", cbor.encode(payload), cbor.encode(signature)]
    assert b"\x84" + b"".join(parts) == SIGNED


def test_the_paper_digest_tells_number_and_names_apart() -> None:
    salt = bytes(8)
    said = [("1", ["a", "b"]), ("1", ["ab"]), ("1", ["b", "a"]), ("1a", ["b"]), ("1", [])]
    digests = {
        token.paper_digest(salt=salt, number=number, names=names, suite=suites.INTL) for number, names in said
    }
    assert len(digests) == len(said)
    assert {len(item) for item in digests} == {token.PAPER_DIGEST_BYTES}


@given(st.text(max_size=80) | st.binary(max_size=80).map(b32) | st.text("AB27=/V", max_size=40))
def test_no_text_raises_anything_but_its_own_error(text: str) -> None:
    with pytest.raises(token.TokenInvalid):
        token.parse(text, trusted=TRUSTED)


_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 1 << 33) | st.binary(max_size=16) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.dictionaries(st.integers(0, 9), inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=14,
)


@given(_anything, st.none() | _anything)
def test_nothing_else_that_the_key_signed_is_a_token(payload: Any, protected: Any) -> None:
    with pytest.raises(token.TokenInvalid):
        token.parse(signed(payload, protected=protected), trusted=TRUSTED)
