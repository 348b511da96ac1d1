"""Coverage over HTTP: declared, listed, withdrawn; and what an officer is told by it."""

from __future__ import annotations

from typing import Any

import pytest

from tests import world
from tests.api_world import Caller, Face, grant_body, problem, use_body

ACT = {"operator": {"account": "o-1", "name": "归集员"}, "case_number": "C-1"}
PATH = f"/v1/license-types/{world.CITIZEN_CARD}"


@pytest.fixture(scope="module")
def operator(face: Face) -> Caller:
    made = face.register(world.OPERATOR, "coverage:declare", "authorization:grant")
    made.done("/v1/authorizations", grant_body(to=world.HALL))
    return made


@pytest.fixture(scope="module")
def hall(face: Face, operator: Caller) -> Caller:
    return face.register(world.HALL, "license:use", "coverage:declare")


def told(hall: Caller, **expected: Any) -> dict[str, Any]:
    body = use_body(1) | ({"expected": expected} if expected else {})
    (one,) = hall.done("/v1/uses", body)["uses"]
    helped: dict[str, Any] = one["help"]
    assert one["reason"] == helped["situation"]
    return helped


def test_coverage_is_declared_listed_and_withdrawn(operator: Caller, hall: Caller) -> None:
    assert told(hall)["situation_zh"] == "未归集"
    body = {**ACT, "holds": "all", "issued_from": "2015-01-01"}
    made = operator.done(f"{PATH}/coverage", body, key="cover-1")
    assert operator.done(f"{PATH}/coverage", body, key="cover-1")["coverage_ref"] == made["coverage_ref"]
    listed = hall.get(f"{PATH}/coverage").json()
    assert [item["coverage_ref"] for item in listed["declarations"]] == [made["coverage_ref"]]
    assert (listed["source"], listed["without_hints"]) == ("ledger", "not-covered")
    assert told(hall)["situation"] == "not-covered"
    assert told(hall, issued_on="2020-02-02")["advice_zh"].endswith("请引导本人申办。")
    operator.done(f"{PATH}/coverage/{made['coverage_ref']}/withdraw", ACT)
    assert hall.get(f"{PATH}/coverage").json()["declarations"] == []
    again = operator.post(f"{PATH}/coverage/{made['coverage_ref']}/withdraw", ACT)
    assert problem(again)[:2] == (404, "not-found")


def test_while_a_source_is_down_officers_are_told_to_ask_later(operator: Caller, hall: Caller) -> None:
    assert operator.done(f"{PATH}/source", {**ACT, "source": "down"})["source"] == "down"
    assert told(hall)["situation"] == "source-unavailable"
    assert hall.get(f"{PATH}/coverage").json()["without_hints"] == "source-unavailable"
    operator.done(f"{PATH}/source", {**ACT, "source": "up"})
    assert told(hall)["situation"] == "not-covered"
    assert problem(operator.post(f"{PATH}/source", {**ACT, "source": "up"}))[:2] == (409, "conflict")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"holds": "most"}, (422, "invalid-value", "holds")),
        ({"area": "3501"}, (422, "invalid-value", "area")),
        ({"issuer": "91350100MA0000007B"}, (422, "invalid-value", "issuer")),
        ({"issued_from": "2020-02-30"}, (422, "invalid-value", "issued_from")),
        (
            {"issued_from": "2020-02-02", "issued_to": "2020-02-01"},
            (422, "invalid-value", "issued_to"),
        ),
    ],
)
def test_a_declaration_with_a_flaw_is_refused_and_changes_nothing(
    face: Face, operator: Caller, changes: dict[str, str], expected: tuple[int, str, str]
) -> None:
    before = face.events()
    assert problem(operator.post(f"{PATH}/coverage", {**ACT, "holds": "all", **changes})) == expected
    assert face.events() == before


def test_another_body_declares_for_itself_alone(face: Face, operator: Caller, hall: Caller) -> None:
    answer = hall.post(f"{PATH}/coverage", {**ACT, "holds": "all"})
    assert problem(answer)[:2] == (403, "not-the-issuer")
    hall.done(f"{PATH}/coverage", {**ACT, "holds": "all", "issuer": world.HALL})
    for path in ("/v1/license-types/x/coverage", f"/v1/license-types/{world.OPERATOR}999/coverage"):
        assert problem(hall.get(path)) == (422, "license-type-unknown", "path.type_code")
    stranger = face.register(world.HALL, "license:use")
    answer = stranger.post(f"{PATH}/coverage", {**ACT, "holds": "all", "issuer": world.HALL})
    assert problem(answer)[:2] == (403, "scope-missing")
