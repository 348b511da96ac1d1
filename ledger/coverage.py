"""Coverage 归集完整度: what departments declare that the ledger holds of a type, and what follows from it.

When nothing is found, `judge` says whether that means *not held* (inside declared coverage), *not
covered* (accept paper) or *source unavailable* (a type held by reference whose source is down). The
declarations in force stand in the type's row, so that a use needs no further row. Does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from ledger import client, days, errors, license, power
from ledger.fact import Fact, Touched
from ledger.state import ClientRow, LedgerRow, OrganizationRow, State, TypeRow
from signing import event, ids

HOLDS = ("all", "some", "none")
SOURCES = ("up", "down", "ledger")
"""State of a type's source: it answers, it does not, or the ledger itself holds the licenses again."""
DECLARATIONS_MAX = 100
"""Declarations of one type that are in force together."""
AREA = re.compile(r"[0-9]{6}")
"""Administrative division code, GB/T 2260."""
NOTHING_FOUND = ("source-unavailable", "not-covered", "not-held")


class Expected(NamedTuple):
    """What a requester knows of a license that it asks for; None: it does not know."""

    issuer: str | None = None
    area: str | None = None
    issued_on: int | None = None


NO_HINTS = Expected()


class Declaration(NamedTuple):
    """What the ledger holds of a type: by one issuer, in one area, issued between two days; None: any."""

    ref: bytes
    holds: str
    issuer: str | None
    area: str | None
    issued_from: int | None
    issued_to: int | None

    def text(self) -> str:
        """As it stands in the type's row: six items between colons, absent ones empty."""
        spelled = ("" if item is None else str(item) for item in self[1:])
        return ":".join((ids.text(self.ref), *spelled))

    @property
    def span(self) -> tuple[int, int]:
        """First and last day of issue."""
        first = license.DAY_MIN if self.issued_from is None else self.issued_from
        return first, license.DAY_MAX if self.issued_to is None else self.issued_to

    def contains_place(self, expected: Expected) -> bool:
        """Whether every license that fits `expected` is from this issuer and area."""
        is_issuer = self.issuer is None or self.issuer == expected.issuer
        return is_issuer and (self.area is None or is_within(expected.area, self.area))

    def meets_place(self, expected: Expected) -> bool:
        """Whether some license that fits `expected` can be from this issuer and area."""
        other_issuer = None not in (self.issuer, expected.issuer) and self.issuer != expected.issuer
        if other_issuer or self.area is None or expected.area is None:
            return not other_issuer
        return is_within(expected.area, self.area) or is_within(self.area, expected.area)


def declarations(row: TypeRow) -> Iterator[Declaration]:
    """The declarations of a type that are in force, in the order in which they were made."""
    for text in row.coverage:
        ref, holds, issuer, area, first, last = text.split(":")
        yield Declaration(
            ref=ids.parse(ref),
            holds=holds,
            issuer=issuer or None,
            area=area or None,
            issued_from=int(first) if first else None,
            issued_to=int(last) if last else None,
        )


def is_within(area: str | None, outer: str) -> bool:
    """Whether a division lies in `outer` or is it: 350102 in 350100, in 350000."""
    if area is None:
        return False
    significant = outer
    while significant.endswith("00"):
        significant = significant[:-2]
    return area.startswith(significant)


def judge(
    row: TypeRow, expected: Expected, *, at: int, local: Sequence[TypeRow] = ()
) -> tuple[str, tuple[bytes, ...]]:
    """What it means at `at` that nothing of a type was found, and the declarations that this rests on.

    `local` are types that stand for it: its declarations speak of them too, theirs only take away from it.
    """
    if any(one.source == "down" for one in (row, *local)):
        return "source-unavailable", ()
    today = days.of_instant(at)
    covering = _covering(row, expected, today)
    if covering is None or any(_has_gap(one, expected, today) for one in local):
        return "not-covered", ()
    return "not-held", covering


def judge_all(
    rows: Sequence[TypeRow],
    expected: Expected,
    *,
    at: int,
    local: Mapping[str, Sequence[TypeRow]] | None = None,
) -> tuple[str, str, tuple[bytes, ...]]:
    """As `judge` over several types, with the type that decides: the first that is not covered, if any."""
    known = local or {}
    judged = [
        (*judge(row, expected, at=at, local=known.get(row.type_code, ())), row.type_code) for row in rows
    ]
    reason, refs, type_code = min(judged, key=lambda item: NOTHING_FOUND.index(item[0]))
    return reason, type_code, refs


def _covering(row: TypeRow, expected: Expected, today: int) -> tuple[bytes, ...] | None:
    """The `all` declarations that together hold every license that fits; None when one may be elsewhere.

    A declaration of `some` or `none` that touches what is expected leaves a gap, whatever else was said.
    """
    first, last = _days_expected(expected, today)
    spans: list[tuple[int, int, bytes]] = []
    for item in _touching(row, expected, today):
        if item.holds != "all":
            return None
        if item.contains_place(expected):
            spans.append((*item.span, item.ref))
    refs: list[bytes] = []
    for begins, ends, ref in sorted(spans):
        if begins > first:
            return None
        refs.append(ref)
        first = max(first, ends + 1)
        if first > last:
            return tuple(refs)
    return None


