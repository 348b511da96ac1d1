"""Documents over HTTP: who gets one, what stands across it, whose seal it has, and that it is the same."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from api import examples, press
from ledger import config, errors, issuer_seal_register, organization, registry_commands, store
from ledger.state_document import SealRow
from tests import api_world, console, pictures, signed, stamp_authority, tsa_world, world
from tests.api_world import Caller, Face

ISSUER, OTHER = examples.ORGANIZATION, "11350000000000019H"


@pytest.fixture(scope="module")
def caller(face: Face) -> Caller:
    """A client of an issuer that has a seal."""
    seal(face)
    return face.register(ISSUER)


def seal(face: Face, organization: str = ISSUER, **members: Any) -> SealRow:
    served = face.served
    values = {"name": "示例市行政审批局", "at": store.wall_clock(), **members}
    return issuer_seal_register.demonstrate(
        served.ledger, served.appender, organization=organization, **values
    )


def issue(caller: Caller, number: int, **changes: Any) -> str:
    """A new identity card; returns its reference."""
    ref: str = caller.done("/v1/licenses", api_world.issue_body(number, **changes))["license_ref"]
    return ref


def path(license_ref: str) -> str:
    return f"/v1/licenses/{license_ref}/document"


def fetched(caller: Caller, license_ref: str, query: str = "") -> bytes:
    answer = caller.get(path(license_ref) + query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    return answer.content


def read(face: Face, made: bytes) -> signed.Signed:
    """A document as who trusts this ledger's roots reads it now."""
    now = store.wall_clock()
    trust = issuer_seal_register.document_trust(face.served.ledger)
    return signed.read(
        made,
        roots=trust.roots,
        at=issuer_seal_register.moment(now),
        time_stamp_roots=trust.time_stamp_roots,
    )


def test_the_issuer_gets_a_signed_document_with_the_license_and_its_proof(
    face: Face, caller: Caller, tmp_path: Path
) -> None:
    ref = issue(caller, 1)
    before = face.events()
    made = fetched(caller, ref)
    assert face.events() == before + 1
    verdict = read(face, made)
    assert (verdict.holds, verdict.signer.credit_code) == (True, ISSUER)
    said = json.loads(verdict.attachments["license.json"])
    assert said["license"]["license_ref"] == ref
    assert said["license"]["fields"]["name"]["value"] == "合成居民1"
    assert said["proof"]["field_siblings"] == []
    assert verdict.attachments["receipt.txt"].startswith(b"c2sp.org/tlog-proof")
    shown = signed.text(made, tmp_path)
    for words in ("居民身份证", "合成居民1", "福州市示例路", "示例市行政审批局"):
        assert words in shown


def test_the_same_version_is_the_same_page_and_costs_no_fact_when_it_is_known(
    face: Face, caller: Caller
) -> None:
    ref = issue(caller, 2)
    first = caller.get(path(ref))
    assert caller.get(path(ref)).content == first.content
    before = face.events()
    again = caller.get(path(ref), **{"If-None-Match": f'"another", {first.headers["etag"]}'})
    assert (again.status_code, again.content, face.events()) == (304, b"", before)
    fields = {"name": "合成居民2", "address": "厦门市示例路"}
    caller.done(f"/v1/licenses/{ref}/amend", amended(2, fields))
    assert caller.get(path(ref)).headers["etag"] != first.headers["etag"]


def test_the_holders_photo_stands_on_the_document_and_on_a_copy_only_where_it_is_disclosed(
    face: Face, caller: Caller
) -> None:
    one = {"name": "photo", "media_type": "image/jpeg", "data": base64.b64encode(pictures.jpeg()).decode()}
    made = fetched(caller, issue(caller, 40, attachments=[one]))
    assert pictured(made) == 1
    assert read(face, made).holds
    caller.done("/v1/authorizations", api_world.grant_body(to=examples.REQUESTER, fields=None))
    hall = face.register(examples.REQUESTER, "license:use")
    for fields, pictures_shown in ((["name"], 0), (["name", "@attachment_photo"], 1)):
        (link,) = hall.done("/v1/copies", api_world.use_body(40, fields=fields))["copies"]
        copied = face.http.post(link["url"][link["url"].index("/C/") :])
        assert copied.status_code == 200, copied.text
        assert pictured(copied.content) == pictures_shown


def pictured(made: bytes) -> int:
    """How many pictures of a photo's size a document has."""
    return len(re.findall(rb"/Width 30\b[^>]*/Height 40\b|/Height 40\b[^>]*/Width 30\b", made))


def amended(number: int, fields: dict[str, str]) -> dict[str, Any]:
    said = api_world.issue_body(number, fields=fields, reason="地址变更")
    return {name: value for name, value in said.items() if name != "license_type"}


