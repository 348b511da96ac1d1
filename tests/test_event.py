"""Event bytes: what is stored is read back, and any other shape is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import cbor, event

EVENT = event.Event(
    suite="intl",
    ledger_id=bytes([1]) * 16,
    event_id=bytes([2]) * 16,
    topic="LicenseIssued",
    stream_id=bytes([3]) * 16,
    effective_at=-86_400_000_000,
    recorded_at=1_767_225_600_000_000,
    client=bytes([4]) * 16,
    organization="11350000000000019H",
    operator_ref=None,
    issuer=None,
    case_number=None,
    service_item=None,
    channel="window",
    fact={"license_ref": bytes(16), "parties": [["holder", bytes(16)]]},
    sealed={"fields": ["intl", bytes(16), 0, bytes(12), bytes(20)]},
)
DATA = event.encode(EVENT)
CONTENT: dict[Any, Any] = cbor.decode_strictly(DATA)

BAD_CONTENT: dict[str, Any] = {
    "another format": {**CONTENT, 1: 2},
    "a format that is true": {**CONTENT, 1: True},
    "a client signature": {**CONTENT, 18: b"signature"},
    "a member too many": {**CONTENT, 19: None},
    "a member too few": {key: value for key, value in CONTENT.items() if key != 13},
    "text keys": {str(key): value for key, value in CONTENT.items()},
    "an array": list(CONTENT.values()),
    "null": None,
    "a suite that is not text": {**CONTENT, 2: b"intl"},
    "a ledger id in text": {**CONTENT, 3: "a" * 16},
    "a short ledger id": {**CONTENT, 3: bytes(15)},
    "a long event id": {**CONTENT, 4: bytes(17)},
    "no event id": {**CONTENT, 4: None},
    "a topic that is not text": {**CONTENT, 5: 1},
    "a short stream id": {**CONTENT, 6: b""},
    "an effective time in text": {**CONTENT, 7: "2026"},
    "a recorded time that is true": {**CONTENT, 8: True},
    "no recorded time": {**CONTENT, 8: None},
    "a short client id": {**CONTENT, 9: bytes(15)},
    "no organization": {**CONTENT, 10: None},
    "an operator in text": {**CONTENT, 11: "a" * 16},
    "an issuer that is not text": {**CONTENT, 12: 1},
    "a case number that is not text": {**CONTENT, 13: 1},
    "a service item that is not text": {**CONTENT, 14: [1]},
    "no channel": {**CONTENT, 15: None},
    "a fact that is an array": {**CONTENT, 16: []},
    "sealed parts that are null": {**CONTENT, 17: None},
    "too large": {**CONTENT, 15: "x" * event.EVENT_BYTES_MAX},
}
OUT_OF_ORDER = b"\xb2" + DATA[3:9] + DATA[1:3] + DATA[9:]
"""Format and suite change places."""
BAD_BYTES = {
    "nothing": b"",
    "half": DATA[: len(DATA) // 2],
    "a byte after it": DATA + b"\0",
    "a map of indefinite length": b"\xbf" + DATA[1:] + b"\xff",
    "keys out of order": OUT_OF_ORDER,
    "a longer length": b"\xb8\x12" + DATA[1:],
    "a key that is true": DATA[:1] + b"\xf5" + DATA[2:],
    "a depth bomb": b"\x81" * 50_000,
    "a regular expression": b"\xd8\x23\x65(a+)+",
}


def _in_canonical_order(item: dict[str, Any]) -> dict[str, Any]:
    """A map as the append path makes it, those within it too."""
    return cast(dict[str, Any], cbor.decode(cbor.encode(item)))


_id = st.binary(min_size=16, max_size=16)
_short = st.text(max_size=40)
_time = st.integers(-(1 << 60), 1 << 60)
_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), 1 << 63)
    | st.text(max_size=9)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_map = st.dictionaries(st.text(max_size=12), _value, max_size=5)
events = st.builds(
    event.Event,
    suite=st.just("intl"),
    ledger_id=_id,
    event_id=_id,
    topic=_short,
    stream_id=_id,
    effective_at=_time,
    recorded_at=_time,
    client=st.none() | _id,
    organization=_short,
    operator_ref=st.none() | _id,
    issuer=st.none() | _short,
    case_number=st.none() | _short,
    service_item=st.none() | _short,
    channel=_short,
    fact=_map,
    sealed=_map,
)


@settings(max_examples=30, deadline=None)
@given(events)
def test_an_event_is_read_back(original: event.Event) -> None:
    require_read_back(original)


@pytest.mark.faults
@settings(max_examples=500, deadline=None)
@given(events)
def test_any_event_is_read_back(original: event.Event) -> None:
    require_read_back(original)


def require_read_back(original: event.Event) -> None:
    data = event.encode(original)
    assert event.parse(data) == event.parse_strictly(data) == original
    assert event.encode(event.parse_strictly(data)) == data


_part = st.tuples(_short, _id, st.integers(0, 300), st.binary(max_size=16), st.binary(max_size=400)).map(list)
_ordered = st.dictionaries(_short, _value, max_size=5).map(_in_canonical_order)
_parts = st.dictionaries(st.text(max_size=30), _part, max_size=30).map(_in_canonical_order)


by_hand = st.builds(replace, events, fact=_ordered, sealed=_parts, case_number=st.text(max_size=400))


@settings(max_examples=30, deadline=None)
@given(by_hand)
def test_an_event_put_together_by_hand_has_the_same_bytes(original: event.Event) -> None:
    assert event.encode_ordered(original) == event.encode(original)


@pytest.mark.faults
@settings(max_examples=500, deadline=None)
@given(by_hand)
def test_any_event_put_together_by_hand_has_the_same_bytes(original: event.Event) -> None:
    assert event.encode_ordered(original) == event.encode(original)


@pytest.mark.parametrize("content", BAD_CONTENT.values(), ids=BAD_CONTENT)
def test_another_shape_is_refused(content: Any) -> None:
    data = cbor.encode(content)
    for parse in (event.parse, event.parse_strictly):
        with pytest.raises(event.EventInvalid):
            parse(data)


@pytest.mark.parametrize("data", BAD_BYTES.values(), ids=BAD_BYTES)
def test_another_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(event.EventInvalid):
        event.parse_strictly(data)


def test_members_in_another_order_are_no_event() -> None:
    assert cbor.decode(OUT_OF_ORDER) == cbor.decode(DATA)
    with pytest.raises(event.EventInvalid):
        event.parse(OUT_OF_ORDER)


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": bytes(15)},
        {"client": b""},
        {"recorded_at": None},
        {"effective_at": 1.0},
        {"effective_at": 1 << 64},
        {"recorded_at": True},
        {"organization": None},
        {"topic": "\ud800"},
        {"fact": {"score": 1.5}},
        {"fact": {1: 1, "a": 1}},
        {"fact": []},
        {"channel": "x" * event.EVENT_BYTES_MAX},
    ],
    ids=lambda change: str(change)[:40],
)
def test_what_could_not_be_read_back_is_not_written(change: dict[str, Any]) -> None:
    with pytest.raises(event.EventInvalid):
        event.encode(replace(EVENT, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": bytes(15)},
        {"client": b""},
        {"organization": None},
        {"channel": None},
        {"effective_at": 1 << 64},
        {"effective_at": -(1 << 70)},
        {"topic": "\ud800"},
        {"case_number": "\ud800"},
        {"channel": "x" * event.EVENT_BYTES_MAX},
    ],
    ids=lambda change: str(change)[:40],
)
def test_nor_when_it_is_put_together_by_hand(change: dict[str, Any]) -> None:
    with pytest.raises(event.EventInvalid):
        event.encode_ordered(replace(EVENT, **change))


def test_an_event_of_the_largest_size_is_written_and_read() -> None:
    room = event.EVENT_BYTES_MAX - len(event.encode(replace(EVENT, channel="x" * 300)))
    full = replace(EVENT, channel="x" * (300 + room))
    assert len(event.encode(full)) == event.EVENT_BYTES_MAX
    assert event.parse_strictly(event.encode(full)) == full
    with pytest.raises(event.EventInvalid):
        event.encode(replace(full, channel=full.channel + "x"))


def test_a_part_stands_in_its_event() -> None:
    place = EVENT.place("fields")
    assert (place.format, place.part, place.topic) == (event.FORMAT, "fields", EVENT.topic)
    assert (place.ledger_id, place.stream_id) == (EVENT.ledger_id, EVENT.stream_id)
    assert place.event_id == EVENT.event_id


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_their_own_error(data: bytes) -> None:
    for parse in (event.parse, event.parse_strictly):
        with pytest.raises(event.EventInvalid):
            parse(data)


@given(events, st.data())
def test_a_changed_byte_is_another_event_or_refused(original: event.Event, data: st.DataObject) -> None:
    changed = bytearray(event.encode(original))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = event.parse_strictly(bytes(changed))
    except event.EventInvalid:
        return
    assert other != original
    assert event.encode(other) == bytes(changed)


@given(st.sampled_from(sorted(CONTENT)), _value)
def test_any_other_member_is_refused_or_kept(key: int, value: Any) -> None:
    data = cbor.encode({**CONTENT, key: value})
    try:
        parsed = event.parse_strictly(data)
    except event.EventInvalid:
        return
    assert event.encode(parsed) == data
