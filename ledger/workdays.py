"""Working days 工作日 in mainland China, as the State Council's yearly notices set them, and terms.

Gives `Calendar`, which counts, and `official`, the one that the library `chinesecalendar` keeps. The day on
which a term begins is not counted (民法典 art. 201), statutory holidays are no working days (行政许可法
art. 82), make-up days 调休 are. A calendar says how far it is known: beyond, weekdays are taken for working
days, and whoever is told a day learns that it is provisional. Days are Beijing days (`ledger/days.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import chinese_calendar

from ledger import days

TERM_DAYS_MAX = 60
"""No term that is set here is longer."""
_SATURDAY = 5
_DECEMBER_KNOWN = "12-28"
"""Of the last year that is known. A notice may move days at the end of the year before: those for 2008 and
2019 moved 29 December."""


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Which days are off or worked against the rule of the week, and until when that is known."""

    known_until: int
    """The last day of which it is known whether it is a working day."""
    holidays: frozenset[int]
    """Days off, with those of a break that would be days off anyway."""
    workdays: frozenset[int]
    """Make-up days: Saturdays and Sundays that are worked."""

    def is_workday(self, day: int) -> bool:
        """Whether a day is worked; by the week alone where nothing is known."""
        if day in self.workdays:
            return True
        return day not in self.holidays and weekday(day) < _SATURDAY

    def due(self, start: int, count: int) -> int:
        """The last day of a term of so many working days that begins on `start`, which is not counted."""
        assert count > 0, "a term has days"
        day = start
        while count:
            day += 1
            count -= self.is_workday(day)
        return day


@functools.cache
def official() -> Calendar:
    """The days that the State Council's notices say, as far as the library in use knows them."""
    said = chinese_calendar.constants
    years = [day.year for day in said.holidays]
    return Calendar(
        known_until=known_through(max(years)),
        holidays=_days(said.holidays),
        workdays=_days(said.workdays),
    )


def known_through(year: int) -> int:
    """The last day that is known, where the notice for a year is and the next is not."""
    return days.parse(f"{year}-{_DECEMBER_KNOWN}")


def weekday(day: int) -> int:
    """0 on a Monday, 6 on a Sunday."""
    return (day + 3) % 7  # 1970-01-01 was a Thursday


def _days(dates: Iterable[date]) -> frozenset[int]:
    return frozenset(days.parse(one.isoformat()) for one in dates)
