"""Lists of findings over HTTP: recorded, paged, with a grace; and who turns out to be a party after all."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import fact
from signing import event
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, person, problem, use_body
from tests.test_api_case import OPERATOR, opened

ASKED = {"operator": OPERATOR, "reason": "效能监察", "grace_days": 0}


@pytest.fixture(scope="module")
def everyone(face: Face) -> Caller:
    """A client of the hall with every scope, and a statutory grant to it."""
    caller = face.register(world.HALL)
    caller.done("/v1/authorizations", api_world.grant_body(to=world.HALL))
    return caller


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(world.AUDITOR, "audit:read")


def found(face: Face, auditor: Caller, name: str, case_number: str | None = None, **said: Any) -> Any:
    narrowed = {} if case_number is None else {"case_number": case_number}
    body = {**ASKED, "filter": {"requester": world.HALL, **narrowed}, **said}
    fresh = {"Ledger-At-Least": str(face.events() - 1)}
    return auditor.done(f"/v1/audit/findings/{name}", body, **fresh)


def used(everyone: Caller, number: int, case_number: str, **more: Any) -> int:
    said = use_body(number, **more)
    said["purpose"]["case_number"] = case_number
    answer = everyone.done("/v1/uses", said)
    assert answer["uses"][0]["decision"] == "granted"
    return int(answer["index"])


def strangers(face: Face, auditor: Caller, case_number: str) -> list[int]:
    page = found(face, auditor, "uses-of-no-party", case_number)
    return [one["index"] for one in page["events"]]


def test_a_page_of_findings_is_recorded_and_says_why(face: Face, everyone: Caller, auditor: Caller) -> None:
    everyone.done("/v1/licenses", issue_body(1))
    index = used(everyone, 1, "A-1")
    before = face.events()
    page = found(face, auditor, "uses-without-case", "A-1")
    assert [one["index"] for one in page["events"]] == [index]
    (one,) = page["events"]
    assert (one["case"], one["change"], one["request"]["reason"]) == (None, None, "招标资格核验")
    assert face.events() == before + 1
    made = fact.from_event(event.parse(face.served.reader.events([page["index"]])[0]))
    assert getattr(made, "subject", None) == "case+finding+requester"
    everyone.done("/v1/cases/open", opened("A-1"))
    assert found(face, auditor, "uses-without-case", "A-1")["events"] == []
    everyone.done(
        "/v1/cases/close",
        {
            "case_number": "A-1",
            "closed_at": "2026-01-03T09:00:00+08:00",
            "outcome": "approved",
            "license_types": [world.BUSINESS_LICENSE],
            "operator": OPERATOR,
        },
    )
    (late,) = found(face, auditor, "uses-after-end", "A-1")["events"]
    assert (late["index"], late["case"]["ended_at"]) == (index, "2026-01-03T01:00:00Z")
    (waits,) = found(face, auditor, "cases-without-result", "A-1")["events"]
    assert (waits["topic"], waits["case"]["missing_types"]) == ("CaseClosed", [world.BUSINESS_LICENSE])


def test_days_of_grace_leave_out_what_feeds_may_explain_yet(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    everyone.done("/v1/licenses", issue_body(2))
    used(everyone, 2, "B-1")
    assert found(face, auditor, "uses-without-case", "B-1")["events"]
    assert found(face, auditor, "uses-without-case", "B-1", grace_days=1)["events"] == []
    suspended: dict[str, Any] = {"reason": "检查", "legal_basis": "行政许可法", "operator": OPERATOR}
    suspended["effective_at"] = "2026-01-03T09:00:00+08:00"
    ref = everyone.done("/v1/licenses", issue_body(3))["license_ref"]
    index = used(everyone, 3, "B-2")
    everyone.done(f"/v1/licenses/{ref}/suspend", suspended)
    (late,) = found(face, auditor, "uses-in-delay", "B-2", grace_days=300)["events"]
    assert (late["index"], late["change"]["topic"]) == (index, "LicenseSuspended")
    assert late["change"]["effective_at"] == "2026-01-03T01:00:00Z"


def test_pages_and_repeats_of_a_list_show_it_as_it_was(face: Face, everyone: Caller, auditor: Caller) -> None:
    everyone.done("/v1/licenses", issue_body(4))
    for _ in range(3):
        used(everyone, 4, "C-1")
    first = found(face, auditor, "uses-without-case", "C-1", limit=2)
    body = {**ASKED, "filter": {"requester": world.HALL, "case_number": "C-1"}, "limit": 2}
    said = {**body, "cursor": first["cursor"]}
    rest = auditor.done("/v1/audit/findings/uses-without-case", said, key="rest-of-C-1")
    used(everyone, 4, "C-1")
    again = auditor.done("/v1/audit/findings/uses-without-case", said, key="rest-of-C-1")
    assert [len(page["events"]) for page in (first, rest)] == [2, 1]
    assert again["events"] == rest["events"]
    assert problem(auditor.post("/v1/audit/findings/uses-after-end", said))[:2] == (422, "invalid-value")


def test_a_list_that_is_not_there_is_not_found_and_only_auditors_read(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    assert problem(auditor.post("/v1/audit/findings/other", ASKED))[:2] == (404, "not-found")
    hall = face.register(world.HALL, "case:upload")
    assert problem(hall.post("/v1/audit/findings/uses-after-end", ASKED))[:2] == (403, "scope-missing")


def test_a_party_who_was_not_known_is_none_the_less_a_party(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    everyone.done("/v1/licenses", issue_body(5))
    everyone.done("/v1/cases/open", opened("D-1", parties=[person(6)]))
    index = used(everyone, 5, "D-1")
    everyone.done("/v1/licenses", issue_body(6))
    used(everyone, 6, "D-1")
    assert strangers(face, auditor, "D-1") == [index]


def test_codes_of_one_holder_count_as_the_same_as_long_as_they_are_linked(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    for number in (7, 8):
        everyone.done("/v1/licenses", issue_body(number))
    everyone.done("/v1/cases/open", opened("E-1", parties=[person(7)]))
    index = used(everyone, 8, "E-1")
    assert strangers(face, auditor, "E-1") == [index]
    linked = {"operator": OPERATOR, "reason": "同一人", "evidence": "0" * 64, "holder": person(7)}
    everyone.done("/v1/holders/link", {**linked, "linked": person(8)})
    assert strangers(face, auditor, "E-1") == []
    everyone.done("/v1/holders/unlink", {**linked, "linked": person(8)})
    assert strangers(face, auditor, "E-1") == [index]


def test_a_license_of_several_is_of_each_of_its_parties(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    owner = {**person(10), "name": "合成共有人", "role": "co-owner", "fields": {}}
    everyone.done("/v1/licenses", issue_body(9, parties=[owner]))
    everyone.done("/v1/cases/open", opened("F-1", parties=[person(10)]))
    used(everyone, 9, "F-1")
    everyone.done("/v1/licenses", issue_body(11))
    index = used(everyone, 11, "F-1")
    assert strangers(face, auditor, "F-1") == [index]
