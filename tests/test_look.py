"""What a QR code opens: for programs and for people, from fresh state, recorded nowhere, and limited."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import limits, look_state
from ledger import errors, identifiers, issuer_seal_register, keeping, reading, registry_commands
from signing import keys, spelling, suites, token
from tests import api_world, test_public, world
from tests.api_world import Caller, Face, issue_body, problem
from tests.conftest import Cluster
from tests.test_token import TOKEN

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en-US,en;q=0.9"}


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue")


def path_of(qr: str) -> str:
    return qr[qr.index("/V/") :]


def page_of(face: Face, path: str, **headers: str) -> httpx.Response:
    answer = face.http.get(path, headers={**PAGE, **headers})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer


def headline(answer: httpx.Response) -> str:
    """What stands in the one glance."""
    (found,) = re.findall(r"<h1[^>]*>([^<]*)<", answer.text)
    return str(found)


def signed(key: keys.SigningKey, said: token.Token = TOKEN) -> str:
    """A code that a key signed; of a license that is not there, unless it says another."""
    made = token.sign(said, key=key, suite=suites.INTL)
    return "/V/" + spelling.to_base32(made)


def altered(path: str) -> str:
    """The code with another last byte of its signature."""
    data = spelling.from_base32(path_of(path)[3:])
    return "/V/" + spelling.to_base32(data[:-1] + bytes([data[-1] ^ 1]))


def test_a_code_opens_in_any_case_and_nothing_is_recorded(face: Face, issuer: Caller) -> None:
    made = issuer.done("/v1/licenses", issue_body(2))
    before = face.events()
    path = path_of(made["qr"])
    for written in (path, path.lower(), "/V/" + path[3:].lower()):
        said = face.http.get(written).json()
        assert (said["result"], said["license_ref"]) == ("effective", made["license_ref"])
        assert said["holder_masked"] == "合***2"
        assert not {"fields", "license_id", "holder"} & said.keys()
        assert headline(page_of(face, written)) == "Valid"
    assert face.events() == before


def test_a_code_says_the_status_of_the_very_moment(face: Face, issuer: Caller) -> None:
    made = issuer.done("/v1/licenses", issue_body(3))
    body = {**issue_body(3), "reason": "变更"}
    del body["license_type"]
    amended = issuer.done(f"/v1/licenses/{made['license_ref']}/amend", body)
    old, new = path_of(made["qr"]), path_of(amended["qr"])
    assert face.http.get(old).json()["result"] == "superseded"
    assert headline(page_of(face, old)) == "Changed since issue"
    assert face.http.get(new).json()["result"] == "effective"
    issuer.done(f"/v1/licenses/{made['license_ref']}/suspend", api_world.example("ChangeBody"))
    said = face.http.get(new).json()
    assert (said["result"], said["verdict"]) == ("suspended", "not-valid")
    page = page_of(face, new)
    assert headline(page) == "Not valid"
    assert "Suspended" in page.text
    assert said["status_since"] in page.text


def test_a_page_is_for_who_asks_for_one_in_the_language_asked_for(face: Face, issuer: Caller) -> None:
    path = path_of(issuer.done("/v1/licenses", issue_body(5))["qr"])
    for accept, is_page in (
        ("text/html", True),
        ("application/json, text/html;q=0.5", False),
        ("text/html;q=0.5, application/json;q=0.4", True),
        ("text/html;q=0, */*", False),
        ("*/*", False),
        ("", False),
    ):
        answer = face.http.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"].startswith("text/html") is is_page, accept
    for accepted, query, expected in (
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "有效"),
        ("en", "", "Valid"),
        ("fr", "", "有效"),
        ("en", "?lang=zh", "有效"),
        ("zh", "?lang=en", "Valid"),
        ("zh", "?lang=x", "有效"),
    ):
        answer = page_of(face, path + query, **{"Accept-Language": accepted})
        assert headline(answer) == expected, (accepted, query)


def test_a_page_lets_nothing_in_and_tells_nobody(face: Face, issuer: Caller) -> None:
    path = path_of(issuer.done("/v1/licenses", issue_body(6))["qr"])
    for answer in (page_of(face, path), page_of(face, "/V/AAAA")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert "set-cookie" not in answer.headers
        assert not re.findall(r"<script|(?:src|action)=|https?://|style=", answer.text)
        assert len(answer.content) < 20_000


def test_what_is_no_code_of_this_ledger_is_told_why_and_nothing_else(face: Face, issuer: Caller) -> None:
    good = path_of(issuer.done("/v1/licenses", issue_body(4))["qr"])
    ours = face.served.ledger.vault.token_key
    reasons = {
        "/V/AAAA": "not-a-token",
        "/V/%E4%B8%80": "not-a-token",
        "/V/" + "A" * 10_000: "not-a-token",
        "/V/https://elsewhere.example/V/AAAA": "not-a-token",
        "/V/%00": "not-a-token",
        "/v/" + "x" * 1: "not-a-token",
        signed(keys.SigningKey(bytes([77]) * 32)): "key-unknown",
        altered(good): "signature-invalid",
        signed(ours): "license-unknown",
    }
    for path, reason in reasons.items():
        answer = face.http.get(path)
        assert problem(answer)[:2] == (404, "not-found"), path[:40]
        assert answer.json()["reason"] == reason
        page = page_of(face, path)
        assert (page.status_code, headline(page)) == (404, "Unknown code")
    assert set(reasons.values()) == set(look_state.REASONS) - {look_state.KEY_COMPROMISED}
    holder = identifiers.holder_code(**api_world.person(4))
    face.console(registry_commands.EraseHolder(actor=face.served.ledger.console, holder=holder))
    assert face.http.get(good).content == face.http.get(signed(ours)).content


@settings(max_examples=40, deadline=None)
@given(st.one_of(st.text(max_size=300), st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567/%=?", max_size=300)))
def test_whatever_somebody_writes_there_is_answered(text: str) -> None:
    """Before anything is looked up: it is no code, and that is all there is to say."""
    with pytest.raises(errors.NotFound) as refused:
        look_state.judged(_Keyless(), text)  # type: ignore[arg-type]
    assert refused.value.extra["reason"] == "not-a-token"


class _Keyless:
    """A service whose ledger must not be asked for more than its suite."""

    class ledger:  # noqa: N801
        class vault:  # noqa: N801
            suite = suites.INTL


def test_a_code_of_a_compromised_key_is_compared_with_what_the_ledger_has(face: Face, issuer: Caller) -> None:
    good = path_of(issuer.done("/v1/licenses", issue_body(10))["qr"])
    ledger = face.served.ledger
    held, stolen = ledger.vault.ring.active("token"), ledger.vault.token_key
    said = token.parse(good, trusted={held.key_id: stolen.public})
    forged = signed(stolen, replace(said, paper_digest=bytes(12)))
    assert face.http.get(forged).json()["key_status"] == "active"
    keeping.rotate_signing_key(ledger, face.served.appender, "token")
    assert face.http.get(good).json()["key_status"] == "retired"
    assert face.http.get(forged).json()["reason"] == "key-compromised", "others have a key that signs no more"
    keeping.compromise_signing_key(
        ledger, face.served.appender, held.key_id, since=None, actor=ledger.console
    )
    told = face.http.get(good).json()
    assert (told["result"], told["key_status"]) == ("effective", "compromised")
    assert "Its key was compromised" in page_of(face, good).text
    refused = face.http.get(forged)
    assert problem(refused)[:2] == (404, "not-found")
    assert refused.json()["reason"] == "key-compromised"
    assert headline(page_of(face, forged)) == "Check the ledger"
    assert face.http.get(signed(stolen)).json()["reason"] == "license-unknown"


def test_what_nobody_signed_costs_no_look_at_the_database(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the database was asked")

    stranger, forged = (
        signed(keys.SigningKey(bytes([78]) * 32)),
        altered(signed(face.served.ledger.vault.token_key)),
    )
    assert face.http.get(stranger).json()["reason"] == "key-unknown"
    monkeypatch.setattr(type(face.served.reader), "run", refuse)
    monkeypatch.setattr(type(face.served.reader), "at_once", refuse)
    for path in (stranger, forged, "/V/AAAA"):
        assert face.http.get(path).status_code == 404
    assert limits.LookLimits(limits.LookRates()).may_ask_for_keys(now_s=0.0)


def test_without_fresh_state_nobody_is_told_that_a_license_is_valid(
    face: Face, issuer: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(issuer.done("/v1/licenses", issue_body(7))["qr"])
    assert face.http.get(path).json()["result"] == "effective"
    clock = face.served.clock
    monkeypatch.setattr(face.served, "clock", lambda: clock() + 6_000_000)
    assert problem(face.http.get(path))[:2] == (503, "clock-unfit")
    monkeypatch.undo()
    mark = face.served.ledger.vault.anchor.read()
    monkeypatch.setattr(
        type(face.served.ledger.vault.anchor), "read", lambda _: replace(mark, size=mark.size + 9)
    )
    assert problem(face.http.get(path))[:2] == (503, "history-behind-anchor")
    page = page_of(face, path)
    assert (page.status_code, headline(page)) == (503, "Cannot tell now")
    assert int(page.headers["retry-after"]) > 0
    assert "Valid" not in page.text.replace("Cannot tell now", "")


def test_while_the_database_is_gone_nobody_can_tell(face: Face, issuer: Caller) -> None:
    path = path_of(issuer.done("/v1/licenses", issue_body(11))["qr"])
    gone = reading.Reader(face.served.ledger.ways.service, face.served.ledger.vault)
    gone.close()
    reader, face.served.reader = face.served.reader, gone
    try:
        assert problem(face.http.get(path))[:2] == (503, "unavailable")
        page = page_of(face, path)
        assert (page.status_code, headline(page)) == (503, "Cannot tell now")
        assert face.http.get(altered(path)).json()["reason"] == "signature-invalid"
    finally:
        face.served.reader = reader
    assert face.http.get(path).json()["verdict"] == "valid"


def test_an_issuer_is_called_as_its_seal_certifies(face: Face) -> None:
    issuer = face.register(world.OPERATOR, "license:issue")
    path = path_of(issuer.done("/v1/licenses", issue_body(12))["qr"])
    assert face.http.get(path).json()["issuer_name"] is None
    served, name = face.served, "示例市<市场>监督管理局"
    row = issuer_seal_register.demonstrate(
        served.ledger, served.appender, organization=world.OPERATOR, name=name, at=served.clock()
    )
    assert face.http.get(path).json()["issuer_name"] == name
    assert "示例市&lt;市场&gt;监督管理局" in page_of(face, path).text
    issuer_seal_register.revoke(served.ledger, served.appender, row.fingerprint, reason="withdrawn")
    assert face.http.get(path).json()["issuer_name"] is None


def test_number_and_name_are_compared_with_the_code_and_kept_nowhere(face: Face, issuer: Caller) -> None:
    path = path_of(issuer.done("/v1/licenses", issue_body(8))["qr"])
    before = face.events()
    for number, name, expected in (
        ("NO-8", "合成居民8", True),
        (" ｎｏ-8 ", " 合成 居民８", True),
        ("NO-9", "合成居民8", False),
        ("NO-8", "合成居民9", False),
    ):
        form = {"number": number, "name": name}
        said = face.http.post(path, data=form).json()
        assert (said["result"], said["paper_matches"]) == ("effective", expected)
        page = face.http.post(path, data=form, headers=PAGE)
        assert page.status_code == 200
        assert ("The paper matches" in page.text) is expected
        assert ("The paper does not match" in page.text) is not expected
        assert name.strip() not in page.text
    for form in ({}, {"number": "NO-8"}, {"number": "NO-8", "name": " "}, {"number": "1" * 201, "name": "x"}):
        assert problem(face.http.post(path, data=form))[0] in (400, 422)
        page = face.http.post(path, data=form or {"x": "1"}, headers=PAGE)
        assert "Fill in both" in page.text
    assert problem(face.http.post(path, json={"number": "NO-8", "name": "x"}))[:2] == (
        400,
        "malformed-request",
    )
    assert problem(face.http.post(path, data={"number": "1" * 9_000}))[:2] == (413, "too-large")
    assert face.events() == before


def test_only_what_the_catalog_publishes_is_shown(face: Face) -> None:
    issuer = face.register(world.ISSUER, "license:issue")
    holder = api_world.example("IssueBody")["holder"]
    body = {
        **api_world.example("IssueBody"),
        "fields": {"name": holder["name"], "domicile": "福州市<b>示例</b>路", "business_scope": "保密内容"},
    }
    path = path_of(issuer.done("/v1/licenses", body)["qr"])
    said = face.http.get(path).json()
    assert (said["public_fields"], said["holder_masked"]) == ({}, "榕城****公司")
    face.console(test_public.revision(face.served.ledger.console, "domicile", "name"))
    said = face.http.get(path).json()
    assert said["public_fields"] == {"domicile": "福州市<b>示例</b>路", "name": holder["name"]}
    assert said["holder_masked"] == holder["name"]
    page = page_of(face, path)
    assert "福州市&lt;b&gt;示例&lt;/b&gt;路" in page.text
    assert "保密内容" not in page.text
    assert holder["code"] not in page.text
    assert body["number"] not in page.text
    issuer.done(f"/v1/licenses/{said['license_ref']}/revoke", api_world.example("ChangeBody"))
    assert face.http.get(path).json()["public_fields"] == {}


def test_looks_are_counted_by_the_hour_and_told_to_auditors(face: Face, issuer: Caller) -> None:
    face.served.looks.store()
    auditor, office = face.register(world.AUDITOR, "audit:read"), face.register(world.HALL, "statistics:read")

    def looked(caller: Caller) -> dict[str, Any]:
        lines = caller.get("/v1/statistics?group_by=issuer").json()["lines"]
        return {line["issuer"]: line["looked"] for line in lines}

    before = looked(auditor)
    path = path_of(issuer.done("/v1/licenses", issue_body(9))["qr"])
    for _ in range(3):
        face.http.get(path)
    face.http.post(path, data={"number": "NO-9", "name": "合成居民9"})
    face.http.get("/V/AAAA")
    face.served.looks.store()
    after = looked(auditor)
    assert after[world.ISSUER] - before.get(world.ISSUER, 0) == 3
    assert after[""] - before.get("", 0) == 1
    assert all(count is None or count == 0 or count >= 5 for count in looked(office).values())
    kinds = {tuple(map(type, row)) for row in face.served.reader.run("TABLE looks")}
    assert kinds == {(int, int, str, str, str, int)}


def test_who_looks_too_often_waits(cluster: Cluster) -> None:
    slow = limits.LookRates(
        per_address=limits.Rate(burst=3, per_s=0.01), papers_per_address=limits.Rate(burst=1, per_s=0.01)
    )
    with api_world.fresh(cluster, replace(api_world.GENEROUS, look_rates=slow)) as face:
        form = {"number": "1", "name": "x"}
        assert problem(face.http.post("/V/AAAA", data=form))[:2] == (404, "not-found")
        assert problem(face.http.post("/V/AAAA", data=form))[:2] == (429, "too-many-requests")
        assert face.http.get("/V/AAAA").status_code == 404
        page = page_of(face, "/V/AAAA")
        assert (page.status_code, headline(page)) == (429, "Please wait")
        assert int(page.headers["retry-after"]) > 1


def test_everybody_together_has_a_limit() -> None:
    slow = limits.LookLimits(limits.LookRates(together=limits.Rate(burst=2, per_s=1.0)))
    for address in ("10.0.0.1", "10.0.0.2"):
        slow.before_looking(address, now_s=0.0)
    with pytest.raises(errors.TooManyRequests):
        slow.before_looking("10.0.0.3", now_s=0.0)
    slow.before_looking("10.0.0.3", now_s=2.0)
