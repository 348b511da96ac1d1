"""Corrections of a holder on a real ledger: what goes along with the license, and what stays taken."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ledger import (
    correction_commands,
    errors,
    identifiers,
    keeping,
    license_commands,
    reading,
    renewal_commands,
    serial,
)
from ledger.state import AuthorizationRow
from tests import test_representation
from tests.test_catalog_life import content, issue, queued, revision
from tests.world import BUSINESS_LICENSE, ISSUER, World, citizen

WRONG, RIGHT, OTHER = (citizen(number) for number in (1, 2, 3))
FIRST, SECOND = "SERIAL1", "SERIAL2"
ENTERPRISES = "91350100MA0000007A", "91350100MA0000001P"


def renewed(world: World) -> license_commands.IssueLicense:
    """A license of the wrong holder, under two serials and three printed numbers that it claimed."""
    world.do(revision(world, number_scope="type"))
    issued = issue(world, content("A-1", serial=FIRST), holder=WRONG)
    (made,) = world.do(issued).recorded
    amend = license_commands.AmendLicense(
        actor=world.issuer,
        license_ref=issued.license_ref,
        holder=WRONG,
        content=content("A-2", serial=FIRST),
        type_and_issuer=(BUSINESS_LICENSE, ISSUER),
    )
    (made,) = world.do(amend).recorded
    renew = renewal_commands.RenewLicense(
        actor=world.issuer,
        license_ref=issued.license_ref,
        content=content("A-3", serial=SECOND),
        holder=(WRONG.code_type, WRONG.code),
        previous=serial.build_id(BUSINESS_LICENSE, ISSUER, FIRST, 2).text,
        follows=made.index,
        type_code=BUSINESS_LICENSE,
        issuer=ISSUER,
    )
    world.do(renew)
    return issued


def correct(
    world: World, license_ref: bytes, holder: identifiers.HolderCode, *, number: str = "A-3"
) -> correction_commands.CorrectHolder:
    return correction_commands.CorrectHolder(
        actor=world.issuer,
        license_ref=license_ref,
        holder=holder,
        content=content(number, serial=SECOND),
        type_and_issuer=(BUSINESS_LICENSE, ISSUER),
        serial_version=3,
    )


def erase(world: World, holder: identifiers.HolderCode) -> None:
    keeping.erase_holder(world.ledger, world.appender, holder, world.ledger.console)


def require_taken(world: World, serials: Sequence[str], numbers: Sequence[str]) -> None:
    for taken in serials:
        with pytest.raises(errors.AlreadyExists):
            world.do(issue(world, content("B-1", serial=taken), holder=OTHER))
    for number in numbers:
        with pytest.raises(errors.NumberTaken):
            world.do(issue(world, content(number), holder=OTHER))


def test_every_serial_and_number_stays_taken_when_the_wrong_holder_is_erased(world: World) -> None:
    issued = renewed(world)
    world.do(correct(world, issued.license_ref, RIGHT, number="A-4"))
    erase(world, WRONG)
    require_taken(world, (FIRST, SECOND), ("A-1", "A-2", "A-3", "A-4"))
    erase(world, RIGHT)
    world.do(issue(world, content("A-1", serial=FIRST), holder=OTHER))


def test_they_go_along_again_under_another_pepper_and_after_a_second_correction(world: World) -> None:
    issued = renewed(world)
    world.do(correct(world, issued.license_ref, RIGHT))
    keeping.rotate_pepper(world.ledger)
    world.do(correct(world, issued.license_ref, OTHER))
    erase(world, WRONG)
    erase(world, RIGHT)
    require_taken(world, (FIRST, SECOND), ("A-1", "A-2", "A-3"))


def test_two_corrections_that_wait_together_are_both_made(world: World) -> None:
    issued = renewed(world)
    outcomes = queued(
        world,
        correct(world, issued.license_ref, RIGHT),
        correct(world, issued.license_ref, OTHER),
    )
    assert not [one for one in outcomes if isinstance(one, errors.LedgerError)]
    erase(world, WRONG)
    erase(world, RIGHT)
    require_taken(world, (FIRST, SECOND), ("A-1", "A-2", "A-3"))


def test_the_wrong_holders_other_licenses_keep_what_is_theirs(world: World) -> None:
    issued = renewed(world)
    kept = issue(world, content("C-1", serial="SERIAL3"), holder=WRONG)
    world.do(kept)
    world.do(correct(world, issued.license_ref, RIGHT))
    require_taken(world, ("SERIAL3",), ("C-1",))
    erase(world, WRONG)
    world.do(issue(world, content("C-1", serial="SERIAL3"), holder=OTHER))


def test_what_a_representative_said_for_the_wrong_holder_by_the_license_is_over(world: World) -> None:
    enterprise, other = (identifiers.holder_code("001", code) for code in ENTERPRISES)
    known = {"actor": world.issuer, "parties": (test_representation.person(1),)}
    said = replace(test_representation.content(), serial=FIRST)
    issued = license_commands.IssueLicense(
        type_code=BUSINESS_LICENSE, holder=enterprise, content=said, **known
    )
    world.do(issued)
    by_license = (issued.license_ref, citizen(1))
    grant = {"mode": "holder", "holder": enterprise, "type_codes": (BUSINESS_LICENSE,)}
    given, own = world.grant(**grant, representative=by_license), world.grant(**grant)
    corrected = correction_commands.CorrectHolder(
        license_ref=issued.license_ref,
        holder=other,
        content=said,
        type_and_issuer=(BUSINESS_LICENSE, ISSUER),
        serial_version=1,
        **known,
    )
    topics = [item.event.topic for item in world.do(corrected).recorded]
    assert topics == ["LicenseHolderCorrected", *["RepresentationChanged"] * 2]
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        rows = [reader.row(AuthorizationRow, ref) for ref in (given, own)]
    assert [(row.is_withdrawn, row.is_unrepresented) for row in rows if row is not None] == [
        (True, True),
        (False, False),
    ]
    world.grant(**grant | {"holder": other}, representative=by_license)
    with pytest.raises(errors.NotTheRepresentative):
        world.grant(**grant, representative=by_license)
