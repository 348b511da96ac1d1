"""Statistics 统计: what happened on each Beijing day, counted by type, issuer, service item and channel.

A day is that of recording. A refusal that names no license counts under no issuer, and under the type that
was asked for, if any. Figures say nothing of a holder, but a small one may: who is not an auditor gets sums
in which small parts are rounded (docs/statistics.md). Sums over days, types, issuers, regions, items and
channels are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar, Literal, get_args

from ledger import (
    audit,
    case,
    collection,
    comparison,
    days,
    dispute,
    document,
    errors,
    household,
    license,
    quality,
    refusal,
    representation,
    state,
    use,
    verification,
)
from projections import bulletin, db, sql
from projections.projection import Happened, licenses_of

Group = Literal["day", "type", "issuer", "region", "item", "channel"]
DAYS_MAX = 366
FIGURES_MAX = 20_000
"""Figures of one answer; beyond it the question must be narrower."""
REFUSED = "refused:"
"""Before the reason, in the measure of a refusal."""

Key = tuple[int, str, str, str, str, str]
"""Day, type code, issuer, service item (each empty: not said), channel and measure."""


@dataclass(frozen=True, kw_only=True)
class LicenseRow(state.Row):
    """Where what happens to a license is counted."""

    table = "statistics_licenses"
    license_ref: bytes
    type_code: str
    issuer: str


@dataclass
class Figure:
    """How often, and how long after it was true it was recorded, in all."""

    count: int = 0
    delay_s: int = 0
    rounded: int = 0
    """As `count`, its small parts (of one day, type, issuer, item and channel) each rounded to 0 or 5."""

    @property
    def masked(self) -> int | None:
        """What is told to whoever is no auditor; None: nothing is left of small parts.

        Whether it is told rests on what is told alone: beside known parts, the exact sum would show through.
        """
        return self.rounded or None

    @property
    def is_exact(self) -> bool:
        """Whether what is told to whoever is no auditor is the count, so that a mean tells nothing of it."""
        return self.rounded == self.count


class Statistics:
    """The projection `statistics`."""

    name: ClassVar[str] = "statistics"
    version: ClassVar[int] = db.VERSIONS["statistics"]
    tables: ClassVar[tuple[str, ...]] = ("statistics_days", "statistics_licenses", *bulletin.TABLES)

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Add what the facts are to their days."""
        learned: dict[state.Key, LicenseRow] = {
            row.license_ref: row for item in happened if (row := _begun(item)) is not None
        }
        work.save(list(learned.values()))
        named = {ref for item in happened if (ref := _license(item)) is not None} - learned.keys()
        known = {**work.rows(LicenseRow, named), **learned}
        figures: dict[Key, Figure] = {}
        for part, closing in bulletin.closings(happened):
            months: dict[bulletin.Key, int] = {}
            for item in part:
                _count(item, known, figures, months)
            bulletin.add(work, months)
            if closing is not None:
                bulletin.close(work, closing)
        if figures:
            rows = [(*key, figures[key].count, figures[key].delay_s) for key in sorted(figures)]
            columns = [list(column) for column in zip(*rows, strict=True)]
            work.run(sql.load("statistics")["add"], (work.partition, *columns))


def _count(
    item: Happened,
    known: Mapping[state.Key, LicenseRow],
    figures: dict[Key, Figure],
    months: dict[bulletin.Key, int],
) -> None:
    """Nothing; what an event counts as is in the figures of its day, and of the month of the decision."""
    about = item.about
    for measure, count, delay_s in counted(item):
        type_code, issuer = _place(item, known)
        day = days.of_instant(about.recorded_at)
        figure = figures.setdefault(
            (day, type_code, issuer, about.service_item or "", about.channel, measure), Figure()
        )
        figure.count += count
        figure.delay_s += delay_s
        for key, often in bulletin.counted(item, measure, type_code, count):
            months[key] = months.get(key, 0) + often
    if isinstance(item.fact, case.CaseClosed):
        for key, often in bulletin.counted(item, "cases_closed", "", 1):
            months[key] = months.get(key, 0) + often


_BESIDE = (
    collection.LicenseCollected
    | dispute.DisputeFiled
    | dispute.DisputeDecided
    | dispute.DisputeWithdrawn
    | document.DocumentGiven
    | household.HouseholdFact
    | quality.QualityFindingRaised
    | representation.RepresentationChanged
)
"""What stands beside a version or a change that counts, or does nothing to the license."""


