"""The trail over HTTP: recorded before it is opened; pages, cursors and repeats show one listing."""

from __future__ import annotations

from typing import Any

import pytest

from signing import event
from tests import world
from tests.api_world import Caller, Face, grant_body, issue_body, person, problem, use_body


@pytest.fixture(scope="module")
def everyone(face: Face) -> Caller:
    made = face.register(world.OPERATOR)
    made.done("/v1/authorizations", grant_body(to=world.OPERATOR))
    return made


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(world.AUDITOR, "audit:read")


def trail(**filter_: Any) -> dict[str, Any]:
    limit = {name: filter_.pop(name) for name in ("limit", "cursor") if name in filter_}
    return {"operator": {"account": "a-1", "name": "审计员"}, "reason": "核查", "filter": filter_, **limit}


def read(face: Face, auditor: Caller, body: dict[str, Any], **more: str) -> dict[str, Any]:
    return auditor.done("/v1/audit/trail", body, **{"Ledger-At-Least": str(face.events() - 1)}, **more)


def test_a_trail_tells_who_did_what_and_why_and_no_field(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    made = everyone.done("/v1/licenses", issue_body(1))
    used = everyone.done("/v1/uses", use_body(1))
    told = read(face, auditor, trail(license_ref=made["license_ref"]))
    assert [item["index"] for item in told["events"]] == [used["index"], made["index"]]
    use, issue = told["events"]
    assert (use["topic"], use["outcome"], issue["topic"]) == ("LicenseUsed", "granted", "LicenseIssued")
    assert use["request"]["operator_name"] == "李某"
    assert use["request"]["reason"] == "招标资格核验"
    assert "合成居民1" not in str(told)
    (stored,) = face.served.reader.events([told["index"]])
    recorded = event.parse_strictly(stored)
    assert (recorded.topic, recorded.fact["subject"], recorded.fact["events"]) == ("TrailRead", "license", 2)
    assert recorded.case_number is None


@pytest.mark.parametrize(
    ("filter_", "topics"),
    [
        ({"holder": person(2)}, ["LicenseUsed", "LicenseIssued"]),
        ({"case_number": "CASE-2"}, ["LicenseUsed"]),
        ({"operator": {"organization": world.OPERATOR, "account": "second"}}, ["LicenseUsed"]),
        ({"holder": person(899)}, []),
        ({"operator": {"organization": world.HALL, "account": "nobody"}}, []),
        ({"requester": world.AUDITOR, "until_index": 0}, []),
    ],
)
def test_each_subject_finds_its_events(
    face: Face, everyone: Caller, auditor: Caller, filter_: dict[str, Any], topics: list[str]
) -> None:
    everyone.done("/v1/licenses", issue_body(2), key="issue-2")
    body = use_body(2, operator={"account": "second", "name": "王某"})
    body["purpose"] = {**body["purpose"], "case_number": "CASE-2"}
    everyone.done("/v1/uses", body, key="use-2")
    told = read(face, auditor, trail(**filter_))
    assert [item["topic"] for item in told["events"]] == topics


def test_pages_show_the_trail_as_it_was_when_the_listing_began(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    for _ in range(5):
        everyone.done("/v1/uses", use_body(3))
    page = read(face, auditor, trail(requester=world.OPERATOR, limit=2))
    first = page["events"][0]["index"]
    shown = [item["index"] for item in page["events"]]
    while page["cursor"] is not None:
        everyone.done("/v1/uses", use_body(3))
        page = read(face, auditor, trail(requester=world.OPERATOR, limit=2, cursor=page["cursor"]))
        shown += [item["index"] for item in page["events"]]
    assert shown == sorted(set(shown), reverse=True)
    assert len(shown) >= 5
    assert max(shown) == first


def test_a_repeat_shows_the_same_page_whatever_came_since(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    body = trail(limit=3)
    first = read(face, auditor, body, key="trail-4")
    everyone.done("/v1/uses", use_body(4))
    before = face.events()
    again = read(face, auditor, body, key="trail-4")
    assert face.events() == before
    assert [item["index"] for item in again["events"]] == [item["index"] for item in first["events"]]
    assert (again["index"], again["through"]) == (first["index"], first["through"])
    assert read(face, auditor, {**body, "cursor": again["cursor"]})["events"]


def test_several_subjects_and_a_period_are_met_together(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    made = everyone.done("/v1/licenses", issue_body(6))
    body = use_body(6)
    body["purpose"] = {**body["purpose"], "service_item_code": "item-6"}
    used = everyone.done("/v1/uses", body)
    everyone.done("/v1/uses", {**use_body(6), "operator": {"account": "third", "name": "王某"}})
    both = trail(license_ref=made["license_ref"], service_item_code="item-6", requester=world.OPERATOR)
    told = read(face, auditor, both)
    assert [item["index"] for item in told["events"]] == [used["index"]]
    (stored,) = face.served.reader.events([told["index"]])
    assert event.parse_strictly(stored).fact["subject"] == "item+license+requester"
    at = told["events"][0]["recorded_at"]
    since = read(face, auditor, trail(license_ref=made["license_ref"], recorded_from=at))
    until = read(face, auditor, trail(license_ref=made["license_ref"], recorded_until=at))
    assert used["index"] in [item["index"] for item in since["events"]]
    assert [item["index"] for item in until["events"]] == [made["index"]]


def test_a_cursor_is_about_its_own_list(face: Face, everyone: Caller, auditor: Caller) -> None:
    everyone.done("/v1/uses", use_body(5))
    page = read(face, auditor, trail(limit=1))
    before = face.events()
    other = trail(requester=world.HALL, cursor=page["cursor"])
    assert problem(auditor.post("/v1/audit/trail", other)) == (422, "invalid-value", "cursor")
    moved = trail(limit=1, cursor="9" + page["cursor"])
    assert problem(auditor.post("/v1/audit/trail", moved)) == (422, "invalid-value", "cursor")
    assert face.events() == before