def test_others_get_none(face: Face, caller: Caller) -> None:
    ref = issue(caller, 3)
    stranger = face.register(OTHER, "license:issue")
    assert api_world.problem(stranger.get(path(ref)))[:2] == (404, "license-not-found")
    of_other_types = face.register_with_types(ISSUER, world.BUSINESS_LICENSE)
    assert api_world.problem(of_other_types.get(path(ref)))[:2] == (404, "license-not-found")
    for scope in ("license:use", "audit:read", "license:verify"):
        asking = face.register(ISSUER, scope)
        assert api_world.problem(asking.get(path(ref)))[:2] == (403, "scope-missing")
    assert face.http.get(path(ref)).status_code == 401
    assert api_world.problem(caller.get(path("a" * 26)))[:2] == (404, "license-not-found")


@pytest.mark.parametrize(("verb", "words"), [("suspend", "已暂扣SUSPENDED"), ("cancel", "已注销CANCELLED")])
def test_what_the_license_is_no_more_stands_across_the_page(
    face: Face, caller: Caller, tmp_path: Path, verb: str, words: str
) -> None:
    ref = issue(caller, 4)
    assert words not in signed.text(fetched(caller, ref), tmp_path)
    caller.done(f"/v1/licenses/{ref}/{verb}", api_world.example("ChangeBody"))
    assert words in signed.text(fetched(caller, ref), tmp_path)


def test_a_counterpart_has_a_document_of_its_own(face: Face, caller: Caller) -> None:
    ref = issue(caller, 5, counterparts=1)
    original, counterpart = (read(face, fetched(caller, ref, f"?piece={n}")) for n in (0, 1))
    assert original.attachments != counterpart.attachments
    assert api_world.problem(caller.get(path(ref) + "?piece=2"))[:2] == (404, "piece-not-found")
    assert api_world.problem(caller.get(path(ref) + "?piece=x")) == (422, "invalid-value", "query.piece")


@pytest.mark.parametrize("level", ["b-t", "b-lta", "c"])
def test_levels_that_need_an_authority_are_not_made_without_one(caller: Caller, level: str) -> None:
    answer = caller.get(path(issue(caller, 6)) + f"?level={level}")
    assert api_world.problem(answer) == (422, "invalid-value", "query.level")


def test_a_character_that_the_font_lacks_is_named_with_its_field(face: Face, caller: Caller) -> None:
    ref = issue(caller, 7, fields={"name": "合成居民7", "address": "\ue000 路"})
    before = face.events()
    answer = caller.get(path(ref))
    assert api_world.problem(answer) == (422, "character-missing", "fields.address")
    assert answer.json()["character"] == "U+E000"
    assert face.events() == before


def test_without_a_seal_that_signs_there_is_no_document_and_what_there_was_stands(
    face: Face, caller: Caller
) -> None:
    issuer = face.register(OTHER)
    ref = issue(issuer, 8)
    assert problem_of(issuer.get(path(ref))) == "missing"
    first = seal(face, OTHER)
    before = fetched(issuer, ref)
    vault = face.served.ledger.vault
    key = vault.seal_key(first.fingerprint)
    assert key is not None
    vault.drop_seal_key(first.fingerprint)
    assert problem_of(issuer.get(path(ref))) == "key-missing"
    vault.save_seal_key(first.fingerprint, key)
    second = seal(face, OTHER)
    renewed = fetched(issuer, ref)
    assert _fingerprints(face, before, renewed) == [first.fingerprint, second.fingerprint]
    for row in (second, first):
        issuer_seal_register.revoke(
            face.served.ledger, face.served.appender, row.fingerprint, reason="superseded"
        )
    assert vault.seal_key(first.fingerprint) is None
    assert problem_of(issuer.get(path(ref))) == "revoked"
    # As of their signing, documents stand as they did.
    assert read(face, before).holds
    assert read(face, renewed).holds


def _fingerprints(face: Face, *documents: bytes) -> list[bytes]:
    verdicts = [read(face, made) for made in documents]
    assert all(one.holds for one in verdicts)
    return [one.signer.fingerprint for one in verdicts]


def problem_of(answer: httpx.Response) -> str:
    status, kind, _ = api_world.problem(answer)
    assert (status, kind) == (409, "seal-unfit")
    reason: str = answer.json()["reason"]
    return reason


