"""A feed of cases over HTTP: one by one and in lists, late, twice and out of order; sealed parties."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import case, fact, keeping
from signing import event
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, person, problem

OPERATOR = {"account": "feed-1", "name": "夜间上报"}


@pytest.fixture(scope="module")
def hall(face: Face) -> Caller:
    return face.register(world.HALL, "case:upload")


def opened(number: str, at: str = "2026-01-02T09:00:00+08:00", **members: Any) -> dict[str, Any]:
    said = {"case_number": number, "service_item_code": "item-1", "opened_at": at, "operator": OPERATOR}
    return {**said, **members}


def closed(number: str, at: str = "2026-01-03T09:00:00+08:00", **members: Any) -> dict[str, Any]:
    said = {"case_number": number, "closed_at": at, "outcome": "denied", "operator": OPERATOR}
    return {**said, **members}


def row(said: dict[str, Any]) -> dict[str, Any]:
    """A row of a list."""
    fact_ = "opened" if "opened_at" in said else "closed"
    return {"fact": fact_, **{name: value for name, value in said.items() if name != "operator"}}


def told(hall: Caller, number: str) -> dict[str, Any]:
    return hall.post("/v1/cases/search", {"case_number": number}).json()  # type: ignore[no-any-return]


def test_a_case_is_opened_and_closed_and_known_to_its_organization_alone(face: Face, hall: Caller) -> None:
    made = hall.done("/v1/cases/open", opened("A-1", channel="web"))
    assert (made["case_number"], made["repeated"]) == ("A-1", False)
    assert told(hall, "A-1")["is_open"]
    done = hall.done("/v1/cases/close", closed("A-1"))
    assert told(hall, "A-1") == {
        "case_number": "A-1",
        "is_open": False,
        "spans": [
            {
                "opened_at": "2026-01-02T01:00:00Z",
                "opened_index": made["index"],
                "closed_at": "2026-01-03T01:00:00Z",
                "closed_index": done["index"],
                "parties": 0,
            }
        ],
    }
    other = face.register(world.ISSUER, "case:upload")
    assert problem(other.post("/v1/cases/search", {"case_number": "A-1"}))[:2] == (404, "not-found")
    other.done("/v1/cases/open", opened("A-1"))
    user = face.register(world.HALL, "license:use")
    assert problem(user.post("/v1/cases/open", opened("A-2")))[:2] == (403, "scope-missing")


def test_what_comes_again_is_recorded_once_under_any_key(face: Face, hall: Caller) -> None:
    made = hall.done("/v1/cases/open", opened("B-1", parties=[person(3)]))
    before = face.events()
    again = hall.done("/v1/cases/open", opened("B-1", parties=[person(3)]))
    assert (again["index"], again["recorded_at"], again["repeated"]) == (
        made["index"],
        made["recorded_at"],
        True,
    )
    hall.done("/v1/cases/close", closed("B-1"), key="close-B-1")
    for key in ("close-B-1", "another"):
        assert hall.done("/v1/cases/close", closed("B-1"), key=key)["repeated"]
    assert face.events() == before + 1
    for path, said in (
        ("open", opened("B-1", parties=[person(3), person(4)])),
        ("open", opened("B-1", parties=[person(3)], service_item_code="item-2")),
        ("close", closed("B-1", outcome="withdrawn")),
    ):
        assert problem(hall.post(f"/v1/cases/{path}", said))[:2] == (409, "case-conflict")
    assert face.events() == before + 1


def test_the_codes_of_parties_are_sealed_each_under_its_own_key_or_with_the_organization(
    face: Face, hall: Caller
) -> None:
    face.register(world.ISSUER, "license:issue").done("/v1/licenses", issue_body(5))
    parties = [{"role": "applicant", **person(5)}, {"role": "agent", **person(6)}]
    made = hall.done("/v1/cases/open", opened("C-1", parties=parties))
    (data,) = face.served.reader.events([made["index"]])
    about = event.parse(data)
    said = fact.from_event(about)
    assert isinstance(said, case.CaseOpened)
    assert (len(said.parties), said.unknown) == (1, ("agent",))
    assert person(5)["code"].encode() not in data

    def opens(about: event.Event, name: str) -> Any:
        return face.served.disclosure.part(about, name)

    assert opens(about, "party/0")[:2] == ["111", person(5)["code"]]
    assert opens(about, "parties")[0][:3] == ["agent", "111", person(6)["code"]]
    assert face.served.reader.find("holder", "111", person(6)["code"]) is None
    ledger = face.served.ledger
    keeping.erase_holder(ledger, face.served.appender, world.citizen(5), ledger.console)
    assert opens(about, "party/0") is None
    assert hall.done("/v1/cases/open", opened("C-1", parties=parties))["index"] == made["index"]


def test_an_answer_about_a_case_is_the_same_for_known_and_unknown_codes(face: Face, hall: Caller) -> None:
    issuer = face.register(world.ISSUER, "license:issue")
    for serial in (11, 12):
        issuer.done("/v1/licenses", issue_body(serial))
    known, also_known, unknown, also_unknown = person(11), person(12), person(13), person(14)

    def shown(answer: dict[str, Any]) -> dict[str, Any]:
        assert "event" not in answer
        varying = ("index", "recorded_at", "receipt", "case_number", "opened_index")
        return {name: value for name, value in answer.items() if name not in varying}

    def asked(number: str, *codes: tuple[str, dict[str, Any]]) -> list[Any]:
        """What is told of an opening with some parties, of others in their place, and of the case."""
        first, *others = ([{"role": role, **code}] for role, code in codes)
        both = [{"role": role, **codes[0][1]} for role in ("applicant", "agent", "applicant")]
        told_ = [shown(hall.done("/v1/cases/open", opened(number, parties=first)))]
        for other in others:
            told_.append(shown(hall.done("/v1/cases/open", opened(number, parties=other))))
            rows = {"operator": OPERATOR, "rows": [row(opened(number, parties=other))]}
            told_ += [shown(one["answer"]) for one in hall.done("/v1/cases/batch", rows)["rows"]]
        told_.append(shown(hall.done("/v1/cases/open", opened(f"{number}-2", parties=both))))
        (span,) = told(hall, f"{number}-2")["spans"]
        return [*told_, shown(span)]

    codes = {
        "E-1": (known, also_known, unknown),
        "E-2": (unknown, known, also_unknown),
        "E-3": (unknown, also_unknown, known),
        "E-4": (known, unknown, also_known),
    }
    answers = [asked(number, *(("applicant", one) for one in three)) for number, three in codes.items()]
    assert answers[1:] == answers[:1] * 3
    assert answers[0][-1]["parties"] == 2


def test_a_list_answers_row_by_row_in_its_order_and_can_come_again(face: Face, hall: Caller) -> None:
    rows: list[Any] = [
        row(opened("D-1")),
        row(closed("D-1")),
        row(opened("D-1", "2026-01-04T09:00:00+08:00")),
        row(closed("D-2")),
        row(opened("D-2")),
        row(opened("D-1", "2026-01-05T09:00:00+08:00")),
        row(opened("D-3", parties=[{"code_type": "111", "code": "350102190001011078"}])),
        {"fact": "opened", "case_number": "D-4"},
        row(closed("D-5", outcome="approved", license_types=["11100000MB0143028R999"])),
        row(opened(f"D-{person(9)['code']}")),
        "not a row",
    ]
    said = {"operator": OPERATOR, "rows": rows}
    answer = hall.done("/v1/cases/batch", said)
    found = [one["status"] for one in answer["rows"]]
    assert found == [200, 200, 200, 200, 200, 409, 422, 422, 422, 422, 422]
    types = [one["problem"]["type"].rpartition(":")[2] for one in answer["rows"][5:]]
    assert types == [
        "case-conflict",
        "invalid-holder-code",
        "invalid-value",
        "license-type-unknown",
        "case-number-unfit",
        "invalid-value",
    ]
    assert answer["rows"][6]["problem"]["field"] == "parties[0].code"
    assert answer["index"] == face.events() - 1
    before = face.events()
    again = hall.done("/v1/cases/batch", said)
    assert face.events() == before
    for one, other in zip(answer["rows"][:5], again["rows"], strict=False):
        assert other["answer"] == {"index": one["answer"]["index"], "repeated": True}
    assert [one["status"] for one in again["rows"]] == found
    spans = told(hall, "D-2")["spans"]
    assert [(one["opened_index"] is None, one["closed_index"] is None) for one in spans] == [(False, False)]


def test_a_use_never_waits_for_its_case(face: Face, hall: Caller) -> None:
    issuer = face.register(world.ISSUER, "license:issue", "authorization:grant")
    issuer.done("/v1/licenses", issue_body(7))
    issuer.done("/v1/authorizations", api_world.grant_body(to=world.HALL))
    user = face.register(world.HALL, "license:use")
    (used,) = user.done("/v1/uses", api_world.use_body(7))["uses"]
    assert used["decision"] == "granted"
