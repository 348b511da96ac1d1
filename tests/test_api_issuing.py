"""Who acts over HTTP: a token names the organization acted for, a delegate its delegator."""

from __future__ import annotations

import json
from concurrent.futures import Future
from typing import Any

import psycopg
import pytest

from api import auth, examples, examples_issuing
from ledger import issuing, registry_commands
from ledger.pen import Result
from tests import api_world, world
from tests.api_world import Caller, Face

CITY, DISTRICT, THIRD = world.ISSUER, examples.REQUESTER, examples.ORGANIZATION
TYPES = (world.BUSINESS_LICENSE, world.CITIZEN_CARD)


def registered(face: Face, organization: str, *scopes: str, further: tuple[str, ...] = ()) -> Caller:
    private, public = auth.generate_client_key("Ed25519")
    ledger = face.served.ledger
    asked = registry_commands.RegisterClient(
        actor=ledger.console,
        name="client",
        acts_for=organization,
        scopes=scopes,
        license_types=TYPES,
        algorithm="Ed25519",
        keys=(json.dumps(public),),
        further=further,
    )
    face.console(asked)
    url = ledger.config.public_url
    return Caller(http=face.http, public_url=url, client_id=asked.client_id, private=private).sign_in()


@pytest.fixture(scope="module")
def city(face: Face) -> Caller:
    return registered(face, CITY, "license:issue", "issuing:entrust")


@pytest.fixture(scope="module")
def district(face: Face) -> Caller:
    return registered(face, DISTRICT, "license:issue", "issuing:entrust")


def act(**members: Any) -> dict[str, Any]:
    return {"operator": examples.OPERATOR, "case_number": "CASE-1", "reason": "下放"} | members


def business(**members: Any) -> dict[str, Any]:
    """A business license."""
    return {**api_world.example("IssueBody"), **members}


def entrust(city: Caller, **members: Any) -> str:
    said = api_world.example_of(examples_issuing.EntrustBody) | {"delegate": DISTRICT, **members}
    return str(city.done("/v1/issuing-entrustments", said)["entrustment_ref"])


def test_a_delegate_issues_and_changes_what_was_entrusted_and_no_more(city: Caller, district: Caller) -> None:
    said = business(issuer=CITY, area_code="350102")
    assert api_world.problem(district.post("/v1/licenses", said)) == (403, "not-the-issuer", "issuer")
    ref = entrust(city)
    made = district.done("/v1/licenses", said)
    license_ref = made["license_ref"]
    assert f".{CITY}." in made["license_id"]
    seen = district.get(f"/v1/licenses/{license_ref}").json()
    assert seen["issuer"] == CITY
    change = api_world.example("ChangeBody")
    path = f"/v1/licenses/{license_ref}/suspend"
    assert api_world.problem(district.post(path, change))[:2] == (403, "not-the-issuer")
    district.done(path, change | {"issuer": CITY})
    amended = {name: value for name, value in said.items() if name not in ("license_type", "serial")} | {
        "reason": "变更"
    }
    district.done(f"/v1/licenses/{license_ref}/amend", amended)
    elsewhere = business(issuer=CITY, area_code="350103")
    for refused in (elsewhere, api_world.issue_body(1, issuer=CITY, area_code="350102")):
        answer = district.post("/v1/licenses", refused)
        assert api_world.problem(answer) == (403, "not-the-issuer", "issuer")
    end = f"/v1/issuing-entrustments/{ref}/end"
    district.done(end, act(delegator=CITY))
    assert api_world.problem(district.post(end, act(delegator=CITY)))[:2] == (404, "not-found")
    answer = district.post(f"/v1/licenses/{license_ref}/reinstate", change | {"issuer": CITY})
    assert api_world.problem(answer)[:2] == (403, "not-the-issuer")
    city.done(f"/v1/licenses/{license_ref}/reinstate", change)


