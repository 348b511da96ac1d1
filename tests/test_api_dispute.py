"""Disputes over HTTP: raised at a counter or by an office, decided in time, and told to nobody else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api import examples_dispute
from ledger import days, keeping, organization_commands, store, workdays
from signing import ids
from tests import api_world, world
from tests.api_world import Caller, Face, example, grant_body, issue_body, person, problem

RIGHT = "福州市更正路八号"
ANSWER = "已按登记档案更正"
WRONG = api_world.example_of(examples_dispute.DisputeBody) | {
    "fields": ["address"],
    "values": {"address": RIGHT},
    "statement": "地址有误",
}
MISSING = api_world.example_of(examples_dispute.MissingBody) | {
    "license_type": world.CITIZEN_CARD,
    "should_be_issued_by": world.ISSUER,
}
DECISION = api_world.example_of(examples_dispute.DecideBody) | {"feedback": ANSWER}
WITHDRAWAL = api_world.example_of(examples_dispute.WithdrawDisputeBody)
Issue = Callable[[int], str]


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue", "authorization:grant", "consent:attest")


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    issuer.done("/v1/authorizations", grant_body(to=world.HALL))
    return face.register(world.HALL, "license:use", "consent:attest", "file:attest")


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(world.AUDITOR, "audit:read")


def issued(issuer: Caller, number: int, **changes: Any) -> str:
    ref: str = issuer.done("/v1/licenses", issue_body(number, **changes))["license_ref"]
    return ref


def disputed(caller: Caller, ref: str, **changes: Any) -> dict[str, Any]:
    return caller.done(f"/v1/licenses/{ref}/corrections", {**WRONG, **changes})


def by_holder(number: int) -> dict[str, Any]:
    return {"raised_by": "holder", "holder": person(number)}


def amended(issuer: Caller, ref: str, number: int) -> int:
    body = {**issue_body(number), "fields": {"name": f"合成居民{number}", "address": RIGHT}, "reason": "更正"}
    del body["license_type"]
    index: int = issuer.done(f"/v1/licenses/{ref}/amend", body)["index"]
    return index


def decide(caller: Caller, ref: str, outcome: str = "rejected", **changes: Any) -> Any:
    return caller.post(f"/v1/corrections/{ref}/decide", {**DECISION, "outcome": outcome, **changes})


def listed(caller: Caller, path: str, made: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    """The whole list, page by page, from the index of what was made on."""
    shown: list[dict[str, Any]] = []
    asked = {"limit": "2", **members}
    while True:
        answer = caller.get(path, params=asked, **{"Ledger-At-Least": str(made["index"])})
        assert answer.status_code == 200, answer.text
        shown += answer.json()["disputes"]
        if answer.json()["cursor"] is None:
            return shown
        asked["cursor"] = answer.json()["cursor"]


def refs(rows: list[dict[str, Any]]) -> list[str]:
    return [one["dispute_ref"] for one in rows]


def test_what_an_office_disputes_is_amended_and_answered(
    face: Face, issuer: Caller, hall: Caller, auditor: Caller
) -> None:
    ref = issued(issuer, 1)
    made = disputed(hall, ref)
    today = days.of_instant(days.parse_instant(made["recorded_at"]))
    assert made["due_on"] == days.text(workdays.official().due(today, 10))
    path = f"/v1/corrections/{made['dispute_ref']}"
    claim = {"statement": "地址有误", "values": {"address": RIGHT}, "holder": None}
    for caller in (hall, issuer):
        shown = caller.get(path).json()
        assert (shown["status"], shown["claim"], shown["feedback"]) == ("open", claim, None)
        assert shown["promised_on"] == shown["due_on"] == made["due_on"]
    assert issuer.get(f"/v1/licenses/{ref}").json()["is_disputed"] is True
    early = decide(issuer, made["dispute_ref"], "upheld")
    assert problem(early)[:2] == (409, "conflict")
    mended = amended(issuer, ref, 1)
    done = decide(issuer, made["dispute_ref"], "upheld").json()
    assert (done["status"], done["mended_index"]) == ("upheld", mended)
    assert hall.get(path).json()["feedback"] == ANSWER
    seen = auditor.get(path).json()
    assert (seen["status"], seen["mended_index"], seen["claim"], seen["feedback"]) == (
        *("upheld", mended),
        *(None, None),
    )
    now = issuer.get(f"/v1/licenses/{ref}").json()
    assert (now["is_disputed"], now["version"]) == (False, 2)
    then = issuer.get(f"/v1/licenses/{ref}", params={"as_of": made["recorded_at"]}).json()
    assert (then["is_disputed"], then["version"]) == (True, 1)


def test_a_dispute_alone_refuses_nothing_and_tells_a_requester_nothing_of_its_text(
    issuer: Caller, hall: Caller
) -> None:
    ref = issued(issuer, 2)
    disputed(issuer, ref, **by_holder(2))
    (used,) = hall.done("/v1/uses", api_world.use_body(2))["uses"]
    assert (used["decision"], used["license"]["status"]) == ("granted", "effective")
    assert RIGHT not in str(used)
    now = hall.get(f"/v1/licenses/{ref}").json()
    assert (now["is_disputed"], now["status"]) == (True, "effective")


def test_a_holder_sees_in_the_file_what_became_of_a_dispute(issuer: Caller, hall: Caller) -> None:
    ref = issued(issuer, 3)
    first = disputed(issuer, ref, **by_holder(3))
    second = disputed(hall, ref, kind="stale", fields=[], values={})
    decided = decide(issuer, first["dispute_ref"]).json()
    body = {**example("SearchBody"), "holder": person(3)}
    newest = {"Ledger-At-Least": str(decided["index"])}
    page = hall.done("/v1/holders/search", body, key="file-of-3", **newest)
    (held,) = page["licenses"]
    stale, wrong = held["disputes"]
    assert held["is_disputed"] is True
    assert (stale["dispute_ref"], stale["status"], stale["feedback"]) == (second["dispute_ref"], "open", None)
    assert (wrong["status"], wrong["feedback"], wrong["fields"]) == ("rejected", ANSWER, ["address"])
    decide(issuer, second["dispute_ref"])
    again = hall.done("/v1/holders/search", body, key="file-of-3")
    assert again["licenses"] == page["licenses"]


def test_a_dispute_is_raised_once_and_again_only_when_it_is_settled(issuer: Caller, hall: Caller) -> None:
    ref = issued(issuer, 4)
    path = f"/v1/licenses/{ref}/corrections"
    made = hall.done(path, WRONG, key="dispute-4")
    assert hall.done(path, WRONG, key="dispute-4")["index"] == made["index"]
    second = hall.post(path, WRONG)
    assert problem(second)[:2] == (409, "already-exists")
    assert second.json()["dispute_ref"] == made["dispute_ref"]
    assert hall.done(f"/v1/corrections/{made['dispute_ref']}/withdraw", WITHDRAWAL)["status"] == "withdrawn"
    assert hall.done(path, WRONG)["dispute_ref"] != made["dispute_ref"]


def test_of_two_decisions_at_once_one_wins(face: Face, issuer: Caller, hall: Caller) -> None:
    made = disputed(hall, issued(issuer, 5))
    before = face.events()
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = [pool.submit(decide, issuer, made["dispute_ref"]) for _ in range(4)]
    codes = sorted(answer.result().status_code for answer in answers)
    assert codes == [200, 409, 409, 409]
    assert face.events() == before + 1


def test_whoever_is_no_party_to_a_dispute_learns_nothing(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issued(issuer, 6)
    made = disputed(hall, ref)
    stranger = face.register(world.AUDITOR, "license:use", "consent:attest")
    other_issuer = face.register(world.AUDITOR, "license:issue")
    before = face.events()
    path = f"/v1/corrections/{made['dispute_ref']}"
    unknown = f"/v1/corrections/{ids.text(bytes(16))}"
    for one in (path, unknown):
        assert problem(stranger.get(one))[:2] == (404, "not-found")
        assert problem(stranger.post(f"{one}/withdraw", WITHDRAWAL))[:2] == (404, "not-found")
    assert problem(other_issuer.get(path))[:2] == (404, "not-found")
    assert problem(decide(other_issuer, made["dispute_ref"]))[:2] == (403, "not-the-issuer")
    for said in (WRONG, {**WRONG, **by_holder(7)}):
        answer = stranger.post(f"/v1/licenses/{ref}/corrections", said)
        assert problem(answer)[:2] == (404, "license-not-found")
    assert face.events() == before


UNFIT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"fields": ["weight"], "values": {}}, "fields.weight"),
    ({"fields": ["n350102190001011077"], "values": {}}, "fields"),
    ({"fields": []}, "values"),
    ({"values": {"name": "x"}}, "values"),
    ({"holder": person(8)}, "holder"),
    ({"raised_by": "holder"}, "holder"),
    ({"case_number": None}, "case_number"),
    ({"kind": "missing"}, "kind"),
    ({"statement": ""}, "statement"),
    ({"evidence": "0"}, "evidence"),
)


def test_what_is_said_wrongly_is_refused_by_its_field(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issued(issuer, 8)
    before = face.events()
    for changes, field in UNFIT:
        answer = hall.post(f"/v1/licenses/{ref}/corrections", {**WRONG, **changes})
        assert problem(answer)[::2] == (422, field), answer.text
    assert face.events() == before


def test_a_scope_is_needed_for_each_way(face: Face, issuer: Caller) -> None:
    ref = issued(issuer, 9)
    user, attester = (face.register(world.HALL, scope) for scope in ("license:use", "consent:attest"))
    said = {**WRONG, **by_holder(9)}
    path = f"/v1/licenses/{ref}/corrections"
    assert problem(user.post(path, said))[:2] == (403, "scope-missing")
    assert problem(attester.post(path, WRONG))[:2] == (403, "scope-missing")
    made = attester.done(path, said)
    seen = f"/v1/corrections/{made['dispute_ref']}"
    assert attester.get(seen).json()["claim"]["statement"] == "地址有误"
    assert problem(user.get(seen))[:2] == (404, "not-found"), "what was attested is not for who uses licenses"
    assert made["dispute_ref"] in refs(listed(attester, "/v1/corrections", made))
    assert made["dispute_ref"] not in refs(listed(user, "/v1/corrections", made))
    withdrawal = f"/v1/corrections/{made['dispute_ref']}/withdraw"
    own = {**WITHDRAWAL, "holder": person(9), "evidence": WRONG["evidence"]}
    assert problem(attester.post(withdrawal, {**own, "holder": person(8)}))[:2] == (404, "not-found")
    assert problem(attester.post(withdrawal, {**own, "evidence": None}))[::2] == (422, "evidence")
    assert attester.done(withdrawal, own)["status"] == "withdrawn"


def test_a_missing_license_is_reported_and_comes(face: Face, issuer: Caller, hall: Caller) -> None:
    before = face.events()
    made = [
        hall.done("/v1/corrections", {**MISSING, "holder": person(n), "case_number": f"M-{n}"})
        for n in (10, 899)
    ]
    assert face.events() == before + 2
    path = f"/v1/corrections/{made[0]['dispute_ref']}"
    shown = issuer.get(path).json()
    assert (shown["kind"], shown["license_ref"], shown["claim"]["holder"]) == ("missing", None, person(10))
    assert problem(decide(issuer, made[0]["dispute_ref"], "upheld"))[::2] == (422, "license_ref")
    ref = issued(issuer, 10)
    done = decide(issuer, made[0]["dispute_ref"], "upheld", license_ref=ref).json()
    assert done["status"] == "upheld"
    then = issuer.get(f"/v1/licenses/{ref}", params={"as_of": done["recorded_at"]})
    assert (then.status_code, then.json()["is_disputed"]) == (200, False), then.text
    rejected = decide(issuer, made[1]["dispute_ref"]).json()
    assert (rejected["status"], rejected["mended_index"]) == ("rejected", None)
    assert hall.get(path).json()["feedback"] == ANSWER


@contextlib.contextmanager
def at(face: Face, monkeypatch: pytest.MonkeyPatch, day: int) -> Iterator[None]:
    """Readers think that it is noon on a Beijing day."""
    with monkeypatch.context() as patched:
        patched.setattr(face.served, "moment", lambda: days.start(day) + days.DAY_US // 2)
        yield


def test_lists_hold_what_waits_and_what_is_overdue(
    face: Face, issuer: Caller, hall: Caller, auditor: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [disputed(hall, issued(issuer, 20 + n)) for n in range(3)]
    own = refs(listed(issuer, "/v1/tasks/corrections", made[-1]))
    mine = [one["dispute_ref"] for one in made]
    assert [ref for ref in own if ref in mine] == mine
    due = [days.parse(one["due_on"]) for one in made]
    for path, caller in (("/v1/tasks/corrections", issuer), ("/v1/audit/corrections", auditor)):
        with at(face, monkeypatch, min(due)):
            assert not {*mine} & {*refs(listed(caller, path, made[-1], overdue="true"))}
        with at(face, monkeypatch, max(due) + 1):
            rows = listed(caller, path, made[-1], overdue="true")
            assert set(mine) <= set(refs(rows))
            assert all(one["is_overdue"] for one in rows)
    done = decide(issuer, mine[1]).json()
    assert mine[1] not in refs(listed(issuer, "/v1/tasks/corrections", done))
    assert mine[1] not in refs(listed(auditor, "/v1/audit/corrections", done, issuer=world.ISSUER))
    assert listed(auditor, "/v1/audit/corrections", done, issuer=world.AUDITOR) == []
    raised = listed(hall, "/v1/corrections", done)
    assert {one["status"] for one in raised if one["dispute_ref"] in mine} == {"open", "rejected"}
    rejected = listed(hall, "/v1/corrections", done, status="rejected")
    assert mine[1] in refs(rejected)
    assert {one["status"] for one in rejected} == {"rejected"}
    assert "地址有误" not in str(raised)
    answer = auditor.get("/v1/audit/corrections?issuer=nobody")
    assert problem(answer)[::2] == (422, "query.issuer")


def test_an_auditor_finds_a_dispute_by_case_requester_and_license(
    issuer: Caller, hall: Caller, auditor: Caller
) -> None:
    ref = issued(issuer, 30)
    made = disputed(hall, ref, case_number="DISPUTED-30")
    decided = decide(issuer, made["dispute_ref"]).json()
    newest = {"Ledger-At-Least": str(decided["index"])}
    for asked, topics in (
        ({"case_number": "DISPUTED-30"}, {"DisputeFiled"}),
        ({"license_ref": ref, "requester": world.HALL}, {"DisputeFiled"}),
        ({"license_ref": ref}, {"LicenseIssued", "DisputeFiled", "DisputeDecided"}),
    ):
        body = {**example("TrailBody"), "filter": asked}
        events = auditor.done("/v1/audit/trail", body, **newest)["events"]
        assert {one["topic"] for one in events} == topics
        assert RIGHT not in str(events)


def test_an_erased_holder_leaves_nothing_to_decide(
    face: Face, issuer: Caller, hall: Caller, auditor: Caller
) -> None:
    made = disputed(hall, issued(issuer, 40))
    ledger = face.served.ledger
    keeping.erase_holder(ledger, face.served.appender, world.citizen(40), ledger.console)
    assert problem(decide(issuer, made["dispute_ref"]))[:2] == (409, "holder-erased")
    shown = hall.get(f"/v1/corrections/{made['dispute_ref']}").json()
    assert (shown["status"], shown["claim"], shown["is_overdue"]) == ("lapsed", None, False)
    newest = {"index": face.events() - 1}
    assert made["dispute_ref"] not in refs(listed(issuer, "/v1/tasks/corrections", newest))
    (lapsed,) = listed(hall, "/v1/corrections", newest, status="lapsed")
    assert lapsed["dispute_ref"] == made["dispute_ref"]


def test_who_raised_it_may_be_gone_and_the_license_is_disputed_still(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    owner = {**person(43), "name": "合成居民43", "role": "co-owner"}
    ref = issued(issuer, 42, license_type=world.BUSINESS_LICENSE, parties=[owner], fields={"name": "甲"})
    said = {"fields": ["name"], "values": {"name": "乙"}}
    made = disputed(issuer, ref, **by_holder(43), **said)
    path = f"/v1/corrections/{made['dispute_ref']}"
    assert issuer.get(path).json()["claim"]["values"] == {"name": "乙"}
    ledger = face.served.ledger
    keeping.erase_holder(ledger, face.served.appender, world.citizen(43), ledger.console)
    shown = issuer.get(path).json()
    assert (shown["status"], shown["claim"]) == ("open", None)
    assert decide(issuer, made["dispute_ref"]).json()["status"] == "rejected"
    assert issuer.get(path).json()["feedback"] == ANSWER


def test_a_holder_raises_and_withdraws_under_any_code(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issued(issuer, 44)
    interim = {"code_type": "414", "code": "E00000019"}
    organ = face.register(world.AUDITOR, "holder:register")
    organ.done("/v1/holders/link", {**example("PairBody"), "holder": person(44), "linked": interim})
    made = disputed(issuer, ref, raised_by="holder", holder=interim)
    own = {**WITHDRAWAL, "holder": person(44), "evidence": WRONG["evidence"]}
    assert hall.done(f"/v1/corrections/{made['dispute_ref']}/withdraw", own)["status"] == "withdrawn"


def test_a_dispute_is_decided_when_the_license_was_anothers_who_is_gone(
    face: Face, issuer: Caller, hall: Caller, auditor: Caller
) -> None:
    ref = issued(issuer, 45)
    office, own = (
        disputed(hall, ref, kind="stale", fields=[], values={}),
        disputed(hall, ref, **by_holder(45)),
    )
    body = {**issue_body(46), "fields": {"name": "合成居民46", "address": RIGHT}, "reason": "重号更正"}
    del body["license_type"]
    mended = issuer.done(f"/v1/licenses/{ref}/correct-holder", body)["index"]
    ledger = face.served.ledger
    keeping.erase_holder(ledger, face.served.appender, world.citizen(45), ledger.console)
    newest = {"index": face.events() - 1}
    mine = {office["dispute_ref"], own["dispute_ref"]}
    assert mine <= {*refs(listed(issuer, "/v1/tasks/corrections", newest))}
    for one in mine:
        assert hall.get(f"/v1/corrections/{one}").json()["status"] == "open"
    assert issuer.get(f"/v1/licenses/{ref}").json()["is_disputed"] is True
    assert decide(issuer, own["dispute_ref"], "upheld").json()["mended_index"] == mended
    assert hall.done(f"/v1/corrections/{office['dispute_ref']}/withdraw", WITHDRAWAL)["status"] == "withdrawn"
    assert issuer.get(f"/v1/licenses/{ref}").json()["is_disputed"] is False
    assert hall.get(f"/v1/corrections/{own['dispute_ref']}").json()["feedback"] == ANSWER


def test_after_the_end_of_a_license_its_dispute_is_decided_still(issuer: Caller, hall: Caller) -> None:
    ref = issued(issuer, 41)
    made = disputed(hall, ref)
    ended = issuer.done(f"/v1/licenses/{ref}/void", example("ChangeBody"))
    done = decide(issuer, made["dispute_ref"], "upheld").json()
    assert done["mended_index"] == ended["index"]


def test_who_succeeded_the_issuer_finds_and_decides(face: Face) -> None:
    before = face.register(world.OPERATOR, "license:issue")
    hall = face.register(world.HALL, "license:use", "license:verify")
    near, far = (issued(before, 50 + n, area_code=code) for n, code in enumerate(("350102", "350200")))
    made = [disputed(hall, ref) for ref in (near, far)]
    after = face.register(world.AUDITOR, "license:issue")
    asked = organization_commands.SucceedOrganization(
        actor=face.served.ledger.console,
        predecessor=world.OPERATOR,
        successor=world.AUDITOR,
        authorizations="keep",
        type_codes=(world.CITIZEN_CARD,),
        areas=("350100",),
        since=days.of_instant(store.wall_clock()),
    )
    face.console(asked)
    newest = {"index": face.events() - 1}
    theirs = refs(listed(after, "/v1/tasks/corrections", newest))
    left = refs(listed(before, "/v1/tasks/corrections", newest))
    assert theirs == [made[0]["dispute_ref"]]
    assert made[1]["dispute_ref"] in left
    assert made[0]["dispute_ref"] not in left
    assert problem(decide(before, made[0]["dispute_ref"]))[:2] == (403, "not-the-issuer")
    assert after.get(f"/v1/corrections/{made[0]['dispute_ref']}").json()["claim"] is not None
    assert problem(before.get(f"/v1/corrections/{made[0]['dispute_ref']}"))[0] == 404
    assert decide(after, made[0]["dispute_ref"]).json()["status"] == "rejected"
