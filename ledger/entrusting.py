"""Entrusting the use of licenses 委托用证: an issuer, or its successor, lets another use them."""

from __future__ import annotations

from ledger import client, days, errors, power
from ledger.state import OrganizationRow, State
from signing import event


def allow(
    entrusted_by: str | None,
    requester: str,
    type_codes: tuple[str, ...],
    about: event.Event,
    state: State,
    *,
    mode: str,
) -> None:
    """Nothing when the actor may entrust the use of these types; raises Invalid or NotTheIssuer."""
    if (mode == "entrusted") != (entrusted_by is not None):
        raise errors.Invalid("named in mode `entrusted` and in no other", field="entrusted_by")
    if entrusted_by is None:
        return
    client.check_organization(entrusted_by, field="entrusted_by")
    if entrusted_by == requester:
        raise errors.Invalid("an organization entrusts another", field="entrusted_by")
    if about.client is None:
        return
    if requester == about.organization:
        raise errors.Invalid("an organization entrusts another", field="entrusted_by")
    own, day = state.get(OrganizationRow, about.organization), days.of_instant(about.recorded_at)
    if power.handed_over(own, type_codes, day=day):
        raise errors.NotTheIssuer("another organization has taken a type over", field="entrusted_by")
    if about.organization != entrusted_by and not power.has_succeeded(
        own, entrusted_by, day=day, type_codes=type_codes
    ):
        raise errors.NotTheIssuer(field="entrusted_by")
