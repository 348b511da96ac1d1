"""Civil days in Asia/Shanghai, as whole numbers since 1970-01-01, and instants in microseconds UTC.

Licenses are valid in whole Beijing days, both ends included. Since 1992 Asia/Shanghai is UTC+8
without daylight saving, so instants of this ledger map to days by one subtraction. Never reads a clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_EPOCH = date(1970, 1, 1)
_OFFSET_US = 8 * 3600 * 1_000_000
DAY_US = 86_400 * 1_000_000
_INSTANT_MIN = (date(1900, 1, 1) - _EPOCH).days * DAY_US
_INSTANT_END = (date(2201, 1, 1) - _EPOCH).days * DAY_US


def of_instant(at: int) -> int:
    """The Beijing day in which the instant `at` (microseconds UTC) falls."""
    return (at + _OFFSET_US) // DAY_US


def start(day: int) -> int:
    """The first instant of Beijing day `day`."""
    return day * DAY_US - _OFFSET_US


def parse(text: str) -> int:
    """The day written YYYY-MM-DD; raises ValueError."""
    day = date.fromisoformat(text)
    if day.isoformat() != text:  # a week and its day, say
        raise ValueError("a date is written YYYY-MM-DD")
    return (day - _EPOCH).days


def text(day: int) -> str:
    """`day` as YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def parse_instant(text_: str) -> int:
    """The instant written as RFC 3339 with an offset, from 1900 to 2200; raises ValueError."""
    moment = datetime.fromisoformat(text_)
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset from UTC")
    at = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if not _INSTANT_MIN <= at < _INSTANT_END:
        raise ValueError("a time lies between 1900 and 2200")
    return at


def instant_text(at: int) -> str:
    """The instant `at` as RFC 3339 in UTC, to the microsecond."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
