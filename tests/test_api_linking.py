"""Codes of a holder over HTTP: what is linked, contested and corrected, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import days, identifiers, organization_commands
from ledger.store import wall_clock
from signing import event, spelling
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, person, problem, use_body


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "authorization:grant")


@pytest.fixture(scope="module")
def organ(face: Face) -> Caller:
    return face.register(world.AUDITOR, "holder:register")


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    issuer.done("/v1/authorizations", grant_body())
    return face.register(world.HALL, "license:use", "file:attest")


def interim(number: int) -> dict[str, str]:
    return {"code_type": "099", "code": identifiers.make_interim_code("350102", f"{number:09}")}


def pair(number: int, **changes: Any) -> dict[str, Any]:
    said = {**api_world.example("PairBody"), "holder": person(number), "linked": interim(number)}
    return {**said, **changes}


def about(number: int, **changes: Any) -> dict[str, Any]:
    return {**api_world.example("RegistrationBody"), "holder": person(number), **changes}


def told(hall: Caller, holder: dict[str, str]) -> str:
    (one,) = hall.done("/v1/uses", {**use_body(1), "holder": holder})["uses"]
    return one["decision"] if one["reason"] is None else one["reason"]


def test_a_linked_code_opens_the_file_and_an_unlinked_one_does_not(
    face: Face, issuer: Caller, organ: Caller, hall: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(1))
    answer = organ.done("/v1/holders/link", pair(1))
    assert (answer["topic"], set(answer)) == (
        "HolderCodeLinked",
        {"index", "recorded_at", "effective_at", "event", "receipt", "topic"},
    )
    assert told(hall, interim(1)) == told(hall, person(1)) == "granted"
    search = {**api_world.example("SearchBody"), "holder": interim(1)}
    file = hall.done("/v1/holders/search", search, **{"Ledger-At-Least": str(answer["index"])})
    assert [item["license_ref"] for item in file["licenses"]] == [made["license_ref"]]
    assert organ.done("/v1/holders/unlink", pair(1))["topic"] == "HolderCodeUnlinked"
    assert told(hall, interim(1)) == "not-covered"
    assert hall.done("/v1/holders/search", search)["licenses"] == []


def test_a_contested_code_is_used_again_when_its_licenses_have_their_right_holders(
    face: Face, issuer: Caller, organ: Caller, hall: Caller
) -> None:
    issuer.done("/v1/licenses", issue_body(2))
    theirs = issuer.done("/v1/licenses", issue_body(2))
    assert organ.done("/v1/holders/contest", about(2))["topic"] == "HolderCodeContested"
    assert told(hall, person(2)) == "holder-contested"
    search = {**api_world.example("SearchBody"), "holder": person(2)}
    assert problem(hall.post("/v1/holders/search", search))[:2] == (409, "holder-contested")
    assert problem(organ.post("/v1/holders/contest", about(2)))[:2] == (409, "holder-contested")
    body = {**issue_body(3), "reason": "重号更正"}
    body["parties"] = [{**person(6), "name": "合成居民6", "role": "co-owner"}]
    del body["license_type"]
    path = f"/v1/licenses/{theirs['license_ref']}/correct-holder"
    fixed = issuer.done(path, body, key="correct-3")
    assert (fixed["license_ref"], fixed["version"]) == (theirs["license_ref"], 2)
    assert len(event.parse_strictly(spelling.from_base64(fixed["event"])).fact["parties"]) == 2
    assert fixed["license_id"][:-5] == theirs["license_id"][:-5]
    assert issuer.done(path, body, key="correct-3")["index"] == fixed["index"]
    organ.done("/v1/holders/settle", about(2))
    assert told(hall, person(2)) == told(hall, person(3)) == "granted"
    search["holder"] = person(3)
    file = hall.done("/v1/holders/search", search, **{"Ledger-At-Least": str(fixed["index"])})
    assert [item["license_ref"] for item in file["licenses"]] == [theirs["license_ref"]]
    assert problem(organ.post("/v1/holders/settle", about(2)))[:2] == (409, "conflict")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("link", pair(90), (404, "not-found", None)),
        ("unlink", pair(90), (404, "not-found", None)),
        ("contest", about(90), (404, "not-found", None)),
        ("settle", about(90), (404, "not-found", None)),
        ("link", pair(1, linked=person(1)), (422, "invalid-value", "linked")),
        (
            "link",
            pair(1, linked={"code_type": "111", "code": "1" * 18}),
            (422, "invalid-holder-code", "linked.code"),
        ),
        (
            "contest",
            about(1, holder={"code_type": "777", "code": "1"}),
            (422, "invalid-holder-code", "holder.code_type"),
        ),
        ("contest", about(1, evidence="xyz"), (422, "invalid-value", "evidence")),
        ("contest", about(1, effective_at="2199-01-01T00:00:00Z"), (422, "invalid-value", "effective_at")),
        (
            "link",
            pair(1, case_number=world.citizen(1).code),
            (422, "case-number-unfit", "case_number"),
        ),
    ],
)
def test_what_cannot_be_registered_is_refused_and_changes_nothing(
    face: Face,
    issuer: Caller,
    organ: Caller,
    path: str,
    body: dict[str, Any],
    expected: tuple[int, str, str | None],
) -> None:
    issuer.done("/v1/licenses", issue_body(1))
    before = face.events()
    answer = organ.post(f"/v1/holders/{path}", body)
    assert problem(answer) == expected
    assert face.events() == before


def test_only_a_registering_organ_may(face: Face, issuer: Caller, hall: Caller) -> None:
    before = face.events()
    for path, body in (("link", pair(1)), ("unlink", pair(1)), ("contest", about(1)), ("settle", about(1))):
        for caller in (issuer, hall):
            assert problem(caller.post(f"/v1/holders/{path}", body))[:2] == (403, "scope-missing")
    assert face.events() == before


def test_an_issuer_finds_what_remains_of_a_holder_who_has_ended(
    face: Face, issuer: Caller, organ: Caller, hall: Caller
) -> None:
    one = issuer.done("/v1/licenses", issue_body(4))
    other = issuer.done("/v1/licenses", issue_body(4))
    end = {**about(4), "kind": "death"}
    made = organ.done("/v1/holders/end", end)
    assert made["topic"] == "HolderEnded"
    (use,) = hall.done("/v1/uses", use_body(4))["uses"]
    assert (use["reason"], use["code"], use["license"]) == ("holder-ended", "23", None)
    assert use["help"]["situation"] == "holder"
    answer = issuer.get("/v1/tasks/endings", **{"Ledger-At-Least": str(made["index"])}).json()
    assert [item["license_ref"] for item in answer["endings"]] == [one["license_ref"], other["license_ref"]]
    assert {(item["kind"], item["status"], item["holder_end"]) for item in answer["endings"]} == {
        ("death", "effective", "cancel")
    }
    first = issuer.get("/v1/tasks/endings?limit=1").json()
    rest = issuer.get(f"/v1/tasks/endings?limit=1&cursor={first['cursor']}").json()
    assert [first["endings"], rest["endings"]] == [answer["endings"][:1], answer["endings"][1:]]
    assert problem(issuer.get("/v1/tasks/endings?cursor=aaaa"))[:2] == (422, "invalid-value")
    assert problem(hall.get("/v1/tasks/endings"))[:2] == (403, "scope-missing")
    assert problem(organ.post("/v1/holders/end", end))[:2] == (409, "holder-ended")
    back = organ.done("/v1/holders/reverse-end", about(4))
    uses = hall.done("/v1/uses", use_body(4))["uses"]
    assert [one["decision"] for one in uses] == ["granted", "granted"]
    answer = issuer.get("/v1/tasks/endings", **{"Ledger-At-Least": str(back["index"])}).json()
    assert answer["endings"] == []
    assert problem(organ.post("/v1/holders/reverse-end", about(4)))[:2] == (409, "conflict")


def test_an_issuer_finds_licenses_that_print_a_former_name(
    face: Face, issuer: Caller, organ: Caller, hall: Caller
) -> None:
    made = issuer.done("/v1/licenses", issue_body(5))
    said = {**about(5), "former_name": "旧名", "new_name": "新名", "changed_on": "2026-01-31"}
    changed = organ.done("/v1/holders/names", said)
    assert changed["topic"] == "HolderNameChanged"
    answer = issuer.get("/v1/tasks/stale-names", **{"Ledger-At-Least": str(changed["index"])}).json()
    assert answer["stale_names"] == [
        {
            "license_ref": made["license_ref"],
            "license_type": world.CITIZEN_CARD,
            "status": "effective",
            "changed_index": changed["index"],
            "former_names": ["holder"],
        }
    ]
    assert told(hall, person(5)) == "granted"
    late = organ.post("/v1/holders/names", {**said, "changed_on": "2199-01-01"})
    assert problem(late) == (422, "invalid-value", "changed_on")
    same = organ.post("/v1/holders/names", {**said, "new_name": "旧名"})
    assert problem(same) == (422, "invalid-value", "new_name")
    assert problem(issuer.post("/v1/holders/names", said))[:2] == (403, "scope-missing")


def test_a_successor_finds_what_remains_of_its_predecessors_licenses(face: Face, organ: Caller) -> None:
    former, heir = (
        face.register(code, "license:issue", "authorization:grant")
        for code in (api_world.examples.REQUESTER, world.HALL)
    )
    granted = former.done("/v1/authorizations", api_world.grant_body(to=world.OPERATOR))["authorization_ref"]
    assert heir.get(f"/v1/authorizations/{granted}").status_code == 404
    cards = [former.done("/v1/licenses", issue_body(6))["license_ref"] for _ in range(2)]
    attesting = face.register(api_world.examples.REQUESTER, "consent:attest")
    of_one = api_world.grant_body(6, to=world.OPERATOR, license_types=[], license_refs=cards[:1])
    consented = attesting.done("/v1/authorizations", of_one)["authorization_ref"]
    ended = organ.done("/v1/holders/end", {**about(6), "kind": "death"})
    said = {**about(6), "former_name": "旧名", "new_name": "新名", "changed_on": "2026-01-31"}
    renamed = organ.done("/v1/holders/names", said)
    behind = {"Ledger-At-Least": str(max(ended["index"], renamed["index"]))}
    succession = organization_commands.SucceedOrganization(
        actor=face.served.ledger.console,
        predecessor=api_world.examples.REQUESTER,
        successor=world.HALL,
        authorizations="keep",
        type_codes=(world.CITIZEN_CARD,),
        since=days.of_instant(wall_clock()),
    )
    for name in ("endings", "stale-names"):
        listed = former.get(f"/v1/tasks/{name}", **behind).json()[name.replace("-", "_")]
        assert [one["license_ref"] for one in listed] == cards
    face.console(succession)
    # What the successor may narrow, it is told.
    assert heir.get(f"/v1/authorizations/{granted}").json()["authorization_ref"] == granted
    # What a holder consented to is no power over a type that could pass.
    assert heir.get(f"/v1/authorizations/{consented}").status_code == 404
    assert former.get(f"/v1/authorizations/{consented}").status_code == 200
    for name in ("endings", "stale-names"):
        asked, member = f"/v1/tasks/{name}", name.replace("-", "_")
        assert former.get(asked, **behind).json()[member] == []
        assert [one["license_ref"] for one in heir.get(asked, **behind).json()[member]] == cards
    cancelled = heir.done(f"/v1/licenses/{cards[0]}/cancel", api_world.example("ChangeBody"))
    later = {"Ledger-At-Least": str(cancelled["index"])}
    listed = heir.get("/v1/tasks/endings", **later).json()["endings"]
    assert [one["license_ref"] for one in listed] == cards[1:]
