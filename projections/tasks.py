"""Tasks of issuers: licenses that remain of holders who have ended, or that print a former name.

What a registering organ records of a holder changes no license; here its issuers find what is left to do.
No code and no name stands here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from ledger import (
    catalog,
    correction,
    ending,
    endorsement,
    fact,
    holder,
    license,
    naming,
    power,
    quality,
    reminder,
    representation,
    state,
)
from projections import db, listing, paging, sql
from projections.projection import Happened

Reminded = Literal["expiry", "endorsement"]
"""Of what an issuer is reminded: the last valid day, the last day for an endorsement."""
_ALONE = power.Reach()


@dataclass(frozen=True, kw_only=True)
class LicenseRow(state.Row):
    """A license, and how its holder ended."""

    table = "task_licenses"
    license_ref: bytes
    stream_id: bytes
    issuer: str
    type_code: str
    issued_index: int
    is_over: bool
    """Whether the license itself has ended, or its holder was erased."""
    ended_index: int | None
    ended_at: int | None
    end_kind: str | None
    stale_index: int | None
    """Leaf index of the change of name that the license does not print yet."""
    prints_representative: bool
    represented_index: int | None
    """Leaf index of the change of representative 法定代表人 that the license does not print yet."""
    expires_key: int | None
    """The last valid day and the place of the issue, as `due_key`; None: long-term 长期."""
    endorse_key: int | None
    """So the last day on which the next endorsement is in time; None: none is due."""
    area: str
    """The division in which it lies."""
    valid_from: int

    @property
    def expires_on(self) -> int | None:
        """The last valid day."""
        return None if self.expires_key is None else self.expires_key >> _ISSUED_BITS

    @property
    def endorsement_due(self) -> int | None:
        """The last day on which the next endorsement is in time."""
        return None if self.endorse_key is None else self.endorse_key >> _ISSUED_BITS


_ISSUED_BITS = 40


def due_key(day: int | None, issued_index: int) -> int | None:
    """What orders licenses by a day, and within it by their issue."""
    return None if day is None else (day << _ISSUED_BITS) | issued_index


@dataclass(frozen=True, kw_only=True)
class HolderRow(state.Row):
    """A holder who has ended, now or once."""

    table = "task_holders"
    stream_id: bytes
    ended_index: int | None
    ended_at: int | None
    end_kind: str | None


@dataclass(frozen=True, kw_only=True)
class FindingRow(state.Row):
    """What was found doubtful about a license when it was taken in, and whether that is settled."""

    table = "task_findings"
    raised_index: int
    license_ref: bytes
    issuer: str
    finding: str
    other_ref: bytes | None
    """The license that has the same printed number."""
    is_settled: bool


@dataclass(frozen=True, kw_only=True)
class WindowRow(state.Row):
    """A type that says, or once said, how long before their end its licenses are renewed."""

    table = "task_types"
    type_code: str
    window_days: int | None


class Tasks:
    """The projection `tasks`."""

    name: ClassVar[str] = "tasks"
    version: ClassVar[int] = db.VERSIONS["tasks"]
    tables: ClassVar[tuple[str, ...]] = ("task_licenses", "task_holders", "task_types", "task_findings")

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Change the rows that the facts name: runs of license facts between facts about holders."""
        defined = {row.type_code: row for item in happened if (row := _window(item.fact)) is not None}
        work.save(list(defined.values()))
        work.save([found for item in happened if (found := _found(item)) is not None])
        run: list[Happened] = []
        for item in happened:
            if isinstance(item.fact, _OF_LICENSES):
                run.append(item)
            elif isinstance(item.fact, _OF_HOLDERS):
                _apply_to_licenses(work, run)
                run = []
                _apply_to_holder(work, item)
        _apply_to_licenses(work, run)


_OF_LICENSES = (license.VersionFact, license.StatusChange, endorsement.LicenseEndorsed)
_OF_HOLDERS = (
    *(ending.HolderEnded, ending.HolderEndReversed, holder.HolderErased, naming.HolderNameChanged),
    representation.RepresentationChanged,
)
_REPRESENTATIVE = re.compile(r"([a-z0-9_]+_)?representative")
"""Names of fields that print who represents the holder."""


@functools.lru_cache(maxsize=1024)
def _prints_representative(names: tuple[str, ...]) -> bool:
    return any(map(_REPRESENTATIVE.fullmatch, names))


