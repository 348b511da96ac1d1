"""Drafts over HTTP: two operators, one license, and nothing that a draft alone brings about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
