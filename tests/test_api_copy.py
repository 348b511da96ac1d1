"""Copies over HTTP: asked for by a use, shown behind a link, downloaded once, and dead after their time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import examples, limits, service
from ledger import bundle, copy, issuer_seal_register
from ledger.state_document import CopyRow, SealRow
from signing import certificate, demonstration, trust
from tests import api_world, signed
from tests.api_world import Caller, Face
from tests.conftest import Cluster
from tests.test_api_document import ISSUER, issue, path, read, seal

BROWSER = {"Accept": "text/html"}
HALL = examples.REQUESTER


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        seal(running)
        yield running


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(ISSUER)


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    """A client that may use some fields of identity cards."""
    fields = ["@holder_name", "name"]
    issuer.done("/v1/authorizations", api_world.grant_body(to=HALL, fields=fields))
    return face.register(HALL, "license:use")


def copied(hall: Caller, number: int, **changes: Any) -> dict[str, Any]:
    """The answer to a request for a copy."""
    return hall.done("/v1/copies", api_world.use_body(number, **changes))


def link_of(answer: dict[str, Any]) -> str:
    """The path of the one link in an answer."""
    (one,) = answer["copies"]
    found = re.fullmatch(r"http://[^/]+(/C/[a-z2-7]{52})", one["url"])
    assert found is not None
    return found[1]


def taken(face: Face, link: str, **headers: str) -> httpx.Response:
    return face.http.post(link, headers=headers)


def test_a_use_gets_a_copy_of_what_it_discloses_and_of_nothing_else(
    face: Face, issuer: Caller, hall: Caller, tmp_path: Path
) -> None:
    ref = issue(issuer, 1)
    answer = copied(hall, 1)
    link = link_of(answer)
    assert answer["copies"][0]["license_ref"] == ref
    shown = face.http.get(link, headers=BROWSER)
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "<script" not in shown.text
    style = shown.text.partition("<style>")[2].partition("</style>")[0]
    named = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{named}'" in shown.headers["content-security-policy"]
    for words in ("居民身份证", HALL, "下载"):
        assert words in shown.text
    assert "合成居民1" not in shown.text
    before = face.events()
    made = taken(face, link)
    assert (made.status_code, made.headers["content-type"]) == (200, "application/pdf")
    assert (face.events(), made.headers["cache-control"]) == (before + 1, "no-store")
    text = signed.text(made.content, tmp_path)
    for words in ("合成居民1", "招标资格核验", HALL, "加注件"):
        assert words in text
    assert "福州市示例路" not in text
    verdict = read(face, made.content)
    assert verdict.holds, verdict
    (used,) = bundle.judge(verdict.attachments["license.json"], trusted=trusted(face))
    assert (used.decision, used.requester) == ("granted", HALL)
    assert set(used.values) == {"@holder_name", "@license_id", "name"}


def trusted(face: Face) -> trust.TrustFile:
    return api_world.trust_of(face)


def test_the_answer_but_for_its_links_is_that_of_a_use(face: Face, issuer: Caller, hall: Caller) -> None:
    issue(issuer, 2)
    answer = copied(hall, 2)
    answer.pop("copies")
    (used,) = bundle.judge(json.dumps(answer).encode(), trusted=trusted(face))
    assert used.decision == "granted"


def test_a_refused_use_has_no_copy_and_a_repeated_one_the_same(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    issue(issuer, 3)
    stranger = face.register("12350100000000027E", "license:use")
    refused = copied(stranger, 3)
    assert (refused["copies"], refused["uses"][0]["decision"]) == ([], "refused")
    body = api_world.use_body(3)
    first = hall.done("/v1/copies", body, key="the-same")
    before = face.events()
    assert hall.done("/v1/copies", body, key="the-same")["copies"] == first["copies"]
    assert face.events() == before


def test_nobody_downloads_a_copy_twice_but_for_a_minute(
    face: Face, issuer: Caller, hall: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(issuer, 4)
    link = link_of(copied(hall, 4))
    first = taken(face, link)
    before = face.events()
    assert taken(face, link).content == first.content
    assert (face.http.get(link, headers=BROWSER).status_code, face.events()) == (200, before)
    monkeypatch.setattr(copy, "REPEAT_US", 0)
    over = taken(face, link)
    assert api_world.problem(over)[:2] == (410, "copy-over")
    assert over.json()["reason"] == "downloaded"
    for answer in (face.http.get(link, headers=BROWSER), taken(face, link, **BROWSER)):
        assert answer.status_code == 410
        assert answer.headers["content-type"].startswith("text/html")
        assert "链接已失效" in answer.text
    assert face.events() == before


def test_a_link_that_nobody_followed_expires(
    face: Face, issuer: Caller, hall: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(issuer, 5)
    link = link_of(copied(hall, 5))
    now = face.served.moment
    monkeypatch.setattr(service.Service, "moment", lambda _: now() + copy.LASTS_US)
    for answer in (face.http.get(link), taken(face, link)):
        assert api_world.problem(answer)[:2] == (410, "copy-over")
        assert answer.json()["reason"] == "expired"


def test_two_who_download_at_once_are_told_the_same_and_it_is_one_fact(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    issue(issuer, 6)
    link = link_of(copied(hall, 6))
    before = face.events()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: taken(face, link), range(2)))
    assert [one.status_code for one in answers] == [200, 200]
    assert face.events() == before + 1


def test_a_second_service_on_the_ledger_gives_the_copy_too_and_knows_that_it_was_taken(
    face: Face, issuer: Caller, hall: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(issuer, 7)
    link = link_of(copied(hall, 7))
    with api_world.running(face.served.ledger.config) as other:
        other.served.press = face.served.press  # one worker is enough for both
        assert taken(other, link).status_code == 200
        before = face.events()
        assert taken(face, link).status_code == 200
        assert face.events() == before
        monkeypatch.setattr(copy, "REPEAT_US", 0)
        assert [taken(one, link).status_code for one in (face, other)] == [410, 410]


def test_a_copy_says_what_became_of_the_license_since_its_use(
    face: Face, issuer: Caller, hall: Caller, tmp_path: Path
) -> None:
    ref = issue(issuer, 8)
    link = link_of(copied(hall, 8))
    issuer.done(f"/v1/licenses/{ref}/suspend", api_world.example("ChangeBody"))
    assert "已暂扣SUSPENDED" in signed.text(taken(face, link).content, tmp_path)


def test_where_no_copy_can_be_made_nothing_is_recorded_and_nothing_spent(
    face: Face, issuer: Caller, hall: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = issue(issuer, 11)
    body = api_world.use_body(11)
    before = face.events()
    odd = {**body, "purpose": {**body["purpose"], "reason": "招标\U0010fffd"}}
    assert api_world.problem(hall.post("/v1/copies", odd))[:2] == (422, "character-missing")
    vault = face.served.ledger.vault
    kept = vault.seal_key(seal_of(face).fingerprint)
    assert kept is not None
    for asked in (body, {**body, "license_ref": ref, "holder": None, "license_type": None}):
        vault.drop_seal_key(seal_of(face).fingerprint)
        told = hall.post("/v1/copies", {name: value for name, value in asked.items() if value is not None})
        vault.save_seal_key(seal_of(face).fingerprint, kept)
        assert api_world.problem(told)[:2] == (409, "seal-unfit")
        assert told.json()["reason"] == "key-missing"
    assert face.events() == before
    made = unregistered()
    monkeypatch.setattr(issuer_seal_register, "signing_seal", lambda *_, **__: made)
    assert api_world.problem(hall.post("/v1/copies", body))[:2] == (409, "seal-unfit"), "asked under the lock"
    assert face.events() == before


def seal_of(face: Face) -> SealRow:
    return issuer_seal_register.newest(face.served.ledger, ISSUER)


def unregistered() -> certificate.Seal:
    """A seal that the ledger does not know."""
    now = datetime.now(UTC)
    return demonstration.authority(at=now).issue(name="示例局", credit_code=HALL, at=now)


def test_requesters_have_no_other_document(hall: Caller, issuer: Caller) -> None:
    assert api_world.problem(hall.get(path(issue(issuer, 9))))[:2] == (403, "scope-missing")


@pytest.mark.parametrize("link", ["a" * 52, "a", "a" * 200, "é" * 52])
def test_whatever_is_no_link_is_not_found(face: Face, link: str) -> None:
    before = face.events()
    for answer in (face.http.get(f"/C/{link}"), face.http.post(f"/C/{link}")):
        assert api_world.problem(answer)[:2] == (404, "not-found")
    assert face.http.get(f"/C/{link}", headers=BROWSER).status_code == 404
    assert face.events() == before


def test_an_address_looks_at_few_links(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = limits.Rate(burst=2, per_s=0.001)
    monkeypatch.setattr(face.served, "copy_limits", limits.Buckets(rate))
    answers = [face.http.get(f"/C/{'a' * 52}") for _ in range(3)]
    assert [one.status_code for one in answers] == [404, 404, 429]
    assert "retry-after" in answers[-1].headers


def test_the_state_of_a_link_names_neither_link_nor_holder(face: Face, issuer: Caller, hall: Caller) -> None:
    issue(issuer, 10)
    link = link_of(copied(hall, 10)).removeprefix("/C/")
    digest = copy.link_digest(link, suite=face.served.ledger.vault.suite)
    row = face.served.reader.row(CopyRow, digest)
    assert row is not None
    assert row.downloaded_at is None
    (stored,) = face.served.reader.events([row.use_index])
    assert link.encode() not in stored