def _apply_to_licenses(work: db.Work, run: Sequence[Happened]) -> None:
    if not run:
        return
    rows = work.rows(LicenseRow, {_ref(item.fact) for item in run})
    homes = {item.about.stream_id for item in run if isinstance(item.fact, license.VersionFact)}
    holders = work.rows(HolderRow, homes)
    settled: list[tuple[bytes, int, str]] = []
    for item in run:
        made = item.fact
        ref = _ref(made)
        if isinstance(made, license.StatusChange):
            rows[ref] = replace(rows[ref], is_over=made.after not in license.LIVE)
        elif isinstance(made, endorsement.LicenseEndorsed):
            if made.result != "failed":
                rows[ref] = replace(rows[ref], endorse_key=due_key(made.next_due, rows[ref].issued_index))
        else:
            known = rows.get(ref)
            settled += _settled(item, known)
            rows[ref] = _version_row(item, known, holders.get(item.about.stream_id))
    work.save(list(rows.values()))
    if settled:
        columns = [list(column) for column in zip(*settled, strict=True)]
        work.run(sql.load("tasks")["settle"], (*columns, work.partition))


def _version_row(item: Happened, known: LicenseRow | None, ended: HolderRow | None) -> LicenseRow:
    """A license as a version of it leaves it; `ended` is its holder, who has ended now or once."""
    made, about = item.fact, item.about
    assert isinstance(made, license.VersionFact), "the other of the kinds"
    issued_index = item.index if known is None else known.issued_index
    issuer = about.issuer if known is None else known.issuer
    assert issuer is not None, "the rule saw an issuer"
    columns: dict[str, Any] = {
        "expires_key": due_key(made.valid_to, issued_index),
        "area": power.area_of(made.area_code, issuer),
        "valid_from": made.valid_from,
    }
    if known is None or made.endorsement_due is not None:
        columns["endorse_key"] = due_key(made.endorsement_due, issued_index)
    if isinstance(made, license.LicenseRenewed | license.LicenseReplaced):
        assert known is not None, "it follows another"
        return replace(known, **columns)  # the name is printed again as it stood
    columns |= {"stale_index": None, "represented_index": None}
    columns["prints_representative"] = _prints_representative(made.field_names)
    if known is None or isinstance(made, correction.LicenseHolderCorrected):
        columns |= {
            "stream_id": about.stream_id,
            "ended_index": None if ended is None else ended.ended_index,
            "ended_at": None if ended is None else ended.ended_at,
            "end_kind": None if ended is None else ended.end_kind,
        }
    if known is not None:
        return replace(known, **columns)
    return LicenseRow(
        license_ref=made.license_ref,
        issuer=issuer,
        type_code=made.type_code,
        issued_index=item.index,
        is_over=False,
        **columns,
    )


def _settled(item: Happened, known: LicenseRow | None) -> list[tuple[bytes, int, str]]:
    """(license, leaf index, finding): what a next version leaves none of."""
    made = item.fact
    if known is None or not isinstance(made, license.NextVersion):
        return []
    keeps_dates = (known.valid_from, known.expires_on) == (made.valid_from, made.valid_to)
    found = quality.settled_by(made, keeps_dates=keeps_dates)
    return [(made.license_ref, item.index, finding) for finding in found]


def _apply_to_holder(work: db.Work, item: Happened) -> None:
    made, stream_id = item.fact, item.about.stream_id
    if isinstance(made, holder.HolderErased):
        work.run(sql.load("tasks")["forget"], (work.partition, stream_id))
        return
    if isinstance(made, naming.HolderNameChanged):
        work.run(sql.load("tasks")["rename"], (item.index, work.partition, stream_id))
        return
    if isinstance(made, representation.RepresentationChanged):
        if made.former:
            changed = (item.index, work.partition, stream_id, made.license_ref)
            work.run(sql.load("tasks")["represent"], changed)
        return
    is_end = isinstance(made, ending.HolderEnded)
    row = HolderRow(
        stream_id=stream_id,
        ended_index=item.index if is_end else None,
        ended_at=item.about.effective_at if is_end else None,
        end_kind=made.kind if isinstance(made, ending.HolderEnded) else None,
    )
    work.save([row])
    told = (row.ended_index, row.ended_at, row.end_kind)
    work.run(sql.load("tasks")["end"], (*told, work.partition, stream_id))


def _found(item: Happened) -> FindingRow | None:
    """The finding that a fact raises."""
    made, issuer = item.fact, item.about.issuer
    if not isinstance(made, quality.QualityFindingRaised):
        return None
    assert issuer is not None, "the rule saw an issuer"
    return FindingRow(
        raised_index=item.index,
        license_ref=made.license_ref,
        issuer=issuer,
        finding=made.finding,
        other_ref=made.other_ref,
        is_settled=False,
    )


def _window(made: fact.Fact) -> WindowRow | None:
    """What a definition of a type says of renewals, unless it is the first and says nothing."""
    if isinstance(made, catalog.LicenseTypeRevised) or (
        isinstance(made, catalog.LicenseTypeRegistered) and made.renewal_window_days is not None
    ):
        return WindowRow(type_code=made.type_code, window_days=made.renewal_window_days)
    return None


def _ref(made: fact.Fact) -> bytes:
    ref: bytes = made.license_ref  # type: ignore[attr-defined]
    return ref


