"""A license is found by its printed number 证照编号, whoever else has the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import (
    authorization_commands,
    comparison_commands,
    correction_commands,
    directory,
    errors,
    keeping,
    license_commands,
    number,
    number_commands,
    reading,
    registry_commands,
)
from ledger.command import Command
from signing import ids
from tests.test_catalog_life import content, issue, revision
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, HALL, World, citizen


def found(world: World, printed: str) -> tuple[bytes, ...]:
    reader = reading.Reader(world.ledger.ways.service, world.ledger.vault, pool_max=1)
    try:
        return reader.filed(printed)
    finally:
        reader.close()


def by_number(world: World, printed: str, **asked: Any) -> number_commands.UseByNumber:
    members = {"actor": world.hall, "type_code": BUSINESS_LICENSE, **asked}
    return number_commands.UseByNumber(number=printed, found=found(world, printed), **members)


def told(world: World, asked: Command) -> dict[str, Any]:
    (recorded,) = world.do(asked).recorded
    return recorded.event.fact


def held(world: World, printed: str, holder: Any = ENTERPRISE) -> bytes:
    asked = issue(world, content(printed), holder=holder)
    world.do(asked)
    return asked.license_ref


def amended(world: World, ref: bytes, printed: str) -> license_commands.AmendLicense:
    return license_commands.AmendLicense(
        actor=world.issuer, license_ref=ref, holder=ENTERPRISE, content=content(printed)
    )


def test_a_license_is_filed_under_every_number_it_ever_printed(world: World) -> None:
    ref = held(world, "闽A 1234")
    for printed in ("闽B 5678", "闽A 1234", "闽A 1234"):
        world.do(amended(world, ref, printed))
    # A number is looked for in its normal form, as a claim is compared.
    for printed in ("闽A 1234", "闽ａ1234", "闽B5678"):
        assert found(world, printed) == (ref,)
    assert found(world, "闽A 123") == ()


def test_a_use_by_number_reads_the_one_license_that_has_it(world: World) -> None:
    ref = held(world, "NO-7")
    held(world, "NO-8", citizen(2))
    world.do(issue(world, content("NO-7"), type_code=CITIZEN_CARD, holder=citizen(3)))
    assert told(world, by_number(world, "NO-7"))["reason"] == "not-authorized"
    world.grant()
    assert told(world, by_number(world, "no-7"))["license_ref"] == ref
    assert told(world, by_number(world, "NO-9"))["reason"] == "not-covered"
    world.cover(BUSINESS_LICENSE)
    assert told(world, by_number(world, "NO-9"))["reason"] == "not-held"
    world.status(ref, "suspend")
    assert told(world, by_number(world, "NO-7"))["reason"] == "license-suspended"


def test_of_one_number_that_several_holders_have_the_officer_chooses(world: World) -> None:
    refs = {held(world, "NO-7"), held(world, "NO-7", citizen(2)), held(world, "NO-7", citizen(3))}
    world.grant(uses_max=1)
    refused = told(world, by_number(world, "NO-7"))
    assert (refused["reason"], set(refused["choices"])) == ("ambiguous", refs)
    assert len(refused["summaries"]) == 3
    (used,) = world.use(license_ref=min(refs))
    assert used.event.topic == "LicenseUsed"


def test_a_holders_consent_opens_its_own_license_of_a_number_and_no_other(world: World) -> None:
    ref = held(world, "NO-7")
    other = held(world, "NO-7", citizen(2))
    world.grant(mode="holder", holder=ENTERPRISE)
    assert told(world, by_number(world, "NO-7"))["license_ref"] == ref
    own = {held(world, "NO-7"), ref}
    refused = told(world, by_number(world, "NO-7"))
    assert (refused["reason"], set(refused["choices"])) == ("ambiguous", own)
    assert other not in refused["choices"]


def test_a_consent_tells_nothing_of_whose_a_number_is_unless_it_opens_the_number(world: World) -> None:
    own, other = held(world, "NO-7"), held(world, "NO-8", citizen(2))
    world.do(issue(world, content("NO-6"), type_code=CITIZEN_CARD))
    numbers = ("NO-6", "NO-7", "NO-8", "NO-9")

    def reasons(**asked: Any) -> list[str | None]:
        said = [told(world, by_number(world, one, **asked)) for one in numbers]
        assert all(one.get("authorization_ref") is None for one in said if one.get("reason"))
        return [one.get("reason") for one in said]

    nobodys = ["not-authorized"] * len(numbers)
    assert reasons() == nobodys
    ref = world.grant(mode="holder", holder=ENTERPRISE, field_names=("name",))
    # A use is recorded and counted, and its holder reads of it; nothing else tells one number from another.
    assert reasons() == ["not-authorized", None, "not-authorized", "not-authorized"]
    assert reasons(field_names=("legal_person",)) == nobodys
    world.status(own, "suspend")
    assert reasons() == nobodys
    world.do(authorization_commands.WithdrawAuthorization(actor=world.issuer, authorization_ref=ref))
    assert reasons() == nobodys
    ref = world.grant(mode="holder", holder=ENTERPRISE)
    assert told(world, by_number(world, "NO-7"))["reason"] == "license-suspended"
    assert told(world, by_number(world, "NO-6"))["reason"] == "not-authorized"
    world.do(authorization_commands.WithdrawAuthorization(actor=world.issuer, authorization_ref=ref))
    # Who no longer has an authorization learns no more than who never had one.
    assert reasons() == nobodys
    assert other != own


def test_what_is_known_of_issuer_and_area_tells_equal_numbers_apart(world: World) -> None:
    ref = held(world, "NO-7")
    there = issue(world, content("NO-7", area_code="350203"), holder=citizen(2))
    world.do(there)
    world.grant()
    for known, expected in (
        ({"area": "350200"}, there.license_ref),
        ({"area": "350000", "issuer": world.issuer.organization}, None),
    ):
        hints = by_number(world, "NO-7").expected._replace(**known)
        fact = told(world, by_number(world, "NO-7", expected=hints))
        assert fact.get("license_ref") == expected
    nobodys = by_number(world, "NO-7").expected._replace(issuer=HALL)
    assert told(world, by_number(world, "NO-7", expected=nobodys))["reason"] == "not-covered"
    assert ref != there.license_ref


def test_a_comparison_by_number_is_with_one_license(world: World) -> None:
    ref = held(world, "NO-7", citizen(2))
    world.grant()
    asked = number_commands.CompareByNumber(
        **vars(by_number(world, "NO-7", field_names=("name",))), claims={"name": "另一值"}
    )
    with pytest.raises(errors.VersionMoved) as moved:
        world.do(asked)
    verdicts: comparison_commands.Verdicts = (("name", "mismatch"),)
    made = told(world, replace(asked, known={moved.value.extra["version_index"]: verdicts}))
    assert made["license_ref"] == ref
    held(world, "NO-7")
    again = number_commands.CompareByNumber(
        **vars(by_number(world, "NO-7", field_names=("name",))), claims={"name": "另一值"}
    )
    refused = told(world, again)
    assert (refused["reason"], refused["act"]) == ("ambiguous", "comparison")


def test_a_number_is_found_under_a_new_pepper_and_gone_with_its_holder(world: World) -> None:
    ref = held(world, "NO-7")
    other = held(world, "NO-7", citizen(2))
    world.grant()
    keeping.rotate_pepper(world.ledger)
    assert set(found(world, "NO-7")) == {ref, other}
    asked = by_number(world, "NO-7")
    world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=citizen(2)))
    assert found(world, "NO-7") == (ref,)
    # What was found before the lock is decided under it.
    assert told(world, asked)["license_ref"] == ref


def test_a_number_goes_with_a_license_to_its_right_holder(world: World) -> None:
    made = issue(world, content("NO-7"))
    world.do(made)
    ref = made.license_ref
    world.do(
        correction_commands.CorrectHolder(
            actor=world.issuer,
            license_ref=ref,
            holder=citizen(2),
            type_and_issuer=(BUSINESS_LICENSE, world.issuer.organization),
            serial_version=1,
            content=content("NO-8", serial=made.content.serial),
        )
    )
    world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=ENTERPRISE))
    assert found(world, "NO-7") == found(world, "NO-8") == (ref,)


def test_where_numbers_are_unique_they_are_refused_and_filed_alike(world: World) -> None:
    world.do(revision(world, number_scope="type"))
    ref = held(world, "A-1")
    with pytest.raises(errors.NumberTaken):
        held(world, "A-1", citizen(2))
    assert found(world, "A-1") == (ref,)


def test_the_row_says_which_lookup_leads_to_it(world: World) -> None:
    vault, ref = world.ledger.vault, b"r" * 16
    lookup = number.filed(vault, "闽a 1", ref)
    filed = number.filed_content("闽a 1", ref)
    assert filed == ["闽A1", ids.text(ref)]
    assert directory.entry_lookup(vault, number.FILED, filed) == lookup