def test_what_a_delegate_did_is_told_again_after_the_end_of_its_entrustment(
    city: Caller, district: Caller
) -> None:
    ref = entrust(city)
    said = business(issuer=CITY, area_code="350102")
    path = f"/v1/licenses/{district.done('/v1/licenses', said)['license_ref']}/amend"
    amended = {name: value for name, value in said.items() if name not in ("license_type", "serial")}
    amended |= {"reason": "变更"}
    first = district.done(path, amended, key="told-again")
    city.done(f"/v1/issuing-entrustments/{ref}/end", act(delegate=DISTRICT))
    again = district.done(path, amended, key="told-again")
    assert (again["license_id"], again["index"]) == (first["license_id"], first["index"])
    answer = district.post(path, {**amended, "reason": "又变更"}, key="told-again")
    assert api_world.problem(answer)[:2] == (422, "idempotency-key-reused")
    assert api_world.problem(district.post(path, amended))[:2] == (403, "not-the-issuer")


def test_a_delegate_renews_and_replaces_under_the_delegators_code(city: Caller, district: Caller) -> None:
    entrust(city, areas=[])
    said = business(issuer=CITY)
    made = district.done("/v1/licenses", said)
    renewed = api_world.example("RenewBody") | {"issuer": CITY}
    again = district.done(f"/v1/licenses/{made['license_ref']}/renew", renewed)
    assert f".{CITY}." in again["license_id"]
    assert again["license_id"] != made["license_id"]
    renewed = api_world.example("RenewBody")
    answer = district.post(f"/v1/licenses/{made['license_ref']}/renew", renewed)
    assert api_world.problem(answer)[:2] == (403, "not-the-issuer")


def test_no_event_names_an_issuer_who_entrusted_nothing(face: Face, city: Caller) -> None:
    stranger = registered(face, THIRD, "license:issue")
    said = business(issuer=CITY)
    before = face.events()
    for path in ("/v1/licenses", "/v1/drafts"):
        answer = stranger.post(path, said)
        assert api_world.problem(answer) == (403, "not-the-issuer", "issuer"), path
    assert face.events() == before
    entrust(city, delegate=THIRD, areas=[], license_types=[world.CITIZEN_CARD])
    assert api_world.problem(stranger.post("/v1/licenses", said))[1] == "not-the-issuer"


def test_both_sides_see_who_issues_for_whom_on_a_day(face: Face, city: Caller, district: Caller) -> None:
    ref = entrust(city, valid_from="2026-01-01", valid_until="2099-12-31")
    third = registered(face, THIRD, "license:issue")
    auditor = registered(face, world.HALL, "audit:read")

    def listed(caller: Caller, **query: str) -> list[dict[str, Any]]:
        head = {"Ledger-At-Least": str(face.events() - 1)}
        answer = caller.get("/v1/issuing-entrustments", params={"limit": "100", **query}, **head)
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json()["entrustments"] if one["entrustment_ref"] == ref]

    for caller in (city, district, auditor):
        (one,) = listed(caller, on="2099-12-31")
        assert (one["delegator"], one["delegate"], one["areas"]) == (CITY, DISTRICT, ["350102"])
        assert listed(caller, on="2100-01-01") == []
    assert listed(third) == []
    city.done(f"/v1/issuing-entrustments/{ref}/end", act(delegate=DISTRICT))
    (one,) = listed(district)
    assert one["ended_index"] == face.events() - 1
    assert listed(district, on="2100-01-01") == []


def test_nobody_entrusts_the_issuing_of_another(face: Face, district: Caller) -> None:
    third = registered(face, THIRD, "license:issue")
    said = api_world.example_of(examples_issuing.EntrustBody)
    assert api_world.problem(third.post("/v1/issuing-entrustments", said))[:2] == (403, "scope-missing")
    unknown = said | {"license_types": ["11100000MB0143028R999"], "delegate": THIRD}
    answer = district.post("/v1/issuing-entrustments", unknown)
    assert api_world.problem(answer) == (422, "license-type-unknown", "license_types")
    end = district.post(f"/v1/issuing-entrustments/{'a' * 26}/end", act(delegator=CITY))
    assert api_world.problem(end)[:2] == (404, "not-found")


