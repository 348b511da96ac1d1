"""Base64, base32, decimals and ids: one text for each meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import ids, spelling

OTHER_SPELLINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "base64 without padding": (spelling.from_base64, "AA"),
    "base64 with spare bits": (spelling.from_base64, "AB=="),
    "base64 with too much padding": (spelling.from_base64, "AA==="),
    "base64 with a newline": (spelling.from_base64, "AA==\n"),
    "base64 with a space inside": (spelling.from_base64, "AA AA"),
    "base64 for URLs": (spelling.from_base64, "_-8="),
    "base64 of full width": (spelling.from_base64, "\uff21A=="),
    "base64 with a letter outside ASCII": (spelling.from_base64, "é==="),
    "base32 with padding": (spelling.from_base32, "AA======"),
    "base32 with spare bits": (spelling.from_base32, "AB"),
    "base32 in lower case": (spelling.from_base32, "aa"),
    "base32 of an impossible length": (spelling.from_base32, "A"),
    "base32 with a one": (spelling.from_base32, "A1"),
    "base32 with padding inside": (spelling.from_base32, "AA=AAAAA"),
    "base32 with a letter outside ASCII": (spelling.from_base32, "\u017fA"),
    "a number with a leading zero": (spelling.from_decimal, "01"),
    "zero twice": (spelling.from_decimal, "00"),
    "a number with a sign": (spelling.from_decimal, "+1"),
    "a negative number": (spelling.from_decimal, "-1"),
    "a number in other digits": (spelling.from_decimal, "\u0661"),
    "a superscript": (spelling.from_decimal, "\u00b2"),
    "a number with a space": (spelling.from_decimal, " 1"),
    "a number with an underscore": (spelling.from_decimal, "1_0"),
    "no number": (spelling.from_decimal, ""),
    "a number without end": (spelling.from_decimal, "1" * 5000),
}

ID = bytes(range(16))
OTHER_IDS = {
    "upper case": ids.text(ID).upper(),
    "spare bits": ids.text(ID)[:-1] + "z",
    "too short": ids.text(ID)[:-1],
    "too long": ids.text(ID) + "a",
    "padded": ids.text(ID) + "======",
    "padding in its place": ids.text(ID)[:-2] + "==",
    "a letter whose lower case is ASCII": "\u212a" * 26,
    "a letter whose upper case is ASCII": "\u0131" * 26,
    "a digit that base32 lacks": "1" + ids.text(ID)[1:],
    "a newline": ids.text(ID)[:-1] + "\n",
    "nothing": "",
}


@given(st.binary(max_size=70))
def test_bytes_are_read_back(data: bytes) -> None:
    assert spelling.from_base64(spelling.to_base64(data)) == data
    assert spelling.from_base32(spelling.to_base32(data)) == data


@given(st.integers(0, 10**19 - 1))
def test_numbers_are_read_back(number: int) -> None:
    assert spelling.from_decimal(str(number)) == number


@pytest.mark.parametrize(("read", "text"), OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS)
def test_another_spelling_is_refused(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(spelling.SpellingInvalid):
        read(text)


@given(st.text(max_size=20) | st.text("AB=234567ab/+ \n", max_size=20))
def test_any_text_is_the_one_spelling_or_refused(text: str) -> None:
    for read, write in (
        (spelling.from_base64, spelling.to_base64),
        (spelling.from_base32, spelling.to_base32),
    ):
        try:
            data = read(text)
        except spelling.SpellingInvalid:
            continue
        assert write(data) == text


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_read_back(id_: bytes) -> None:
    assert ids.parse(ids.text(id_)) == id_
    assert len(ids.text(id_)) == ids.TEXT_LENGTH


@pytest.mark.parametrize("text", OTHER_IDS.values(), ids=OTHER_IDS)
def test_another_spelling_of_an_id_is_refused(text: str) -> None:
    with pytest.raises(ids.IdInvalid):
        ids.parse(text)


@given(st.text(min_size=26, max_size=26) | st.text("abcdefgh234567A=", min_size=26, max_size=26))
def test_any_text_is_the_one_spelling_of_an_id_or_refused(text: str) -> None:
    try:
        id_ = ids.parse(text)
    except ids.IdInvalid:
        return
    assert ids.text(id_) == text
