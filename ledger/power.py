"""Who may act as the responsible issuer 颁证机关 of a license: pure, asked under the lock and by `check`.

An organization issues in its own name; in another's while issuing is entrusted to it 委托/下放; and it
changes the licenses of those it succeeded. Identifiers, seals and receipts stay as printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger import days, errors
from ledger.state import EntrustmentRow, OrganizationRow, State

_DIVISION = slice(2, 8)
"""Of a credit code: the division code of the registering authority (GB 32100 §4)."""
EVERY = "*"


class Grant(NamedTuple):
    """One entrustment between two organizations, as its row spells it."""

    entrustment_ref: str
    valid_from: int
    valid_until: int | None
    """The last Beijing day; None: until it ends."""
    type_codes: tuple[str, ...]
    areas: tuple[str, ...]
    """Division codes; empty: everywhere."""

    def text(self) -> str:
        """The row's spelling."""
        until = "-" if self.valid_until is None else str(self.valid_until)
        areas = ",".join(self.areas) or EVERY
        return f"{self.entrustment_ref} {self.valid_from} {until} {','.join(self.type_codes)} {areas}"

    def covers(self, type_code: str, area: str, day: int) -> bool:
        """Whether it lets the delegate act for a license of this type and area on this day."""
        is_here = not self.areas or any(lies_within(area, outer) for outer in self.areas)
        return self.is_in_force(day) and type_code in self.type_codes and is_here

    def is_in_force(self, day: int) -> bool:
        """Whether it lasts on this day."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class Handover(NamedTuple):
    """One succession, as the rows of both organizations spell it."""

    organization: str
    """The other one."""
    since: int
    """The first Beijing day."""
    type_codes: tuple[str, ...]
    """Empty: every type."""
    areas: tuple[str, ...] = ()
    """Division codes; empty: everywhere."""

    def text(self) -> str:
        """The rows' spelling; where it is for everywhere, nothing is said of it."""
        said = f"{self.organization} {self.since} {','.join(self.type_codes) or EVERY}"
        return f"{said} {','.join(self.areas)}" if self.areas else said

    def covers(self, type_code: str, day: int, area: str | None) -> bool:
        """Whether it concerns this type on this day and in this division; None: wherever it may be."""
        is_of_type = not self.type_codes or type_code in self.type_codes
        is_here = not self.areas or (
            area is not None and any(lies_within(area, outer) for outer in self.areas)
        )
        return self.since <= day and is_of_type and is_here

    def common(self, other: Handover) -> Handover | None:
        """What both concern, from the later day on, as one from the organization of `self`; None: nothing."""
        type_codes = _common_types(self.type_codes, other.type_codes)
        areas = _common_areas(self.areas, other.areas)
        if type_codes is None or areas is None:
            return None
        return Handover(self.organization, max(self.since, other.since), type_codes, areas)


def _common_types(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...] | None:
    """Types that are in both, where none stands for all; None: no type is."""
    if not some or not others:
        return some or others
    return tuple(sorted({*some} & {*others})) or None


def _common_areas(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...] | None:
    """Divisions that lie in both, where none stands for everywhere; None: nowhere is."""
    if not some or not others:
        return some or others
    inner = {area for area in some if any(lies_within(area, outer) for outer in others)}
    inner |= {area for area in others if any(lies_within(area, outer) for outer in some)}
    return tuple(sorted(inner)) or None


class Reach(NamedTuple):
    """Which licenses an organization answers for beside, and instead of, those that it issued."""

    taken_over: tuple[Handover, ...] = ()
    """Of whom it succeeded."""
    handed_over: tuple[Handover, ...] = ()
    """To whom it has handed on: of these types and divisions it answers for none, whoever issued them."""


def grants(row: EntrustmentRow | None) -> Iterator[Grant]:
    """The entrustments of a pair of organizations that did not end."""
    for text in () if row is None else row.grants:
        ref, since, until, type_codes, areas = text.split(" ")
        yield Grant(
            ref,
            int(since),
            None if until == "-" else int(until),
            tuple(type_codes.split(",")),
            () if areas == EVERY else tuple(areas.split(",")),
        )


def handovers(texts: tuple[str, ...]) -> Iterator[Handover]:
    """The successions in a row of an organization."""
    for text in texts:
        organization, since, type_codes, *areas = text.split(" ")
        yield Handover(
            organization,
            int(since),
            () if type_codes == EVERY else tuple(type_codes.split(",")),
            tuple(areas[0].split(",")) if areas else (),
        )


