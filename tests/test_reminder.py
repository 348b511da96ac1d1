"""Reminders: what is due soon by the Beijing date, for issuers and in the holder's file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from api import examples_catalog
from ledger import catalog, days, endorsement_commands, reminder
from ledger.state import LicenseRow, TypeRulesRow
from ledger.store import wall_clock
from projections import tasks
from tests import api_world, world
from tests.api_world import Face, issue_body, person, problem
from tests.history import FREE, NOON, REF, REGISTRY, begun, registered_type, version
from tests.projecting import Projected, projected
from tests.test_catalog_life import revision
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, HALL, ISSUER, World, citizen

TODAY = days.of_instant(NOON)
REVISE = api_world.example_of(examples_catalog.ReviseBody)


def held(**columns: Any) -> LicenseRow:
    history = begun()
    history.record(version())
    return replace(history.row(LicenseRow, REF), **columns)


def told(row: LicenseRow, at: int = NOON, rules: TypeRulesRow | None = None) -> list[tuple[str, int]]:
    return [(one.kind, one.days_left) for one in reminder.reminders(row, rules, at=at)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, []),
        ({"valid_to": TODAY}, [("expiry", 0)]),
        ({"valid_to": TODAY + 90}, [("expiry", 90)]),
        ({"valid_to": TODAY + 91}, []),
        ({"valid_to": TODAY - 1}, []),
        ({"endorsement_due": TODAY + 30}, [("endorsement", 30)]),
        ({"endorsement_due": TODAY - 3}, [("endorsement", -3)]),
        ({"endorsement_due": TODAY - 3, "valid_to": TODAY - 1}, []),
        ({"endorsement_due": TODAY + 9, "valid_to": TODAY + 5}, [("expiry", 5), ("endorsement", 9)]),
        ({"valid_to": TODAY, "status": "suspended"}, [("expiry", 0)]),
        ({"valid_to": TODAY, "status": "cancelled"}, []),
        ({"valid_to": TODAY, "is_orphaned": True}, []),
    ],
)
def test_what_is_due_within_ninety_days_is_told(
    columns: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    assert told(held(**columns)) == expected


def windowed(window_days: int | None) -> TypeRulesRow:
    history = begun()
    definition = vars(registered_type(FREE, "unconditional")) | {"renewal_window_days": window_days}
    history.record(catalog.LicenseTypeRevised(**definition), stream=REGISTRY, by=None)
    return history.row(TypeRulesRow, FREE)


def test_a_license_is_reminded_of_from_the_day_on_which_its_type_lets_it_be_renewed() -> None:
    for window, left, expected in ((30, 31, []), (30, 30, ["expiry"]), (180, 180, ["expiry"]), (0, 1, [])):
        row = held(valid_to=TODAY + left)
        assert [kind for kind, _ in told(row, rules=windowed(window))] == expected
    assert told(held(valid_to=TODAY + 90), rules=windowed(None)) == [("expiry", 90)]


def test_days_are_those_of_beijing() -> None:
    row = held(valid_to=TODAY)
    assert told(row, days.start(TODAY + 1) - 1) == [("expiry", 0)]
    assert told(row, days.start(TODAY + 1)) == []


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def listed(
    here: Projected,
    kind: tasks.Reminded,
    *,
    issuer: str = ISSUER,
    first: int = 0,
    last: int | None = 90,
) -> list[bytes]:
    here.follow()
    today = days.of_instant(wall_clock())
    found: list[bytes] = []
    cursor = None
    while True:
        page = here.tasks.reminders(
            issuer,
            kind,
            first=today + first,
            last=None if last is None else today + last,
            limit=1,
            cursor=cursor,
        )
        assert page.through == here.head
        found += [row.license_ref for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            return found


def revise(here: Projected, type_code: str, **members: Any) -> None:
    here.world.do(revision(here.world, type_code, **members))


def test_without_a_last_day_each_type_has_its_own(here: Projected) -> None:
    today = days.of_instant(wall_clock())

    def expiring(type_code: str, *ahead: int) -> list[bytes]:
        return [
            here.world.issue(citizen(one), type_code=type_code, valid_to=days.text(today + one))
            for one in ahead
        ]

    papers, cards = expiring(BUSINESS_LICENSE, 80, 91, 170, 181), expiring(CITIZEN_CARD, 20, 40)
    assert listed(here, "expiry", last=None) == [*cards, papers[0]]
    assert here.tasks.last_reminded("expiry", today) == today + 90
    revise(here, BUSINESS_LICENSE, renewal_window_days=180)
    revise(here, CITIZEN_CARD, renewal_window_days=30)
    assert listed(here, "expiry", last=None) == [cards[0], *papers[:3]]
    assert listed(here, "expiry", last=90) == [*cards, papers[0]]
    assert here.tasks.last_reminded("expiry", today) == today + 180
    assert here.tasks.last_reminded("endorsement", today) == today + 90
    revise(here, BUSINESS_LICENSE)
    assert listed(here, "expiry", last=None) == [cards[0], papers[0]]


def test_what_expires_soon_is_listed_for_its_issuer_the_nearest_first(here: Projected) -> None:
    today = days.of_instant(wall_clock())
    late, soon, same, ended = (
        here.world.issue(citizen(number), valid_to=days.text(today + ahead))
        for number, ahead in enumerate((80, 20, 20, 10))
    )
    here.world.issue(citizen(5))
    here.world.issue(citizen(6), valid_to=days.text(today + 91))
    here.world.status(ended, "cancel")
    assert listed(here, "expiry") == [soon, same, late]
    assert listed(here, "expiry", last=30) == [soon, same]
    assert listed(here, "expiry", first=21) == [late]
    assert listed(here, "expiry", issuer=HALL) == []
    here.world.status(soon, "suspend")
    assert listed(here, "expiry") == [soon, same, late]
    row = here.tasks.reminders(ISSUER, "expiry", first=today, last=today + 20).rows[0]
    assert (row.expires_on, row.endorsement_due) == (today + 20, None)


def test_an_endorsement_takes_a_license_out_until_the_next_is_due(here: Projected) -> None:
    today = days.of_instant(wall_clock())
    ref = here.world.issue(citizen(1))
    asked = endorsement_commands.EndorseLicense(
        actor=here.world.issuer,
        license_ref=ref,
        kind="annual-review",
        period="2026",
        result="passed",
        next_due=today + 30,
    )
    here.world.do(asked)
    assert listed(here, "endorsement") == [ref]
    here.world.do(replace(asked, result="failed", next_due=None))
    assert listed(here, "endorsement") == [ref]
    here.world.do(replace(asked, next_due=today + 400))
    assert listed(here, "endorsement") == []
    assert listed(here, "endorsement", last=500) == [ref]


def test_issuers_and_holders_are_reminded(face: Face) -> None:
    today = days.of_instant(wall_clock())
    issuer = face.register(world.ISSUER, "license:issue", "file:attest")
    soon = issuer.done("/v1/licenses", issue_body(1, valid_to=days.text(today + 45)))["license_ref"]
    issuer.done("/v1/licenses", issue_body(2, valid_to=days.text(today + 145)))
    fresh = {"Ledger-At-Least": str(face.events() - 1)}
    said = issuer.get("/v1/tasks/reminders", **fresh).json()
    assert (said["first"], said["last"]) == (days.text(today), days.text(today + 90))
    (one,) = said["reminders"]
    assert (one["license_ref"], one["status"], one["days_left"]) == (soon, "effective", 45)
    assert one["renewable_from"] is None
    assert issuer.get("/v1/tasks/reminders?ahead_days=30", **fresh).json()["reminders"] == []
    for query in ("kind=endorsement", "kind=endorsement&first=1960-01-01&ahead_days=366"):
        assert issuer.get(f"/v1/tasks/reminders?{query}", **fresh).json()["reminders"] == []
    search = {**api_world.example("SearchBody"), "holder": person(1)}
    (license_,) = issuer.done("/v1/holders/search", search, **fresh)["licenses"]
    assert license_["reminders"] == [{"kind": "expiry", "day": days.text(today + 45), "days_left": 45}]


def test_a_type_says_how_early_its_licenses_are_renewed(face: Face) -> None:
    today = days.of_instant(wall_clock())
    keeper = face.register(world.OPERATOR, "catalog:write")
    issuer = face.register(world.ISSUER, "license:issue")
    ref = issuer.done("/v1/licenses", issue_body(7, valid_to=days.text(today + 70)))["license_ref"]
    path = f"/v1/license-types/{world.CITIZEN_CARD}"
    newest = {"Ledger-At-Least": str(face.events() - 1)}
    before = keeper.get(path, **newest).json()["definition"]
    for window, field in ((-1, "definition.renewal_window_days"), (4000, "definition.renewal_window_days")):
        wrong = {**REVISE, "definition": {**before, "renewal_window_days": window}}
        assert problem(keeper.post(f"{path}/revise", wrong)) == (422, "invalid-value", field)
    keeper.done(f"{path}/revise", {**REVISE, "definition": {**before, "renewal_window_days": 60}})
    renew = {**api_world.example("RenewBody"), "valid_from": days.text(today), "valid_to": "2199-12-31"}
    early = issuer.post(f"/v1/licenses/{ref}/renew", renew)
    assert problem(early)[:2] == (409, "renewal-too-early")
    assert early.json()["renewable_from"] == days.text(today + 10)
    newest = {"Ledger-At-Least": str(face.events() - 1)}
    assert keeper.get(path, **newest).json()["definition"]["renewal_window_days"] == 60
    shown = issuer.get("/v1/tasks/reminders?ahead_days=90", **newest).json()["reminders"]
    opens = {one["license_ref"]: one["renewable_from"] for one in shown}
    assert opens[ref] == days.text(today + 10)
    keeper.done(f"{path}/revise", {**REVISE, "definition": before})
    issuer.done(f"/v1/licenses/{ref}/renew", renew)


@pytest.mark.parametrize("query", ["kind=other", "ahead_days=367", "first=2026-02-30", "limit=0"])
def test_a_wrong_question_is_refused(face: Face, query: str) -> None:
    issuer = face.register(world.ISSUER, "license:issue")
    assert problem(issuer.get(f"/v1/tasks/reminders?{query}"))[:2] == (422, "invalid-value")
