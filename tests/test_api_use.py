"""Uses over HTTP: proven answers, refusals that are answers, repeats, batches, quotas, suspension."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from api import quota, service
from ledger import bundle, client, command, errors, identifiers, registry_commands
from signing import event, spelling
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, problem, trust_of, use_body
from tests.conftest import Cluster


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    made = face.register(world.ISSUER, "license:issue", "authorization:grant", "consent:attest")
    made.done("/v1/authorizations", grant_body(to=world.HALL))
    face.cover()
    return made


@pytest.fixture(scope="module")
def hall(face: Face, issuer: Caller) -> Caller:
    return face.register(world.HALL, "license:use")


def test_an_answer_kept_as_a_file_is_a_proof_bundle(face: Face, issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(1))
    answer = hall.post("/v1/uses", use_body(1, fields=["name"]))
    (proven,) = bundle.judge(answer.content, trusted=trust_of(face))
    assert proven.decision == "granted"
    assert set(proven.values) == {"@license_id", "name"}
    refused = hall.post("/v1/uses", use_body(2))
    (proven,) = bundle.judge(refused.content, trusted=trust_of(face))
    assert (proven.decision, proven.reason) == ("refused", "not-held")


def test_several_effective_licenses_are_used_together(face: Face, issuer: Caller, hall: Caller) -> None:
    for _ in range(3):
        issuer.done("/v1/licenses", issue_body(3))
    answer = hall.post("/v1/uses", use_body(3))
    proven = bundle.judge(answer.content, trusted=trust_of(face))
    assert len({one.license_ref for one in proven}) == 3
    assert answer.json()["index"] == proven[-1].index


def test_a_refused_use_is_an_answer_that_is_recorded(face: Face, issuer: Caller, hall: Caller) -> None:
    ref = issuer.done("/v1/licenses", issue_body(4))["license_ref"]
    suspended = issuer.done(f"/v1/licenses/{ref}/suspend", api_world.example("ChangeBody"))
    before = face.events()
    (one,) = hall.done("/v1/uses", use_body(4))["uses"]
    assert (one["decision"], one["reason"], one["code"]) == ("refused", "license-suspended", "23")
    assert one["license"] == {"license_ref": ref, "type_code": world.CITIZEN_CARD, "choices": []}
    assert (one["help"]["situation"], one["help"]["responsible_issuer"]) == ("status", world.ISSUER)
    assert one["help"]["status_since"] == suspended["effective_at"]
    assert face.events() == before + 1
    stored = event.parse_strictly(spelling.from_base64(one["proof"]["event"]))
    assert (stored.topic, stored.case_number, stored.channel) == ("UseRefused", "2026-0202-0042", "window")


def test_a_refusal_names_what_there_is_to_choose_from(face: Face, issuer: Caller, hall: Caller) -> None:
    refs = {issuer.done("/v1/licenses", issue_body(9))["license_ref"] for _ in range(21)}
    answer = hall.post("/v1/uses", use_body(9))
    (one,) = answer.json()["uses"]
    assert one["reason"] == "ambiguous"
    assert set(one["license"]["choices"]) == refs
    listed = one["help"]["candidates"]
    assert {item["license_ref"] for item in listed} == refs
    assert {(item["area"], item["status"], item["valid_to"]) for item in listed} == {
        ("350000", "effective", None)
    }
    bundle.judge(answer.content, trusted=trust_of(face))
    for changed in ("advice_zh", "candidates"):
        said = answer.json()
        said["uses"][0]["help"][changed] = []
        with pytest.raises(bundle.BundleInvalid, match="help"):
            bundle.judge(json.dumps(said).encode(), trusted=trust_of(face))
    for changed in ("choices", "type_code", "license_ref"):
        said = answer.json()
        said["uses"][0]["license"][changed] = None if changed != "license_ref" else next(iter(refs))
        with pytest.raises(bundle.BundleInvalid, match=changed):
            bundle.judge(json.dumps(said).encode(), trusted=trust_of(face))


def test_a_repeat_gives_the_same_decision_and_event_with_a_receipt(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    ref = issuer.done("/v1/licenses", issue_body(5))["license_ref"]
    first = hall.done("/v1/uses", use_body(5), key="use-5")
    issuer.done(f"/v1/licenses/{ref}/annul", api_world.example("ChangeBody"))
    before = face.events()
    again = hall.post("/v1/uses", use_body(5), key="use-5")
    assert face.events() == before
    assert again.json()["uses"][0]["proof"]["event"] == first["uses"][0]["proof"]["event"]
    (proven,) = bundle.judge(again.content, trusted=trust_of(face))
    assert proven.decision == "granted"


def test_after_an_erasure_a_repeat_is_told_the_decision_and_no_value(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    issuer.done("/v1/licenses", issue_body(6))
    first = hall.done("/v1/uses", use_body(6), key="use-6")
    holder = identifiers.holder_code(**api_world.person(6))
    console = face.served.ledger.console
    face.console(registry_commands.EraseHolder(actor=console, holder=holder))
    (again,) = hall.done("/v1/uses", use_body(6), key="use-6")["uses"]
    assert (again["decision"], again["license"]) == ("granted", None)
    assert again["proof"]["event"] == first["uses"][0]["proof"]["event"]
    (fresh,) = hall.done("/v1/uses", use_body(6))["uses"]
    assert fresh["decision"] == "refused"
    ref = first["uses"][0]["license"]["license_ref"]
    assert hall.get(f"/v1/licenses/{ref}").status_code == 404


def test_a_batch_answers_every_item_by_itself(face: Face, issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(7))
    good = {**use_body(7), "idempotency_key": "row-1"}
    items: list[Any] = [
        good,
        {**use_body(8), "idempotency_key": "row-2"},
        {**use_body(7), "idempotency_key": "row-3", "license_ref": "a" * 26},
        {**use_body(7), "idempotency_key": "row-4", "holder": {"code_type": "111", "code": "1"}},
        {**use_body(9), "idempotency_key": "row-1"},
        use_body(7),
        good,
        7,
    ]
    before = face.events()
    answer = hall.done("/v1/uses/batch", {"items": items})
    told = answer["items"]
    assert [item["status"] for item in told] == [200, 200, 422, 422, 422, 422, 200, 422]
    assert told[0]["answer"]["uses"][0]["decision"] == "granted"
    assert told[1]["answer"]["uses"][0]["reason"] == "not-held"
    assert told[3]["problem"]["field"] == "holder.code"
    assert told[4]["problem"]["type"].endswith("idempotency-key-reused")
    assert told[5]["problem"]["field"] == "idempotency_key"
    assert told[6]["answer"]["index"] == told[0]["answer"]["index"]
    assert face.events() == before + 2
    assert answer["index"] == before + 1


def test_a_thousand_items_are_one_request_and_one_more_is_too_many(hall: Caller) -> None:
    items = [{**use_body(1), "idempotency_key": f"many-{number}"} for number in range(1_000)]
    answer = hall.done("/v1/uses/batch", {"items": items})
    assert [item["status"] for item in answer["items"]] == [200] * 1_000
    assert problem(hall.post("/v1/uses/batch", {"items": [*items, items[0]]}))[:2] == (422, "invalid-value")


def test_a_suspended_client_gets_nothing_once_that_is_committed(face: Face, issuer: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(10))
    user = face.register(world.HALL, "license:use")
    kept = user.done("/v1/uses", use_body(10), key="before")
    suspended = client.ClientSuspended(client_id=user.client_id)
    ledger = face.served.ledger
    face.console(registry_commands.RecordInRegistry(actor=ledger.console, facts=(suspended,)))
    before = face.events()
    assert problem(user.post("/v1/uses", use_body(10)))[:2] == (403, "client-suspended")
    assert problem(user.get(f"/v1/licenses/{kept['uses'][0]['license']['license_ref']}"))[:2] == (
        403,
        "client-suspended",
    )
    refused = user.ask_token()
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert face.events() == before


def test_beyond_the_refusal_quota_nothing_is_decided_and_one_event_says_how_many(cluster: Cluster) -> None:
    settings = replace(api_world.GENEROUS, refusals_per_minute=3)
    with api_world.fresh(cluster, settings) as face:
        user = face.register(world.HALL, "license:use")
        now_us = (face.served.clock() // 60_000_000 + 1) * 60_000_000
        face.served.clock = lambda: now_us
        answers = [user.post("/v1/uses", use_body(1)) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 5
        assert problem(answers[-1])[:2] == (429, "refusal-quota")
        assert answers[-1].headers["Retry-After"] == "60"
        before = face.events()
        face.served.clock = lambda: now_us + 60_000_000
        portal = face.http.portal
        assert portal is not None
        portal.call(face.served.append_counts)
        portal.call(face.served.append_counts)
        assert face.events() == before + 1
        (stored,) = face.served.reader.events([before])
        told = event.parse_strictly(stored)
        assert (told.topic, told.fact["count"]) == ("RefusalsCounted", 5)
        assert user.post("/v1/uses", use_body(1)).status_code == 200


def test_counts_of_several_wait_together_where_nobody_answers(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that ends beside an appender that is silent waits once, not once for each client."""
    minute = face.served.now_s() // 60
    due = [
        quota.Due(client_id=bytes([n] * 16), organization=world.HALL, generation=1, minute=minute, count=1)
        for n in range(3)
    ]
    waiting = asyncio.Semaphore(0)

    async def silent(_: command.Command) -> None:
        waiting.release()
        await asyncio.sleep(60)
        raise errors.OutcomeUnknown

    async def run() -> None:
        turn = asyncio.create_task(face.served.append_counts(all_=True))
        async with asyncio.timeout(10):
            for _ in due:
                await waiting.acquire()
        turn.cancel()

    monkeypatch.setattr(face.served.refusals, "due", lambda _: due)
    monkeypatch.setattr(face.served, "do", silent)
    asyncio.run(run())


