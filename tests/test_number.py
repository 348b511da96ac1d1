"""A license is found by its printed number 证照编号, whoever else has the same one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ledger import (
    authorization_commands,
    check,
    comparison_commands,
    correction_commands,
    directory,
    errors,
    fact,
    filing,
    keeping,
    license,
    license_commands,
    number,
    number_commands,
    reading,
    registry_commands,
)
from ledger.command import Command
from signing import ids
from tests.test_catalog_life import content, issue, revision
from tests.test_mapping import LOCAL, VALUES, local_type
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, HALL, World, citizen


def filed(world: World, printed: str, *types: str) -> number.Filed:
    reader = reading.Reader(world.ledger.ways.service, world.ledger.vault, pool_max=1)
    try:
        return reader.filed(printed, types or (BUSINESS_LICENSE,))
    finally:
        reader.close()


def found(world: World, printed: str) -> tuple[bytes, ...]:
    return filed(world, printed).refs


def by_number(world: World, printed: str, **asked: Any) -> number_commands.UseByNumber:
    members = {"actor": world.hall, "type_code": BUSINESS_LICENSE, **asked}
    return number_commands.UseByNumber(number=printed, found=filed(world, printed), **members)


def told(world: World, asked: Command) -> dict[str, Any]:
    (recorded,) = world.do(asked).recorded
    return recorded.event.fact


def held(world: World, printed: str, holder: Any = ENTERPRISE) -> bytes:
    asked = issue(world, content(printed), holder=holder)
    world.do(asked)
    return asked.license_ref


def amended(world: World, ref: bytes, printed: str) -> license_commands.AmendLicense:
    return license_commands.AmendLicense(
        actor=world.issuer,
        license_ref=ref,
        holder=ENTERPRISE,
        type_and_issuer=(BUSINESS_LICENSE, world.issuer.organization),
        content=content(printed),
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
    lookup = number.filed(vault, "闽a 1", CITIZEN_CARD, ref)
    said = number.filed_content("闽a 1", CITIZEN_CARD, ref)
    assert said == ["闽A1", CITIZEN_CARD, ids.text(ref)]
    assert directory.entry_lookup(vault, number.FILED, said) == lookup


def test_a_number_that_other_types_have_by_the_hundred_is_found_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number, "FILED_MAX", 2)
    ref = held(world, "1")
    for holder in range(4):
        world.do(issue(world, content("1"), type_code=CITIZEN_CARD, holder=citizen(holder)))
    world.grant()
    assert told(world, by_number(world, "1"))["license_ref"] == ref
    both = filed(world, "1", CITIZEN_CARD, BUSINESS_LICENSE)
    assert (ref in both.refs, len(both.refs), both.is_all) == (True, 2, False)


def test_nobody_is_sent_home_where_not_all_of_a_number_was_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number, "FILED_MAX", 2)
    for holder in range(3):
        held(world, "1", citizen(holder))
    world.grant()
    world.cover(BUSINESS_LICENSE)
    nobodys = by_number(world, "1").expected._replace(issuer=HALL)
    refused = told(world, by_number(world, "1", expected=nobodys))
    assert (refused["reason"], refused["is_cut_short"], refused.get("coverage", [])) == (
        "not-covered",
        True,
        [],
    )
    assert told(world, by_number(world, "2"))["reason"] == "not-held"
    # A type that came to stand for it after the look was not looked for either.
    asked = by_number(world, "2")
    assert (
        told(world, replace(asked, found=asked.found._replace(types=frozenset())))["reason"] == "not-covered"
    )


def test_a_license_of_a_local_type_is_found_by_its_number_as_of_the_national_one(world: World) -> None:
    local_type(world)
    made = issue(world, content("NO-7", values=VALUES), type_code=LOCAL)
    world.do(made)
    types = (BUSINESS_LICENSE, LOCAL)

    def asked(printed: str, *looked_for: str) -> dict[str, Any]:
        return told(world, replace(by_number(world, printed), found=filed(world, printed, *looked_for)))

    world.cover(BUSINESS_LICENSE)
    consent = world.grant(mode="holder", holder=ENTERPRISE)
    used = asked("NO-7", *types)
    assert (used["license_ref"], used["asked_type"]) == (made.license_ref, BUSINESS_LICENSE)
    world.do(authorization_commands.WithdrawAuthorization(actor=world.issuer, authorization_ref=consent))
    world.grant()
    assert asked("NO-7", *types)["license_ref"] == made.license_ref
    assert asked("NO-8", *types)["reason"] == "not-held"
    # The local type came to stand for it after the look.
    refused = asked("NO-7", BUSINESS_LICENSE)
    assert (refused["reason"], refused["local_types"]) == ("not-covered", [LOCAL])


def unfiled(world: World) -> None:
    """The ledger as it was before numbers were filed."""
    with psycopg.connect(str(world.ledger.ways.owner)) as conn:
        conn.execute("DELETE FROM directory WHERE kind = 'number'")
        conn.execute("UPDATE number_filing SET through = 0, is_done = false")


def lost(world: World) -> list[str]:
    said = check.check(
        world.ledger.ways.service,
        identity=check.identity_of(world.ledger.vault.ring),
        vault=world.ledger.vault,
    )
    return [one.text for one in said.findings]


def test_licenses_of_before_numbers_were_filed_are_found_once_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.do(revision(world, number_scope="type"))
    made = issue(world, content("NO-7"))
    world.do(made)
    amended_ref, erased = held(world, "NO-1"), held(world, "NO-9", citizen(9))
    world.do(amended(world, amended_ref, "NO-2"))
    corrected = correction_commands.CorrectHolder(
        actor=world.issuer,
        license_ref=made.license_ref,
        holder=citizen(2),
        type_and_issuer=(BUSINESS_LICENSE, world.issuer.organization),
        serial_version=1,
        content=content("NO-8", serial=made.content.serial),
    )
    world.do(corrected)
    world.grant()
    world.cover(BUSINESS_LICENSE)
    unfiled(world)
    assert told(world, by_number(world, "NO-7"))["reason"] == "not-covered"
    assert lost(world) == []
    new = held(world, "NO-5")
    world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=citizen(9)))
    monkeypatch.setattr(keeping, "ROWS_PER_LOCK", 2)
    monkeypatch.setattr(filing, "POSITIONS_PER_LOCK", 3)
    assert filing.file_numbers(world.ledger) == 4
    expected = {
        "NO-1": amended_ref,
        "NO-2": amended_ref,
        "NO-5": new,
        "NO-7": made.license_ref,
        "NO-8": made.license_ref,
    }
    for printed, ref in expected.items():
        assert filed(world, printed) == number.Filed(frozenset({BUSINESS_LICENSE}), (ref,), is_all=True)
    assert told(world, by_number(world, "NO-9"))["reason"] == "not-held"
    assert filing.file_numbers(world.ledger) == 0
    assert erased not in expected.values()


def test_every_fact_that_prints_a_number_is_filed() -> None:
    printing = {name for name, cls in fact.topics().items() if issubclass(cls, license.VersionFact)}
    assert {cls.__name__ for cls in filing.VERSIONS} == printing


def test_a_license_that_no_number_leads_to_is_named_by_check(world: World) -> None:
    ref = held(world, "NO-7")
    with psycopg.connect(str(world.ledger.ways.owner)) as conn:
        conn.execute("DELETE FROM directory WHERE kind = 'number' AND target = %s", (ref,))
    (said,) = lost(world)
    assert "no number leads to a license" in said
    unfiled(world)
    filing.file_numbers(world.ledger)
    assert lost(world) == []
