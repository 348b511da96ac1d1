"""A license at a moment over HTTP: who may ask, and answers about the past."""

from __future__ import annotations

import pytest

from ledger import days, identifiers, keeping, present
from signing import ids
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, problem


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.OPERATOR)


@pytest.mark.parametrize("scope", ["license:verify", "audit:read"])
def test_verifiers_and_auditors_may_ask_for_any_license(face: Face, issuer: Caller, scope: str) -> None:
    ref = issuer.done("/v1/licenses", issue_body(1))["license_ref"]
    asking = face.register(world.AUDITOR, scope)
    assert asking.get(f"/v1/licenses/{ref}").json()["status"] == "effective"


def test_a_user_may_ask_while_an_authorization_covers_the_license(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(2))["license_ref"]
    user = face.register(world.HALL, "license:use")
    path, nothing = f"/v1/licenses/{ref}", f"/v1/licenses/{'a' * 26}"
    assert problem(user.get(path)) == problem(user.get(nothing)) == (404, "license-not-found", None)
    granted = issuer.done("/v1/authorizations", grant_body(2, to=world.HALL))["authorization_ref"]
    assert user.get(path).status_code == 200
    issuer.done(f"/v1/authorizations/{granted}/withdraw", api_world.example("WithdrawBody"))
    assert problem(user.get(path))[:2] == (404, "license-not-found")


def test_who_has_none_of_the_scopes_is_told_so(face: Face) -> None:
    asking = face.register(world.HALL, "consent:attest")
    assert problem(asking.get(f"/v1/licenses/{'a' * 26}"))[:2] == (403, "scope-missing")


def test_an_issuer_of_the_type_may_ask(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(3))["license_ref"]
    other = face.register(world.AUDITOR, "license:issue")
    assert other.get(f"/v1/licenses/{ref}").status_code == 200


def test_the_past_is_told_as_it_was_recorded_or_as_it_was(face: Face, issuer: Caller) -> None:
    made = issuer.done("/v1/licenses", issue_body(4))
    path = f"/v1/licenses/{made['license_ref']}"
    body = {**api_world.example("ChangeBody"), "effective_at": "2026-03-01T00:00:00+08:00"}
    changed = issuer.done(f"{path}/suspend", body)
    now = issuer.get(path).json()
    assert (now["status"], now["version"]) == ("suspended", 1)

    def asked(query: str) -> str:
        said = issuer.get(f"{path}?{query}")
        assert said.status_code == 200, said.text
        status: str = said.json()["status"]
        return status

    assert asked(f"as_of={made['recorded_at']}") == "effective"
    assert asked(f"as_of={changed['recorded_at']}") == "suspended"
    assert asked("effective_on=2026-02-28") == "effective"
    assert asked("effective_on=2026-03-01") == "suspended"
    assert asked(f"effective_on=2026-03-01&as_of={made['recorded_at']}") == "effective"
    before = days.instant_text(days.parse_instant(made["recorded_at"]) - 1)
    assert problem(issuer.get(f"{path}?as_of={before}"))[:2] == (404, "license-not-found")


def test_many_that_ask_at_once_are_told_each_their_own(face: Face, issuer: Caller) -> None:
    refs = [ids.parse(issuer.done("/v1/licenses", issue_body(number))["license_ref"]) for number in (6, 7)]
    nobody, nothing = bytes(16), bytes(16)
    asked = [(issuer.client_id, refs[0]), (nobody, refs[1]), (issuer.client_id, nothing), (nobody, nothing)]
    told = present.read(face.served.reader, asked)
    assert [told[one].client is not None for one in asked] == [True, False, True, False]
    assert [None if row is None else row.license_ref for row in (told[one].license for one in asked)] == [
        refs[0],
        refs[1],
        None,
        None,
    ]
    holder = identifiers.holder_code("111", world.citizen(7).code)
    keeping.erase_holder(face.served.ledger, face.served.appender, holder, face.served.ledger.console)
    assert present.read(face.served.reader, asked)[nobody, refs[1]].license is None
    assert problem(issuer.get(f"/v1/licenses/{ids.text(refs[1])}"))[:2] == (404, "license-not-found")


def test_a_mark_is_told_with_its_beginning(issuer: Caller) -> None:
    path = f"/v1/licenses/{issuer.done('/v1/licenses', issue_body(8))['license_ref']}"
    body = {**api_world.example("ChangeBody"), "effective_at": "2026-03-01T00:00:00+08:00"}
    changed = issuer.done(f"{path}/report-lost", body)
    now = issuer.get(path).json()
    assert (now["status"], now["recorded_status"]) == ("lost", "active")
    assert now["marks"] == [{"mark": "lost", "since": "2026-02-28T16:00:00Z", "index": changed["index"]}]


@pytest.mark.parametrize("ref", ["a" * 25, "a" * 27, "A" * 26, "%2e" * 9, "a" * 25 + "!"])
def test_what_is_no_reference_is_no_license(issuer: Caller, ref: str) -> None:
    assert problem(issuer.get(f"/v1/licenses/{ref}"))[:2] == (404, "license-not-found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("as_of=yesterday", "as_of"),
        ("as_of=2026-01-01T00:00:00", "as_of"),
        ("as_of=2100-01-01T00:00:00Z", "as_of"),
        ("effective_on=2026-02-29", "effective_on"),
    ],
)
def test_a_moment_that_is_none_is_refused(issuer: Caller, query: str, field: str) -> None:
    ref = issuer.done("/v1/licenses", issue_body(5))["license_ref"]
    answer = issuer.get(f"/v1/licenses/{ref}?{query}")
    assert problem(answer) == (422, "invalid-value", f"query.{field}")