def counted(item: Happened) -> Iterator[tuple[str, int, int]]:
    """(measure, how often, delay in seconds) of one event; nothing for what no statistic is about."""
    made, about = item.fact, item.about
    if isinstance(made, use.LicenseUsed):
        yield "used", 1, 0
    elif isinstance(made, comparison.LicenseCompared):
        yield "compared", 1, 0
    elif isinstance(made, refusal.UseRefused):
        yield f"{REFUSED}{made.reason}", 1, 0
    elif isinstance(made, audit.RefusalsCounted):
        yield f"{REFUSED}refusal-quota", made.count, 0
    elif isinstance(made, verification.LicenseVerified):
        yield "verified", 1, 0
    elif isinstance(made, license.LicenseIssued) and made.origin is not None:
        yield "imported", 1, 0  # issued long ago; nobody was late
    elif isinstance(made, _BESIDE):
        return
    elif about.issuer is not None and _license(item) is not None:
        delay_s = max(0, about.recorded_at - about.effective_at) // 1_000_000
        yield "issued" if isinstance(made, license.LicenseIssued) else "changed", 1, delay_s


def _begun(item: Happened) -> LicenseRow | None:
    made = item.fact
    if not isinstance(made, license.LicenseIssued):
        return None
    assert item.about.issuer is not None, "the rule saw an issuer"
    return LicenseRow(license_ref=made.license_ref, type_code=made.type_code, issuer=item.about.issuer)


def _license(item: Happened) -> bytes | None:
    refs = licenses_of(item.fact)
    return refs[0] if len(refs) == 1 else None


def _place(item: Happened, known: Mapping[state.Key, LicenseRow]) -> tuple[str, str]:
    """Type code and issuer under which an event counts."""
    ref = _license(item)
    row = known.get(ref) if ref is not None else None
    if row is not None:
        return row.type_code, row.issuer
    return getattr(item.fact, "type_code", None) or "", item.about.issuer or ""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which sums are asked for."""

    first: int
    """Beijing day."""
    last: int
    groups: Collection[Group]
    type_code: str | None = None
    issuer: str | None = None
    region: str | None = None
    """The first digits of a division code."""
    item: str | None = None
    channel: str | None = None
    seed: int = 0
    """By which small figures are rounded: a secret of the ledger, always the same."""

    def check(self) -> None:
        """Nothing when the period is one; raises Invalid."""
        if not 0 <= self.last - self.first < DAYS_MAX:
            raise errors.Invalid(f"a period has 1 to {DAYS_MAX} days", field="query.until")


@dataclass(frozen=True, kw_only=True)
class Line:
    """The sums of one group."""

    day: int | None
    type_code: str | None
    issuer: str | None
    region: str | None
    item: str | None
    channel: str | None
    measures: dict[str, Figure]


class Sums:
    """Reads the statistics."""

    def __init__(self, database: db.Database) -> None:
        self._database = database

    def lines(self, query: Query) -> tuple[int, list[Line]]:
        """The index come through, and the sums, a line a group; raises Invalid or Unavailable."""
        query.check()
        params = {
            "partition": self._database.partition,
            "first": query.first,
            "last": query.last,
            "type_code": query.type_code,
            "issuer": query.issuer,
            "region": query.region,
            "item": query.item,
            "channel": query.channel,
            "seed": query.seed,
            "limit": FIGURES_MAX + 1,
            **{f"by_{group}": group in query.groups for group in get_args(Group)},
        }
        found = self._database.read(sql.load("statistics")["figures"], params)
        if not found:
            raise errors.Unavailable("a projection has no tables yet: run `license-ledger migrate`")
        if len(found) > FIGURES_MAX:
            raise errors.Invalid(
                "more figures than one answer has: ask for a shorter period", field="query.until"
            )
        rows = [row[1:] for row in found if row[7] is not None]
        return found[0][0], [_line(key, group) for key, group in groupby(rows, key=lambda row: row[:6])]


def _line(key: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Line:
    day, type_code, issuer, region, item, channel = key
    measures = {row[6]: Figure(row[7], row[8], row[9]) for row in rows}
    return Line(
        day=day,
        type_code=type_code,
        issuer=issuer,
        region=region,
        item=item,
        channel=channel,
        measures=measures,
    )
