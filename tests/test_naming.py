"""Names of holders: a change is sealed, rewrites nothing, and is listed for the issuers of what is stale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger import days, errors, license_commands, naming, naming_commands, renewal_commands, serial
from ledger.state import StreamRow
from tests.history import HALL, HOLDER, NOON, OTHER, begun, version
from tests.projecting import Projected, projected
from tests.world import AUDITOR, BUSINESS_LICENSE, ISSUER, World, citizen

DAY = days.parse("2026-01-31")
FORMER, NEW = "榕城示例有限公司", "榕城样例有限公司"


@pytest.mark.parametrize(
    ("by", "day", "error"),
    [
        (OTHER, DAY, None),
        (HALL, DAY, errors.ScopeMissing),
        (OTHER, days.of_instant(NOON) + 1, errors.Invalid),
        (OTHER, days.parse("1899-12-31"), errors.Invalid),
    ],
)
def test_a_registering_organ_records_a_change_that_has_happened(by: str, day: int, error: Any) -> None:
    history = begun()
    history.record(version())
    before = dict(history.rows)
    made = naming.HolderNameChanged(changed_on=day, evidence_digest=bytes(32))
    if error is None:
        index = history.size
        history.record(made, by=by)
        row = history.row(StreamRow, HOLDER)
        assert row.name_changes == (str(index),)
        before[StreamRow, HOLDER] = row
    else:
        with pytest.raises(error):
            history.record(made, by=by)
    assert history.rows == before


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def rename(here: Projected, number: int, **changes: Any) -> Any:
    said: dict[str, Any] = {"former_name": FORMER, "new_name": NEW, "changed_on": DAY, **changes}
    organ = here.world.register(AUDITOR, "holder:register")
    asked = naming_commands.ChangeName(actor=organ, holder=citizen(number), evidence="00" * 32, **said)
    return here.world.do(asked).recorded[0]


def stale(here: Projected) -> list[bytes]:
    here.follow()
    return [row.license_ref for row in here.tasks.stale_names(ISSUER).rows]


def printed(name: str, serial: str) -> license_commands.Content:
    return license_commands.Content(
        serial=serial,
        number="NO-1",
        holder_name=name,
        values={"name": name},
        valid_from=DAY,
        valid_to=None,
        issued_on=DAY,
    )


def test_names_are_sealed_and_licenses_are_used_as_before(here: Projected) -> None:
    ref = here.world.issue(citizen(1))
    here.world.grant()
    made = rename(here, 1)
    assert {"names", "evidence", "request"} == set(made.event.sealed)
    assert FORMER.encode() not in made.data
    assert NEW.encode() not in made.data
    (used,) = here.world.use(holder=citizen(1), type_code=BUSINESS_LICENSE)
    assert used.event.fact["license_ref"] == ref
    with pytest.raises(errors.Invalid):
        rename(here, 1, new_name=FORMER)
    with pytest.raises(errors.NotFound):
        rename(here, 2)


def test_what_prints_a_former_name_is_listed_until_its_amendment_or_its_end(here: Projected) -> None:
    one, two = (here.world.issue(citizen(1)) for _ in range(2))
    here.world.issue(citizen(2))
    made = rename(here, 1)
    here.world.issue(citizen(1))
    assert stale(here) == [one, two]
    assert {row.stale_index for row in here.tasks.stale_names(ISSUER).rows} == {made.index}
    assert here.tasks.stale_names(HALL).rows == ()
    content = printed(NEW, license_commands.draw_serial())
    here.world.do(
        license_commands.AmendLicense(
            actor=here.world.issuer,
            license_ref=one,
            holder=citizen(1),
            type_and_issuer=here.world.kind(one),
            content=content,
        )
    )
    assert stale(here) == [two]
    here.world.status(two, "cancel")
    assert stale(here) == []


def test_a_renewal_and_a_replacement_print_the_former_name_again_and_an_amendment_the_new_one(
    here: Projected,
) -> None:
    issued = license_commands.IssueLicense(
        actor=here.world.issuer,
        type_code=BUSINESS_LICENSE,
        holder=citizen(1),
        content=printed(FORMER, "SERIAL1"),
    )
    (made,) = here.world.do(issued).recorded
    rename(here, 1)
    follows = {
        "actor": here.world.issuer,
        "license_ref": issued.license_ref,
        "holder": (citizen(1).code_type, citizen(1).code),
        "type_code": BUSINESS_LICENSE,
        "issuer": ISSUER,
        "content": printed(FORMER, "SERIAL2"),
    }
    previous = serial.build_id(BUSINESS_LICENSE, ISSUER, "SERIAL1", 1).text
    renew = renewal_commands.RenewLicense(previous=previous, follows=made.index, **follows)
    (made,) = here.world.do(renew).recorded
    assert stale(here) == [issued.license_ref]
    previous = serial.build_id(BUSINESS_LICENSE, ISSUER, "SERIAL2", 1).text
    replace = renewal_commands.ReplaceLicense(
        cause="damaged", previous=previous, follows=made.index, **follows
    )
    here.world.do(replace)
    assert stale(here) == [issued.license_ref]
    here.world.do(
        license_commands.AmendLicense(
            actor=here.world.issuer,
            license_ref=issued.license_ref,
            holder=citizen(1),
            type_and_issuer=here.world.kind(issued.license_ref),
            content=printed(NEW, "SERIAL2"),
        )
    )
    assert stale(here) == []
