"""Counterparts over HTTP: their own QR codes, and what a verifier is told of one that is lost."""

from __future__ import annotations

import pytest

from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, problem

MORE = api_world.example("IssueCounterpartsBody")
CANCEL = api_world.example("CancelCounterpartBody")
ACT = api_world.example("WithdrawBody")


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "license:verify")


def verified(issuer: Caller, token: str) -> tuple[str, int | None]:
    told = issuer.done("/v1/verifications", {**ACT, "token": token})
    return told["result"], told["piece"]


def looked(face: Face, token: str) -> str:
    result: str = face.http.get(token[token.index("/V/") :]).json()["result"]
    return result


def test_a_lost_counterpart_is_told_from_the_others(face: Face, issuer: Caller) -> None:
    made = issuer.done("/v1/licenses", issue_body(1, counterparts=2))
    ref = made["license_ref"]
    assert [one["piece"] for one in made["counterparts"]] == [1, 2]
    added = issuer.done(f"/v1/licenses/{ref}/counterparts", {**MORE, "count": 1})
    (third,) = added["counterparts"]
    codes = [made["qr"], *(one["qr"] for one in made["counterparts"]), third["qr"]]
    assert len(set(codes)) == 4
    assert [verified(issuer, code) for code in codes] == [("effective", number) for number in range(4)]
    told = issuer.done(f"/v1/licenses/{ref}/counterparts/2/cancel", CANCEL)
    assert told["piece"] == 2
    assert [verified(issuer, code)[0] for code in codes] == [
        *("effective", "effective", "piece-cancelled", "effective"),
    ]
    assert looked(face, codes[2]) == "piece-cancelled"
    assert looked(face, codes[3]) == "effective"
    now = issuer.get(f"/v1/licenses/{ref}/pieces").json()
    assert now["version"] == 1
    assert [one["is_cancelled"] for one in now["pieces"]] == [False, False, True, False]


def test_a_next_version_prints_its_own_counterparts(issuer: Caller) -> None:
    made = issuer.done("/v1/licenses", issue_body(2, counterparts=1))
    ref = made["license_ref"]
    body = {**api_world.example("ReplaceBody"), "counterparts": 2}
    replaced = issuer.done(f"/v1/licenses/{ref}/replace", body)
    assert [one["piece"] for one in replaced["counterparts"]] == [1, 2]
    assert verified(issuer, made["counterparts"][0]["qr"])[0] == "superseded"
    assert verified(issuer, replaced["counterparts"][1]["qr"]) == ("effective", 2)


def test_a_repeat_of_printing_prints_nothing_more(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(3))["license_ref"]
    first = issuer.done(f"/v1/licenses/{ref}/counterparts", MORE, key="print-3")
    before = face.events()
    again = issuer.done(f"/v1/licenses/{ref}/counterparts", MORE, key="print-3")
    assert face.events() == before
    assert first["counterparts"] == again["counterparts"]


def test_a_repeat_of_a_cancellation_is_told_the_same_when_another_version_was_printed(
    face: Face, issuer: Caller
) -> None:
    ref = issuer.done("/v1/licenses", issue_body(6, counterparts=1))["license_ref"]
    path = f"/v1/licenses/{ref}/counterparts/1/cancel"
    first = issuer.done(path, CANCEL, key="cancel-6")
    issuer.done(f"/v1/licenses/{ref}/replace", api_world.example("ReplaceBody"))
    before = face.events()
    again = issuer.done(path, CANCEL, key="cancel-6")
    assert (again["event"], again["piece"]) == (first["event"], 1)
    assert problem(issuer.post(path, CANCEL))[:2] == (404, "piece-not-found")
    assert face.events() == before


def test_who_may_not_know_a_license_is_told_nothing_of_its_pieces(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(5, counterparts=1))["license_ref"]
    user = face.register(world.HALL, "license:use")
    path, nothing = f"/v1/licenses/{ref}/pieces", f"/v1/licenses/{'a' * 26}/pieces"
    assert problem(user.get(path)) == problem(user.get(nothing)) == (404, "license-not-found", None)
    granting = face.register(world.ISSUER, "authorization:grant")
    granting.done("/v1/authorizations", grant_body(to=world.HALL))
    assert len(user.get(path).json()["pieces"]) == 2
    assert len(face.register(world.AUDITOR, "audit:read").get(path).json()["pieces"]) == 2
    for scope in ("consent:attest", "catalog:write"):
        asking = face.register(world.HALL, scope)
        assert problem(asking.get(path)) == problem(asking.get(nothing)) == (403, "scope-missing", None)


def test_the_original_and_strangers_pieces_are_not_cancelled(face: Face, issuer: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(4, counterparts=1))["license_ref"]
    stranger = face.register(world.HALL, "license:issue")
    before = face.events()
    for number in ("0", "2", "x", "01"):
        answer = issuer.post(f"/v1/licenses/{ref}/counterparts/{number}/cancel", CANCEL)
        assert problem(answer)[:2] == (404, "piece-not-found")
    answer = stranger.post(f"/v1/licenses/{ref}/counterparts/1/cancel", CANCEL)
    assert problem(answer)[:2] == (403, "not-the-issuer")
    answer = stranger.post(f"/v1/licenses/{ref}/counterparts", MORE)
    assert problem(answer)[:2] == (403, "not-the-issuer")
    assert problem(issuer.get(f"/v1/licenses/{'a' * 26}/pieces"))[:2] == (404, "license-not-found")
    assert face.events() == before