def pair(delegator: str, delegate: str) -> str:
    """The key of what one organization entrusted to another."""
    return f"{delegator} {delegate}"


def lies_within(area: str, outer: str) -> bool:
    """Whether a division lies in another: 350102 in 350100 and in 350000 (GB/T 2260)."""
    return area.startswith(beginning(outer))


def beginning(outer: str) -> str:
    """The first digits of all divisions that lie in one."""
    while outer.endswith("00"):
        outer = outer[:-2]
    return outer


def area_of(area_code: str | None, issuer: str) -> str:
    """管辖属地 of a license: its own division code, or the one in its issuer's credit code."""
    return area_code or issuer[_DIVISION]


def has_succeeded(
    row: OrganizationRow | None,
    predecessor: str,
    *,
    day: int,
    type_codes: tuple[str, ...] = (),
    area: str | None = None,
) -> bool:
    """Whether the organization of `row` succeeded another on a day, for every one of some types.

    In a division; None: everywhere, which is asked of what lies in none, such as types and grants.
    """
    taken = [one for one in handovers(() if row is None else row.took_over) if one.since <= day]
    mine = [one for one in taken if one.organization == predecessor]
    if not type_codes:
        return any(not one.areas for one in mine)
    return all(any(one.covers(type_code, day, area) for one in mine) for type_code in type_codes)


def handed_over(
    row: OrganizationRow | None, type_codes: tuple[str, ...], *, day: int, area: str | None = None
) -> set[str]:
    """Of some types those for which another has succeeded the organization of `row` by a day.

    In a division, or everywhere. Asked wherever powers over licenses and types are: its own, and those that
    it had taken over.
    """
    gone = list(handovers(() if row is None else row.handed_over))
    return {type_code for type_code in type_codes if any(one.covers(type_code, day, area) for one in gone)}


def reach(row: OrganizationRow | None, *, day: int) -> Reach:
    """What has passed to and from the organization of `row` by a day."""
    if row is None:
        return Reach()
    taken, gone = (
        tuple(one for one in handovers(texts) if one.since <= day)
        for texts in (row.took_over, row.handed_over)
    )
    return Reach(taken, gone)


def require_delegate(state: State, *, organization: str, acting: str, at: int) -> None:
    """Nothing when `acting` has entrusted anything to `organization` now; raises NotTheIssuer.

    Asked of every fact that names another responsible issuer; what it covers, `require_issuer` asks.
    """
    day = days.of_instant(at)
    known = grants(state.get(EntrustmentRow, pair(acting, organization)))
    if not any(grant.is_in_force(day) for grant in known):
        raise errors.NotTheIssuer("issuing is not entrusted", field="issuer")


def require_issuer(
    state: State,
    *,
    organization: str,
    acting: str | None,
    issuer: str,
    type_code: str,
    area_code: str | None,
    at: int,
) -> None:
    """Nothing when `organization` may act as `acting` on licenses of `issuer`; raises NotTheIssuer.

    `issuer` stands on the license, `acting` is the responsible issuer of the event: the same one, or
    its successor. `organization` is `acting`, or its delegate.
    """
    if acting is None:
        raise errors.NotTheIssuer(field="issuer")
    day, area = days.of_instant(at), area_of(area_code, issuer)
    if acting != organization:
        known = grants(state.get(EntrustmentRow, pair(acting, organization)))
        if not any(grant.covers(type_code, area, day) for grant in known):
            raise errors.NotTheIssuer("issuing is not entrusted for this type, area and day", field="issuer")
    row = state.get(OrganizationRow, acting)
    if handed_over(row, (type_code,), day=day, area=area):
        raise errors.NotTheIssuer("another organization has taken the type over", field="issuer")
    if issuer != acting and not has_succeeded(row, issuer, day=day, type_codes=(type_code,), area=area):
        raise errors.NotTheIssuer


def acting(
    state: State, *, organization: str, issuer: str, type_code: str, area_code: str | None, at: int
) -> str | None:
    """As whom an organization may act on licenses of `issuer`: itself, else that issuer as its delegate.

    None where it may not.
    """
    for one in dict.fromkeys((organization, issuer)):
        try:
            require_issuer(
                state,
                organization=organization,
                acting=one,
                issuer=issuer,
                type_code=type_code,
                area_code=area_code,
                at=at,
            )
        except errors.NotTheIssuer:
            continue
        return one
    return None
