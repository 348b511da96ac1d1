"""Guardians and agents over HTTP: recorded, asked for, and consenting; until they may act no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api import examples_mandate
from ledger import reading
from tests import api_world, world
from tests.api_world import Caller, Face, person, problem
from tests.conftest import Cluster

WARD = examples_mandate.WARD


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover(world.CITIZEN_CARD)
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "consent:attest")


@pytest.fixture(scope="module")
def organ(face: Face) -> Caller:
    return face.register(world.AUDITOR, "holder:register")


@pytest.fixture(scope="module")
def guardianship(issuer: Caller, organ: Caller) -> dict[str, Any]:
    """The ward's license, and the guardianship of synthetic citizen 1."""
    issuer.done("/v1/licenses", api_world.issue_body(1, holder={**WARD, "name": "合成被监护人"}))
    said = api_world.example_of(examples_mandate.GuardianshipBody) | {"guardian": person(1)}
    return organ.done("/v1/guardianships", said)


def consent(**members: Any) -> dict[str, Any]:
    said = api_world.example("GrantBody", "consent_of_the_holder")
    scope = {"license_types": [world.CITIZEN_CARD]}
    return {**said, "requester": world.HALL, "scope": scope, "holder": WARD, **members}


def acting(number: int, made: dict[str, Any]) -> dict[str, Any]:
    return {"acting": {**person(number), "mandate_ref": made["mandate_ref"]}}


def search(caller: Caller, **members: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.done("/v1/mandates/search", {"holder": WARD, **members})["mandates"]
    return found


def test_a_guardian_is_found_consents_and_is_one_no_more(
    face: Face, issuer: Caller, organ: Caller, guardianship: dict[str, Any]
) -> None:
    assert guardianship["ends_at"] == "2042-12-30T16:00:00Z"
    (shown,) = search(issuer, person=person(1))
    assert (shown["kind"], shown["until"]) == ("minor", guardianship["ends_at"])
    assert search(issuer, person=person(2)) == []
    assert search(organ, on="2043-01-01") == []
    given = issuer.done("/v1/authorizations", consent(**acting(1, guardianship)))
    now = issuer.get(f"/v1/authorizations/{given['authorization_ref']}").json()
    assert now["scope"]["valid_until"] == guardianship["ends_at"]
    hall = face.register(world.HALL, "license:use")
    asked = api_world.by_code(given["use_code"])
    assert [one["decision"] for one in hall.done("/v1/uses", asked)["uses"]] == ["granted"]
    end = api_world.example_of(examples_mandate.EndGuardianshipBody)
    path = f"/v1/guardianships/{guardianship['mandate_ref']}/end"
    assert organ.done(path, end)["ended_authorizations"] == 1
    (refused,) = hall.done("/v1/uses", asked)["uses"]
    assert (refused["decision"], refused["reason"]) == ("refused", "mandate-ended")
    assert problem(organ.post(path, end))[:2] == (409, "conflict")
    at_least = {"Ledger-At-Least": str(face.events() - 1)}
    listed = issuer.post("/v1/authorizations/search", {"holder": WARD}, **at_least).json()["authorizations"]
    assert [one["is_withdrawn"] for one in listed] == [True]
    again = issuer.post("/v1/authorizations", consent(**acting(1, guardianship)))
    assert problem(again) == (409, "no-mandate", "acting.mandate_ref")


def test_who_attests_consent_asks_for_one_person_and_a_hall_for_nobody(
    face: Face, issuer: Caller, organ: Caller, guardianship: dict[str, Any]
) -> None:
    answer = issuer.post("/v1/mandates/search", {"holder": WARD})
    assert problem(answer) == (422, "invalid-value", "person")
    hall = face.register(world.HALL, "license:use")
    assert problem(hall.post("/v1/mandates/search", {"holder": WARD}))[:2] == (403, "scope-missing")
    assert search(organ, holder=person(77)) == []


@pytest.mark.parametrize(
    ("path", "members", "expected"),
    [
        ("/v1/guardianships", {"born_on": None}, (422, "invalid-value", "born_on")),
        ("/v1/guardianships", {"born_on": "1999-01-01"}, (422, "invalid-value", "born_on")),
        ("/v1/guardianships", {"ends_on": "2040-01-01"}, (422, "invalid-value", "ends_on")),
        ("/v1/guardianships", {"guardian": WARD}, (422, "invalid-value", "guardian")),
        ("/v1/guardianships", {"holder": {"code_type": "001", "code": world.ENTERPRISE.code}}, None),
        ("/v1/entrustments", {"valid_until": "2020-01-01T00:00:00Z"}, (422, "invalid-value", "valid_until")),
        ("/v1/entrustments", {"license_types": ["0" * 21]}, (422, "license-type-unknown", "license_types")),
    ],
)
def test_what_is_wrong_with_a_mandate_is_named_and_nothing_is_stored(
    face: Face, path: str, members: dict[str, Any], expected: tuple[int, str, str] | None
) -> None:
    caller = face.register(world.ISSUER, "consent:attest", "holder:register")
    body = examples_mandate.GuardianshipBody if "guard" in path else examples_mandate.AppointBody
    before = face.events()
    answer = caller.post(path, api_world.example_of(body) | members)
    assert problem(answer) == (expected or (422, "invalid-holder-code", "holder"))
    assert face.events() == before


def test_an_agent_is_appointed_and_dismissed(face: Face, issuer: Caller) -> None:
    made = issuer.done("/v1/entrustments", api_world.example_of(examples_mandate.AppointBody))
    holder, agent = {"code_type": "001", "code": "91350100MA0000007A"}, examples_mandate.PERSON
    (shown,) = search(issuer, holder=holder, person=agent)
    assert shown["license_types"] == [world.BUSINESS_LICENSE]
    given = consent(holder=holder, scope={"license_types": [world.BUSINESS_LICENSE]})
    said = {**given, "acting": {**agent, "mandate_ref": made["mandate_ref"]}}
    issuer.done("/v1/authorizations", said)
    wider = {**said, "scope": {"license_types": [world.BUSINESS_LICENSE, world.CITIZEN_CARD]}}
    assert problem(issuer.post("/v1/authorizations", wider))[:2] == (409, "no-mandate")
    dismiss = api_world.example_of(examples_mandate.DismissBody)
    done = issuer.done(f"/v1/entrustments/{made['mandate_ref']}/end", dismiss)
    assert done["ended_authorizations"] == 1


def test_an_agent_is_dismissed_from_now_on_and_not_from_a_later_day(issuer: Caller) -> None:
    made = issuer.done("/v1/entrustments", api_world.example_of(examples_mandate.AppointBody))
    dismiss = api_world.example_of(examples_mandate.DismissBody)
    path = f"/v1/entrustments/{made['mandate_ref']}/end"
    later = issuer.post(path, {**dismiss, "effective_at": "2100-01-01T00:00:00Z"})
    assert problem(later) == (422, "invalid-value", "effective_at")
    issuer.done(path, dismiss)


def test_an_agent_is_found_however_many_others_there_are(
    issuer: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    appoint = api_world.example_of(examples_mandate.AppointBody)
    mine = [
        issuer.done("/v1/entrustments", appoint | {"agent": person(number)})["mandate_ref"]
        for number in (5, 6)
    ]
    monkeypatch.setattr(reading, "MANDATES_MAX", 1)
    shown = [search(issuer, holder=appoint["holder"], person=person(number)) for number in (5, 6)]
    assert [one["mandate_ref"] for page in shown for one in page] == mine
