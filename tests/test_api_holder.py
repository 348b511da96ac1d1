"""The holder's file over HTTP: recorded before it is shown, page by page, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger import identifiers, registry_commands
from signing import event
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, person, problem
from tests.conftest import Cluster


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue")


@pytest.fixture(scope="module")
def counter(face: Face) -> Caller:
    return face.register(world.HALL, "file:attest")


def search(number: int, **changes: Any) -> dict[str, Any]:
    return {**api_world.example("SearchBody"), "holder": person(number), **changes}


def at_least(index: int) -> dict[str, str]:
    return {"Ledger-At-Least": str(index)}


def test_a_file_shows_what_is_held_with_its_fields_and_is_a_fact(
    face: Face, issuer: Caller, counter: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(1))
    issuer.done("/v1/licenses", issue_body(2))
    file = counter.done("/v1/holders/search", search(1), **at_least(made["index"]))
    (held,) = file["licenses"]
    assert (held["license_ref"], held["license_id"]) == (made["license_ref"], made["license_id"])
    assert held["fields"]["address"] == "福州市示例路"
    assert (held["status"], held["roles"]) == ("effective", ["holder"])
    (stored,) = face.served.reader.events([file["index"]])
    told = event.parse_strictly(stored)
    assert told.topic == "HolderFileRead"
    assert told.operator_ref is not None
    assert len(told.fact["license_refs"]) == 1


def test_every_page_is_a_fact_and_the_pages_together_are_the_file(
    face: Face, issuer: Caller, counter: Caller
) -> None:
    made = [issuer.done("/v1/licenses", issue_body(3)) for _ in range(5)]
    before, cursor, shown = face.events(), None, []
    for size in (2, 2, 1):
        body = search(3, limit=2, **({} if cursor is None else {"cursor": cursor}))
        page = counter.done("/v1/holders/search", body, **at_least(made[-1]["index"]))
        assert len(page["licenses"]) == size
        cursor = page["cursor"]
        shown += [item["license_ref"] for item in page["licenses"]]
    assert cursor is None
    assert shown == [item["license_ref"] for item in made]
    assert face.events() == before + 3


def test_a_repeat_shows_what_the_first_showed_and_records_nothing(
    face: Face, issuer: Caller, counter: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(4))
    first = counter.done("/v1/holders/search", search(4), key="file-4", **at_least(made["index"]))
    more = issuer.done("/v1/licenses", issue_body(4))
    before = face.events()
    again = counter.done("/v1/holders/search", search(4), key="file-4", **at_least(more["index"]))
    assert face.events() == before
    assert (again["index"], len(again["licenses"])) == (first["index"], 1)


def test_a_cursor_is_good_for_its_own_file_only(face: Face, issuer: Caller, counter: Caller) -> None:
    last = [issuer.done("/v1/licenses", issue_body(number)) for number in (5, 5, 6)][-1]
    page = counter.done("/v1/holders/search", search(5, limit=1), **at_least(last["index"]))
    before = face.events()
    for cursor in (page["cursor"], "aaaa"):
        answer = counter.post("/v1/holders/search", search(6, cursor=cursor))
        assert problem(answer) == (422, "invalid-value", "cursor")
    assert face.events() == before


def test_a_file_that_is_not_there_or_erased_is_not_found(face: Face, issuer: Caller, counter: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(7))
    console = face.served.ledger.console
    holder = identifiers.holder_code(**person(7))
    face.console(registry_commands.EraseHolder(actor=console, holder=holder))
    before = face.events()
    for number in (7, 8):
        assert problem(counter.post("/v1/holders/search", search(number)))[:2] == (404, "not-found")
    assert face.events() == before


def test_an_index_that_is_not_reached_is_told(face: Face, issuer: Caller, counter: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(9))
    before = face.events()
    answer = counter.post("/v1/holders/search", search(9), **at_least(10**9))
    assert problem(answer)[:2] == (503, "behind-index")
    assert "Retry-After" in answer.headers
    wrong = counter.post("/v1/holders/search", search(9), **{"Ledger-At-Least": "-1"})
    assert problem(wrong) == (422, "invalid-value", "header.Ledger-At-Least")
    assert face.events() == before
