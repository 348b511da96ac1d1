"""Licenses over HTTP: issued, amended, changed, looked at; by whom, and what a repeat is told."""

from __future__ import annotations

import pytest

from ledger.state import LicenseRow
from signing import event, ids
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, problem

CHANGE = api_world.example("ChangeBody")


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue")


def test_an_issued_license_is_there_at_once_with_its_identifier_and_receipt(
    face: Face, issuer: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(1, serial="SERIAL1"))
    assert made["license_id"].startswith(f"1.2.156.3005.2.{world.CITIZEN_CARD}.{world.ISSUER}.SERIAL1.001.")
    assert made["receipt"].startswith(f"c2sp.org/tlog-proof@v1\nindex {made['index']}\n")
    assert made["qr"].startswith(f"HTTPS://{face.served.ledger.config.qr_host.upper()}/V/")
    now = issuer.get(f"/v1/licenses/{made['license_ref']}").json()
    assert (now["status"], now["version"], now["issuer"]) == ("effective", 1, world.ISSUER)
    assert not {"fields", "license_id", "holder"} & now.keys()


def test_a_repeat_is_told_the_same_and_changes_nothing(face: Face, issuer: Caller) -> None:
    body = issue_body(2)
    first = issuer.done("/v1/licenses", body, key="issue-2")
    before = face.events()
    again = issuer.done("/v1/licenses", body, key="issue-2")
    assert face.events() == before
    assert {**first, "receipt": ""} == {**again, "receipt": ""}


def test_another_body_under_a_known_key_is_refused(face: Face, issuer: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(3), key="issue-3")
    before = face.events()
    answer = issuer.post("/v1/licenses", issue_body(4), key="issue-3")
    assert problem(answer) == (422, "idempotency-key-reused", None)
    assert face.events() == before


def test_a_serial_is_used_once_within_type_and_issuer(issuer: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(5, serial="ONCE"))
    answer = issuer.post("/v1/licenses", issue_body(6, serial="ONCE"))
    assert problem(answer)[:2] == (409, "already-exists")


def test_an_amendment_is_the_next_version_of_the_same_serial(face: Face, issuer: Caller) -> None:
    made = issuer.done("/v1/licenses", issue_body(7, serial="AMENDED", area_code="350203"))
    body = {**issue_body(7), "reason": "住址变更", "fields": {"name": "合成居民7", "address": "厦门市示例路"}}
    del body["license_type"]
    amended = issuer.done(f"/v1/licenses/{made['license_ref']}/amend", body)
    assert amended["version"] == 2
    assert ".AMENDED.002." in amended["license_id"]
    assert amended["qr"] != made["qr"]
    row = face.served.reader.row(LicenseRow, ids.parse(made["license_ref"]))
    assert row is not None
    assert row.area_code == "350203"  # where none is said, the division stays
    other = {**body, "serial": "OTHER"}
    assert problem(issuer.post(f"/v1/licenses/{made['license_ref']}/amend", other)) == (
        422,
        "invalid-value",
        "serial",
    )


def test_a_status_follows_from_the_one_before(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(8))["license_ref"]
    for verb, status in (("suspend", "suspended"), ("reinstate", "effective"), ("annul", "annulled")):
        issuer.done(f"/v1/licenses/{ref}/{verb}", CHANGE)
        assert issuer.get(f"/v1/licenses/{ref}").json()["status"] == status
    before = face.events()
    answer = issuer.post(f"/v1/licenses/{ref}/suspend", CHANGE)
    assert problem(answer)[:2] == (409, "status-conflict")
    assert answer.json()["license_status"] == "annulled"
    assert face.events() == before


@pytest.mark.parametrize("verb", ["recall", "revoke", "cancel"])
def test_every_ending_has_its_verb(issuer: Caller, verb: str) -> None:
    ref = issuer.done("/v1/licenses", issue_body(9))["license_ref"]
    assert (
        issuer.done(f"/v1/licenses/{ref}/{verb}", CHANGE)["status"]
        == {
            "recall": "recalled",
            "revoke": "revoked",
            "cancel": "cancelled",
        }[verb]
    )


def test_a_frozen_suspended_license_is_suspended_after_its_release(issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(13))["license_ref"]
    order = api_world.example("CourtOrderBody")
    issuer.done(f"/v1/licenses/{ref}/suspend", CHANGE)
    frozen = issuer.done(f"/v1/licenses/{ref}/freeze", order)
    assert (frozen["mark"], frozen["stands"]) == ("frozen", True)
    now = issuer.get(f"/v1/licenses/{ref}").json()
    assert (now["status"], now["recorded_status"]) == ("frozen", "suspended")
    assert now["marks"] == [{"mark": "frozen", "since": frozen["effective_at"], "index": frozen["index"]}]
    answer = issuer.post(f"/v1/licenses/{ref}/cancel", CHANGE)
    assert (problem(answer)[:2], answer.json()["license_status"]) == ((409, "status-conflict"), "frozen")
    issuer.done(f"/v1/licenses/{ref}/release", order)
    assert issuer.get(f"/v1/licenses/{ref}").json()["status"] == "suspended"