def test_the_successor_signs_with_its_own_seal(face: Face, caller: Caller) -> None:
    ref = issue(caller, 9, license_type=world.BUSINESS_LICENSE, fields={"name": "合成居民9"})
    heir = face.register("513500000000000353")
    seal(face, "513500000000000353", name="示例市市场监督管理局")
    passed = organization.OrganizationSucceeded(
        predecessor=ISSUER,
        successor="513500000000000353",
        type_codes=(world.BUSINESS_LICENSE,),
        since=0,
        authorizations="keep",
    )
    ledger = face.served.ledger
    face.console(registry_commands.RecordInRegistry(actor=ledger.console, facts=(passed,)))
    assert api_world.problem(caller.get(path(ref)))[:2] == (404, "license-not-found")
    verdict = read(face, fetched(heir, ref))
    assert (verdict.holds, verdict.signer.credit_code) == (True, "513500000000000353")


def test_an_erased_holders_license_has_no_document(face: Face, caller: Caller) -> None:
    from ledger import identifiers, keeping

    ref = issue(caller, 10)
    fetched(caller, ref)
    served = face.served
    holder = identifiers.holder_code("111", world.citizen(10).code)
    keeping.erase_holder(served.ledger, served.appender, holder, served.ledger.console)
    assert api_world.problem(caller.get(path(ref)))[:2] == (404, "license-not-found")
    assert served.press.kept(bytes(32)) is None
    assert served.press._kept == {}


def test_a_full_press_says_so_and_keeps_few_bytes(face: Face) -> None:
    full = press.Press(vault=face.served.ledger.vault, waiting_max=0)
    with pytest.raises(errors.QueueFull):
        asyncio.run(full.make(None, digest=b"1"))  # type: ignore[arg-type]
    small = press.Press(vault=face.served.ledger.vault, kept_bytes_max=10)
    for number in range(4):
        small._keep(bytes([number]), bytes(4))
    assert [small.kept(bytes([number])) is None for number in range(4)] == [True, True, False, False]


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a time-stamp authority, and the folder with its root and its revocation list."""
    folder = tmp_path_factory.mktemp("stamps")
    with tsa_world.answering(stamp_authority.made(folder).answer) as url:
        yield url, folder


@pytest.fixture
def stamped(face: Face, tsa: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> config.Config:
    """The configuration of the service, with the authority."""
    (url, folder), ledger = tsa, face.served.ledger
    configured = replace(
        ledger.config, timestamp_url=url, timestamp_roots=folder / "stamp.pem", revocation_lists=folder
    )
    monkeypatch.setattr(face.served, "ledger", replace(ledger, config=configured))
    return configured


def signatures(made: bytes) -> tuple[int, int, bool]:
    """How many signatures and time-stamps of its own a document has, and whether the signature is stamped."""
    reader = PdfFileReader(io.BytesIO(made))
    found = reader.embedded_regular_signatures
    is_stamped = any(bool(one.signer_info["unsigned_attrs"].native) for one in found)
    return len(found), len(reader.embedded_timestamp_signatures), is_stamped


def test_where_an_authority_is_configured_documents_have_its_time(
    face: Face, caller: Caller, stamped: config.Config
) -> None:
    ref = issue(caller, 11)
    made = fetched(caller, ref)
    assert signatures(made) == (1, 0, True)
    assert read(face, made).holds
    plain = caller.get(path(ref) + "?level=b-b")
    assert signatures(plain.content) == (1, 0, False)
    assert plain.headers["etag"] != caller.get(path(ref)).headers["etag"]


def test_on_request_a_document_is_made_for_the_archive(
    face: Face, caller: Caller, stamped: config.Config
) -> None:
    made = fetched(caller, issue(caller, 12), "?level=b-lta")
    assert signatures(made) == (1, 1, True)
    assert read(face, made).holds


def test_a_document_is_upgraded_at_the_console(
    face: Face, caller: Caller, stamped: config.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "license.pdf"
    file.write_bytes(fetched(caller, issue(caller, 13), "?level=b-b"))
    monkeypatch.setattr(config, "load", lambda *, data=None: stamped)
    said = console.call_json("documents", "upgrade", file)
    assert (said["level"], said["file"]) == ("b-lta", str(tmp_path / "license-lta.pdf"))
    made = (tmp_path / "license-lta.pdf").read_bytes()
    assert signatures(made)[1] == 1
    assert read(face, made).holds
    for data, why in ((b"%PDF-1.7\nno document", "truncated"), (made + b"\n", "appended-after-signing")):
        file.write_bytes(data)
        said = console.call("documents", "upgrade", file, status=2)
        assert "FILE" in said
        assert why in said


def test_an_authority_that_is_silent_is_said_and_documents_without_it_go_on(
    face: Face, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = face.served.ledger
    silent = replace(ledger.config, timestamp_url="http://127.0.0.1:1/tsa")
    monkeypatch.setattr(face.served, "ledger", replace(ledger, config=silent))
    ref = issue(caller, 14)
    before = face.events()
    assert api_world.problem(caller.get(path(ref)))[:2] == (503, "unavailable")
    assert face.events() == before
    assert fetched(caller, ref, "?level=b-b")
