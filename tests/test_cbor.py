"""Deterministic CBOR: one encoding of each item, and nothing else is read."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import cbor

RFC_8949_APPENDIX_A: list[tuple[Any, str]] = [
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (bytes.fromhex("01020304"), "4401020304"),
    ("", "60"),
    ('"\\', "62225c"),
    ("水", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
]

NOT_DETERMINISTIC = {
    "an integer longer than it need be": "1817",
    "a length longer than it need be": "580101",
    "an array of indefinite length": "9f01ff",
    "bytes of indefinite length": "5f4101ff",
    "keys out of order": "a202010100",
    "text keys out of order": "a2616201616101",
    "a longer key before a shorter one": "a262616101616201",
    "a key twice": "a201010102",
    "something after the item": "0100",
    "a break after the item": "01ff",
    "nothing": "",
    "half an item": "8201",
    "a float": "f93e00",
    "a float that is a whole number": "fb3ff0000000000000",
    "a not-a-number": "f97e00",
    "undefined": "f7",
    "a simple value": "f0",
    "a simple value in two bytes": "f8ff",
    "a map with a boolean key": "a1f501",
    "a map with a negative key": "a12001",
    "a map with a key of bytes": "a1410101",
    "a map with an array as key": "a18001",
    "a map with keys of two kinds": "a20101616101",
    "a time": "c074323032302d30312d30315430303a30303a30305a",
    "an integer of more than 64 bits": "c249010000000000000000",
    "a decimal fraction": "c4820102",
    "a bigfloat of any size": "c5821a7fffffff01",
    "a regular expression": "d823656128612b29",
    "a shared value": "d81c81d81d00",
    "a set": "d901028101",
    "the mark of CBOR itself": "d9d9f701",
    "text that is not UTF-8": "62c328",
    "text of a lone surrogate": "63eda080",
    "an array of more items than bytes": "9b7fffffffffffffff",
    "bytes longer than memory": "5b7fffffffffffffff",
    "a map of more items than bytes": "bb00000000ffffffff",
}

NEVER_WRITTEN: list[Any] = [
    1.0,
    Decimal(1),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    1 << 64,
    -(1 << 64) - 1,
    "\ud800",
    bytearray(b"a"),
    {1},
    {1: 1, "a": 1},
    {True: 1},
    {-1: 1},
    {b"a": 1},
    {"\ud800": 1},
    Ellipsis,
    [[[1.5]]],
    {"a": [{"b": 1.5}]},
]

_atoms = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=300)
    | st.text(max_size=300)
)
items = st.recursive(
    _atoms,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.text(max_size=9), inner)
        | st.dictionaries(st.integers(0, (1 << 64) - 1), inner)
    ),
    max_leaves=40,
)


def nested(depth: int) -> Any:
    item: Any = 1
    for _ in range(depth):
        item = [item]
    return item


@pytest.mark.parametrize(("item", "encoded"), RFC_8949_APPENDIX_A, ids=lambda value: repr(value)[:20])
def test_items_are_written_as_the_standard_shows(item: Any, encoded: str) -> None:
    assert cbor.encode(item).hex() == encoded
    assert cbor.decode_strictly(bytes.fromhex(encoded)) == item


@given(items)
def test_what_is_written_is_read_back(item: Any) -> None:
    data = cbor.encode(item)
    assert cbor.decode_strictly(data) == cbor.decode(data) == item
    assert cbor.encode(cbor.decode_strictly(data)) == data


@given(items)
def test_another_encoder_in_canonical_mode_agrees(item: Any) -> None:
    assert cbor2.dumps(item, canonical=True) == cbor.encode(item)


@pytest.mark.parametrize("encoded", NOT_DETERMINISTIC.values(), ids=NOT_DETERMINISTIC)
def test_another_encoding_is_refused(encoded: str) -> None:
    with pytest.raises(cbor.EncodingError):
        cbor.decode_strictly(bytes.fromhex(encoded))


def test_no_tag_is_read_and_none_is_acted_upon() -> None:
    for number in (*range(1100), 43000, 55799, 1 << 40):
        for content in ("00", "40", "60", "80", "8201182a", "a0"):
            head = cbor2.dumps(cbor2.CBORTag(number, 0))[:-1]
            with pytest.raises(cbor.EncodingError):
                cbor.decode(head + bytes.fromhex(content))


@pytest.mark.parametrize("item", NEVER_WRITTEN, ids=repr)
def test_what_could_not_be_read_back_is_not_written(item: Any) -> None:
    with pytest.raises(cbor.EncodingError):
        cbor.encode(item)


class Mode(enum.StrEnum):
    HOLDER = "holder"


class WrittenInt(int):
    pass


def test_a_kind_of_text_or_integer_is_written_as_what_it_is() -> None:
    assert cbor.encode([Mode.HOLDER, WrittenInt(5)]) == cbor.encode(["holder", 5])


def test_what_is_written_for_another_type_is_said_by_the_caller() -> None:
    item = {"b": [Decimal("1.50"), {"c": WrittenInt(7)}], "a": "x"}
    assert cbor.encode(item, other=str) == cbor.encode({"a": "x", "b": ["1.50", {"c": "7"}]})
    with pytest.raises(cbor.EncodingError):
        cbor.encode(item, other=lambda number: number)


def test_depth_has_one_bound_for_writing_and_reading() -> None:
    deepest = nested(cbor.DEPTH_MAX)
    assert cbor.decode_strictly(cbor.encode(deepest)) == deepest
    with pytest.raises(cbor.EncodingError):
        cbor.encode([deepest])
    with pytest.raises(cbor.EncodingError):
        cbor.decode_strictly(b"\x81" + cbor.encode(deepest))


@pytest.mark.parametrize("head", [b"\x81", b"\xa1\x00", b"\xa1", b"\x9f", b"\xd8\x1c"])
def test_a_depth_bomb_is_refused(head: bytes) -> None:
    for decode in (cbor.decode, cbor.decode_strictly):
        with pytest.raises(cbor.EncodingError):
            decode(head * 50_000)


@given(st.binary(max_size=200))
def test_any_bytes_are_the_encoding_of_what_they_say_or_refused(data: bytes) -> None:
    try:
        item = cbor.decode_strictly(data)
    except cbor.EncodingError:
        return
    assert cbor.encode(item) == data


@given(items, st.data())
def test_a_changed_byte_is_another_item_or_refused(item: Any, data: st.DataObject) -> None:
    encoded = bytearray(cbor.encode(item))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        other = cbor.decode_strictly(bytes(encoded))
    except cbor.EncodingError:
        return
    assert cbor.encode(other) == bytes(encoded)


@pytest.mark.parametrize("strange", [5, "text", None, [b"\x01"]])
def test_what_is_not_bytes_is_refused(strange: Any) -> None:
    with pytest.raises(cbor.EncodingError):
        cbor.decode_strictly(strange)
