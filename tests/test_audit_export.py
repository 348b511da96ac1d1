"""Exports of the trail: one file that is recorded, proves every event, and says which query it answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from api import audit_export as exporting
from api import cli_keys, cli_verdicts, models_audit
from ledger import audit_export, errors
from projections import finding
from signing import event, trust
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, person, problem, use_body


@pytest.fixture(scope="module")
def everyone(face: Face) -> Caller:
    made = face.register(world.OPERATOR)
    made.done("/v1/authorizations", grant_body(to=world.OPERATOR))
    for number in (1, 2):
        made.done("/v1/licenses", issue_body(number))
        for _ in range(3):
            made.done("/v1/uses", use_body(number))
    return made


@pytest.fixture(scope="module")
def auditor(face: Face) -> Caller:
    return face.register(world.AUDITOR, "audit:read")


def asking(**said: Any) -> dict[str, Any]:
    members = {name: said.pop(name) for name in ("finding", "grace_days", "limit") if name in said}
    return {"operator": {"account": "a-1", "name": "审计员"}, "reason": "核查", "filter": said, **members}


def export(face: Face, auditor: Caller, body: dict[str, Any], **more: str) -> bytes:
    answer = auditor.post("/v1/audit/exports", body, **{"Ledger-At-Least": str(face.events() - 1)}, **more)
    assert answer.status_code == 200, answer.text
    return answer.content


def judged(face: Face, data: bytes, **more: Any) -> cli_verdicts.Verdict:
    trusted = trust.write(api_world.trust_of(face))
    return cli_verdicts.judge(data, trusted=trusted, now=datetime.now(UTC), **more)


def test_an_export_is_recorded_and_every_event_in_it_is_proven(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    data = export(face, auditor, asking(holder=person(1)))
    found = judged(face, data)
    assert found.is_good, found.lines
    assert found.details["topics"] == {"LicenseIssued": 1, "LicenseUsed": 3}
    assert (found.details["is_all"], found.details["unopened"]) == (True, 0)
    assert found.details["query"] == {"holder": person(1)}
    assert found.details["request"]["operator_name"] == "审计员"
    (stored,) = face.served.reader.events([found.details["index"]])
    recorded = event.parse_strictly(stored)
    assert (recorded.topic, recorded.fact["subject"], recorded.fact["events"]) == ("TrailRead", "holder", 4)
    assert person(1)["code"].encode() not in stored
    assert "合成居民1".encode() not in data


def parts(data: bytes) -> tuple[audit_export.Head, list[audit_export.Line]]:
    first, *rest = data.splitlines(keepends=True)
    return audit_export.parse_head(first), [audit_export.parse_line(line) for line in rest]


def test_an_export_has_what_pages_of_the_trail_have(face: Face, everyone: Caller, auditor: Caller) -> None:
    said = {"requester": world.OPERATOR, "service_item_code": api_world.examples.ITEM}
    _, lines = parts(export(face, auditor, asking(**said)))
    page = auditor.done("/v1/audit/trail", {**asking(**said), "limit": 100})
    assert [one.index for one in lines] == [item["index"] for item in page["events"]][::-1]
    assert [one.request for one in lines] == [item["request"] for item in page["events"]][::-1]


def test_a_repeat_is_the_same_file_but_for_its_receipt(face: Face, everyone: Caller, auditor: Caller) -> None:
    body = asking(requester=world.OPERATOR)
    first = export(face, auditor, body, key="export-1")
    everyone.done("/v1/uses", use_body(1))
    before = face.events()
    again = export(face, auditor, body, key="export-1")
    assert face.events() == before
    (head, lines), (other, others) = parts(first), parts(again)
    assert (head.manifest, head.salt, head.event, lines) == (
        other.manifest,
        other.salt,
        other.event,
        others,
    )
    assert judged(face, again).is_good
    assert problem(auditor.post("/v1/audit/exports", asking(), key="export-1"))[:2] == (
        422,
        "idempotency-key-reused",
    )


def test_files_go_on_where_the_one_before_ended(face: Face, everyone: Caller, auditor: Caller) -> None:
    whole, found, since = parts(export(face, auditor, asking(requester=world.OPERATOR))), [], 0
    until = whole[0].manifest.until_index
    for _ in range(20):
        body = asking(requester=world.OPERATOR, since_index=since, until_index=until, limit=3)
        data = export(face, auditor, body)
        head, lines = parts(data)
        assert judged(face, data).is_good
        assert head.manifest.since_index == since
        found += [one.index for one in lines]
        if head.manifest.is_all:
            break
        since = head.manifest.until_index + 1
    assert found == [one.index for one in whole[1]]
    assert len(found) > 3
    repeated = export(face, auditor, asking(requester=world.OPERATOR, limit=3), key="first-3")
    again = export(face, auditor, asking(requester=world.OPERATOR, limit=3), key="first-3")
    assert parts(repeated)[0].manifest == parts(again)[0].manifest


def test_a_search_that_is_given_up_says_how_far_it_came(
    face: Face, everyone: Caller, auditor: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, whole), found, since = parts(export(face, auditor, asking(requester=world.OPERATOR))), [], 0
    monkeypatch.setattr(exporting, "PAGES_MAX", 1)
    monkeypatch.setattr(exporting, "PAGE_EVENTS", 5)
    for number in range(20):
        body = asking(requester=world.OPERATOR, since_index=since, until_index=whole[-1].index)
        data = export(face, auditor, body, key=f"given-up-{number}")
        head, lines = parts(data)
        assert judged(face, data).is_good
        assert parts(export(face, auditor, body, key=f"given-up-{number}"))[1] == lines
        found += [one.index for one in lines]
        if head.manifest.is_all:
            break
        since = head.manifest.until_index + 1
    assert found == [one.index for one in whole]
    assert since > 0


def test_a_period_an_operator_and_findings_are_exported(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    found = judged(
        face,
        export(
            face,
            auditor,
            asking(),
        ),
    )
    at = found.details["recorded_at"]
    of_operator = asking(operator={"organization": world.OPERATOR, "account": "window-7"})
    assert judged(face, export(face, auditor, of_operator)).is_good
    ended = export(face, auditor, asking(recorded_until=at, requester=world.OPERATOR))
    assert judged(face, ended).is_good
    assert parts(ended)[0].manifest.until_index < found.details["index"]
    later = judged(face, export(face, auditor, asking(recorded_from=at)))
    assert later.details["topics"]["TrailRead"] >= 1
    body = asking(finding="uses-without-case", grace_days=0)
    uses = judged(face, export(face, auditor, body))
    assert (uses.is_good, set(uses.details["topics"])) == (True, {"LicenseUsed"})
    assert uses.details["query"] == {"finding": "uses-without-case", "grace_days": 0}
    graced = judged(face, export(face, auditor, {**body, "grace_days": 30}))
    assert graced.details["events"] == 0


def test_a_repeat_whose_query_finds_something_else_by_now_is_refused(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    number = "2026-0202-0077"
    body = use_body(1)
    everyone.done("/v1/uses", {**body, "purpose": {**body["purpose"], "case_number": number}})
    asked = asking(finding="uses-without-case", grace_days=0, case_number=number)
    assert judged(face, export(face, auditor, asked, key="finding-1")).details["events"] == 1
    everyone.done(
        "/v1/cases/open",
        {
            "case_number": number,
            "service_item_code": api_world.examples.ITEM,
            "opened_at": "2026-02-02T09:00:00+08:00",
            "operator": {"account": "feed", "name": "上报"},
        },
    )
    at_least = {"Ledger-At-Least": str(face.events() - 1)}
    before = face.events()
    moved = auditor.post("/v1/audit/exports", asked, key="finding-1", **at_least)
    assert problem(moved)[:2] == (409, "conflict")
    assert face.events() == before


def test_an_export_is_proven_anew_by_the_ledger_that_recorded_it(face: Face, auditor: Caller) -> None:
    data, reader = export(face, auditor, asking(limit=3)), face.served.reader
    export(face, auditor, asking(limit=1))
    fresh = cli_keys.refreshed(data, None, reader)
    (head, lines), (before, same) = parts(fresh), parts(data)
    assert (head.manifest, head.event, lines) == (before.manifest, before.event, same)
    assert head.receipt != before.receipt
    assert judged(face, fresh).is_good
    for spoiled in (replace(before, salt=bytes(16)), replace(before, event=lines[0].event)):
        with pytest.raises(errors.Invalid):
            cli_keys.refreshed(spoiled.write() + data.partition(b"\n")[2], None, reader)


def test_every_list_of_findings_can_be_exported() -> None:
    assert get_args(models_audit.Finding) == finding.NAMES


def test_a_file_is_no_cache_s_and_has_a_name(face: Face, auditor: Caller) -> None:
    answer = auditor.post("/v1/audit/exports", asking(limit=1))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/x-ndjson"
    head, _ = parts(answer.content)
    index = face.events() - 1
    assert answer.headers["content-disposition"] == f'attachment; filename="trail-{index}.export"'
    assert head.manifest.through < index


def test_a_holder_whom_nobody_knows_has_an_empty_export(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    found = judged(face, export(face, auditor, asking(holder=person(899))))
    assert (found.is_good, found.details["events"]) == (True, 0)
    beyond = judged(face, export(face, auditor, asking(since_index=10**9)))
    assert (beyond.is_good, beyond.details["events"]) == (True, 0)


def test_a_page_of_the_trail_shows_no_more_of_an_export_than_its_digest(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    head, _ = parts(export(face, auditor, asking(holder=person(2))))
    (told, *_) = auditor.done(
        "/v1/audit/trail",
        asking(requester=world.AUDITOR),
        **{"Ledger-At-Least": str(face.events() - 1)},
    )["events"]
    assert told["topic"] == "TrailRead"
    salted = audit_export.digest(head.salt, head.manifest.text, suite=face.served.reader.suite)
    assert told["fact"]["manifest_digest"] == salted.hex()
    assert person(2)["code"] not in str(told)


def test_only_auditors_export_and_bad_input_records_nothing(
    face: Face, everyone: Caller, auditor: Caller
) -> None:
    hall = face.register(world.HALL, "license:use")
    before = face.events()
    assert problem(hall.post("/v1/audit/exports", asking()))[:2] == (403, "scope-missing")
    for body, field in (
        (asking(limit=0), "limit"),
        (asking(limit=audit_export.EVENTS_MAX + 1), "limit"),
        (asking(finding="nothing"), "finding"),
        (asking(holder={"code_type": "111", "code": "1"}), "filter.holder.code"),
        ({**asking(), "cursor": "1-aa"}, "cursor"),
    ):
        status, _, named = problem(auditor.post("/v1/audit/exports", body))
        assert (status, named) == (422, field)
    assert face.events() == before


def test_no_more_exports_than_a_process_bears_are_made_at_once(face: Face, auditor: Caller) -> None:
    kept, face.served.exports = face.served.exports, asyncio.Semaphore(0)
    try:
        assert problem(auditor.post("/v1/audit/exports", asking()))[:2] == (429, "queue-full")
    finally:
        face.served.exports = kept
    assert export(face, auditor, asking(limit=1))
