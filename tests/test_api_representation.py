"""Representatives over HTTP: consent for a body, its end, the periods, and what prints the former name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import api_world, world
from tests.api_world import Caller, Face, person, problem
from tests.conftest import Cluster

BODY = {"code_type": "001", "code": world.ENTERPRISE.code}


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover(world.BUSINESS_LICENSE)
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "consent:attest")


def represented(who: int, **members: Any) -> dict[str, Any]:
    """A license of a body that names who represents it."""
    named = {**person(who), "role": "legal-representative", "name": "合成代表人"}
    fields = {"name": "合成企业", "legal_representative": f"合成代表人{who}"}
    said: dict[str, Any] = api_world.example("IssueBody") | {
        "holder": {**BODY, "name": "合成企业"},
        "fields": fields,
    }
    return {**said, "parties": [named], **members}


def consent(number: int, license_ref: str, **members: Any) -> dict[str, Any]:
    said = api_world.example("GrantBody", "consent_of_the_holder")
    scope = {"license_types": [world.BUSINESS_LICENSE]}
    given = {"representative": {**person(number), "license_ref": license_ref}, "holder": BODY}
    return {**said, "requester": world.HALL, "scope": scope, **given, **members}


def stale(face: Face, issuer: Caller) -> dict[str, Any]:
    answer = issuer.get("/v1/tasks/stale-names", **{"Ledger-At-Least": str(face.events() - 1)})
    assert answer.status_code == 200, answer.text
    return {one["license_ref"]: one["former_names"] for one in answer.json()["stale_names"]}


def periods(face: Face, caller: Caller, ref: str) -> Any:
    path = f"/v1/licenses/{ref}/representatives"
    return caller.get(path, **{"Ledger-At-Least": str(face.events() - 1)})


def test_a_body_is_represented_until_a_version_says_otherwise(face: Face, issuer: Caller) -> None:
    hall = face.register(world.HALL, "license:use")
    ref = issuer.done("/v1/licenses", represented(1))["license_ref"]
    permit = issuer.done("/v1/licenses", represented(1, number="P-1", parties=[]))["license_ref"]
    plain = api_world.example("IssueBody") | {"holder": {**BODY, "name": "合成企业"}, "number": "P-2"}
    issuer.done("/v1/licenses", plain)
    given = issuer.done("/v1/authorizations", consent(1, ref))
    path = f"/v1/authorizations/{given['authorization_ref']}"
    asked = api_world.by_code(given["use_code"])
    assert {one["decision"] for one in hall.done("/v1/uses", asked)["uses"]} == {"granted"}
    assert stale(face, issuer) == {}
    change = represented(2, reason="法定代表人变更", effective_at="2026-02-01T00:00:00+08:00")
    del change["license_type"]
    amended = issuer.done(f"/v1/licenses/{ref}/amend", change)
    assert amended["version"] == 2
    (refused,) = hall.done("/v1/uses", asked)["uses"]
    assert (refused["decision"], refused["reason"]) == ("refused", "representative-changed")
    assert issuer.get(path).json()["is_withdrawn"]
    answer = issuer.post("/v1/authorizations", consent(1, ref))
    assert problem(answer) == (409, "not-the-representative", "representative")
    assert stale(face, issuer) == {permit: ["representative"]}
    told = periods(face, issuer, ref).json()["periods"]
    assert [(one["version"], one["until"], one["ended_authorizations"]) for one in told] == [
        (1, "2026-01-31T16:00:00Z", 0),
        (2, None, 1),
    ]
    assert told[0]["representatives"] != told[1]["representatives"]
    again = represented(2, number="P-1", parties=[], reason="换照")
    del again["license_type"]
    issuer.done(f"/v1/licenses/{permit}/amend", again)
    assert stale(face, issuer) == {}


def test_periods_are_told_to_the_issuer_and_auditors(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", represented(5, number="P-9"))["license_ref"]
    assert len(periods(face, face.register(world.AUDITOR, "audit:read"), ref).json()["periods"]) == 1
    stranger = face.register_with_types(world.HALL, world.CITIZEN_CARD)
    assert problem(periods(face, stranger, ref))[:2] == (404, "license-not-found")
    user = face.register(world.HALL, "license:use")
    assert problem(periods(face, user, ref))[:2] == (403, "scope-missing")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"representative": {**person(1), "license_ref": "a" * 26}}, (409, "not-the-representative")),
        ({"representative": {"code_type": "111", "code": "1"}}, (422, "invalid-value")),
        ({"mode": "statutory", "holder": None, "evidence": None}, (422, "invalid-value")),
    ],
)
def test_what_is_wrong_with_a_representative_is_named(
    face: Face, issuer: Caller, members: dict[str, Any], expected: tuple[int, str]
) -> None:
    ref = issuer.done("/v1/licenses", represented(7, number="P-7"))["license_ref"]
    caller = face.register(world.ISSUER, "consent:attest", "authorization:grant")
    before = face.events()
    answer = caller.post("/v1/authorizations", consent(7, ref) | members)
    assert problem(answer)[:2] == expected
    assert str(answer.json()["field"]).startswith("representative")
    assert face.events() == before
