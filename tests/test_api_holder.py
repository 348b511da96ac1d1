"""The holder's file over HTTP: recorded before it is shown, page by page, and nobody else's."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ledger import identifiers, registry_commands
from signing import event
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, person, problem
from tests.conftest import Cluster


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
    assert again["licenses"] == first["licenses"]


def test_a_repeat_shows_each_license_as_it_stood(face: Face, issuer: Caller, counter: Caller) -> None:
    made = [issuer.done("/v1/licenses", issue_body(14)) for _ in range(3)]
    body = search(14, limit=2)
    first = counter.done("/v1/holders/search", body, key="file-14", **at_least(made[-1]["index"]))
    path = f"/v1/licenses/{made[0]['license_ref']}"
    amended = {**api_world.example("AmendBody"), **{k: issue_body(14)[k] for k in ("holder", "number")}}
    amended["fields"] = {"name": "合成居民14", "address": "厦门市示例路"}
    issuer.done(f"{path}/amend", amended)
    changed = issuer.done(f"{path}/suspend", api_world.example("ChangeBody"))
    again = counter.done("/v1/holders/search", body, key="file-14", **at_least(changed["index"]))
    assert again["licenses"][0]["fields"]["address"] == "福州市示例路"
    told = [{name: item[name] for name in item if name != "at"} for item in again["licenses"]]
    assert told == [{name: item[name] for name in item if name != "at"} for item in first["licenses"]]
    assert again["through"] == first["through"]
    rest = counter.done("/v1/holders/search", search(14, cursor=again["cursor"]))
    assert [item["license_ref"] for item in rest["licenses"]] == [made[2]["license_ref"]]
    fresh = counter.done("/v1/holders/search", body, **at_least(changed["index"]))
    assert fresh["licenses"][0]["status"] == "suspended"
    assert fresh["licenses"][0]["fields"]["address"] == "厦门市示例路"


def test_a_cursor_is_good_for_its_own_file_only(face: Face, issuer: Caller, counter: Caller) -> None:
    last = [issuer.done("/v1/licenses", issue_body(number)) for number in (5, 5, 6)][-1]
    page = counter.done("/v1/holders/search", search(5, limit=1), **at_least(last["index"]))
    before = face.events()
    for cursor in (page["cursor"], "aaaa"):
        answer = counter.post("/v1/holders/search", search(6, cursor=cursor))
        assert problem(answer) == (422, "invalid-value", "cursor")
    assert face.events() == before


def test_a_code_that_nobody_has_gives_an_empty_file_and_a_fact(
    face: Face, issuer: Caller, counter: Caller
) -> None:
    issuer.done("/v1/licenses", issue_body(7))
    console = face.served.ledger.console
    holder = identifiers.holder_code(**person(7))
    face.console(registry_commands.EraseHolder(actor=console, holder=holder))
    for number in (7, 8):
        before = face.events()
        file = counter.done("/v1/holders/search", search(number), key=f"nobody-{number}")
        assert (file["licenses"], file["cursor"]) == ([], None)
        again = counter.done("/v1/holders/search", search(number), key=f"nobody-{number}")
        assert again["index"] == file["index"] == before
        assert face.events() == before + 1
        (stored,) = face.served.reader.events([file["index"]])
        told = event.parse_strictly(stored)
        assert (told.topic, told.fact["reason"]) == ("HolderFileRefused", "unknown-holder")
        assert person(number)["code"].encode() not in stored


def test_who_asks_for_files_at_random_is_turned_away(face: Face, cluster: Cluster) -> None:
    with api_world.fresh(cluster, dataclasses.replace(api_world.GENEROUS, refusals_per_minute=3)) as strict:
        asking = strict.register(world.HALL, "file:attest")
        now_us = strict.served.clock()
        strict.served.clock = lambda: now_us
        answers = [asking.post("/v1/holders/search", search(number)) for number in range(20, 30)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 7
        assert problem(answers[-1])[:2] == (429, "refusal-quota")


def test_an_index_that_is_not_reached_is_told(face: Face, issuer: Caller, counter: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(9))
    before = face.events()
    answer = counter.post("/v1/holders/search", search(9), **at_least(api_world.INDEX_MAX))
    assert problem(answer)[:2] == (503, "behind-index")
    assert "Retry-After" in answer.headers
    wrong = counter.post("/v1/holders/search", search(9), **{"Ledger-At-Least": "-1"})
    assert problem(wrong) == (422, "invalid-value", "header.Ledger-At-Least")
    assert face.events() == before