def test_counting_goes_on_after_a_turn_that_failed_of_which_the_log_says_once(
    face: Face, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = errors.HistoryBroken("a row does not fit")
    turns = iter([broken, broken, None, broken, asyncio.CancelledError()])

    async def turn() -> None:
        if (fails_with := next(turns)) is not None:
            raise fails_with

    monkeypatch.setattr(face.served, "append_counts", turn)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(face.served.keep_counting(every_s=0.0))
    assert next(turns, None) is None
    told = [one for one in caplog.records if one.name == service.__name__]
    assert [one.__dict__["error_type"] for one in told] == [broken.type] * 2
    assert [one.getMessage() for one in told] == ["counts are not appended"] * 2


def test_the_refusal_quota_holds_for_what_is_in_flight_together(cluster: Cluster) -> None:
    settings = replace(api_world.GENEROUS, refusals_per_minute=3)
    with api_world.fresh(cluster, settings) as face:
        issuer = face.register(world.ISSUER, "license:issue", "authorization:grant")
        user = face.register(world.HALL, "license:use")
        issuer.done("/v1/licenses", issue_body(1))
        issuer.done("/v1/authorizations", grant_body(to=world.HALL))
        now_us = (face.served.clock() // 60_000_000 + 1) * 60_000_000
        face.served.clock = lambda: now_us
        good = [{**use_body(1), "idempotency_key": f"good-{number}"} for number in range(60)]
        told = user.done("/v1/uses/batch", {"items": good})["items"]
        assert [item["status"] for item in told] == [200] * 60
        before = face.events()
        bad = [{**use_body(2), "idempotency_key": f"bad-{number}"} for number in range(60)]
        told = user.done("/v1/uses/batch", {"items": bad})["items"]
        assert sorted(item["status"] for item in told) == [200] * 3 + [429] * 57
        assert face.events() == before + 3
        assert user.post("/v1/uses", use_body(1)).status_code == 429
        face.served.clock = lambda: now_us + 60_000_000
        assert user.done("/v1/uses", use_body(1))["uses"][0]["decision"] == "granted"


def test_a_caller_that_waits_too_long_is_told_that_the_outcome_is_unknown(
    face: Face, issuer: Caller, hall: Caller
) -> None:
    issuer.done("/v1/licenses", issue_body(11))
    patient = face.served.settings
    face.served.settings = replace(patient, deadline_s=0.0)
    try:
        answer = hall.post("/v1/uses", use_body(11), key="unknown")
    finally:
        face.served.settings = patient
    assert problem(answer)[:2] == (503, "outcome-unknown")
    told = hall.done("/v1/uses", use_body(11), key="unknown")
    assert told["uses"][0]["decision"] == "granted"


def test_uses_that_race_for_the_last_ones_get_exactly_those(face: Face, issuer: Caller, hall: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(12))
    made = issuer.done("/v1/authorizations", grant_body(12, to=world.HALL, uses_max=10))
    items = [
        {**api_world.by_code(made["use_code"]), "idempotency_key": f"race-{number}"} for number in range(64)
    ]
    answer = hall.done("/v1/uses/batch", {"items": items})
    decisions = [item["answer"]["uses"][0]["decision"] for item in answer["items"]]
    assert decisions.count("granted") == 10
    reasons = {item["answer"]["uses"][0]["reason"] for item in answer["items"]}
    assert reasons == {None, "authorization-exhausted"}