_MARKED = {
    "endings": "ended_index IS NOT NULL",
    "stale_names": "(stale_index IS NOT NULL OR represented_index IS NOT NULL)",
}
"""List to what says that a license belongs to it, as its index has it."""


class Lists:
    """Reads the tasks."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def endings(
        self, issuer: str, *, reach: power.Reach = _ALONE, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[LicenseRow]:
        """Licenses of an issuer that have not ended, of holders who have, in the order of their issue.

        `reach` says whose licenses it answers for beside its own, and for which no more.
        """
        return self._page("endings", issuer, reach, limit, cursor)

    def stale_names(
        self, issuer: str, *, reach: power.Reach = _ALONE, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[LicenseRow]:
        """As `endings`: licenses that have not ended and print a former name, of the holder or of who
        represents it."""
        return self._page("stale_names", issuer, reach, limit, cursor)

    def reminders(
        self,
        issuer: str,
        kind: Reminded,
        *,
        first: int,
        last: int | None,
        reach: power.Reach = _ALONE,
        limit: int = 100,
        cursor: str | None = None,
    ) -> paging.Page[LicenseRow]:
        """Licenses that have not ended and of which something is due between two days, the nearest first.

        Without a last day: as long after the first as the type of each says, or else 90 days.
        """
        key = "expires_key" if kind == "expiry" else "endorse_key"
        listed = _listed("reminders", LicenseRow, index=key, key=key)
        begins, ends = max(0, first), max(0, self.last_reminded(kind, first) if last is None else last)
        span = {"by_window": last is None and kind == "expiry", "first": first, "ahead": reminder.AHEAD_DAYS}
        return listing.page(
            self._database,
            self._cursors,
            listed,
            {**answered_for(issuer, reach), **span},
            of=["tasks", "reminders", kind, issuer, last is None],
            first=paging.Bounds(since=begins << _ISSUED_BITS, until=((ends + 1) << _ISSUED_BITS) - 1),
            is_by_index=False,
            limit=limit,
            cursor=cursor,
        )

    def findings(
        self,
        issuer: str,
        *,
        finding: str | None = None,
        reach: power.Reach = _ALONE,
        limit: int = 100,
        cursor: str | None = None,
    ) -> paging.Page[FindingRow]:
        """What is doubtful still about licenses of an issuer, of one kind or of all, as it was raised."""
        listed = _listed("findings", FindingRow, index="raised_index")
        return listing.page(
            self._database,
            self._cursors,
            listed,
            {**answered_for(issuer, reach), "finding": finding},
            of=["tasks", "findings", issuer, finding],
            limit=limit,
            cursor=cursor,
        )

    def last_reminded(self, kind: Reminded, first: int) -> int:
        """The last day that may be reminded of on `first`, by any type."""
        if kind == "endorsement":
            return first + reminder.AHEAD_DAYS
        ((longest,),) = self._database.read(sql.load("tasks")["longest_window"], (self._database.partition,))
        return first + max(reminder.AHEAD_DAYS, longest or 0)

    def _page(
        self, name: str, issuer: str, reach: power.Reach, limit: int, cursor: str | None
    ) -> paging.Page[LicenseRow]:
        listed = _listed("remaining", LicenseRow, index="issued_index", marked=_MARKED[name])
        asked, of = answered_for(issuer, reach), ["tasks", name, issuer]
        return listing.page(self._database, self._cursors, listed, asked, of=of, limit=limit, cursor=cursor)


def _listed(name: str, row: type[state.R], *, index: str, **words: str) -> listing.Listing[state.R]:
    """A list of what is to do about licenses that an organization answers for."""
    return listing.listing("tasks", name, row, index=index, answered=answered("task_licenses"), **words)


def answered(licenses: str) -> str:
    """What says of a row of a table that an organization answers for its license."""
    return sql.load("tasks")["answered"].format(licenses=licenses)


def answered_for(issuer: str, reach: power.Reach) -> dict[str, list[str]]:
    """The parameters of a list that say which licenses an organization answers for."""
    taken, gone = _limits(reach.taken_over), _limits(reach.handed_over)
    has_nothing = any(limit[1:] == (power.EVERY, "") for limit in gone)
    issuers = dict.fromkeys([issuer, *(one.organization for one in reach.taken_over)])
    return {
        "issuer": [issuer],
        "issuers": [] if has_nothing else list(issuers),
        "of_whom": [limit[0] for limit in taken],
        "taken_types": [limit[1] for limit in taken],
        "taken_areas": [limit[2] for limit in taken],
        "gone_types": [limit[1] for limit in gone],
        "gone_areas": [limit[2] for limit in gone],
    }


def _limits(handovers: Sequence[power.Handover]) -> list[tuple[str, str, str]]:
    """(organization, type or `*`, first digits of a division or none) of each thing that was handed over."""
    return [
        (one.organization, type_code, power.beginning(area))
        for one in handovers
        for type_code in one.type_codes or (power.EVERY,)
        for area in one.areas or ("",)
    ]
