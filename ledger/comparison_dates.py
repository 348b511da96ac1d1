"""Days as people and systems write them, to one form: a part of the normal form of `docs/comparison.md`."""

from __future__ import annotations

import re
from datetime import date

LONG_TERM = "long-term"
_LONG_TERM = frozenset({"长期", "長期", "永久", "长期有效", "LONG-TERM", "9999-12-31", "99991231"})
_DIGITS = str.maketrans("〇○零一二三四五六七八九", "000123456789")
_TAIL = r"(?:[T ]?[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
_FORMS = (
    re.compile(rf"([0-9]{{4}})[-/.]([0-9]{{1,2}})[-/.]([0-9]{{1,2}}){_TAIL}"),
    re.compile(rf"([0-9]{{4}}) ?年 ?([0-9]{{1,2}}) ?月 ?([0-9]{{1,2}}) ?日?{_TAIL}"),
    re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[0-9]{6})?"),
)
_CHINESE = re.compile(
    r"([〇○零一二三四五六七八九]{4})年([一二三四五六七八九十]{1,3})月([一二三四五六七八九十]{1,3})日"
)


def normal(plain: str) -> str | None:
    """`YYYY-MM-DD` or `long-term`; None when the text is no day. The day is the one that is written."""
    if plain.upper() in _LONG_TERM:
        return LONG_TERM
    chinese = _CHINESE.fullmatch(plain)
    if chinese is not None:
        year, month, day = chinese.groups()
        return _day(int(year.translate(_DIGITS)), _up_to_99(month), _up_to_99(day))
    for form in _FORMS:
        found = form.fullmatch(plain)
        if found is not None:
            return _day(*(int(part) for part in found.groups()))
    return None


def _day(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _up_to_99(written: str) -> int:
    """`三十一` as 31, `十` as 10, `二` as 2; 0 for what is no number."""
    tens, ten, ones = written.partition("十")
    if len(tens) > 1 or len(ones) > 1 or "十" in ones:
        return 0
    first = int(tens.translate(_DIGITS)) if tens else (1 if ten else 0)
    if not ten:
        return first
    return 10 * first + (int(ones.translate(_DIGITS)) if ones else 0)
