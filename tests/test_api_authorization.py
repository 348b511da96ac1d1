"""Authorizations over HTTP: who grants what, who sees it, and that it can only shrink."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger import identifiers
from tests import api_world, world
from tests.api_world import Caller, Face, by_code, grant_body, issue_body, problem, use_body
from tests.conftest import Cluster

ACT = api_world.example("WithdrawBody")


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        yield running


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
