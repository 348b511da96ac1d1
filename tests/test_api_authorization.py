"""Authorizations over HTTP: who grants what, who sees it, and that it can only shrink."""

from __future__ import annotations

from typing import Any

import pytest

from api import demo_people
from ledger import days, identifiers, organization_commands, registry_commands
from tests import api_world, world
from tests.api_world import Caller, Face, by_code, grant_body, issue_body, problem, use_body

ACT = api_world.example("WithdrawBody")

REQUESTER = "91350100MA0000007A"


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "authorization:grant", "consent:attest")


@pytest.fixture(scope="module")
def hall(face: Face) -> Caller:
    return face.register(world.HALL, "license:use")


def refused(answer: dict[str, Any]) -> str:
    (one,) = answer["uses"]
    assert one["decision"] == "refused"
    return str(one["reason"])


def test_a_use_code_is_given_once_more_to_who_repeats_and_to_nobody_else(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    issuer.done("/v1/licenses", issue_body(1))
    made = issuer.done("/v1/authorizations", grant_body(1, to=world.HALL), key="grant-1")
    again = issuer.done("/v1/authorizations", grant_body(1, to=world.HALL), key="grant-1")
    assert (again["use_code"], again["index"]) == (made["use_code"], made["index"])
    assert "use_code" not in hall.get(f"/v1/authorizations/{made['authorization_ref']}").json()
    assert hall.done("/v1/uses", by_code(made["use_code"]))["uses"][0]["decision"] == "granted"
    assert refused(issuer_as_user(face).done("/v1/uses", by_code(made["use_code"]))) == "not-authorized"


def issuer_as_user(face: Face) -> Caller:
    return face.register(world.AUDITOR, "license:use")


def test_an_authorization_is_seen_by_its_requester_and_its_grantor_only(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    ref = issuer.done("/v1/authorizations", grant_body(2, to=world.HALL, uses_max=3))["authorization_ref"]
    for caller in (issuer, hall):
        said = caller.get(f"/v1/authorizations/{ref}").json()
        assert (said["uses"], said["scope"]["uses_max"], said["scope"]["valid_from"]) == (0, 3, None)
    stranger = face.register(world.AUDITOR, "audit:read")
    assert problem(stranger.get(f"/v1/authorizations/{ref}"))[:2] == (404, "authorization-not-found")


def test_a_withdrawn_authorization_grants_nothing_more(issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(3))
    made = issuer.done("/v1/authorizations", grant_body(3, to=world.HALL))
    path = f"/v1/authorizations/{made['authorization_ref']}/withdraw"
    issuer.done(path, ACT)
    assert refused(hall.done("/v1/uses", by_code(made["use_code"]))) == "authorization-withdrawn"
    assert problem(issuer.post(path, ACT))[:2] == (409, "authorization-withdrawn")


def test_an_authorization_is_narrowed_and_never_widened(face: Face, issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(4))
    made = issuer.done(
        "/v1/authorizations", grant_body(4, to=world.HALL, fields=["address", "name"], uses_max=5)
    )
    path = f"/v1/authorizations/{made['authorization_ref']}/narrow"
    issuer.done(path, {**ACT, "scope": {"fields": ["name"], "uses_max": 2}})
    fields = hall.done("/v1/uses", by_code(made["use_code"]))["uses"][0]["license"]["fields"]
    assert set(fields) == {"@license_id", "name"}
    before = face.events()
    for wider in (
        {"uses_max": 3},
        {"fields": None},
        {"fields": ["address"]},
        {"valid_until": None, "uses_max": None},
    ):
        assert problem(issuer.post(path, {**ACT, "scope": wider}))[:2] == (422, "scope-widened")
    assert face.events() == before


def test_consent_is_never_attested_for_ones_own_organization(face: Face) -> None:
    attestor = face.register(world.HALL, "consent:attest")
    before = face.events()
    answer = attestor.post("/v1/authorizations", grant_body(5, to=world.HALL))
    assert problem(answer) == (403, "own-organization", "requester")
    assert face.events() == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"requester": "12350100000000027X"}, (422, "invalid-value", "requester")),
        ({"holder": None}, (422, "invalid-value", "holder")),
        ({"evidence": None}, (422, "invalid-value", "evidence")),
        ({"scope": {}}, (422, "invalid-value", "scope")),
        (
            {"scope": {"license_types": ["11100000MB0143028R999"]}},
            (422, "license-type-unknown", "scope.type_codes"),
        ),
        ({"scope": {"license_refs": ["a" * 26]}}, (404, "license-not-found", "scope.license_refs")),
    ],
)
def test_a_grant_that_cannot_be_stores_nothing(
    face: Face, issuer: Caller, changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    before = face.events()
    answer = issuer.post("/v1/authorizations", {**grant_body(6, to=world.HALL), **changes})
    assert problem(answer) == expected
    assert face.events() == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"show_minutes": 61}, (422, "invalid-value", "show_minutes")),
        ({"show_minutes": 5, "mode": "statutory"}, (422, "invalid-value", "show_minutes")),
        ({"show_minutes": 5, "uses_max": 3}, (422, "invalid-value", "scope.uses_max")),
        ({"uses_per_day": 0}, (422, "invalid-value", "scope.uses_per_day")),
        ({"case_numbers": [world.citizen(1).code]}, (422, "invalid-value", "scope.case_numbers")),
        ({"entrusted_by": world.ISSUER}, (422, "invalid-value", "entrusted_by")),
    ],
)
def test_new_limits_with_a_flaw_are_refused(
    face: Face, issuer: Caller, changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    body = grant_body(6, to=world.HALL)
    for name, value in changes.items():
        (body["scope"] if name in ("uses_max", "uses_per_day", "case_numbers") else body)[name] = value
    before = face.events()
    assert problem(issuer.post("/v1/authorizations", body)) == expected
    assert face.events() == before


def test_the_scope_of_the_token_decides_which_modes_it_grants_and_changes(face: Face, issuer: Caller) -> None:
    attestor = face.register(world.OPERATOR, "consent:attest")
    assert problem(attestor.post("/v1/authorizations", grant_body(to=world.HALL)))[:2] == (
        403,
        "scope-missing",
    )
    ref = issuer.done("/v1/authorizations", grant_body(to=world.HALL))["authorization_ref"]
    answer = attestor.post(f"/v1/authorizations/{ref}/withdraw", ACT)
    assert answer.json()["needed_scope"] == "authorization:grant"


def test_a_statutory_grant_lets_its_requester_use_what_anyone_holds(face: Face, issuer: Caller) -> None:
    user = face.register(world.AUDITOR, "license:use")
    issuer.done("/v1/licenses", issue_body(7))
    assert refused(user.done("/v1/uses", use_body(7))) == "not-authorized"
    issuer.done("/v1/authorizations", grant_body(to=world.AUDITOR))
    assert user.done("/v1/uses", use_body(7))["uses"][0]["decision"] == "granted"
    assert refused(user.done("/v1/uses", use_body(8))) == "not-covered"
    face.cover()
    assert refused(user.done("/v1/uses", use_body(8))) == "not-held"


def test_a_citizen_id_is_never_taken_for_the_code_of_a_requester(face: Face, issuer: Caller) -> None:
    """Some satisfy the check of a credit code too."""
    both = "350102190001013371"
    assert identifiers.is_citizen_id(identifiers.credit_code(both).code)
    before = face.events()
    answer = issuer.post("/v1/authorizations", {**grant_body(to=world.HALL), "requester": both})
    assert problem(answer) == (422, "invalid-value", "requester")
    assert face.events() == before


def test_a_code_that_is_shown_is_good_once_and_for_some_minutes(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    issuer.done("/v1/licenses", issue_body(20))
    made = issuer.done("/v1/authorizations", {**grant_body(20, to=world.HALL), "show_minutes": 5})
    said = hall.get(f"/v1/authorizations/{made['authorization_ref']}").json()["scope"]
    lasts_us = days.parse_instant(said["valid_until"]) - days.parse_instant(made["recorded_at"])
    assert (said["uses_max"], lasts_us) == (1, 5 * 60 * 1_000_000)
    assert hall.done("/v1/uses", by_code(made["use_code"]))["uses"][0]["decision"] == "granted"
    assert refused(hall.done("/v1/uses", by_code(made["use_code"]))) == "authorization-exhausted"


def test_a_cap_a_day_is_told_and_kept(face: Face, issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(21))
    made = issuer.done("/v1/authorizations", grant_body(21, to=world.HALL, uses_per_day=2))
    code = made["use_code"]
    for _ in range(2):
        assert hall.done("/v1/uses", by_code(code))["uses"][0]["decision"] == "granted"
    assert refused(hall.done("/v1/uses", by_code(code))) == "authorization-exhausted-today"
    said = hall.get(f"/v1/authorizations/{made['authorization_ref']}").json()
    assert (said["uses"], said["uses_today"], said["scope"]["uses_per_day"]) == (2, 2, 2)
    narrowed = {**ACT, "scope": {"uses_per_day": 1, "case_numbers": ["2026-0202-0042"]}}
    issuer.done(f"/v1/authorizations/{made['authorization_ref']}/narrow", narrowed)
    said = hall.get(f"/v1/authorizations/{made['authorization_ref']}").json()
    assert said["scope"]["case_numbers"] == ["2026-0202-0042"]


def test_an_authorization_for_a_case_serves_that_case(face: Face, issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(22))
    scope = {"case_numbers": ["2026-0202-0042"]}
    made = issuer.done("/v1/authorizations", grant_body(22, to=world.HALL, **scope))
    body = by_code(made["use_code"])
    assert hall.done("/v1/uses", body)["uses"][0]["decision"] == "granted"
    body["purpose"]["case_number"] = "another case"
    assert refused(hall.done("/v1/uses", body)) == "case-not-covered"


def test_an_organization_entrusts_what_it_issues(face: Face, issuer: Caller) -> None:
    entrusting = {"mode": "entrusted", "entrusted_by": world.ISSUER}
    made = issuer.done("/v1/authorizations", {**grant_body(to=world.AUDITOR), **entrusting})
    said = issuer.get(f"/v1/authorizations/{made['authorization_ref']}").json()
    assert (said["mode"], said["entrusted_by"]) == ("entrusted", world.ISSUER)
    other = face.register(world.HALL, "authorization:grant")
    answer = other.post("/v1/authorizations", {**grant_body(to=world.AUDITOR), **entrusting})
    assert problem(answer) == (403, "not-the-issuer", "entrusted_by")


def listed(caller: Caller, index: int, **body: Any) -> list[dict[str, Any]]:
    """Every authorization of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        said = {**body, "limit": 2, "cursor": cursor}
        page = caller.done("/v1/authorizations/search", said, **{"Ledger-At-Least": str(index)})
        found += page["authorizations"]
        assert len(page["authorizations"]) <= 2
        cursor = page["cursor"]
        if cursor is None:
            return found


def test_authorizations_are_listed_by_requester_and_by_holder(face: Face, issuer: Caller) -> None:
    requester = face.register(REQUESTER, "license:use")
    made = [issuer.done("/v1/authorizations", grant_body(30, to=REQUESTER)) for _ in range(3)]
    made.append(issuer.done("/v1/authorizations", grant_body(to=REQUESTER, uses_per_day=3)))
    last = issuer.done(f"/v1/authorizations/{made[0]['authorization_ref']}/withdraw", ACT)["index"]
    refs = [one["authorization_ref"] for one in made]
    for caller in (issuer, requester):
        found = listed(caller, last, requester=REQUESTER)
        assert [one["authorization_ref"] for one in found] == refs
        assert [one["is_withdrawn"] for one in found] == [True, False, False, False]
        assert found[3]["scope"]["uses_per_day"] == 3
        of_holder = listed(caller, last, holder=api_world.person(30))
        assert [one["authorization_ref"] for one in of_holder] == refs[:3]
    stranger = face.register(world.AUDITOR, "license:use")
    auditor = face.register(world.AUDITOR, "audit:read")
    for about in ({"requester": REQUESTER}, {"holder": api_world.person(30)}):
        assert listed(stranger, last, **about) == []
        seen = [
            [one["authorization_ref"] for one in listed(who, last, **about)] for who in (auditor, requester)
        ]
        assert seen[0] == seen[1]
    assert listed(requester, last, holder=api_world.person(31)) == []


def test_a_successor_finds_what_its_predecessor_granted_for_the_types_that_passed(face: Face) -> None:
    former, heir, office = (demo_people.organization(number) for number in (1, 2, 3))
    grantor = face.register(former, "authorization:grant")
    successor, last = face.register(heir, "authorization:grant"), face.register(world.AUDITOR, "license:use")
    cards, papers = world.CITIZEN_CARD, world.BUSINESS_LICENSE
    made = [
        grantor.done("/v1/authorizations", grant_body(to=office, license_types=types))
        for types in ([cards], sorted([cards, papers]), [papers])
    ]
    refs = [one["authorization_ref"] for one in made]

    def seen(who: Caller) -> list[str]:
        index = face.events() - 1
        return [one["authorization_ref"] for one in listed(who, index, requester=office)]

    def hand_over(predecessor: str, successor_: str, *type_codes: str, areas: tuple[str, ...] = ()) -> None:
        asked = organization_commands.SucceedOrganization(
            actor=face.served.ledger.console,
            predecessor=predecessor,
            successor=successor_,
            authorizations="keep",
            type_codes=type_codes,
            areas=areas,
            since=0,
        )
        face.console(asked)

    hand_over(former, heir, papers, areas=("350000",))
    assert (seen(grantor), seen(successor)) == (refs, [])
    hand_over(former, heir, cards)
    assert (seen(grantor), seen(successor)) == (refs, refs[:1])
    path = f"/v1/authorizations/{refs[0]}"
    assert successor.get(path).json()["grantor"] == former
    successor.done(f"{path}/withdraw", ACT)
    hand_over(heir, world.AUDITOR, cards)
    assert (seen(successor), seen(last)) == ([], refs[:1])


def test_an_erased_holders_authorizations_are_in_no_list(face: Face, issuer: Caller) -> None:
    made = issuer.done("/v1/authorizations", grant_body(32, to=REQUESTER))
    holder = identifiers.holder_code(**api_world.person(32))
    console = face.served.ledger.console
    face.console(registry_commands.EraseHolder(actor=console, holder=holder))
    found = listed(issuer, made["index"], requester=REQUESTER)
    assert made["authorization_ref"] not in {one["authorization_ref"] for one in found}
    assert listed(issuer, made["index"], holder=api_world.person(32)) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "invalid-value", "body")),
        ({"holder": api_world.person(1), "requester": world.HALL}, (422, "invalid-value", "body")),
        ({"requester": "91350100MA0000007B"}, (422, "invalid-value", "requester")),
        ({"holder": {"code_type": "111", "code": "1"}}, (422, "invalid-holder-code", "holder.code")),
        ({"requester": world.HALL, "limit": 0}, (422, "invalid-value", "limit")),
        ({"requester": world.HALL, "cursor": "aaaa"}, (422, "invalid-value", "cursor")),
    ],
)
def test_a_search_with_a_flaw_is_refused(
    issuer: Caller, body: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert problem(issuer.post("/v1/authorizations/search", body)) == expected