@pytest.mark.parametrize(
    ("verb", "inverse", "status"),
    [
        ("report-lost", "found", "lost"),
        ("restrict", "lift-restriction", "restricted"),
        ("transfer-out", "cancel-transfer", "transferred-out"),
    ],
)
def test_what_is_lost_restricted_or_transferred_comes_back(
    issuer: Caller, verb: str, inverse: str, status: str
) -> None:
    ref = issuer.done("/v1/licenses", issue_body(14))["license_ref"]
    body = api_world.example("TransferOutBody") if verb == "transfer-out" else CHANGE
    issuer.done(f"/v1/licenses/{ref}/{verb}", body)
    assert issuer.get(f"/v1/licenses/{ref}").json()["status"] == status
    issuer.done(f"/v1/licenses/{ref}/{inverse}", CHANGE)
    assert issuer.get(f"/v1/licenses/{ref}").json()["status"] == "effective"


def test_a_freeze_names_the_courts_order(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(15))["license_ref"]
    before = face.events()
    assert problem(issuer.post(f"/v1/licenses/{ref}/freeze", CHANGE)) == (
        422,
        "invalid-value",
        "document_number",
    )
    assert face.events() == before


def test_a_license_transferred_in_keeps_what_it_was_sealed(face: Face, issuer: Caller) -> None:
    old = issuer.done("/v1/licenses", issue_body(16))
    origin = {"license_id": old["license_id"], "event": old["event"], "receipt": old["receipt"]}
    made = issuer.done("/v1/licenses/transfer-in", {**issue_body(16), "origin": origin})
    (data,) = face.served.reader.events([made["index"]])
    about = event.parse(data)
    _, content = face.served.disclosure.part(about, "origin")
    assert content == [old["license_id"], None, old["event"], old["receipt"]]
    for broken, field in (
        ({"license_id": old["license_id"] + "X"}, "origin.license_id"),
        ({**origin, "receipt": "no receipt"}, "origin.receipt"),
        ({**origin, "event": "no base64!"}, "origin.event"),
        ({"license_id": old["license_id"], "event": old["event"]}, "origin.receipt"),
    ):
        answer = issuer.post("/v1/licenses/transfer-in", {**issue_body(16), "origin": broken})
        assert problem(answer) == (422, "invalid-value", field)


def test_the_same_key_on_another_license_is_another_request(issuer: Caller) -> None:
    refs = [issuer.done("/v1/licenses", issue_body(10))["license_ref"] for _ in range(2)]
    for ref in refs:
        issuer.done(f"/v1/licenses/{ref}/suspend", CHANGE, key="one-key")
        assert issuer.get(f"/v1/licenses/{ref}").json()["status"] == "suspended"


def test_only_the_issuer_changes_a_license(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(11))["license_ref"]
    stranger = face.register(world.HALL, "license:issue")
    assert problem(stranger.post(f"/v1/licenses/{ref}/suspend", CHANGE))[:2] == (403, "not-the-issuer")
    body = {**issue_body(11), "reason": "变更"}
    del body["license_type"]
    assert problem(stranger.post(f"/v1/licenses/{ref}/amend", body))[:2] == (403, "not-the-issuer")


def test_an_unknown_license_is_not_found_however_it_is_written(issuer: Caller) -> None:
    for ref in ("a" * 26, "b" * 26, "x", ids.text(bytes(16)).upper()):
        assert problem(issuer.get(f"/v1/licenses/{ref}"))[:2] == (404, "license-not-found")
        assert problem(issuer.post(f"/v1/licenses/{ref}/suspend", CHANGE))[:2] == (404, "license-not-found")


def test_an_expired_license_says_so_by_its_dates(issuer: Caller) -> None:
    dates = {"valid_from": "2020-01-01", "valid_to": "2020-12-31", "issued_on": "2020-01-01"}
    ref = issuer.done("/v1/licenses", issue_body(12, **dates))["license_ref"]
    now = issuer.get(f"/v1/licenses/{ref}").json()
    assert (now["status"], now["recorded_status"]) == ("expired", "active")


def test_numbers_in_fields_are_kept_as_written(face: Face, issuer: Caller) -> None:
    body = api_world.dumps(api_world.example("IssueBody")).replace(b"1000000.0", b"1000000.00")
    made = issuer.done("/v1/licenses", body)
    version = face.served.disclosure.version(made["index"])
    assert version is not None
    assert version.salted["registered_capital"][1] == "1000000.00"
