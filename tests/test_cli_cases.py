"""`license-ledger cases upload`: files in two forms, every fault with its line, sent again without harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api import cli_cases, demo_client
from tests import console, world
from tests.api_world import Caller, Face, person

OPENED = {
    "fact": "opened",
    "case_number": "N-1",
    "service_item_code": "item-1",
    "channel": "window",
    "opened_at": "2026-01-02T09:00:00+08:00",
}
CLOSED = {
    "fact": "closed",
    "case_number": "N-1",
    "closed_at": "2026-01-03T09:00:00+08:00",
    "outcome": "denied",
}


class Sender:
    """The client of the command line, over the application of a test."""

    caller: Caller

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def post(self, path: str, body: Any) -> Any:
        answer = self.caller.post(path, body)
        if answer.status_code != 200:
            raise demo_client.CallFailed(answer.status_code, answer.json())
        return answer.json()


def ndjson(*rows: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def faults(data: bytes, *, is_csv: bool = False) -> list[tuple[int, str | None]]:
    return [(fault.line, fault.field) for fault in cli_cases.read(data, is_csv=is_csv)[1]]


def test_rows_come_in_the_order_of_their_times() -> None:
    again = {**OPENED, "opened_at": CLOSED["closed_at"], "case_number": "N-2"}
    lines, found = cli_cases.read(ndjson(CLOSED, again, OPENED), is_csv=False)
    assert found == []
    assert [line.number for line in lines] == [3, 2, 1]


def test_a_csv_file_says_the_same_as_ndjson() -> None:
    code = person(1)["code"]
    text = "\r\n".join(
        (
            "\ufefffact,case_number,at,service_item_code,channel,parties,outcome,license_types",
            f"opened,N-1,2026-01-02T09:00:00+08:00,item-1,window,applicant 111 {code}; agent 111 {code},,",
            f"closed,N-1,2026-01-03T09:00:00+08:00,,,,approved,{world.CITIZEN_CARD} {world.BUSINESS_LICENSE}",
        )
    )
    party = {"code_type": "111", "code": code}
    parties = [{"role": "applicant", **party}, {"role": "agent", **party}]
    types = [world.CITIZEN_CARD, world.BUSINESS_LICENSE]
    rows = ndjson({**OPENED, "parties": parties}, {**CLOSED, "outcome": "approved", "license_types": types})
    said, found = cli_cases.read(text.encode(), is_csv=True)
    assert found == []
    assert [line.row for line in said] == [line.row for line in cli_cases.read(rows, is_csv=False)[0]]


def test_every_fault_is_told_with_its_line_and_without_its_value() -> None:
    code = person(1)["code"]
    data = b"\n".join(
        (
            ndjson(OPENED),
            b"{",
            b"",
            ndjson({**OPENED, "channel": "pigeon", "opened_at": "2026-01-02"}),
            ndjson({**OPENED, "case_number": f"N-{code}"}),
            ndjson({**OPENED, "parties": [{"code_type": "111", "code": code[:17] + "0"}]}),
            ndjson({**CLOSED, "opened_at": OPENED["opened_at"]}),
            b'"opened"',
        )
    )
    assert faults(data) == [
        (2, None),
        (4, "channel"),
        (4, "opened_at"),
        (5, "case_number"),
        (6, "parties[0].code"),
        (7, "opened_at"),
        (8, "fact"),
    ]
    assert all(code not in fault.message for fault in cli_cases.read(data, is_csv=False)[1])
    head = b"fact,case_number,at,service_item_code,parties\n"
    rows = b"opened,N-1,2026-01-02T09:00:00Z,item-1,111\nopened,N-1\nopened,N-1,yesterday,item-1,\n"
    assert faults(head + rows, is_csv=True) == [(2, "parties"), (3, None), (4, "opened_at")]


def test_a_file_is_uploaded_and_again_and_what_is_refused_is_named(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sender, "caller", face.register(world.HALL, "case:upload"), raising=False)
    monkeypatch.setattr(demo_client, "Client", Sender)
    key, file = tmp_path / "key.jwk", tmp_path / "night.ndjson"
    key.write_text("{}")
    late = {**OPENED, "opened_at": "2026-01-02T10:00:00+08:00"}
    file.write_bytes(ndjson(CLOSED, OPENED, late, {"fact": "closed"}))
    asked = ("cases", "upload", file, "--url", "http://x", "--client", "c", "--key", key)
    before = face.events()
    checked = console.call_json(*asked, "--check", status=1)
    assert (checked["lines"], face.events()) == (3, before)
    told = console.call_json(*asked, status=1)
    assert (told["recorded"], told["repeated"], face.events()) == (2, 0, before + 2)
    assert {fault["line"] for fault in told["faults"]} == {3, 4}
    again = console.call_json(*asked, status=1)
    assert (again["recorded"], again["repeated"], face.events()) == (0, 2, before + 2)
    file.write_bytes(ndjson(OPENED, CLOSED))
    assert console.call_json(*asked)["faults"] == []
    assert "2 repeated" in console.call(*asked)
    monkeypatch.setattr(Sender, "caller", face.register(world.HALL, "license:use"))
    assert "send the file again" in console.call(*asked, status=1)
