"""Uses and comparisons of licenses that stand in the streams of several holders, through the append path."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import (
    comparison,
    comparison_commands,
    consent_commands,
    days,
    ending_commands,
    errors,
    identifiers,
    license_commands,
    linking_commands,
)
from ledger.pen import Recorded
from tests.test_catalog_life import content, issue
from tests.test_ending import kept_type
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, World, citizen

FIRST, OTHER = citizen(31), citizen(32)
"""The first party of a license, in whose stream it stands, and a co-owner."""
MISS = (("name", "mismatch"),)


@pytest.fixture
def registrar(world: World) -> Any:
    return world.register(AUDITOR, "holder:register")


def say(world: World, cls: Any, registrar: Any, **members: Any) -> None:
    world.do(cls(actor=registrar, evidence="00" * 32, **members))


def compare(
    world: World,
    holder: identifiers.HolderCode,
    *,
    type_code: str = BUSINESS_LICENSE,
    verdicts: comparison_commands.Verdicts = MISS,
) -> Recorded:
    """A comparison by holder and type."""
    names = tuple(name for name, _ in verdicts)
    asked = comparison_commands.CompareLicense(
        actor=world.hall,
        holder=holder,
        type_code=type_code,
        field_names=names,
        claims=dict.fromkeys(names, "另一值"),
    )
    try:
        return world.do(asked).recorded[0]
    except errors.VersionMoved as moved:
        return world.do(replace(asked, known={moved.extra["version_index"]: verdicts})).recorded[0]


def test_a_kept_license_of_the_dead_and_one_of_the_living_are_used_together(
    world: World, registrar: Any
) -> None:
    code = kept_type()
    shared = world.issue(FIRST, type_code=code, co_owner=OTHER)
    own = world.issue(OTHER, type_code=code)
    world.grant(type_codes=(code,))
    say(world, ending_commands.EndHolder, registrar, holder=FIRST, kind="death")
    recorded = world.use(holder=OTHER, type_code=code)
    told = {item.event.fact["license_ref"]: item.event.fact.get("kept_type") for item in recorded}
    assert told == {shared: code, own: None}


def test_a_license_of_the_living_is_compared_though_a_kept_one_of_the_dead_has_expired(
    world: World, registrar: Any
) -> None:
    code = kept_type()
    world.issue(FIRST, type_code=code, co_owner=OTHER, valid_to="2020-12-31")
    own = world.issue(OTHER, type_code=code)
    world.grant(type_codes=(code,))
    say(world, ending_commands.EndHolder, registrar, holder=FIRST, kind="death")
    told = compare(world, OTHER, type_code=code).event.fact
    assert (told["license_ref"], told.get("kept_type")) == (own, None)


def test_the_end_of_the_first_party_is_no_error_under_the_consent_of_another(
    world: World, registrar: Any
) -> None:
    ref = world.issue(FIRST, co_owner=OTHER)
    world.grant(mode="holder", holder=OTHER)
    say(world, ending_commands.EndHolder, registrar, holder=FIRST, kind="death")
    (told,) = world.use(license_ref=ref)
    assert told.event.fact["reason"] == "not-authorized"


def test_a_license_is_not_used_under_the_contested_code_of_one_of_its_parties(
    world: World, registrar: Any
) -> None:
    ref = world.issue(FIRST, co_owner=OTHER)
    world.grant()
    say(world, linking_commands.ContestHolderCode, registrar, holder=OTHER)
    (told,) = world.use(holder=OTHER, type_code=BUSINESS_LICENSE)
    assert (told.event.topic, told.event.fact["reason"]) == ("UseRefused", "holder-contested")
    assert compare(world, OTHER).event.fact["reason"] == "holder-contested"
    for way in ({"holder": FIRST, "type_code": BUSINESS_LICENSE}, {"license_ref": ref}):
        (told,) = world.use(**way)
        assert told.event.topic == "LicenseUsed"
    say(world, linking_commands.SettleHolderCode, registrar, holder=OTHER)
    (told,) = world.use(holder=OTHER, type_code=BUSINESS_LICENSE)
    assert told.event.fact["license_ref"] == ref


def test_a_license_is_compared_under_the_code_of_a_party_in_whose_stream_it_does_not_stand(
    world: World,
) -> None:
    ref = world.issue(FIRST, co_owner=OTHER)
    world.grant()
    for holder in (OTHER, FIRST) * (comparison.MISSES_MAX // 2):
        assert compare(world, holder).event.fact["license_ref"] == ref
    for holder in (OTHER, FIRST):
        with pytest.raises(errors.ComparisonLimit):
            compare(world, holder)


@pytest.mark.parametrize("end", [None, "2020-12-31"])
def test_the_files_of_one_holder_have_one_limit_of_comparisons(
    world: World, registrar: Any, end: str | None
) -> None:
    """`end`: of the second file's license; with both effective, each is compared by reference."""
    refs = [world.issue(FIRST), world.issue(OTHER, valid_to=end)]
    world.grant()
    say(world, linking_commands.LinkHolderCodes, registrar, holder=FIRST, linked=OTHER)
    for at in range(comparison.MISSES_MAX):
        if end is None:
            told = world.compare(refs[at % 2], verdicts=MISS)
            assert told.event.fact["license_ref"] == refs[at % 2]
        else:
            assert compare(world, (FIRST, OTHER)[at % 2]).event.fact["license_ref"] == refs[0]
    with pytest.raises(errors.ComparisonLimit):
        world.compare(refs[0], verdicts=MISS)
    if end is None:
        with pytest.raises(errors.ComparisonLimit):
            world.compare(refs[1], verdicts=MISS)