def _touching(row: TypeRow, expected: Expected, today: int) -> Iterator[Declaration]:
    """The declarations of a type that speak of a license that fits."""
    first, last = _days_expected(expected, today)
    for item in declarations(row):
        begins, ends = item.span
        if begins <= last and ends >= first and item.meets_place(expected):
            yield item


def _days_expected(expected: Expected, today: int) -> tuple[int, int]:
    """First and last day on which what is expected may have been issued."""
    day = expected.issued_on
    return (license.DAY_MIN, today) if day is None else (day, day)


def _has_gap(row: TypeRow, expected: Expected, today: int) -> bool:
    """Whether a declaration says that the ledger does not hold all of what fits."""
    return any(item.holds != "all" for item in _touching(row, expected, today))


@dataclass(frozen=True, kw_only=True)
class CoverageDeclared(Fact):
    """归集声明: of a type, what the ledger holds of one issuer or area, or of all, in a period of issue."""

    scope: ClassVar[str | None] = "coverage:declare"
    coverage_ref: bytes
    type_code: str
    issuer: str | None
    area: str | None
    issued_from: int | None
    issued_to: int | None
    holds: str
    """`all`, `some` or `none`."""

    def touches(self, about: event.Event) -> Touched:
        return ((TypeRow, self.type_code),)

    def allow(self, about: event.Event, state: State) -> None:
        row = _type(self.type_code, state)
        if self.holds not in HOLDS:
            raise errors.Invalid(f"one of {', '.join(HOLDS)}", field="holds")
        if self.issuer is not None:
            client.check_organization(self.issuer, field="issuer")
        if self.area is not None and not AREA.fullmatch(self.area):
            raise errors.Invalid("an area is an administrative division code of 6 digits", field="area")
        self._allow_period()
        _allow_declarer(self.issuer, self.type_code, about, state, area=self.area)
        if any(item.ref == self.coverage_ref for item in declarations(row)):
            raise errors.AlreadyExists("the declaration is made")
        if len(row.coverage) >= DECLARATIONS_MAX:
            raise errors.Conflict(f"at most {DECLARATIONS_MAX} declarations of a type are in force")

    def _allow_period(self) -> None:
        for name in ("issued_from", "issued_to"):
            day = getattr(self, name)
            if day is not None and not license.DAY_MIN <= day <= license.DAY_MAX:
                raise errors.Invalid("a date lies between 1900-01-01 and 2200-12-31", field=name)
        if None not in (self.issued_from, self.issued_to) and self.issued_to < self.issued_from:  # type: ignore[operator]
            raise errors.Invalid("issued_to is before issued_from", field="issued_to")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(TypeRow, self.type_code)
        made = Declaration(
            ref=self.coverage_ref,
            holds=self.holds,
            issuer=self.issuer,
            area=self.area,
            issued_from=self.issued_from,
            issued_to=self.issued_to,
        )
        state.put(replace(row, coverage=(*row.coverage, made.text())))


@dataclass(frozen=True, kw_only=True)
class CoverageWithdrawn(Fact):
    """A declaration counts no more from this fact's position."""

    scope: ClassVar[str | None] = "coverage:declare"
    coverage_ref: bytes
    type_code: str

    def touches(self, about: event.Event) -> Touched:
        return ((TypeRow, self.type_code),)

    def allow(self, about: event.Event, state: State) -> None:
        row = _type(self.type_code, state)
        made = next((item for item in declarations(row) if item.ref == self.coverage_ref), None)
        if made is None:
            raise errors.NotFound("no such declaration is in force")
        _allow_declarer(made.issuer, self.type_code, about, state, area=made.area)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(TypeRow, self.type_code)
        kept = (item.text() for item in declarations(row) if item.ref != self.coverage_ref)
        state.put(replace(row, coverage=tuple(kept)))


@dataclass(frozen=True, kw_only=True)
class SourceDeclared(Fact):
    """目录型 types: the source that holds the licenses answers, does not, or is the ledger again."""

    scope: ClassVar[str | None] = "coverage:declare"
    type_code: str
    source: str
    """`up`, `down` or `ledger`."""

    def touches(self, about: event.Event) -> Touched:
        return ((TypeRow, self.type_code),)

    def allow(self, about: event.Event, state: State) -> None:
        row = _type(self.type_code, state)
        if self.source not in SOURCES:
            raise errors.Invalid(f"one of {', '.join(SOURCES)}", field="source")
        if (
            about.client is not None
            and self.type_code not in state.need(ClientRow, about.client).license_types
        ):
            _allow_declarer(None, self.type_code, about, state)
        if self.source == (row.source or "ledger"):
            raise errors.Conflict("the source is declared so")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(TypeRow, self.type_code)
        state.put(replace(row, source=None if self.source == "ledger" else self.source))


def _type(type_code: str, state: State) -> TypeRow:
    row = state.get(TypeRow, type_code)
    if row is None:
        raise errors.LicenseTypeUnknown(field="license_type")
    return row


def _allow_declarer(
    issuer: str | None, type_code: str, about: event.Event, state: State, *, area: str | None = None
) -> None:
    """An issuer speaks for itself, and for whom it succeeded; for areas and for all only the operator."""
    operator = state.need(LedgerRow, 0).operator
    if about.organization in (operator, issuer):
        return
    own, day = state.get(OrganizationRow, about.organization), days.of_instant(about.recorded_at)
    types = (type_code,)
    if issuer is None or not power.has_succeeded(own, issuer, day=day, type_codes=types, area=area):
        raise errors.NotTheIssuer(field="issuer")
