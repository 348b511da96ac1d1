"""A license is found by its identifier or its printed number, by those who may know of it."""

from __future__ import annotations

from typing import Any

import pytest

from api import search
from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, problem


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.OPERATOR)


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(world.AUDITOR, "audit:read")


def found(caller: Caller, **asked: Any) -> Any:
    return caller.done("/v1/licenses/search", asked)["license"]


def test_every_version_of_an_identifier_finds_its_license(
    face: Face, issuer: Caller, auditor: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(1))
    amended = {**api_world.example("AmendBody"), **{k: issue_body(1)[k] for k in ("holder", "fields")}}
    later = issuer.done(f"/v1/licenses/{made['license_ref']}/amend", amended)
    assert later["license_id"] != made["license_id"]
    before = face.events()
    for asking in (issuer, auditor):
        for license_id in (made["license_id"], later["license_id"]):
            told = found(asking, license_id=license_id)
            assert (told["license_ref"], told["version"]) == (made["license_ref"], 2)
    assert face.events() == before


def test_what_is_nobodys_is_null(issuer: Caller, auditor: Caller) -> None:
    asked = search.EXAMPLE
    assert found(issuer, **asked) is None
    assert found(auditor, **asked) is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "license_id"),
        ({"license_id": "1.2.3"}, "license_id"),
        ({"number": "NO-1"}, "license_id"),
        ({"license_type": world.CITIZEN_CARD}, "license_id"),
        ({"license_id": "1.2.3", "number": "NO-1", "license_type": world.CITIZEN_CARD}, "license_id"),
    ],
)
def test_what_is_asked_wrongly_is_named(auditor: Caller, asked: dict[str, Any], field: str) -> None:
    answer = auditor.post("/v1/licenses/search", asked)
    assert problem(answer) == (422, "invalid-value", field)


def test_a_search_needs_a_scope(face: Face) -> None:
    user = face.register(world.HALL, "license:use")
    answer = user.post("/v1/licenses/search", {"license_id": "1.2.3"})
    assert problem(answer)[:2] == (403, "scope-missing")


def test_several_licenses_of_one_number_are_listed_and_one_is_chosen_for_a_use(
    face: Face, issuer: Caller, auditor: Caller
) -> None:
    refs = {
        issuer.done("/v1/licenses", issue_body(n) | {"number": "SAME-1"})["license_ref"] for n in (11, 12)
    }
    asked = {"license_type": world.CITIZEN_CARD, "number": "same-1"}
    told = auditor.done("/v1/licenses/search", asked)
    assert told["license"] is None
    assert {one["license_ref"] for one in told["choices"]} == refs
    elsewhere = {**asked, "area_code": "110000"}
    assert auditor.done("/v1/licenses/search", elsewhere) == {"license": None, "choices": []}
    issuer.done("/v1/authorizations", api_world.grant_body(to=world.HALL))
    hall = face.register(world.HALL, "license:use")
    use = {name: value for name, value in api_world.use_body(11).items() if name != "holder"} | asked
    (refused,) = hall.done("/v1/uses", use)["uses"]
    assert refused["reason"] == "ambiguous"
    assert {one["license_ref"] for one in refused["help"]["candidates"]} == refs
    compared = {name: value for name, value in use.items() if name != "fields"} | {"claims": {"name": "某人"}}
    assert hall.done("/v1/comparisons", compared)["reason"] == "ambiguous"
    issuer.done("/v1/licenses", issue_body(13) | {"number": "ONLY-1"})
    (used,) = hall.done("/v1/uses", {**use, "number": "ONLY-1"})["uses"]
    assert used["license"]["fields"]["name"]["value"] == "合成居民13"
    answer = hall.post("/v1/uses", {**use, "holder": api_world.person(11)})
    assert problem(answer) == (422, "invalid-value", "body")
