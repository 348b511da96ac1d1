"""Trust files: exact, without doubt, and the only thing that is trusted."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import keys, note, suites, token, trust

BASE = "ledger.example/log"


def verifier(name: str, number: int) -> note.VerifierKey:
    return note.VerifierKey(name=name, public=keys.SigningKey(bytes([number]) * 32).public)


RETIRED: dict[str, Any] = {"status": "retired", "last_size": 2}
COMPROMISED: dict[str, Any] = {"status": "compromised", "last_size": 3, "compromised_since": 1}


def token_key(number: int, **history: Any) -> trust.TokenKey:
    public = keys.SigningKey(bytes([number]) * 32).public
    key_id = suites.key_id(suites.INTL, purpose=token.PURPOSE, public=public)
    return trust.TokenKey(key_id=key_id, public=public, **history)


def origin(generation: int, *numbers: int, base: str = BASE, **history: dict[str, Any]) -> trust.Origin:
    name = f"{base}/0.{generation}" if generation else f"{base}/0"
    held = [
        trust.LogKey(key=verifier(name, number), **history.get(f"key_{number}", {})) for number in numbers
    ]
    return trust.Origin(origin=name, generation=generation, keys=tuple(held))


LEDGER = trust.Ledger(
    ledger_id=bytes(range(16)),
    suite=suites.INTL,
    is_demonstration=True,
    origins=(origin(0, 1, 2), origin(1, 1)),
    token_keys=(token_key(3, status="retired"), token_key(4)),
)
OTHER = trust.Ledger(
    ledger_id=bytes(16),
    suite=suites.INTL,
    is_demonstration=False,
    origins=(origin(0, 5, base="other.example"),),
    token_keys=(),
)
FILE = trust.TrustFile(ledgers=(LEDGER, OTHER), made_at=datetime(2026, 1, 31, 8, tzinfo=UTC))
DATA = trust.write(FILE)

Change = Callable[[dict[str, Any]], object]


def first(content: dict[str, Any]) -> dict[str, Any]:
    ledger: dict[str, Any] = content["ledgers"][0]
    return ledger


def doubled(content: dict[str, Any], *path: str | int) -> None:
    items: Any = content
    for step in path:
        items = items[step]
    items.append(copy.deepcopy(items[0]))


WRONG: dict[str, Change] = {
    "another format": lambda c: c.update(format=2),
    "a format that is true": lambda c: c.update(format=True),
    "a format in text": lambda c: c.update(format="1"),
    "a fraction": lambda c: c.update(format=1.0),
    "a member too many": lambda c: c.update(comment=""),
    "no time": lambda c: c.pop("made_at"),
    "a time that is null": lambda c: c.update(made_at=None),
    "a time with an offset": lambda c: c.update(made_at="2026-01-31T08:00:00+00:00"),
    "a time with a fraction": lambda c: c.update(made_at="2026-01-31T08:00:00.0Z"),
    "a time with one digit": lambda c: c.update(made_at="2026-1-31T08:00:00Z"),
    "a time with other digits": lambda c: c.update(made_at="202\u0666-01-31T08:00:00Z"),
    "a day that is not": lambda c: c.update(made_at="2026-02-30T08:00:00Z"),
    "ledgers that are an object": lambda c: c.update(ledgers={}),
    "a ledger that is text": lambda c: c.update(ledgers=["x"]),
    "a ledger twice": lambda c: doubled(c, "ledgers"),
    "a ledger with a member too many": lambda c: first(c).update(name=""),
    "a ledger id in upper case": lambda c: first(c).update(ledger_id=first(c)["ledger_id"].upper()),
    "a ledger id that is a number": lambda c: first(c).update(ledger_id=1),
    "another ledger's id": lambda c: first(c).update(ledger_id=c["ledgers"][1]["ledger_id"]),
    "a reserved suite": lambda c: first(c).update(suite="guomi"),
    "an unknown suite": lambda c: first(c).update(suite="\ud800"),
    "a demonstration that is a number": lambda c: first(c).update(is_demonstration=1),
    "no origin": lambda c: first(c).update(origins=[]),
    "an origin twice": lambda c: doubled(c, "ledgers", 0, "origins"),
    "another ledger's origin": lambda c: first(c)["origins"].append(c["ledgers"][1]["origins"][0]),
    "an origin with a member too many": lambda c: first(c)["origins"][0].update(size=1),
    "an origin of another generation": lambda c: first(c)["origins"][0].update(generation=1),
    "a successor called generation 0": lambda c: first(c)["origins"][1].update(generation=0),
    "a negative generation": lambda c: first(c)["origins"][0].update(generation=-1),
    "a generation that is false": lambda c: first(c)["origins"][0].update(generation=False),
    "an origin without partition": lambda c: first(c)["origins"][0].update(origin=BASE),
    "an origin without host": lambda c: first(c)["origins"][0].update(origin="/0"),
    "no key of an origin": lambda c: first(c)["origins"][0].update(keys=[]),
    "a key twice": lambda c: doubled(c, "ledgers", 0, "origins", 0, "keys"),
    "a key of another name": lambda c: first(c)["origins"][0].update(keys=first(c)["origins"][1]["keys"]),
    "a key with a space": lambda c: first(c)["origins"][0]["keys"].append(" x+00000000+AAAA"),
    "a key that is null": lambda c: first(c)["origins"][0].update(keys=[None]),
    "a token key twice": lambda c: doubled(c, "ledgers", 0, "token_keys"),
    "a token key with a member too many": lambda c: first(c)["token_keys"][0].update(since=""),
    "a token key's id of another key": lambda c: first(c)["token_keys"][0].update(
        key_id=first(c)["token_keys"][1]["key_id"]
    ),
    "a token key's id in upper case": lambda c: first(c)["token_keys"][0].update(
        key_id=first(c)["token_keys"][0]["key_id"].upper()
    ),
    "a token key's id that is null": lambda c: first(c)["token_keys"][0].update(key_id=None),
    "a token key without padding": lambda c: first(c)["token_keys"][0].update(
        public=first(c)["token_keys"][0]["public"][:-1]
    ),
    "a short token key": lambda c: first(c)["token_keys"][0].update(public="AAAA"),
    "an unknown status": lambda c: first(c)["token_keys"][0].update(status="lost"),
    "a status that is an array": lambda c: first(c)["token_keys"][0].update(status=[]),
}
NOT_JSON = {
    "nothing": b"",
    "half": DATA[:-1],
    "something after it": DATA + b"x",
    "two files": DATA + DATA,
    "a member twice": DATA.replace(b'{"format":1,', b'{"format":1,"format":1,'),
    "a member twice deep inside": DATA.replace(b'"suite":"intl",', b'"suite":"intl","suite":"intl",'),
    "a member twice in two spellings": DATA.replace(b'{"format":1,', b'{"format":1,"\\u0066ormat":1,'),
    "a byte order mark": b"\xef\xbb\xbf" + DATA,
    "another encoding": DATA.decode().encode("utf-16"),
    "bytes that are not UTF-8": DATA.replace(b"ledger.example", b"ledger\xff.example"),
    "not a number": DATA.replace(b'"format":1', b'"format":NaN'),
    "a number without end": DATA.replace(b'"format":1', b'"format":' + b"1" * 9000),
    "an exponent without end": DATA.replace(b'"format":1', b'"format":1e999999999'),
    "a depth bomb of arrays": b"[" * 100_000,
    "a depth bomb of objects": b'{"a":' * 100_000,
    "a comment": DATA + b"// mine",
    "an array": b"[]",
    "null": b"null",
    "too large": DATA + b" " * trust.TRUST_BYTES_MAX,
}


def test_a_trust_file_is_read_back() -> None:
    assert trust.parse(DATA) == FILE
    assert trust.write(trust.parse(DATA)) == DATA


def test_white_space_between_tokens_is_free() -> None:
    assert trust.parse(json.dumps(json.loads(DATA), indent=2).encode() + b"\n") == FILE


def test_the_keys_of_a_ledger_are_given_for_every_origin() -> None:
    names = [key.name for key in trust.verifier_keys(LEDGER)]
    assert names == [f"{BASE}/0", f"{BASE}/0", f"{BASE}/0.1"]
    assert trust.token_keys(LEDGER) == {key.key_id: key.public for key in LEDGER.token_keys}
    assert trust.token_keys(OTHER) == {}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_wrong_trust_file_is_refused(change: Change) -> None:
    content = json.loads(DATA)
    change(content)
    data = json.dumps(content).encode()
    assert data != json.dumps(json.loads(DATA)).encode()
    with pytest.raises(trust.TrustInvalid):
        trust.parse(data)


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_the_json_of_a_trust_file_is_refused(data: bytes) -> None:
    with pytest.raises(trust.TrustInvalid):
        trust.parse(data)


@pytest.mark.parametrize(
    "file",
    [
        replace(FILE, made_at=datetime(2026, 1, 31, 8, microsecond=1, tzinfo=UTC)),
        replace(FILE, made_at=datetime(2026, 1, 31, 8)),  # noqa: DTZ001
        replace(FILE, ledgers=(LEDGER, LEDGER)),
        replace(FILE, ledgers=(replace(LEDGER, origins=()),)),
        replace(FILE, ledgers=(replace(LEDGER, origins=(replace(origin(0, 1), generation=1),)),)),
        replace(FILE, ledgers=(replace(LEDGER, token_keys=(replace(token_key(1), key_id=bytes(4)),)),)),
        replace(FILE, ledgers=(replace(LEDGER, origins=(replace(origin(0, 1), origin="\ud800/0"),)),)),
    ],
)
def test_what_would_be_refused_is_not_written(file: trust.TrustFile) -> None:
    with pytest.raises(trust.TrustInvalid):
        trust.write(file)


def test_the_time_is_written_in_utc() -> None:
    there = replace(FILE, made_at=FILE.made_at.astimezone(timezone(timedelta(hours=8))))
    assert trust.write(there) == DATA


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@given(st.binary() | _json.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise_anything_but_their_own_error(data: bytes) -> None:
    with pytest.raises(trust.TrustInvalid):
        trust.parse(data)


@given(st.data(), _json)
def test_any_value_anywhere_is_refused_or_kept(data: st.DataObject, value: Any) -> None:
    content = json.loads(DATA)
    spot: Any = content
    while True:
        key = data.draw(st.sampled_from(list(spot) if isinstance(spot, dict) else range(len(spot))))
        if not isinstance(spot[key], dict | list) or not spot[key] or data.draw(st.booleans()):
            break
        spot = spot[key]
    spot[key] = value
    try:
        file = trust.parse(json.dumps(content).encode())
    except trust.TrustInvalid:
        return
    assert json.loads(trust.write(file)) == content


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_another_file(place: int, flip: int) -> None:
    changed = bytearray(DATA)
    changed[place] ^= flip
    try:
        other = trust.parse(bytes(changed))
    except trust.TrustInvalid:
        return
    assert other != FILE


def spelling_of(verifier_key: str) -> bytes:
    """Algorithm byte and public key of a verifier key's text."""
    return decoded(verifier_key.split("+", 2)[2])


def decoded(text: str) -> bytes:
    """Base64, by the standard library."""
    return base64.b64decode(text)


def parsed_first() -> trust.TrustFile:
    """A file of format 1 of one ledger."""
    return replace(FILE, ledgers=(LEDGER,))
