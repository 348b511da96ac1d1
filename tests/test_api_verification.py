"""Verifications over HTTP: recorded, proven, and of the same words as the page behind the QR code."""

from __future__ import annotations

import pytest

from tests import api_world, world
from tests.api_world import Caller, Face, issue_body, problem

VERIFY = api_world.example("VerifyBody")
ACT = {name: VERIFY[name] for name in ("operator", "case_number")}


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue")


@pytest.fixture(scope="module")
def verifier(face: Face) -> Caller:
    return face.register(world.HALL, "license:verify")


def path_of(qr: str) -> str:
    return qr[qr.index("/V/") :]


def test_a_check_is_recorded_and_says_what_the_ledger_knew(
    face: Face, issuer: Caller, verifier: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(1))
    by_ref = verifier.done("/v1/verifications", {**ACT, "license_ref": made["license_ref"]})
    by_token = verifier.done("/v1/verifications", {**ACT, "token": made["qr"]})
    lower = verifier.done("/v1/verifications", {**ACT, "token": made["qr"].lower()})
    assert [one["result"] for one in (by_ref, by_token, lower)] == ["effective"] * 3
    assert (by_ref["piece"], by_token["piece"]) == (None, 0)
    issuer.done(f"/v1/licenses/{made['license_ref']}/revoke", api_world.example("ChangeBody"))
    revoked = verifier.done("/v1/verifications", {**ACT, "token": made["qr"]})
    assert (revoked["result"], revoked["national_result"]) == ("revoked", "3")
    assert revoked["index"] == face.events() - 1


def test_what_is_no_license_of_this_ledger_is_unknown_and_recorded(face: Face, verifier: Caller) -> None:
    before = face.events()
    for said in ({"license_ref": "a" * 26}, {"token": "HTTPS://X/V/AAAA"}, {"token": "一"}):
        told = verifier.done("/v1/verifications", {**ACT, **said})
        assert (told["result"], told["license_ref"]) == ("unknown", None)
    assert face.events() == before + 3


def test_a_check_names_one_thing(face: Face, verifier: Caller) -> None:
    before = face.events()
    for said in ({}, {"license_ref": "a" * 26, "token": "A"}):
        assert problem(verifier.post("/v1/verifications", {**ACT, **said})) == (422, "invalid-value", "body")
    assert face.events() == before


def test_a_superseded_paper_says_since_when(face: Face, issuer: Caller, verifier: Caller) -> None:
    made = issuer.done("/v1/licenses", issue_body(6))
    body = {**issue_body(6), "reason": "变更"}
    del body["license_type"]
    days = ("2026-02-03", "2026-03-04")
    later = [
        issuer.done(
            f"/v1/licenses/{made['license_ref']}/amend", body | {"effective_at": f"{day}T09:00:00+08:00"}
        )
        for day in days
    ]
    for qr, on in ((made["qr"], days[0]), (later[0]["qr"], days[1]), (later[1]["qr"], None)):
        seen = verifier.done("/v1/verifications", {**ACT, "token": qr})
        looked = face.http.get(path_of(qr)).json()
        assert seen["replaced_on"] == looked["replaced_on"] == on
        assert (looked["result"] == "superseded") is (on is not None)
        assert looked["verdict"] == seen["verdict"] == ("changed" if on else "valid")


def test_the_end_of_a_holder_is_said_and_its_reversal_too(
    face: Face, issuer: Caller, verifier: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(8))
    organ = face.register(world.AUDITOR, "holder:register")
    end = {**api_world.example("EndBody"), "holder": api_world.person(8)}
    organ.done("/v1/holders/end", end)
    seen = verifier.done("/v1/verifications", {**ACT, "token": made["qr"]})
    assert (seen["result"], seen["national_result"]) == ("holder-ended", "2")
    looked = face.http.get(path_of(made["qr"])).json()
    assert (looked["result"], looked["verdict"]) == ("holder-ended", seen["verdict"])
    reverse = {name: value for name, value in end.items() if name not in ("kind", "effective_at")}
    organ.done("/v1/holders/reverse-end", reverse)
    assert verifier.done("/v1/verifications", {**ACT, "token": made["qr"]})["result"] == "effective"
    assert face.http.get(path_of(made["qr"])).json()["result"] == "effective"
