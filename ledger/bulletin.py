"""The monthly bulletin 通报: a month is closed once, and its figures change by a recorded correction alone.

A fact says up to where the log counts: everything before it, and nothing after. The figures themselves are a
projection's (`projections/bulletin.py`), which comes to the same ones from the same events.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

from ledger import days, errors
from ledger.fact import Fact, Touched
from ledger.state import State
from ledger.state_bulletin import MonthRow
from signing import event

YEARS = (1900, 2200)


@functools.lru_cache(maxsize=4096)
def month_of(day: int) -> int:
    """The month in which a Beijing day lies, as year × 100 + month."""
    year, month, _ = days.text(day).split("-")
    return int(year) * 100 + int(month)


def parse(text: str) -> int:
    """The month written YYYY-MM; raises Invalid."""
    year, _, month = text.partition("-")
    is_one = len(text) == 7 and text.isascii() and year.isdigit() and month.isdigit()
    if not is_one or not YEARS[0] <= int(year) <= YEARS[1] or not 1 <= int(month) <= 12:
        raise errors.Invalid("a month is written YYYY-MM", field="month")
    return int(year) * 100 + int(month)


def text(month: int) -> str:
    """A month as YYYY-MM."""
    return f"{month // 100:04}-{month % 100:02}"


@dataclass(frozen=True, kw_only=True)
class _OfMonth(Fact, is_topic=False):
    """Base: what is said of the figures of a month."""

    scope: ClassVar[str | None] = "bulletin:close"
    month: int
    """Year × 100 + month, in Beijing."""

    def touches(self, about: event.Event) -> Touched:
        return ((MonthRow, self.month),)

    def allow(self, about: event.Event, state: State) -> None:
        parse(text(self.month))

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.get(MonthRow, self.month)
        edition = 1 if row is None else row.edition + 1
        state.put(MonthRow(month=self.month, edition=edition, closed_index=index))


@dataclass(frozen=True, kw_only=True)
class MonthClosed(_OfMonth):
    """关账: the first edition of a month's bulletin has what was recorded before this."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if self.month >= month_of(days.of_instant(about.recorded_at)):
            raise errors.Invalid("the month is not over", field="month")
        if state.get(MonthRow, self.month) is not None:
            raise errors.AlreadyExists("the month is closed", field="month")


@dataclass(frozen=True, kw_only=True)
class MonthCorrected(_OfMonth):
    """更正: a next edition has what was recorded before this; those before it stay what they were."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if state.get(MonthRow, self.month) is None:
            raise errors.Conflict("the month is not closed", field="month")
