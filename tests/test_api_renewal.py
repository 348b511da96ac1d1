"""Renewal, replacement and endorsement over HTTP: what follows, what dies, what a list answers."""

from __future__ import annotations

import pytest

from signing import ids
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, problem

CHANGE = api_world.example("ChangeBody")
RENEW = api_world.example("RenewBody")
REPLACE = api_world.example("ReplaceBody")
ENDORSE = api_world.example("EndorseBody")


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "license:verify")


def verified(issuer: Caller, **named: str) -> str:
    body = {**{name: value for name, value in CHANGE.items() if name != "legal_basis"}, **named}
    result: str = issuer.done("/v1/verifications", body)["result"]
    return result


def test_a_renewal_has_a_new_serial_and_names_the_identifier_before(face: Face, issuer: Caller) -> None:
    first = issuer.done("/v1/licenses", issue_body(1, serial="OLD1"))
    ref = first["license_ref"]
    made = issuer.done(f"/v1/licenses/{ref}/renew", {**RENEW, "serial": "NEW1"})
    assert (made["license_ref"], made["version"]) == (ref, 2)
    assert ".NEW1.001." in made["license_id"]
    version = face.served.disclosure.version(made["index"])
    assert version is not None
    assert version.salted["@previous_license_id"][1] == first["license_id"]
    assert version.salted["address"][1] == "福州市示例路"
    assert issuer.get(f"/v1/licenses/{ref}").json()["valid_to"] == RENEW["valid_to"]
    for serial in ("OLD1", "NEW1"):
        entry = face.served.reader.find("license", world.CITIZEN_CARD, world.ISSUER, serial)
        assert entry is not None
        assert entry.target == ids.parse(ref)
    assert verified(issuer, token=first["qr"]) == "superseded"
    assert verified(issuer, token=made["qr"]) == "effective"
    body = {**issue_body(1), "reason": "住址变更"}
    del body["license_type"]
    assert ".NEW1.002." in issuer.done(f"/v1/licenses/{ref}/amend", body)["license_id"]
    again = issuer.post("/v1/licenses", issue_body(1, serial="OLD1"))
    assert problem(again)[:2] == (409, "already-exists")


def test_a_repeated_renewal_is_told_the_same(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(2))["license_ref"]
    first = issuer.done(f"/v1/licenses/{ref}/renew", RENEW, key="renew-2")
    before = face.events()
    again = issuer.done(f"/v1/licenses/{ref}/renew", RENEW, key="renew-2")
    assert face.events() == before
    assert {**first, "receipt": ""} == {**again, "receipt": ""}


def test_a_serial_that_is_taken_renews_nothing(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(3, serial="TAKEN"))["license_ref"]
    before = face.events()
    answer = issuer.post(f"/v1/licenses/{ref}/renew", {**RENEW, "serial": "TAKEN"})
    assert problem(answer)[:2] == (409, "already-exists")
    answer = issuer.post(f"/v1/licenses/{ref}/renew", {**RENEW, "fields": {"unknown_name": "值"}})
    assert (answer.status_code, answer.json()["field"]) in ((200, None), (422, "fields.unknown_name"))
    assert face.events() == before


def test_a_lost_license_is_replaced_and_its_old_code_dies(issuer: Caller) -> None:
    first = issuer.done("/v1/licenses", issue_body(4))
    ref = first["license_ref"]
    issuer.done(f"/v1/licenses/{ref}/report-lost", CHANGE)
    assert verified(issuer, token=first["qr"]) == "lost"
    made = issuer.done(f"/v1/licenses/{ref}/replace", {**REPLACE, "number": "NO-4-2"})
    assert ".002." in made["license_id"]
    assert verified(issuer, token=first["qr"]) == "superseded"
    assert verified(issuer, token=made["qr"]) == "effective"
    assert issuer.get(f"/v1/licenses/{ref}").json()["marks"] == []


def test_only_the_issuer_renews_and_replaces(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(5))["license_ref"]
    stranger = face.register(world.HALL, "license:issue")
    for verb, body in (("renew", RENEW), ("replace", REPLACE), ("endorse", ENDORSE)):
        answer = stranger.post(f"/v1/licenses/{ref}/{verb}", body)
        assert problem(answer)[:2] == (403, "not-the-issuer")
        answer = issuer.post(f"/v1/licenses/{'a' * 26}/{verb}", body)
        assert problem(answer)[:2] == (404, "license-not-found")


def test_an_endorsement_says_when_the_next_is_due(issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(6, valid_from="2020-01-01", endorsement_due="2026-01-31"))[
        "license_ref"
    ]
    now = issuer.get(f"/v1/licenses/{ref}").json()
    assert (now["endorsement_due"], now["is_endorsement_overdue"]) == ("2026-01-31", True)
    assert verified(issuer, license_ref=ref) == "endorsement-overdue"
    made = issuer.done(f"/v1/licenses/{ref}/endorse", ENDORSE)
    assert (made["result"], made["endorsement_due"]) == ("passed", ENDORSE["next_due"])
    assert verified(issuer, license_ref=ref) == "effective"


def test_a_list_is_endorsed_row_by_row(face: Face, issuer: Caller) -> None:
    refs = [issuer.done("/v1/licenses", issue_body(7))["license_ref"] for _ in range(3)]
    issuer.done(f"/v1/licenses/{refs[1]}/revoke", CHANGE)
    row = {"result": "passed", "next_due": "2199-06-30"}
    items = [{**row, "license_ref": ref, "idempotency_key": f"list-{n}"} for n, ref in enumerate(refs)]
    items.append({**row, "license_ref": "a" * 26, "idempotency_key": "list-3"})
    items.append({**row, "license_ref": refs[0], "idempotency_key": "list-4", "result": "perhaps"})
    body = {**api_world.example("EndorseListBody"), "items": items}
    told = issuer.done("/v1/endorsements/batch", body)
    assert [item["status"] for item in told["items"]] == [200, 409, 200, 404, 422]
    assert told["items"][1]["problem"]["license_status"] == "revoked"
    before = face.events()
    again = issuer.done("/v1/endorsements/batch", body)
    assert face.events() == before
    assert again["index"] == told["index"]
