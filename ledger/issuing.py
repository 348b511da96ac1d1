"""Entrusted issuing 委托/下放: an organization lets another issue for it, and takes that back.

Facts of the registry stream. The delegator stays the responsible issuer; the delegate's clients name it
in each request, and their registrations name the types. What it covers is decided in `power.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ledger import catalog_rules, client, errors, license, power
from ledger.errors import Fault
from ledger.fact import Fact, Touched
from ledger.state import ClientRow, EntrustmentRow, State, TypeRow
from signing import event, ids

GRANTS_MAX = 50
"""Entrustments in force between two organizations."""
LIST_MAX = 100


@dataclass(frozen=True, kw_only=True)
class IssuingEntrusted(Fact):
    """The delegate may issue, amend and change the status of licenses of the delegator."""

    scope: ClassVar[str | None] = "issuing:entrust"
    entrustment_ref: bytes
    delegator: str
    delegate: str
    type_codes: tuple[str, ...]
    areas: tuple[str, ...]
    """Division codes that the licenses lie in; empty: everywhere."""
    valid_from: int
    valid_until: int | None
    """The last Beijing day; null: until it is ended."""

    def touches(self, about: event.Event) -> Touched:
        yield EntrustmentRow, power.pair(self.delegator, self.delegate)
        for type_code in self.type_codes:
            yield TypeRow, type_code

    def allow(self, about: event.Event, state: State) -> None:
        errors.refuse(list(self._faults()))
        for type_code in self.type_codes:
            if state.get(TypeRow, type_code) is None:
                raise errors.LicenseTypeUnknown(field="license_types")
        if about.client is not None:
            own = state.need(ClientRow, about.client).license_types
            if about.organization != self.delegator or not set(self.type_codes) <= set(own):
                raise errors.NotTheIssuer(field="license_types")
        known = list(power.grants(state.get(EntrustmentRow, power.pair(self.delegator, self.delegate))))
        if len(known) >= GRANTS_MAX:
            raise errors.Conflict("too many entrustments are in force between the two")
        if ids.text(self.entrustment_ref) in {grant.entrustment_ref for grant in known}:
            raise errors.AlreadyExists("the entrustment is recorded")

    def _faults(self) -> Iterator[Fault]:
        for field, code in (("delegator", self.delegator), ("delegate", self.delegate)):
            try:
                client.check_organization(code, field=field)
            except errors.Invalid as error:
                yield Fault(field, error.detail)
        if self.delegator == self.delegate:
            yield Fault("delegate", "issuing is entrusted to another organization")
        for field, items in (("license_types", self.type_codes), ("areas", self.areas)):
            if len(items) > LIST_MAX or list(items) != sorted(set(items)):
                yield Fault(field, f"at most {LIST_MAX} different ones, sorted")
        if not self.type_codes:
            yield Fault("license_types", "an entrustment names types")
        if not all(catalog_rules.AREA.fullmatch(area) for area in self.areas):
            yield Fault("areas", "a division code has six digits")
        for field, day in (("valid_from", self.valid_from), ("valid_until", self.valid_until)):
            if day is not None and not license.DAY_MIN <= day <= license.DAY_MAX:
                yield Fault(field, "a date lies between 1900-01-01 and 2200-12-31")
        if self.valid_until is not None and self.valid_until < self.valid_from:
            yield Fault("valid_until", "the entrustment ends before it begins")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        key = power.pair(self.delegator, self.delegate)
        row = state.get(EntrustmentRow, key)
        made = power.Grant(
            ids.text(self.entrustment_ref), self.valid_from, self.valid_until, self.type_codes, self.areas
        )
        before = () if row is None else row.grants
        state.put(EntrustmentRow(pair=key, grants=(*before, made.text())))


@dataclass(frozen=True, kw_only=True)
class IssuingEntrustmentEnded(Fact):
    """The delegate acts for the delegator no more; what it issued stands. Either of the two ends it."""

    scope: ClassVar[str | None] = "issuing:entrust"
    entrustment_ref: bytes
    delegator: str
    delegate: str

    def touches(self, about: event.Event) -> Touched:
        return ((EntrustmentRow, power.pair(self.delegator, self.delegate)),)

    def allow(self, about: event.Event, state: State) -> None:
        is_party = about.organization in (self.delegator, self.delegate)
        known = power.grants(state.get(EntrustmentRow, power.pair(self.delegator, self.delegate)))
        is_known = ids.text(self.entrustment_ref) in {grant.entrustment_ref for grant in known}
        if not is_known or (about.client is not None and not is_party):
            raise errors.NotFound("no such entrustment is in force")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        key, ended = power.pair(self.delegator, self.delegate), ids.text(self.entrustment_ref)
        row = state.need(EntrustmentRow, key)
        left = (grant.text() for grant in power.grants(row) if grant.entrustment_ref != ended)
        state.put(EntrustmentRow(pair=key, grants=tuple(left)))
