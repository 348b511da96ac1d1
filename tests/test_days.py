"""Days and instants: Beijing dates, and times that every answer can write again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import days


@given(st.integers(min_value=days.parse("1900-01-01"), max_value=days.parse("2200-12-31")))
def test_a_day_is_written_and_read_again(day: int) -> None:
    assert days.parse(days.text(day)) == day
    assert days.of_instant(days.start(day)) == day
    assert days.of_instant(days.start(day) - 1) == day - 1


def test_midnight_is_that_of_beijing() -> None:
    assert days.text(days.of_instant(days.parse_instant("2026-03-01T15:59:59.999999Z"))) == "2026-03-01"
    assert days.text(days.of_instant(days.parse_instant("2026-03-01T16:00:00Z"))) == "2026-03-02"


@pytest.mark.parametrize("text", ["2026-W09-1", "20260301", "2026-3-01", "2026-03-01 ", "２０２６-03-01", ""])
def test_a_day_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match=r"YYYY-MM-DD|isoformat"):
        days.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1899-12-31T23:59:59Z",
        "2201-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
    ],
)
def test_an_instant_that_could_not_be_written_again_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a time"):
        days.parse_instant(text)


OFFSETS = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
"""Of every zone that there is or was, to the second."""


FIRST = datetime(1902, 1, 1)  # noqa: DTZ001 - a zone is drawn
LAST = datetime(2199, 1, 1)  # noqa: DTZ001


@given(st.datetimes(FIRST, LAST, timezones=OFFSETS))
def test_every_instant_that_is_read_can_be_written(moment: object) -> None:
    at = days.parse_instant(str(moment).replace(" ", "T"))
    assert days.parse_instant(days.instant_text(at)) == at
