"""The monthly bulletin 通报: figures of a month by department and type, which stand once the month is closed.

Part of the projection `statistics`. What happened counts under the month in which it was decided, and under
the department that did it. The fact that closes a month freezes its figures as they are at that place of the
log; what comes later is told apart, and is in no edition before the next correction (docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from ledger import bulletin, days, errors
from projections import db, sql
from projections.projection import Happened

Group = Literal["type", "department", "region"]
FIGURES_MAX = 20_000
"""Figures of one answer; beyond it the question must be grouped by less."""
CLOSING = (bulletin.MonthClosed, bulletin.MonthCorrected)
TABLES = ("bulletin_months", "bulletin_editions", "bulletin_figures")
OF_ISSUERS = ("issued", "imported", "changed")
"""What the responsible issuer did; all else did who asked."""
DECIDED = ("issued", "changed")
"""What was decided before it was recorded: its month is that of the decision."""

Key = tuple[int, str, str, str]
"""Month, type code (empty: not said), department and measure."""


def counted(item: Happened, measure: str, type_code: str, count: int) -> Iterator[tuple[Key, int]]:
    """(key, how often) of what one event counts as; an issue or change that is late counts as late too."""
    about = item.about
    department = about.issuer or "" if measure in OF_ISSUERS else about.organization
    recorded = bulletin.month_of(days.of_instant(about.recorded_at))
    if measure not in DECIDED:
        yield (recorded, type_code, department, measure), count
        return
    decided = min(recorded, bulletin.month_of(days.of_instant(about.effective_at)))
    yield (decided, type_code, department, measure), count
    if decided < recorded:
        yield (recorded, type_code, department, f"{measure}_late"), count


def closings(happened: Sequence[Happened]) -> Iterator[tuple[Sequence[Happened], Happened | None]]:
    """What happened, in pieces that each end with the closing of a month, but for the last."""
    begun = 0
    for number, item in enumerate(happened):
        if isinstance(item.fact, CLOSING):
            yield happened[begun:number], item
            begun = number + 1
    yield happened[begun:], None


def add(work: db.Work, figures: Mapping[Key, int]) -> None:
    """Nothing; the figures of months are greater by so much."""
    if figures:
        rows = [(*key, figures[key]) for key in sorted(figures)]
        columns = [list(column) for column in zip(*rows, strict=True)]
        work.run(sql.load("statistics")["add_to_months"], (work.partition, *columns))


def close(work: db.Work, item: Happened) -> None:
    """Nothing; the figures of a month as they are now are an edition, and stay so."""
    made = item.fact
    assert isinstance(made, CLOSING), "a month is closed"
    texts, about = sql.load("statistics"), item.about
    work.run(texts["close_month"], (item.index, about.recorded_at, work.partition, made.month))
    work.run(texts["freeze_month"], (work.partition, made.month))


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which sums are asked for."""

    month: int
    edition: int | None
    """None: the newest; where the month is not closed, what is counted so far."""
    groups: Collection[Group]
    seed: int = 0
    """By which figures are rounded for who may not know them: a secret of the ledger, always the same."""


@dataclass(frozen=True, kw_only=True)
class Sum:
    """How often something happened."""

    count: int
    rounded: int
    """The same from parts (of one type and department) each rounded to a neighboring multiple of five."""
    late: int
    """What has been recorded of the month since the edition, and is not in it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """The sums of one group."""

    type_code: str | None
    department: str | None
    region: str | None
    measures: dict[str, Sum]


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A month's figures as they were at one place of the log."""

    month: int
    edition: int
    closed_index: int
    closed_at: int


@dataclass(frozen=True, kw_only=True)
class Bulletin:
    """The figures of a month."""

    through: int
    edition: Edition | None
    """None: the month is not closed."""
    lines: list[Line] = field(default_factory=list)


class Bulletins:
    """Reads the bulletin."""

    def __init__(self, database: db.Database) -> None:
        self._database = database

    def of_month(self, query: Query) -> Bulletin:
        """The figures of a month; raises NotFound where there is no such edition, Invalid, Unavailable."""
        params = {
            "partition": self._database.partition,
            "month": query.month,
            "edition": query.edition,
            "seed": query.seed,
            "limit": FIGURES_MAX + 1,
            "by_type": "type" in query.groups,
            "by_department": "department" in query.groups,
            "by_region": "region" in query.groups,
        }
        found = self._database.read(sql.load("statistics")["bulletin"], params)
        if not found:
            raise errors.Unavailable("a projection has no tables yet: run `license-ledger migrate`")
        if len(found) > FIGURES_MAX:
            raise errors.Invalid("more figures than one answer has: group by less", field="query.group_by")
        through, number, closed_index, closed_at = found[0][:4]
        if query.edition is not None and number is None:
            raise errors.NotFound("no such edition of the month")
        edition = None
        if number is not None:
            edition = Edition(
                month=query.month, edition=number, closed_index=closed_index, closed_at=closed_at
            )
        rows = [row[4:] for row in found if row[7] is not None]
        lines = [_line(key, group) for key, group in groupby(rows, key=lambda row: row[:3])]
        return Bulletin(through=through, edition=edition, lines=lines)

    def editions(self, *, limit: int) -> tuple[int, list[Edition]]:
        """The index come through, and the newest editions of the newest months."""
        params = {"partition": self._database.partition, "limit": limit}
        found = self._database.read(sql.load("statistics")["editions"], params)
        if not found:
            raise errors.Unavailable("a projection has no tables yet: run `license-ledger migrate`")
        rows = [row[1:] for row in found if row[1] is not None]
        return found[0][0], [
            Edition(month=month, edition=number, closed_index=index, closed_at=at)
            for month, number, index, at in rows
        ]


def _line(key: Sequence[Any], rows: Any) -> Line:
    type_code, department, region = key
    measures = {row[3]: Sum(count=row[4], rounded=row[5], late=row[6]) for row in rows}
    return Line(type_code=type_code, department=department, region=region, measures=measures)
