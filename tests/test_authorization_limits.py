"""Caps a day, cases and entrusting of authorizations: given facts, when one more, then row or error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import authorization, authorization_commands, days, errors, organization_commands
from ledger.state import AuthorizationRow, LicenseRow
from ledger.store import wall_clock
from tests import world as worlds
from tests.history import HALL, ISSUER, NOON, OTHER, REF, STREAMS, UNSHARED, begun, granted, version
from tests.test_authorization import WIDE, narrowed, used, with_grant
from tests.world import World, citizen


def test_a_cap_a_day_counts_one_beijing_day() -> None:
    history = with_grant(uses_per_day=2)
    midnight = days.start(days.of_instant(NOON) + 1)
    for at in (NOON, midnight - 1):
        history.record(used(history), by=HALL, at=at)
    with pytest.raises(errors.Forbidden, match="authorization-exhausted-today"):
        history.record(used(history), by=HALL, at=midnight - 1)
    for _ in range(2):
        history.record(used(history), by=HALL, at=midnight)
    with pytest.raises(errors.Forbidden, match="authorization-exhausted-today"):
        history.record(used(history), by=HALL, at=midnight + 1)
    row = history.row(AuthorizationRow, REF)
    assert (row.uses, row.uses_today) == (4, 2)


def test_an_authorization_for_a_case_serves_no_other() -> None:
    history = with_grant(case_numbers=("case-1", "case-2"))
    history.record(used(history), by=HALL, case_number="case-2")
    for number in ("case-3", None):
        with pytest.raises(errors.Forbidden, match="case-not-covered"):
            history.record(used(history), by=HALL, case_number=number)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"uses_per_day": 0}, "scope.uses_per_day"),
        ({"case_numbers": ("b", "a")}, "scope.case_numbers"),
        ({"case_numbers": ("",)}, "scope.case_numbers"),
        ({"case_numbers": ("x" * 65,)}, "scope.case_numbers"),
        ({"case_numbers": (f"case {citizen(1).code}",)}, "scope.case_numbers"),
    ],
)
def test_a_cap_or_a_case_with_a_flaw_is_refused(members: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        with_grant(**members)
    assert refused.value.field == field


def test_caps_and_cases_are_narrowed_and_never_widened() -> None:
    limits = {"uses_per_day": 5, "case_numbers": ("case-1", "case-2")}
    history = begun()
    history.record(granted(**WIDE | limits))
    for wider in (
        {"uses_per_day": 6},
        {"uses_per_day": None},
        {"case_numbers": None},
        {"case_numbers": ("case-1", "case-3")},
    ):
        with pytest.raises(errors.ScopeWidened):
            history.record(narrowed(**limits | wider))
    narrower = {"uses_per_day": 4, "case_numbers": ("case-2",)}
    history.record(narrowed(**narrower))
    row = history.row(AuthorizationRow, REF)
    assert (row.uses_per_day, row.case_numbers) == (4, ("case-2",))
    free = begun()
    free.record(granted(**WIDE))
    free.record(narrowed(**narrower))
    assert free.row(AuthorizationRow, REF).uses_per_day == 4


def entrusted(**members: Any) -> authorization.AuthorizationGranted:
    return granted("entrusted", **{"entrusted_by": ISSUER} | members)


def test_an_organization_entrusts_the_use_of_what_it_issued_and_of_nothing_else() -> None:
    history = begun()
    history.record(version())
    history.record(entrusted(), stream=STREAMS[HALL])
    made = used(history)
    history.record(made, by=HALL)
    other = begun()
    other.record(version(), by=ISSUER)
    other.record(entrusted(entrusted_by=OTHER), stream=STREAMS[HALL], by=OTHER)
    with pytest.raises(errors.Forbidden, match="does not cover"):
        other.record(replace(made, license_index=other.row(LicenseRow, REF).version_index), by=HALL)


def test_only_the_entrusting_organization_or_the_console_entrusts() -> None:
    history = begun()
    with pytest.raises(errors.NotTheIssuer):
        history.record(entrusted(), stream=STREAMS[HALL], by=OTHER)
    history.record(entrusted(), stream=STREAMS[HALL], by=None)
    for made in (
        entrusted(entrusted_by=None),
        entrusted(entrusted_by=HALL),
        granted("statutory", entrusted_by=ISSUER),
    ):
        with pytest.raises(errors.Invalid) as refused:
            begun().record(made, stream=STREAMS[HALL])
        assert refused.value.field == "entrusted_by"
    with pytest.raises(errors.SharingClassForbids):
        begun().record(entrusted(type_codes=(UNSHARED,)), stream=STREAMS[HALL])


OPEN = authorization.Scope(
    license_refs=(),
    type_codes=(),
    field_names=None,
    service_items=None,
    valid_from=0,
    valid_until=None,
    uses_max=None,
)


def test_what_a_successor_entrusts_of_its_predecessors_licenses_is_used(world: World) -> None:
    heir = world.register(worlds.AUDITOR, "authorization:grant")
    world.issue()
    asked = authorization_commands.GrantAuthorization(
        actor=world.issuer,
        mode="entrusted",
        requester=worlds.HALL,
        entrusted_by=worlds.ISSUER,
        scope=replace(OPEN, type_codes=(worlds.BUSINESS_LICENSE,)),
    )
    with pytest.raises(errors.NotTheIssuer):
        world.do(replace(asked, actor=heir))
    world.do(
        organization_commands.SucceedOrganization(
            actor=world.ledger.console,
            predecessor=worlds.ISSUER,
            successor=worlds.AUDITOR,
            authorizations="keep",
            type_codes=(),
            since=days.of_instant(wall_clock()),
        )
    )
    with pytest.raises(errors.NotTheIssuer):
        world.do(asked)
    assert [one.event.topic for one in world.use()] == ["UseRefused"]
    world.do(replace(asked, actor=heir))
    assert [one.event.topic for one in world.use()] == ["LicenseUsed"]