def test_a_license_is_compared_under_a_partys_code_though_its_home_is_one_of_several_files(
    world: World, registrar: Any
) -> None:
    ref = world.issue(FIRST, co_owner=OTHER)
    for number in (33, 34):
        world.issue(citizen(number), valid_to="2020-12-31")
        say(world, linking_commands.LinkHolderCodes, registrar, holder=FIRST, linked=citizen(number))
    world.grant()
    assert compare(world, OTHER).event.fact["license_ref"] == ref


def test_a_comparison_with_licenses_of_several_homes_lists_those_of_one(world: World) -> None:
    shared = world.issue(FIRST, co_owner=OTHER)
    own = world.issue(OTHER)
    world.grant()
    told = compare(world, OTHER)
    assert (told.event.topic, told.event.fact["reason"]) == ("UseRefused", "ambiguous")
    assert told.event.fact["choices"] in ([shared], [own])


def test_of_more_shared_licenses_than_are_looked_at_the_effective_one_is_found(world: World) -> None:
    """As of a holder's own: effective ones first, whatever their reference."""
    expired = content(valid_from=days.parse("2019-01-01"), valid_to=days.parse("2019-12-31"))
    parties = (
        license_commands.Party(
            role="co-owner",
            code_type=OTHER.code_type,
            code=OTHER.code,
            name="合成共有人",
            field_names=(),
            holder=OTHER,
        ),
    )
    first = issue(world, content(serial="EFFECTIVE"), holder=FIRST, parties=parties, license_ref=bytes(16))
    world.do(first)
    pending = [
        world.appender.submit(
            replace(
                first,
                content=replace(expired, serial=f"EXPIRED{number}"),
                license_ref=bytes([255, number]).ljust(16),
                places=license_commands.draw_places(),
            )
        )
        for number in range(200)
    ]
    for future in pending:
        future.result(timeout=60)
    world.grant()
    recorded = world.use(holder=OTHER, type_code=BUSINESS_LICENSE)
    assert [item.event.fact["license_ref"] for item in recorded] == [first.license_ref]
    assert recorded[0].event.topic == "LicenseUsed"


@pytest.mark.parametrize("grants_first", [True, False])
def test_a_consent_in_one_file_covers_a_license_of_which_another_file_of_the_holder_is_a_co_owner(
    world: World, registrar: Any, grants_first: bool
) -> None:
    other_file = citizen(35)
    world.issue(other_file, type_code=CITIZEN_CARD)
    ref = world.issue(FIRST, co_owner=OTHER)
    one, two = (other_file, FIRST) if grants_first else (FIRST, other_file)
    granted = world.grant(mode="holder", holder=one)
    joins = consent_commands.JoinConsent(
        actor=world.issuer, authorization_ref=granted, holder=two, evidence="00" * 32
    )
    world.do(joins)
    (told,) = world.use(license_ref=ref)
    assert told.event.topic == "UseRefused"
    say(world, linking_commands.LinkHolderCodes, registrar, holder=other_file, linked=OTHER)
    ways: list[dict[str, Any]] = [{"license_ref": ref}, {"holder": one, "type_code": BUSINESS_LICENSE}]
    if grants_first:
        ways.append({"holder": OTHER, "type_code": BUSINESS_LICENSE})
    for way in ways:
        (told,) = world.use(**way)
        assert (told.event.topic, told.event.fact["license_ref"]) == ("LicenseUsed", ref)
        assert len(told.event.fact["consents"]) == 2
    assert world.compare(ref, verdicts=MISS).event.topic == "LicenseCompared"
    world.status(ref, "suspend")
    (told,) = world.use(license_ref=ref)
    assert told.event.fact["reason"] == "license-suspended"
    world.status(ref, "reinstate")
    say(world, linking_commands.UnlinkHolderCodes, registrar, holder=other_file, linked=OTHER)
    (told,) = world.use(license_ref=ref)
    assert told.event.topic == "UseRefused"


def test_a_consent_in_one_file_is_that_of_one_party_alone(world: World, registrar: Any) -> None:
    other_file = citizen(36)
    world.issue(other_file, type_code=CITIZEN_CARD)
    ref = world.issue(FIRST, co_owner=OTHER)
    say(world, linking_commands.LinkHolderCodes, registrar, holder=other_file, linked=OTHER)
    world.grant(mode="holder", holder=other_file)
    for way in ({"license_ref": ref}, {"holder": other_file, "type_code": BUSINESS_LICENSE}):
        (told,) = world.use(**way)
        assert told.event.fact["reason"] == "consent-missing"
