"""Attachments of further parties over HTTP: whose they are, under whosever key, and with whom they go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from signing import event
from tests import api_world, test_api_catalog, world
from tests.api_world import Caller, Face, issue_body, person, problem
from tests.conftest import Cluster
from tests.test_api_attachment import (
    JPEG,
    PDF,
    PHOTO,
    PNG,
    attached,
    erase,
    issued,
    path,
    stored,
    used,
)

COUPLE = 11


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover()
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    made = face.register(world.ISSUER, "license:issue", "authorization:grant")
    grant = {**api_world.example("GrantBody"), "mode": "statutory", "requester": world.HALL}
    scope = {"license_types": [world.CITIZEN_CARD]}
    made.done("/v1/authorizations", {**grant, "scope": scope, "holder": None, "evidence": None})
    return made


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    return face.register(world.HALL, "license:use", "file:attest")


def test_a_partys_attachment_is_its_own_and_goes_when_it_is_erased(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    owner = {**person(COUPLE + 1), "name": "合成居民", "role": "co-owner", "fields": {}}
    both = attached(), attached("spouse", PNG, "image/png", party=1)
    made = issued(issuer, COUPLE, *both, parties=[owner])
    ref = made["license_ref"]
    (data,) = face.served.reader.events([made["index"]])
    about = event.parse(data)
    parts = {name: face.served.disclosure.part(about, name) for name in ("fields", "fields/1")}
    assert len(parts["fields"]["@attachment_spouse"]) == 1
    assert parts["fields/1"]["@attachment_spouse"][3:] == [1]
    assert len(parts["fields"]["@attachment_photo"]) == 3
    renewed = issuer.done(f"/v1/licenses/{ref}/renew", api_world.example("RenewBody"))
    amend = {name: value for name, value in issue_body(COUPLE).items() if name != "license_type"}
    issuer.done(f"/v1/licenses/{ref}/amend", {**amend, "parties": [owner], "reason": "变更"})
    one = used(hall, COUPLE, PHOTO, "@attachment_spouse")
    assert hall.get(path(one["index"], ref, "spouse")).content == PNG
    before = stored(face)
    erase(face, COUPLE + 1)
    assert stored(face) == before - 1
    assert problem(hall.get(path(one["index"], ref, "spouse")))[:2] == (404, "not-found")
    assert problem(issuer.get(path(renewed["index"], ref, "spouse")))[:2] == (404, "not-found")
    assert hall.get(path(one["index"], ref)).content == JPEG
    after = used(hall, COUPLE, PHOTO, "@attachment_spouse")
    assert "@attachment_spouse" not in after["license"]["fields"]
    issuer.done(f"/v1/licenses/{ref}/replace", api_world.example("ReplaceBody"))
    assert hall.get(path(used(hall, COUPLE, PHOTO)["index"], ref)).content == JPEG


def test_a_party_takes_its_attachment_with_it(face: Face, issuer: Caller, hall: Caller) -> None:
    owner = {**person(14), "name": "合成居民", "role": "co-owner", "fields": {}}
    both = attached(), attached("spouse", PNG, "image/png", party=1)
    ref = issued(issuer, 13, *both, parties=[owner])["license_ref"]
    amend = {name: value for name, value in issue_body(13).items() if name != "license_type"}
    issuer.done(f"/v1/licenses/{ref}/amend", {**amend, "reason": "析产"})
    one = used(hall, 13, PHOTO, "@attachment_spouse")
    assert sorted(one["license"]["fields"]) == ["@attachment_photo", "@license_id"]


def test_what_is_sealed_with_the_holder_goes_with_its_party_too(face: Face) -> None:
    """The type seals nothing of these parties under keys of their own."""
    rules = [{"role": "spouse", "file": "not-in-file", "key": "first", "consent": "none"}]
    type_code = test_api_catalog.registered(face.register(), parties=rules, renewal_window_days=None)
    maker = test_api_catalog.issuer_of(face, type_code)
    one, other = ({**person(number), "name": "合成居民", "role": "spouse"} for number in (28, 29))
    body = {
        **test_api_catalog.issue_body(type_code),
        "attachments": [attached(), attached("one", PNG, "image/png", party=1), attached("other", party=2)],
        "parties": [one, other],
    }
    ref = maker.done("/v1/licenses", body)["license_ref"]

    def names(made: dict[str, Any]) -> list[str]:
        version = face.served.disclosure.version(made["index"])
        assert version is not None
        assert not version.fact.party_fields
        return sorted(version.attachments)

    later = {name: value for name, value in body.items() if name not in ("license_type", "attachments")}
    swapped = maker.done(f"/v1/licenses/{ref}/amend", {**later, "parties": [other, one], "reason": "变更"})
    assert names(swapped) == ["@attachment_one", "@attachment_other", "@attachment_photo"]
    renewal = {**api_world.example("RenewBody"), "attachments": [attached("one", PDF, "application/pdf")]}
    renewed = maker.done(f"/v1/licenses/{ref}/renew", renewal)
    assert names(renewed) == ["@attachment_one", "@attachment_other", "@attachment_photo"]
    amended = maker.done(f"/v1/licenses/{ref}/amend", {**later, "parties": [other], "reason": "变更"})
    assert names(amended) == ["@attachment_other", "@attachment_photo"]
    alone = maker.done(f"/v1/licenses/{ref}/amend", {**later, "parties": [], "reason": "变更"})
    assert names(alone) == ["@attachment_photo"]
