"""Organizations succeed each other 机构改革: powers pass, printed identifiers stand.

Facts of the ledger's console. The successor amends and changes the licenses of the predecessor, writes its
license types and changes what it granted; the predecessor does so no more. Standing authorizations that
the predecessor uses are kept, passed on or ended, each by a fact of its own. Holders' consents name one
requester and never pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from ledger import authorization, catalog_rules, client, days, errors, power
from ledger.errors import Fault
from ledger.fact import Fact, Touched
from ledger.state import AuthorizationRow, OrganizationRow, State, TypeRow
from signing import event

AUTHORIZATIONS = ("keep", "pass", "end")
"""What becomes of standing authorizations of the predecessor."""
HANDOVERS_MAX = 50
TYPES_MAX = AREAS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class OrganizationSucceeded(Fact):
    """From a day on one organization has the powers of another, for some types and divisions or for all."""

    predecessor: str
    successor: str
    type_codes: tuple[str, ...]
    """License types that the predecessor issued; empty: all of them."""
    since: int
    """The first Beijing day."""
    authorizations: str
    areas: tuple[str, ...] = ()
    """Division codes that the licenses lie in; empty: everywhere."""

    def touches(self, about: event.Event) -> Touched:
        yield OrganizationRow, self.predecessor
        yield OrganizationRow, self.successor
        for type_code in self.type_codes:
            yield TypeRow, type_code

    def allow(self, about: event.Event, state: State) -> None:
        errors.refuse(list(self._faults()))
        for type_code in self.type_codes:
            if state.get(TypeRow, type_code) is None:
                raise errors.LicenseTypeUnknown(field="license_types")
        for code in (self.predecessor, self.successor):
            row = state.get(OrganizationRow, code)
            if row is None:
                raise errors.NotFound("an organization without a client here: register its client first")
            if any(gone.common(self._handover) for gone in power.handovers(row.handed_over)):
                raise errors.Conflict("an organization has handed some of it over already")
        if self.since > days.of_instant(about.recorded_at):
            raise errors.Invalid("a succession is recorded when its day has come", field="since")
        heir = state.need(OrganizationRow, self.successor)
        if len(heir.took_over) + len(self._passed(state)) > HANDOVERS_MAX:
            raise errors.Conflict("the successor has taken over from too many")

    def _faults(self) -> Iterator[Fault]:
        for field, code in (("predecessor", self.predecessor), ("successor", self.successor)):
            try:
                client.check_organization(code, field=field)
            except errors.Invalid as error:
                yield Fault(field, error.detail)
        if self.predecessor == self.successor:
            yield Fault("successor", "an organization is succeeded by another")
        if len(self.type_codes) > TYPES_MAX or list(self.type_codes) != sorted(set(self.type_codes)):
            yield Fault("license_types", f"at most {TYPES_MAX} different ones, sorted")
        if self.authorizations not in AUTHORIZATIONS:
            yield Fault("authorizations", f"one of {', '.join(AUTHORIZATIONS)}")
        if len(self.areas) > AREAS_MAX or list(self.areas) != sorted(set(self.areas)):
            yield Fault("areas", f"at most {AREAS_MAX} different ones, sorted")
        if not all(catalog_rules.AREA.fullmatch(area) for area in self.areas):
            yield Fault("areas", "a division code has six digits")
        if self.areas and self.authorizations != "keep":
            yield Fault("authorizations", "what lies in no division is kept when some divisions pass")

    @property
    def _handover(self) -> power.Handover:
        """What passes, from the predecessor."""
        return power.Handover(self.predecessor, self.since, self.type_codes, self.areas)

    def _passed(self, state: State) -> list[str]:
        """What the successor takes over: from the predecessor, and from those it had succeeded."""
        row = state.need(OrganizationRow, self.predecessor)
        earlier = (one.common(self._handover) for one in power.handovers(row.took_over))
        return [one.text() for one in (self._handover, *earlier) if one is not None]

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        former = state.need(OrganizationRow, self.predecessor)
        heir = state.need(OrganizationRow, self.successor)
        state.put(replace(heir, took_over=(*heir.took_over, *self._passed(state))))
        gone = self._handover._replace(organization=self.successor).text()
        state.put(replace(former, handed_over=(*former.handed_over, gone)))


@dataclass(frozen=True, kw_only=True)
class AuthorizationPassedOn(Fact):
    """A standing authorization is the successor's from here on; scope, count and grantor stay."""

    stream_kind: ClassVar[str] = "organization"
    authorization_ref: bytes
    former: str
    requester: str

    def touches(self, about: event.Event) -> Touched:
        yield AuthorizationRow, self.authorization_ref
        yield OrganizationRow, self.requester

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(AuthorizationRow, self.authorization_ref)
        if row is None or row.requester != self.former or row.mode == "holder":
            raise errors.AuthorizationNotFound
        if row.is_withdrawn:
            raise errors.AuthorizationWithdrawnConflict
        heir = state.get(OrganizationRow, self.requester)
        day = days.of_instant(about.recorded_at)
        if heir is None or not power.has_succeeded(heir, self.former, day=day):
            raise errors.Conflict("the requester has not succeeded the former one")
        if about.stream_id != heir.stream_id:
            raise errors.Conflict("a standing authorization stands in the requester's stream")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(AuthorizationRow, self.authorization_ref)
        state.put(replace(row, requester=self.requester, stream_id=about.stream_id))


Settled = AuthorizationPassedOn | authorization.AuthorizationWithdrawn


def settled(row: AuthorizationRow, *, former: str, heir: str, authorizations: str) -> Settled:
    """The fact that passes a standing authorization on, or ends it."""
    if authorizations == "pass":
        return AuthorizationPassedOn(authorization_ref=row.authorization_ref, former=former, requester=heir)
    return authorization.AuthorizationWithdrawn(authorization_ref=row.authorization_ref)
