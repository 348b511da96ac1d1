"""Quality findings: listed for whoever answers for the license, until it is mended or ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import days, keeping, license, license_commands, power, quality
from ledger.store import wall_clock
from projections import tasks
from signing import ids
from tests import world
from tests.api_world import Face, problem
from tests.history import version
from tests.projecting import Projected, projected
from tests.stock_world import GOOD_ID, LEGACY_ID, SHAPELESS_ID, business, imported, row
from tests.test_api_stock import imported as imported_over_http
from tests.test_stock import unique_numbers
from tests.test_tasks import succeed
from tests.world import ENTERPRISE, HALL, ISSUER, World, citizen


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def found(here: Projected, issuer: str = ISSUER, **asked: Any) -> list[tuple[bytes, str]]:
    """(license, finding) as they are listed, page by page."""
    here.follow()
    shown: list[tasks.FindingRow] = []
    cursor = None
    while True:
        page = here.tasks.findings(issuer, limit=1, cursor=cursor, **asked)
        shown += page.rows
        cursor = page.cursor
        if cursor is None:
            return [(one.license_ref, one.finding) for one in shown]


def taken_in(here: Projected, rows: list[dict[str, Any]], folder: Path) -> list[bytes]:
    return [ids.parse(one["license_ref"]) for one in imported(here.world, rows, folder).outcomes]


def amend(here: Projected, ref: bytes, **members: Any) -> None:
    content = license_commands.Content(
        serial="2026000001",
        number="NO-NEW",
        holder_name="合成企业",
        values={"name": "合成企业"},
        valid_from=days.parse("2015-06-01"),
        valid_to=None,
        issued_on=days.parse("2015-06-01"),
    )
    asked = license_commands.AmendLicense(
        actor=here.world.issuer,
        license_ref=ref,
        holder=ENTERPRISE,
        type_and_issuer=here.world.kind(ref),
        content=replace(content, **members),
    )
    here.world.do(asked)


def test_what_an_import_found_is_listed_until_a_next_version_settles_it(
    here: Projected, tmp_path: Path
) -> None:
    rows = [
        business(1, license_id=LEGACY_ID, holder_name="合成\ue000企业"),
        business(2, license_id=SHAPELESS_ID),
        business(3),
        row(4, holder_name="王□"),
    ]
    legacy, bad, _, card = taken_in(here, rows, tmp_path / "r")
    whole = [
        (legacy, quality.CHARACTERS_LOST),
        (legacy, "license-id-legacy-variant"),
        (bad, "license-id-bad"),
        (card, quality.CHARACTERS_LOST),
    ]
    assert found(here) == whole
    assert found(here, HALL) == []
    assert found(here, finding="license-id-bad") == [whole[2]]
    amend(here, legacy)
    assert found(here) == whole[2:]
    here.world.status(bad, "cancel")
    assert found(here) == whole[3:]
    keeping.erase_holder(here.world.ledger, here.world.appender, citizen(4), here.world.ledger.console)
    assert found(here) == []


def test_of_two_licenses_with_one_number_either_settles_it(here: Projected, tmp_path: Path) -> None:
    unique_numbers(here.world)
    rows = [business(1, number="A-1"), business(2, number="A-1", license_id=GOOD_ID)]
    first, second, third = taken_in(here, [*rows, business(3, number="A-1")], tmp_path / "r")
    assert found(here) == [(second, quality.NUMBER_CLASH), (third, quality.NUMBER_CLASH)]
    row_ = here.tasks.findings(ISSUER).rows[0]
    assert row_.other_ref == first
    amend(here, second)
    assert found(here) == [(third, quality.NUMBER_CLASH)]
    here.world.status(first, "cancel")
    assert found(here) == []


def test_findings_are_the_successors(here: Projected, tmp_path: Path) -> None:
    near, far = taken_in(
        here,
        [
            business(1, license_id=LEGACY_ID, area_code="350102"),
            row(2, holder_name="王□", area_code="350200"),
        ],
        tmp_path / "r",
    )
    succeed(here, ISSUER, HALL, areas=("350100",))
    today = days.of_instant(wall_clock())
    taken = power.Reach(taken_over=(power.Handover(ISSUER, today, (), ("350100",)),))
    gone = power.Reach(handed_over=(power.Handover(HALL, today, (), ("350100",)),))
    assert found(here, HALL, reach=taken) == [(near, "license-id-legacy-variant")]
    assert found(here, ISSUER, reach=gone) == [(far, quality.CHARACTERS_LOST)]


@pytest.mark.parametrize(
    ("cls", "keeps_dates", "left"),
    [
        (license.LicenseAmended, True, {"validity-unfit"}),
        (license.LicenseAmended, False, set()),
        (license.LicenseRenewed, False, {quality.CHARACTERS_LOST}),
        (license.LicenseReplaced, True, {quality.CHARACTERS_LOST, "validity-unfit"}),
    ],
)
def test_what_a_next_version_does_not_settle(cls: Any, keeps_dates: bool, left: set[str]) -> None:
    members = {"cause": "lost"} if cls is license.LicenseReplaced else {}
    settled = quality.settled_by(version(cls, version=2, **members), keeps_dates=keeps_dates)
    assert {*quality.FINDINGS} - {*settled} == left | {quality.RETIRED}


def test_findings_and_imports_are_read_over_http(face: Face) -> None:
    issuer = face.register(world.ISSUER, "license:issue")
    rows = [row(1, holder_name="王□", license_id=SHAPELESS_ID), row(2)]
    jobs = [imported_over_http(issuer, rows)["import_ref"], imported_over_http(issuer, rows)["import_ref"]]
    newest = {"Ledger-At-Least": str(face.events() - 1)}
    first = issuer.get("/v1/tasks/quality?limit=1", **newest).json()
    (one,) = first["findings"]
    assert (one["finding"], one["status"], one["other_license_ref"]) == (
        quality.CHARACTERS_LOST,
        "effective",
        None,
    )
    rest = issuer.get(f"/v1/tasks/quality?cursor={first['cursor']}", **newest).json()
    assert [(two["finding"], two["license_ref"]) for two in rest["findings"]] == [
        ("license-id-bad", one["license_ref"])
    ]
    only = issuer.get("/v1/tasks/quality?finding=number-clash", **newest).json()
    assert only["findings"] == []
    assert problem(issuer.get("/v1/tasks/quality?finding=ugly"))[:2] == (422, "invalid-value")
    assert problem(face.register(world.HALL, "license:use").get("/v1/tasks/quality"))[0] == 403
    page = issuer.get("/v1/imports?limit=1").json()
    rest = issuer.get(f"/v1/imports?cursor={page['cursor']}").json()
    told = [one["import_ref"] for one in (*page["imports"], *rest["imports"])]
    assert (sorted(told), rest["cursor"]) == (sorted(jobs), None)
    assert page["imports"][0]["status"] == "done"
    stranger = face.register(world.ISSUER, "license:issue")
    assert stranger.get("/v1/imports").json() == {"imports": [], "cursor": None}
    refused = stranger.get(f"/v1/imports?cursor={page['cursor']}")
    assert problem(refused) == (422, "invalid-value", "query.cursor")
