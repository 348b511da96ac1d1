"""The catalog on a real ledger: what a type asks is decided under the lock, whoever is faster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import catalog, catalog_rules, days, errors, field_schema, keeping, registry_commands
from ledger import license_commands as commands
from ledger.command import Command
from ledger.pen import Result
from tests.test_appender import lock_held
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, OPERATOR, World, citizen

NAMED = field_schema.write(
    {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 4}},
        "required": ["name"],
        "additionalProperties": False,
    }
)


def shipped(type_code: str = BUSINESS_LICENSE) -> catalog.LicenseTypeRegistered:
    return next(fact for fact in catalog.national_catalog(OPERATOR) if fact.type_code == type_code)


def revision(world: World, type_code: str = BUSINESS_LICENSE, **members: Any) -> Command:
    made = catalog.LicenseTypeRevised(**vars(shipped(type_code)) | members)
    return registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(made,))


def content(number: str = "NO-1", **members: Any) -> commands.Content:
    values: dict[str, Any] = {
        "serial": commands.draw_serial(),
        "number": number,
        "holder_name": "合成持证主体",
        "values": {"name": "榕城"},
        "valid_from": days.parse("2026-01-31"),
        "valid_to": None,
        "issued_on": days.parse("2026-01-31"),
    }
    return commands.Content(**values | members)


def issue(world: World, said: commands.Content, **members: Any) -> commands.IssueLicense:
    made = commands.IssueLicense(
        actor=world.issuer, type_code=BUSINESS_LICENSE, holder=ENTERPRISE, content=said
    )
    return replace(made, **members)


def queued(world: World, *asked: Command) -> list[Result | errors.LedgerError]:
    """What became of commands that wait for the lock together, in their order."""
    with lock_held(world.ledger):
        futures = [world.appender.submit(one) for one in asked]
    found: list[Result | errors.LedgerError] = []
    for future in futures:
        error = future.exception(timeout=60)
        assert error is None or isinstance(error, errors.LedgerError)
        found.append(future.result() if error is None else error)
    return found


def test_a_printed_number_is_taken_once_where_the_type_says_so(world: World) -> None:
    world.do(issue(world, content("A-1")))
    world.do(issue(world, content("A-1")))
    world.do(revision(world, number_scope="type"))
    first = issue(world, content("A-2"))
    world.do(first)
    with pytest.raises(errors.NumberTaken) as refused:
        world.do(issue(world, content("A-2"), holder=citizen(3)))
    assert refused.value.field == "number"
    world.do(issue(world, content("A-3")))
    world.do(issue(world, content("A-2"), type_code=CITIZEN_CARD, holder=citizen(3)))


def test_of_two_that_race_for_a_number_one_has_it(world: World) -> None:
    world.do(revision(world, number_scope="type-issuer"))
    outcomes = queued(world, *(issue(world, content("A-1"), holder=citizen(one)) for one in (3, 4)))
    assert isinstance(outcomes[0], Result)
    assert isinstance(outcomes[1], errors.NumberTaken)


def test_numbers_by_area_and_year_are_taken_in_that_area_and_year(world: World) -> None:
    world.do(revision(world, number_scope="type-area-year"))
    world.do(issue(world, content("A-1")))
    world.do(issue(world, content("A-1", area_code="350102")))
    world.do(issue(world, content("A-1", issued_on=days.parse("2027-01-01"))))
    with pytest.raises(errors.NumberTaken):
        world.do(issue(world, content("A-1", area_code="350000", issued_on=days.parse("2026-12-31"))))


def test_an_amendment_keeps_its_number_and_takes_no_other_ones(world: World) -> None:
    world.do(revision(world, number_scope="type"))
    first, second = issue(world, content("A-1")), issue(world, content("A-2"))
    world.do(first)
    world.do(second)

    def amended(number: str) -> commands.AmendLicense:
        return commands.AmendLicense(
            actor=world.issuer,
            license_ref=second.license_ref,
            holder=ENTERPRISE,
            content=content(number, serial=second.content.serial),
            type_and_issuer=(BUSINESS_LICENSE, world.issuer.organization),
        )

    world.do(amended("A-2"))
    with pytest.raises(errors.NumberTaken):
        world.do(amended("A-1"))
    with pytest.raises(errors.Conflict):
        world.do(replace(amended("A-2"), type_and_issuer=None))


def test_claims_of_numbers_follow_a_change_of_pepper(world: World) -> None:
    world.do(revision(world, number_scope="type"))
    world.do(issue(world, content("A-1")))
    keeping.rotate_pepper(world.ledger)
    with pytest.raises(errors.NumberTaken):
        world.do(issue(world, content("A-1"), holder=citizen(3)))


def test_fields_are_judged_by_the_schema_in_force_under_the_lock(world: World) -> None:
    long_name = content(values={"name": "榕城示例"}, judged=catalog_rules.Judged(None, ()))
    outcomes = queued(
        world,
        issue(world, long_name),
        revision(world, fields=(("name", "名称"),), field_schema=NAMED),
        issue(world, replace(long_name, values={"name": "榕城示例有限公司", "height": "1"})),
        issue(world, replace(long_name, serial=commands.draw_serial())),
    )
    assert [isinstance(outcome, Result) for outcome in outcomes] == [True, True, False, True]
    refused = outcomes[2]
    assert isinstance(refused, errors.FieldsUnfit)
    assert {fault["field"] for fault in refused.extra["errors"]} == {"fields.name", "fields.height"}


def test_what_was_judged_by_the_schema_in_force_is_not_judged_again(world: World) -> None:
    world.do(revision(world, fields=(("name", "名称"),), field_schema=NAMED))
    fault = errors.Fault("fields.name", "found before the lock")
    judged = content(judged=catalog_rules.Judged(NAMED, (fault,)))
    with pytest.raises(errors.FieldsUnfit, match="found before the lock"):
        world.do(issue(world, judged))


def test_an_issue_that_waits_behind_a_retirement_is_refused(world: World) -> None:
    retired = catalog.LicenseTypeRetired(type_code=BUSINESS_LICENSE, successor=None)
    earlier = issue(world, content())
    outcomes = queued(
        world,
        earlier,
        registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(retired,)),
        issue(world, content()),
    )
    assert [isinstance(outcome, Result) for outcome in outcomes] == [True, True, False]
    assert isinstance(outcomes[2], errors.LicenseTypeRetiredConflict)
    world.grant()
    (used,) = world.use()
    assert used.event.topic == "LicenseUsed"
    world.status(earlier.license_ref, "suspend")
