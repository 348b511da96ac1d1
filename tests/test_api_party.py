"""Parties over HTTP: both files, both keys, both consents, and what is left when one is erased."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger import bundle, identifiers, registry_commands
from signing import event, ids
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, person, problem, use_body
from tests.conftest import Cluster
from tests.test_api_use import trust_of


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover()
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(
        world.ISSUER, "license:issue", "authorization:grant", "consent:attest", "file:attest"
    )


@pytest.fixture(scope="module")
def hall(face: Face) -> Caller:
    return face.register(world.HALL, "license:use")


def issue(issuer: Caller, first: int, second: int) -> dict[str, Any]:
    """A license of two citizens; the name in it is the second one's own."""
    owner = {**person(second), "name": f"合成居民{second}", "role": "co-owner"}
    body = issue_body(first, fields={"address": "福州市示例路"})
    body["parties"] = [{**owner, "fields": {"name": f"合成居民{second}"}}]
    return issuer.done("/v1/licenses", body)


def file_of(face: Face, issuer: Caller, number: int, index: int) -> list[dict[str, Any]]:
    body = {**api_world.example("SearchBody"), "holder": person(number)}
    answer = issuer.post("/v1/holders/search", body, **{"Ledger-At-Least": str(index)})
    assert answer.status_code == 200, answer.text
    licenses: list[dict[str, Any]] = answer.json()["licenses"]
    return licenses


def erase(face: Face, number: int) -> None:
    holder = identifiers.holder_code(**person(number))
    face.console(registry_commands.EraseHolder(actor=face.served.ledger.console, holder=holder))


def test_each_partys_fields_are_sealed_under_its_own_key_and_shown_in_its_file(
    face: Face, issuer: Caller
) -> None:
    made = issue(issuer, 1, 2)
    (data,) = face.served.reader.events([made["index"]])
    about = event.parse(data)
    owners = {name: ids.text(about.sealed[name][1]) for name in ("fields", "fields/1")}
    assert len(set(owners.values())) == 2
    assert [ids.text(stream) for _, stream in about.fact["parties"]] == list(owners.values())
    first = face.served.disclosure.part(about, "fields")
    own = face.served.disclosure.part(about, "fields/1")
    assert set(own) == {"name", "@party_1_code", "@party_1_code_type", "@party_1_name"}
    assert {name for name, item in first.items() if len(item) == 1} == set(own)
    for number, role in ((1, "holder"), (2, "co-owner")):
        (held,) = file_of(face, issuer, number, made["index"])
        assert (held["roles"], held["license_ref"]) == ([role], made["license_ref"])
        assert held["fields"]["name"] == "合成居民2"


def test_one_new_person_in_two_roles_has_one_file(face: Face, issuer: Caller) -> None:
    made = issue(issuer, 40, 40)
    (data,) = face.served.reader.events([made["index"]])
    (_, first), (_, second) = event.parse(data).fact["parties"]
    assert first == second
    (held,) = file_of(face, issuer, 40, made["index"])
    assert held["roles"] == ["holder", "co-owner"]
    body = issue_body(41, fields={"address": "福州市示例路"})
    named = {**person(42), "name": "合成居民42", "fields": {}}
    body["parties"] = [{**named, "role": role} for role in ("co-owner", "guardian")]
    made = issuer.done("/v1/licenses", body)
    (data,) = face.served.reader.events([made["index"]])
    (_, first), (_, second), (_, third) = event.parse(data).fact["parties"]
    assert (first != second, second == third) == (True, True)


