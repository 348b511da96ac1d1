"""Drafts over HTTP: two operators, one license, and nothing that a draft alone brings about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger import days
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, person, problem, use_body
from tests.conftest import Cluster

REVIEW = api_world.example("ReviewDraftBody")
ISSUE = api_world.example("IssueDraftBody")


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover()
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "file:attest")


def test_a_license_is_drafted_reviewed_by_another_and_issued_as_drafted(face: Face, issuer: Caller) -> None:
    body = issue_body(1, serial="DRAFTED1", counterparts=1, fields={"name": "合成居民1", "address": "一号"})
    made = issuer.done("/v1/drafts", body)
    ref = made["draft_ref"]
    now = issuer.get(f"/v1/drafts/{ref}").json()
    assert (now["status"], now["content"]["serial"], now["content"]["fields"]) == (
        "drafted",
        "DRAFTED1",
        body["fields"],
    )
    same = issuer.post(f"/v1/drafts/{ref}/review", {**REVIEW, "operator": body["operator"]})
    assert problem(same) == (403, "forbidden", "operator")
    early = issuer.post(f"/v1/drafts/{ref}/issue", ISSUE)
    assert (problem(early)[:2], early.json()["draft_status"]) == ((409, "conflict"), "drafted")
    assert issuer.done(f"/v1/drafts/{ref}/review", REVIEW)["status"] == "approved"
    issued = issuer.done(f"/v1/drafts/{ref}/issue", ISSUE, key="issue-draft-1")
    assert ".DRAFTED1.001." in issued["license_id"]
    assert len(issued["counterparts"]) == 1
    before = face.events()
    again = issuer.done(f"/v1/drafts/{ref}/issue", ISSUE, key="issue-draft-1")
    assert again["license_ref"] == issued["license_ref"]
    assert face.events() == before
    now = issuer.get(f"/v1/drafts/{ref}").json()
    assert (now["status"], now["content"]) == ("issued", None)
    assert problem(issuer.post(f"/v1/drafts/{ref}/issue", ISSUE))[:2] == (409, "conflict")


def test_a_draft_makes_no_holder_and_grants_nothing(face: Face, issuer: Caller) -> None:
    issuer.done("/v1/drafts", issue_body(2, serial="DRAFTED2"))
    hall = face.register(world.HALL, "license:use")
    (refused,) = hall.done("/v1/uses", use_body(2))["uses"]
    assert refused["reason"] == "not-authorized"
    search = {**api_world.example("SearchBody"), "holder": person(2)}
    assert issuer.done("/v1/holders/search", search)["licenses"] == []
    issuer.done("/v1/licenses", issue_body(2, serial="DRAFTED2"))


def test_a_returned_draft_is_issued_no_more(issuer: Caller) -> None:
    ref = issuer.done("/v1/drafts", issue_body(3))["draft_ref"]
    told = issuer.done(f"/v1/drafts/{ref}/review", {**REVIEW, "decision": "return"})
    assert told["status"] == "returned"
    assert issuer.get(f"/v1/drafts/{ref}").json()["content"] is None
    assert problem(issuer.post(f"/v1/drafts/{ref}/issue", ISSUE))[:2] == (409, "conflict")


def test_a_draft_is_its_own_organizations_and_as_right_as_an_issue(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/drafts", issue_body(4))["draft_ref"]
    stranger = face.register(world.HALL, "license:issue")
    before = face.events()
    assert problem(stranger.get(f"/v1/drafts/{ref}"))[:2] == (404, "not-found")
    for verb, body in (("review", REVIEW), ("issue", ISSUE)):
        answer = stranger.post(f"/v1/drafts/{ref}/{verb}", body)
        assert problem(answer)[:2] == (404, "not-found")
    wrong = {**person(4), "code": "350102190001010000", "name": "合成居民4"}
    answer = issuer.post("/v1/drafts", issue_body(4, holder=wrong))
    assert problem(answer)[::2] == (422, "holder.code")
    answer = issuer.post("/v1/drafts", issue_body(4, license_type="11100000MB0143028R999"))
    assert problem(answer)[:2] == (422, "license-type-unknown")
    assert face.events() == before


def test_waiting_drafts_are_listed_for_their_organization_page_by_page(face: Face) -> None:
    office = face.register(world.HALL, "license:issue")
    reviewer = {"operator": {"account": "review-9", "name": "郑某"}}
    refs = [office.done("/v1/drafts", issue_body(10 + number))["draft_ref"] for number in range(4)]
    office.done(f"/v1/drafts/{refs[0]}/review", {**REVIEW, **reviewer, "decision": "return"})
    office.done(f"/v1/drafts/{refs[1]}/review", {**REVIEW, **reviewer})
    office.done(f"/v1/drafts/{refs[2]}/review", {**REVIEW, **reviewer})
    last = office.done(f"/v1/drafts/{refs[2]}/issue", ISSUE)
    newest = {"Ledger-At-Least": str(last["index"])}
    whole = office.get("/v1/drafts", **newest).json()
    assert [(one["draft_ref"], one["status"]) for one in whole["drafts"]] == [
        (refs[1], "approved"),
        (refs[3], "drafted"),
    ]
    assert whole["through"] >= last["index"]
    first = office.get("/v1/drafts?limit=1", **newest).json()
    second = office.get(f"/v1/drafts?limit=1&cursor={first['cursor']}").json()
    told = [one["draft_ref"] for page in (first, second) for one in page["drafts"]]
    assert (told, second["cursor"]) == ([refs[1], refs[3]], None)
    drafted = office.get("/v1/drafts?status=drafted", **newest).json()["drafts"]
    assert [one["draft_ref"] for one in drafted] == [refs[3]]
    assert "合成居民" not in str(whole)
    stranger = face.register(world.AUDITOR, "license:issue")
    assert stranger.get("/v1/drafts", **newest).json()["drafts"] == []
    assert problem(office.get("/v1/drafts?status=issued"))[0] == 422
    assert problem(office.get("/v1/drafts?cursor=aaaa"))[0] == 422
    assert problem(face.register(world.HALL, "license:use").get("/v1/drafts"))[0] == 403


def test_a_void_draft_waits_no_more(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    office = face.register(world.AUDITOR, "license:issue")
    made = office.done("/v1/drafts", issue_body(20))
    newest = {"Ledger-At-Least": str(made["index"])}
    (one,) = office.get("/v1/drafts", **newest).json()["drafts"]
    void_at = days.parse_instant(one["expires_at"])
    monkeypatch.setattr(face.served, "moment", lambda: void_at - 1)
    assert len(office.get("/v1/drafts", **newest).json()["drafts"]) == 1
    monkeypatch.setattr(face.served, "moment", lambda: void_at)
    assert office.get("/v1/drafts", **newest).json()["drafts"] == []
