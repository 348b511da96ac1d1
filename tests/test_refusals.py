"""What a refused use tells, and what it does not, through the real append path."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import command, errors, registry_commands
from ledger.pen import Recorded
from ledger.store import wall_clock
from signing import event
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, HALL, World, citizen

HOUR_US = 3_600_000_000


def said(recorded: list[Recorded]) -> dict[str, Any]:
    """All that stands in clear in a refusal, but what differs from event to event by chance or time."""
    (item,) = recorded
    assert item.event.topic == "UseRefused"
    members = {name: getattr(item.event, name) for name in event.Event.__dataclass_fields__}
    for name in ("event_id", "recorded_at", "effective_at", "operator_ref"):
        del members[name]
    members["sealed"] = {
        part: (sealed[0], len(sealed[-1])) for part, sealed in dict(item.event.sealed).items()
    }
    members["bytes"] = len(item.data)
    return members


def test_refusals_without_an_authorization_look_alike_to_the_byte_count(world: World) -> None:
    """Holders of many kinds, asked for in one way: unknown, holding others, holding it, erased."""
    world.use(holder=citizen(9), type_code=CITIZEN_CARD)  # the operator becomes known here
    world.issue(citizen(2), type_code=BUSINESS_LICENSE)
    world.issue(citizen(3), type_code=CITIZEN_CARD)
    world.grant(requester=AUDITOR, type_codes=(CITIZEN_CARD,))
    world.grant(mode="holder", holder=citizen(3), type_codes=(BUSINESS_LICENSE,))
    world.issue(citizen(4), type_code=CITIZEN_CARD)
    world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=citizen(4)))
    told = [said(world.use(holder=citizen(number), type_code=CITIZEN_CARD)) for number in (1, 2, 3, 4)]
    assert told[0]["fact"]["reason"] == "not-authorized"
    assert all(one == told[0] for one in told)


def test_an_unknown_a_foreign_and_an_erased_license_look_alike(world: World) -> None:
    world.use(license_ref=bytes(16))
    foreign, erased = world.issue(citizen(1)), world.issue(citizen(2))
    world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=citizen(2)))
    world.grant(type_codes=(CITIZEN_CARD,))
    told = [said(world.use(license_ref=ref)) for ref in (b"\xff" * 16, foreign, erased)]
    assert told[0] == told[1] == told[2]
    world.grant(requester=AUDITOR)
    assert said(world.use(license_ref=foreign)) == told[0]


def test_an_ended_authorization_does_not_tell_who_holds_what(world: World) -> None:
    world.use()
    world.issue(citizen(1))
    world.grant(valid_until=wall_clock() - HOUR_US)
    told = [said(world.use(holder=citizen(number), type_code=BUSINESS_LICENSE)) for number in (1, 2)]
    assert told[0]["fact"]["reason"] == "authorization-ended"
    assert told[0] == told[1]


def test_an_authorization_for_other_items_does_not_tell_who_holds_what(world: World) -> None:
    world.use()
    world.issue(citizen(1))
    world.grant(service_items=("item-9",))
    told = [said(world.use(holder=citizen(number), type_code=BUSINESS_LICENSE)) for number in (1, 2)]
    assert told[0]["fact"]["reason"] == "item-not-covered"
    assert told[0] == told[1]


def test_a_use_code_of_an_erased_holder_is_as_unknown_as_any(world: World) -> None:
    world.use(use_code="a" * 26)
    world.issue(citizen(1))
    _, code = world.grant_with_code(mode="holder", holder=citizen(1))
    assert world.use(use_code=code)[0].event.topic == "LicenseUsed"
    world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=citizen(1)))
    assert said(world.use(use_code=code)) == said(world.use(use_code="b" * 26))


def test_a_use_code_is_worth_nothing_to_another_requester(world: World) -> None:
    world.issue(citizen(1))
    _, code = world.grant_with_code(mode="holder", holder=citizen(1), requester=AUDITOR)
    world.use(use_code="a" * 26)
    assert said(world.use(use_code=code)) == said(world.use(use_code="b" * 26))


def test_a_standing_authorization_has_no_use_code(world: World) -> None:
    _, code = world.grant_with_code(mode="statutory")
    world.use(use_code="a" * 26)
    assert said(world.use(use_code=code)) == said(world.use(use_code="b" * 26))


def test_more_than_twenty_effective_licenses_are_listed_to_choose_from(world: World) -> None:
    refs = {world.issue() for _ in range(21)}
    world.grant(uses_max=2)
    (refused,) = world.use()
    assert refused.event.fact["reason"] == "ambiguous"
    assert set(refused.event.fact["choices"]) == refs
    (used,) = world.use(license_ref=min(refs))
    assert used.event.fact["license_ref"] == min(refs)


def test_effective_licenses_are_found_among_many_that_are_not(world: World) -> None:
    """Those that do not count yet, or no more, never crowd out the one that does."""
    for _ in range(60):
        world.issue(valid_from="2199-01-01")
        world.issue(valid_from="2001-01-01", valid_to="2002-01-01")
    effective = world.issue(valid_from="2000-01-01")
    world.grant()
    assert [item.event.fact["license_ref"] for item in world.use()] == [effective]


def test_a_fresh_consent_is_found_among_many_that_are_used_up(world: World) -> None:
    world.issue()
    for _ in range(110):
        world.grant(mode="holder", valid_until=wall_clock() + HOUR_US, valid_from=wall_clock() + HOUR_US // 2)
    for _ in range(110):
        world.grant(mode="holder", valid_until=1)
    fresh = world.grant(mode="holder")
    (used,) = world.use()
    assert used.event.fact["authorization_ref"] == fresh


def test_twenty_are_used_together_or_none(world: World) -> None:
    for _ in range(3):
        world.issue()
    ref = world.grant(uses_max=5)
    assert len(world.use()) == 3
    (refused,) = world.use()
    assert (refused.event.fact["reason"], refused.event.fact["authorization_ref"]) == (
        "authorization-exhausted",
        ref,
    )


def test_a_not_held_license_leaves_no_trace_with_a_holder_nobody_knows(world: World) -> None:
    world.grant()
    world.cover()
    (refused,) = world.use(holder=citizen(7), type_code=BUSINESS_LICENSE)
    (known,) = world.use(holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
    assert refused.event.fact["reason"] == known.event.fact["reason"] == "not-held"
    assert refused.event.stream_id == known.event.stream_id


@pytest.mark.parametrize("scope", ["license:verify", "audit:read"])
def test_a_client_without_the_scope_gets_no_decision(world: World, scope: str) -> None:
    world.issue()
    world.grant()
    actor: command.Actor = world.register(HALL, scope)
    with pytest.raises(errors.ScopeMissing):
        world.use(actor=actor)
