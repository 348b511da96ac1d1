"""Erasures of holders who are parties of many licenses: in parts, whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import days, errors, fact, holder, keeping, license_commands, party, registry_commands
from ledger.state import LicenseRow, PartyRow, StreamRow
from tests import world as worlds
from tests.history import HOLDER, REF, STRANGER, begun, version
from tests.world import CITIZEN_CARD, World, citizen

MANY = 2_050
PARTIES = (("holder", HOLDER), ("co-owner", STRANGER))


def issue_many(world: World, count: int, first: Any, second: Any) -> list[bytes]:
    """So many licenses of two people, in as few batches as may be."""
    asked = [
        license_commands.IssueLicense(
            actor=world.issuer,
            type_code=CITIZEN_CARD,
            holder=first,
            content=license_commands.Content(
                serial=license_commands.draw_serial(),
                number=f"NO-{next(worlds.COUNTER)}",
                holder_name="合成持证主体",
                values={"name": "合成持证主体"},
                valid_from=days.parse("2020-01-01"),
                valid_to=None,
                issued_on=days.parse("2020-01-01"),
            ),
            parties=(worlds.owner(second),),
        )
        for _ in range(count)
    ]
    for start in range(0, count, 200):
        for pending in [world.appender.submit(one) for one in asked[start : start + 200]]:
            pending.result(timeout=60)
    return [one.license_ref for one in asked]


def told(world: World) -> list[tuple[str, int]]:
    """Topic and count of licenses of the facts that erase, in their order."""
    stored = world.facts()
    made = [fact.from_event(one.event) for _, one in stored]
    kinds = holder.PartyErased | holder.HolderErased
    return [(one.topic, len(one.shared)) for one in made if isinstance(one, kinds)]


def erase(world: World, number: int) -> None:
    keeping.erase_holder(world.ledger, world.appender, citizen(number), world.ledger.console)


@pytest.mark.faults
@pytest.mark.slow("issues two thousand licenses of two people each")
def test_a_party_of_more_licenses_than_one_event_names_is_erased(world: World) -> None:
    refs = issue_many(world, MANY, citizen(1), citizen(2))
    world.grant(type_codes=(CITIZEN_CARD,))
    erase(world, 2)
    assert told(world) == [("PartyErased", 2_000), ("HolderErased", MANY - 2_000)]
    (used,) = world.use(license_ref=refs[0])
    assert used.event.topic == "LicenseUsed"
    assert "@party_1_name" not in used.event.fact["fields"]
    erase(world, 1)
    assert told(world)[2:] == [("PartyErased", 2_000), ("HolderErased", MANY - 2_000)]
    (refused,) = world.use(license_ref=refs[-1])
    assert refused.event.topic == "UseRefused"


def test_an_erasure_that_was_cut_short_is_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "SHARED_MAX", 3)
    issue_many(world, 4, citizen(1), citizen(2))
    others = issue_many(world, 5, citizen(3), citizen(1))
    asked = registry_commands.EraseHolder(actor=world.ledger.console, holder=citizen(1))
    world.do(asked)
    world.do(asked)
    assert told(world) == [("PartyErased", 3)] * 2
    world.grant(type_codes=(CITIZEN_CARD,))
    (used,) = world.use(license_ref=others[0])
    assert used.event.topic == "LicenseUsed"
    issue_many(world, 1, citizen(3), citizen(1))
    erase(world, 1)
    assert told(world) == [("PartyErased", 3), ("PartyErased", 3), ("PartyErased", 3), ("HolderErased", 1)]
    with pytest.raises(errors.NotFound):
        world.do(asked)


def test_parts_take_a_party_from_its_licenses_and_erase_nobody() -> None:
    history = begun()
    members = {"parties": PARTIES, "party_fields": ((1, "domicile"),)}
    history.record(version(**members))
    before = history.row(LicenseRow, REF)
    history.record(holder.PartyErased(shared=(REF,)), stream=STRANGER, by=None)
    row = history.row(LicenseRow, REF)
    assert row == party.without(before, STRANGER)
    assert "domicile" not in row.field_names
    assert not history.row(PartyRow, REF + STRANGER).is_current
    assert not history.row(StreamRow, STRANGER).is_erased
    history.record(holder.PartyErased(shared=(REF,)), by=None)
    assert history.row(LicenseRow, REF).is_orphaned


@pytest.mark.parametrize("wrong", [(), (REF, REF), (b"9" * 16,)])
def test_a_part_names_licenses_of_its_holder(wrong: tuple[bytes, ...]) -> None:
    history = begun()
    history.record(version(parties=PARTIES))
    with pytest.raises(errors.LedgerError):
        history.record(holder.PartyErased(shared=wrong), by=None)
    with pytest.raises(errors.ScopeMissing):
        history.record(holder.PartyErased(shared=(REF,)))
