"""Comparisons over HTTP: verdicts and nothing else, proven, repeated, limited."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import comparison
from signing import event, receipt, spelling
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, problem, use_body


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    made = face.register(world.ISSUER, "license:issue", "authorization:grant")
    made.done("/v1/authorizations", grant_body(to=world.HALL, fields=["name", "address", "@holder_code"]))
    return made


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    return face.register(world.HALL, "license:use")


def claim(number: int, **claims: str) -> dict[str, Any]:
    return {**use_body(number), "claims": claims}


def test_every_claim_gets_its_verdict_and_no_value_leaves(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(1))["license_ref"]
    answer = hall.post("/v1/comparisons", claim(1, name="合成 居民1", address="厦门市示例路"))
    said = answer.json()
    assert said["verdicts"] == {"name": "match", "address": "mismatch"}
    assert (said["decision"], said["license_ref"], said["license"]) == ("granted", ref, None)
    assert "福州市示例路" not in answer.text
    data = spelling.from_base64(said["proof"]["event"])
    stored = event.parse_strictly(data)
    assert (stored.topic, stored.case_number) == ("LicenseCompared", "2026-0202-0042")
    vault = face.served.ledger.vault
    keys = [api_world.trust_of(face).ledgers[0].origins[0].keys[0].key]
    proven = receipt.verify(said["proof"]["receipt"], event=data, trusted=keys, suite=vault.suite)
    assert proven.index == said["index"]


def test_a_name_that_was_changed_since_the_license_was_printed_matches_as_such(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    issuer.done("/v1/licenses", issue_body(18))
    organ = face.register(world.AUDITOR, "holder:register")
    body = api_world.example("NameBody")
    holder = {"code_type": "111", "code": world.citizen(18).code}
    renamed = {"holder": holder, "former_name": "合成居民18", "new_name": "合成新名"}
    assert hall.done("/v1/comparisons", claim(18, name="合成新名"))["verdicts"] == {"name": "mismatch"}
    organ.done("/v1/holders/names", {**body, **renamed})
    told = [
        hall.done("/v1/comparisons", claim(18, name=name))["verdicts"]["name"]
        for name in ("合成新名", "合成居民18", "合成别名")
    ]
    assert told == ["matches-former-name", "match", "mismatch"]


def test_both_lengths_of_the_holders_code_are_the_same_claim(issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(2))
    long = world.citizen(2).code
    said = hall.done("/v1/comparisons", claim(2, **{"@holder_code": long[:6] + long[8:17]}))
    assert said["verdicts"] == {"@holder_code": "match"}


def test_a_repeat_is_told_the_same_and_changes_nothing(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(3))["license_ref"]
    first = hall.done("/v1/comparisons", claim(3, name="合成居民3"), key="compare-3")
    issuer.done(f"/v1/licenses/{ref}/annul", api_world.example("ChangeBody"))
    before = face.events()
    again = hall.done("/v1/comparisons", claim(3, name="合成居民3"), key="compare-3")
    assert again["verdicts"] == first["verdicts"] == {"name": "match"}
    assert again["proof"]["event"] == first["proof"]["event"]
    assert face.events() == before


def test_what_may_not_be_used_is_not_compared(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(4))["license_ref"]
    said = hall.done("/v1/comparisons", claim(4, gender="女"))
    assert (said["decision"], said["reason"], said["verdicts"]) == ("refused", "fields-not-covered", None)
    issuer.done(f"/v1/licenses/{ref}/suspend", api_world.example("ChangeBody"))
    said = hall.done("/v1/comparisons", claim(4, name="合成居民4"))
    assert (said["reason"], said["license"]["license_ref"]) == ("license-suspended", ref)
    assert said["help"]["situation"] == "status"
    stored = event.parse_strictly(spelling.from_base64(said["proof"]["event"]))
    assert (stored.topic, stored.fact["act"]) == ("UseRefused", "comparison")
    stranger = face.register(world.AUDITOR, "license:use")
    for number in (4, 5):
        assert stranger.done("/v1/comparisons", claim(number, name="x"))["reason"] == "not-authorized"


def test_trying_out_ends_after_ten_misses(face: Face, issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(6))
    for number in range(comparison.MISSES_MAX):
        said = hall.done("/v1/comparisons", claim(6, name=f"合成居民{number + 100}"))
        assert said["verdicts"] == {"name": "mismatch"}
    before = face.events()
    answer = hall.post("/v1/comparisons", claim(6, name="合成居民6"))
    assert problem(answer)[:2] == (429, "comparison-limit")
    assert 1 <= int(answer.headers["Retry-After"]) <= 86_401
    assert face.events() == before
    issuer.done("/v1/licenses", issue_body(7))
    assert hall.done("/v1/comparisons", claim(7, name="合成居民7"))["verdicts"] == {"name": "match"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"claims": {}}, (422, "invalid-value", "claims")),
        ({"claims": {"name": ""}}, (422, "invalid-value", "claims.name")),
        ({"claims": {"name": "x" * 501}}, (422, "invalid-value", "claims.name")),
        ({"claims": {"n" + world.citizen(1).code.lower(): "x"}}, (422, "field-unknown", "claims")),
        ({"license_ref": "a" * 26}, (422, "invalid-value", "body")),
        ({"license_type": None}, (422, "invalid-value", "license_type")),
        ({"license_type": f"{world.OPERATOR}999"}, (422, "license-type-unknown", "license_type")),
    ],
)
def test_a_claim_with_a_flaw_is_refused_and_changes_nothing(
    face: Face, hall: Caller, changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    before = face.events()
    answer = hall.post("/v1/comparisons", {**claim(1, name="x"), **changes})
    assert problem(answer) == expected
    assert face.events() == before


def test_an_auditor_finds_comparisons_on_the_trail(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(8))["license_ref"]
    index = hall.done("/v1/comparisons", claim(8, name="另一人"))["index"]
    auditor = face.register(world.AUDITOR, "audit:read")
    body = {**api_world.example("TrailBody"), "filter": {"license_ref": ref}}
    events = auditor.done("/v1/audit/trail", body, **{"Ledger-At-Least": str(index)})["events"]
    compared = [one for one in events if one["topic"] == "LicenseCompared"]
    assert [(one["outcome"], one["fact"]["verdicts"]) for one in compared] == [
        ("compared", [["name", "mismatch"]])
    ]