def test_an_issue_that_waits_behind_the_end_of_its_entrustment_is_refused(
    face: Face, city: Caller, district: Caller
) -> None:
    """Both wait for the lock; the end is decided first."""
    ref = entrust(city, areas=[])
    ended = issuing.IssuingEntrustmentEnded(
        entrustment_ref=api_world.ids.parse(ref), delegator=CITY, delegate=DISTRICT
    )
    for entrusted_before in _others(face, ref):
        face.console(_end(face, entrusted_before))
    ledger = face.served.ledger
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        conn.execute("SELECT partition FROM partitions WHERE partition = 0 FOR UPDATE")
        asked = registry_commands.RecordInRegistry(actor=ledger.console, facts=(ended,))
        first: Future[Result] = face.served.appender.submit(asked)
        said = business(issuer=CITY)
        pending = api_world.in_background(lambda: district.post("/v1/licenses", said))
        conn.rollback()
    first.result(timeout=30)
    assert api_world.problem(pending.result(timeout=30))[:2] == (403, "not-the-issuer")


def _others(face: Face, ref: str) -> list[str]:
    from ledger import power, state

    row = face.served.reader.row(state.EntrustmentRow, power.pair(CITY, DISTRICT))
    return [grant.entrustment_ref for grant in power.grants(row) if grant.entrustment_ref != ref]


def _end(face: Face, ref: str) -> registry_commands.RecordInRegistry:
    ended = issuing.IssuingEntrustmentEnded(
        entrustment_ref=api_world.ids.parse(ref), delegator=CITY, delegate=DISTRICT
    )
    return registry_commands.RecordInRegistry(actor=face.served.ledger.console, facts=(ended,))


def test_a_token_names_the_organization_acted_for(face: Face) -> None:
    shared = registered(face, CITY, "license:issue", further=(DISTRICT, THIRD))
    assert shared.ask_token().json()["organization"] == CITY
    for organization in (CITY, DISTRICT, THIRD):
        shared.sign_in(organization=organization)
        made = shared.done("/v1/licenses", api_world.issue_body(4))
        assert f".{organization}." in made["license_id"]
    answer = shared.ask_token(organization="91350100MA0000007A")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


def test_the_same_key_for_another_organization_is_another_request(face: Face) -> None:
    shared = registered(face, CITY, "license:issue", further=(DISTRICT,))
    said = api_world.issue_body(5)
    first = shared.done("/v1/licenses", said, key="one-key")
    assert shared.done("/v1/licenses", said, key="one-key")["index"] == first["index"]
    shared.sign_in(organization=DISTRICT)
    other = shared.done("/v1/licenses", said, key="one-key")
    assert other["index"] != first["index"]


def test_a_token_for_an_organization_that_was_taken_away_is_dead(face: Face) -> None:
    shared = registered(face, CITY, "license:issue", further=(DISTRICT,)).sign_in(organization=DISTRICT)
    said = api_world.issue_body(6)
    made = shared.done("/v1/licenses", said, key="before")
    change = registry_commands.ChangeOrganizations(
        actor=face.served.ledger.console, client_id=shared.client_id, further=(THIRD,)
    )
    face.console(change)
    for answer in (
        shared.post("/v1/licenses", said),
        shared.post("/v1/licenses", said, key="before"),
        shared.get(f"/v1/licenses/{made['license_ref']}"),
    ):
        assert api_world.problem(answer)[:2] == (403, "forbidden")
    shared.sign_in()
    assert shared.get(f"/v1/licenses/{made['license_ref']}").status_code == 200
    shared.sign_in(organization=THIRD).done("/v1/licenses", said)


def test_every_appending_route_takes_case_number_item_channel_and_operator(face: Face) -> None:
    said = face.http.get("/openapi.json").json()
    schemas = said["components"]["schemas"]
    seen = 0
    for path, methods in said["paths"].items():
        post = methods.get("post")
        keyed = {item["name"] for item in (post or {}).get("parameters", ())}
        if post is None or "Idempotency-Key" not in keyed:
            continue
        schema = post["requestBody"]["content"]["application/json"]["schema"]
        members = schemas[schema["$ref"].rpartition("/")[2]]["properties"]
        if "items" in members:
            item = members["items"]["items"]
            members |= schemas[item["$ref"].rpartition("/")[2]]["properties"] if "$ref" in item else {}
        if "purpose" in members:
            members = members | schemas["Purpose"]["properties"]
        assert {"operator", "case_number", "service_item_code", "channel"} <= members.keys(), path
        seen += 1
    assert seen > 30
