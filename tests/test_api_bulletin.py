"""The bulletin over HTTP: who reads which figures, who closes a month, and what is asked wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger import bulletin, days, store
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, problem
from tests.conftest import Cluster

LAST = "2026-01"
ACT = api_world.example("ChangeBody")


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        made = running.register(world.ISSUER)
        for number in range(6):
            ref = made.done("/v1/licenses", issue_body(number))["license_ref"]
            change = {**ACT, "effective_at": "2026-01-31T23:59:59+08:00"}
            made.done(f"/v1/licenses/{ref}/suspend", change)
        yield running


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(world.AUDITOR, "audit:read")


def read(face: Face, caller: Caller, query: str = "", month: str = LAST) -> dict[str, Any]:
    answer = caller.get(f"/v1/bulletins/{month}{query}", **{"Ledger-At-Least": str(face.events() - 1)})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def test_a_month_is_read_closed_and_corrected(face: Face, auditor: Caller) -> None:
    operator = face.register(world.OPERATOR, "bulletin:close")
    said = read(face, auditor, "?group_by=department,type")
    assert (said["month"], said["edition"], said["closed_at"]) == (LAST, None, None)
    (line,) = said["lines"]
    assert (line["department"], line["license_type"]) == (world.ISSUER, world.CITIZEN_CARD)
    assert (line["changed"], line["issued"], line["since_closing"]) == (6, 0, {})
    closed = operator.done(f"/v1/bulletins/{LAST}/close", {"operator": ACT["operator"]})
    assert closed["month"] == LAST
    assert read(face, auditor)["closed_index"] == closed["index"]
    again = operator.post(f"/v1/bulletins/{LAST}/close", {"operator": ACT["operator"]})
    assert problem(again) == (409, "already-exists", "month")
    correct = {"operator": ACT["operator"], "reason": "补录"}
    operator.done(f"/v1/bulletins/{LAST}/correct", correct)
    assert read(face, auditor)["edition"] == 2
    listed = auditor.get("/v1/bulletins", **{"Ledger-At-Least": str(face.events() - 1)}).json()
    assert [(one["month"], one["edition"]) for one in listed["editions"]] == [(LAST, 2), (LAST, 1)]


def test_figures_are_told_rounded_to_who_is_no_auditor(face: Face) -> None:
    office = face.register(world.HALL, "statistics:read")
    (line,) = read(face, office)["lines"]
    assert line["changed"] in (5, 10)
    assert line["since_closing"] is None
    now = bulletin.text(bulletin.month_of(days.of_instant(store.wall_clock())))
    (line,) = read(face, office, month=now)["lines"]
    assert {line["issued"], line["changed_late"]} <= {5, 10}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("2026-13", (422, "invalid-value", "month")),
        ("2026-01?group_by=issuer", (422, "invalid-value", "query.group_by")),
        ("2026-01?group_by=type,type", (422, "invalid-value", "query.group_by")),
        ("2026-01?edition=99", (404, "not-found", None)),
    ],
)
def test_what_is_asked_wrongly_is_named(auditor: Caller, path: str, expected: tuple[int, str, Any]) -> None:
    assert problem(auditor.get(f"/v1/bulletins/{path}")) == expected


def test_only_a_client_for_it_closes_a_month_and_only_one_that_is_over(face: Face, auditor: Caller) -> None:
    operator = face.register(world.OPERATOR, "bulletin:close")
    said, before = {"operator": ACT["operator"], "reason": "更正"}, face.events()
    assert problem(auditor.post("/v1/bulletins/2026-01/correct", said))[:2] == (403, "scope-missing")
    for path, expected in (
        ("2199-01/close", (422, "invalid-value", "month")),
        ("2025-12/correct", (409, "conflict", "month")),
    ):
        assert problem(operator.post(f"/v1/bulletins/{path}", said)) == expected
    assert problem(operator.get("/v1/bulletins/2026-01"))[:2] == (403, "scope-missing")
    assert face.events() == before