def test_a_use_finds_the_license_under_the_code_of_each_and_proves_every_value(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    made = issue(issuer, 3, 4)
    issuer.done("/v1/authorizations", grant_body(to=world.HALL))
    for number in (3, 4):
        answer = hall.post("/v1/uses", use_body(number))
        (proven,) = bundle.judge(answer.content, trusted=trust_of(face))
        assert (proven.decision, proven.license_ref) == ("granted", made["license_ref"])
        assert proven.values["@party_1_code"] == person(4)["code"]


def test_both_owners_consent_and_either_authorization_is_found(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    other = face.register(world.AUDITOR, "license:use")
    made = issue(issuer, 5, 6)
    granted = issuer.done("/v1/authorizations", grant_body(6, to=world.AUDITOR, uses_max=3))
    asked = {**use_body(6), "channel": "web"}
    answer = other.post("/v1/uses", asked)
    (proven,) = bundle.judge(answer.content, trusted=trust_of(face))
    assert (proven.reason, proven.license_ref) == ("consent-missing", made["license_ref"])
    join = {**api_world.example("JoinBody"), "holder": person(5)}
    issuer.done(f"/v1/authorizations/{granted['authorization_ref']}/join", join)
    by_reference = {**asked, "license_ref": made["license_ref"]}
    del by_reference["holder"], by_reference["license_type"]
    for body in (asked, by_reference, api_world.by_code(granted["use_code"])):
        (one,) = other.done("/v1/uses", body)["uses"]
        assert one["decision"] == "granted", one
    (spent,) = other.done("/v1/uses", asked)["uses"]
    assert spent["reason"] == "authorization-exhausted"
    again = issuer.post(f"/v1/authorizations/{granted['authorization_ref']}/join", join)
    assert problem(again)[:2] == (409, "conflict")


def test_erasing_one_party_leaves_the_others_fields_readable_and_proven(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    made = issue(issuer, 7, 8)
    erase(face, 8)
    answer = hall.post("/v1/uses", use_body(7))
    (proven,) = bundle.judge(answer.content, trusted=trust_of(face))
    assert proven.values["address"] == "福州市示例路"
    assert not {"name", "@party_1_code"} & set(proven.values)
    (gone,) = hall.done("/v1/uses", use_body(8))["uses"]
    assert gone["reason"] == "not-held"
    (held,) = file_of(face, issuer, 7, made["index"])
    assert held["fields"]["address"] == "福州市示例路"
    assert "name" not in held["fields"]
    body = api_world.example("ReplaceBody")
    replaced = issuer.done(f"/v1/licenses/{made['license_ref']}/replace", body)
    (data,) = face.served.reader.events([replaced["index"]])
    assert len(event.parse(data).fact["parties"]) == 1


def test_after_the_first_partys_erasure_the_other_reads_its_own_fields(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    made = issue(issuer, 9, 10)
    erase(face, 9)
    (held,) = file_of(face, issuer, 10, made["index"])
    assert (held["license_id"], held["fields"]["name"]) == (None, "合成居民10")
    assert "address" not in held["fields"]
    (refused,) = hall.done("/v1/uses", use_body(10))["uses"]
    assert refused["reason"] == "not-held"


def test_the_consent_of_an_owner_who_has_died_does_not_count(face: Face, issuer: Caller) -> None:
    other = face.register(world.AUDITOR, "license:use")
    made = issue(issuer, 15, 16)
    granted = issuer.done("/v1/authorizations", grant_body(15, to=world.AUDITOR))
    join = {**api_world.example("JoinBody"), "holder": person(16)}
    issuer.done(f"/v1/authorizations/{granted['authorization_ref']}/join", join)
    (one,) = other.done("/v1/uses", use_body(15))["uses"]
    assert one["decision"] == "granted"
    registrar = face.register(world.HALL, "holder:register")
    end = {**api_world.example("EndBody"), "holder": person(16), "kind": "death"}
    registrar.done("/v1/holders/end", end)
    by_reference = {**use_body(15), "license_ref": made["license_ref"]}
    del by_reference["holder"], by_reference["license_type"]
    for body in (use_body(15), by_reference, api_world.by_code(granted["use_code"])):
        answer = other.post("/v1/uses", body)
        (proven,) = bundle.judge(answer.content, trusted=trust_of(face))
        assert proven.reason == "consent-missing"


def test_the_end_of_the_first_owner_stops_uses_under_the_other_ones_code(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    made = issue(issuer, 17, 18)
    registrar = face.register(world.HALL, "holder:register")
    registrar.done("/v1/holders/end", {**api_world.example("EndBody"), "holder": person(17), "kind": "death"})
    for number in (17, 18):
        (one,) = hall.done("/v1/uses", use_body(number))["uses"]
        assert one["reason"] == "holder-ended"
    other = face.register(world.AUDITOR, "license:use")
    issuer.done("/v1/authorizations", grant_body(18, to=world.AUDITOR))
    (one,) = other.done("/v1/uses", use_body(18))["uses"]
    assert one["reason"] == "not-held"
    assert issuer.get(f"/v1/licenses/{made['license_ref']}").json()["recorded_status"] == "active"


def test_a_renewal_keeps_the_parties_and_an_amendment_names_them_again(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    made = issue(issuer, 11, 12)
    renewed = issuer.done(f"/v1/licenses/{made['license_ref']}/renew", api_world.example("RenewBody"))
    (data,) = face.served.reader.events([renewed["index"]])
    assert face.served.disclosure.part(event.parse(data), "fields/1")["name"][1] == "合成居民12"
    (one,) = hall.done("/v1/uses", use_body(12))["uses"]
    assert one["decision"] == "granted"
    body = {**issue_body(11), "reason": "析产"}
    del body["license_type"]
    issuer.done(f"/v1/licenses/{made['license_ref']}/amend", body)
    (one,) = hall.done("/v1/uses", use_body(12))["uses"]
    assert one["reason"] == "not-held"


def test_a_bad_party_is_named_and_nothing_is_stored(face: Face, issuer: Caller) -> None:
    before = face.events()
    party = {**person(13), "name": "合成居民13", "role": "co-owner", "fields": {}}
    for changes, field in (
        ({"code": "350102190001010000"}, "parties[0].code"),
        ({"role": "friend"}, "parties[0].role"),
        ({"fields": {"address": "厦门市示例路"}}, "parties[0].fields"),
    ):
        answer = issuer.post("/v1/licenses", issue_body(14, parties=[{**party, **changes}]))
        assert problem(answer)[0::2] == (422, field), answer.text
    assert face.events() == before
