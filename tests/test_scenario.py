"""Scenarios: calls made from a seed, sent until they are decided, and judged by what they must come to."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import calls, collect, driver, midnight, scenario, workload
from ledger import days

USE = {"decision": "granted", "reason": None}


def made(name: str, holders: int = 40) -> calls.Calls:
    chosen = workload.load(name).scaled(holders=holders)
    held = [
        workload.Held(holding=one, license_ref=f"{number:026}")
        for number, one in enumerate(chosen.holdings())
    ]
    tokens = [str(number) for number in range(int(chosen.uses.requesters["count"]))]
    own = calls.Calls(chosen, held, tokens=tokens, auditor="auditor")
    return calls.Calls(chosen, held, tokens=tokens, auditor="auditor", others=own)


@pytest.mark.parametrize("name", scenario.names())
def test_a_scenario_says_phases_and_kinds_that_can_be_called(name: str) -> None:
    said = workload.load(name).scenario
    assert said is not None
    assert sum(said.kinds.values()) == pytest.approx(1)
    assert all(one["seconds"] > 0 and one["times"] > 0 for one in said.phases)
    asked = made(name)
    for kind in said.kinds:
        assert asked.call(kind).kind == kind
    found = [one for _, one in zip(range(200), asked.calls(said.kinds, said.refused), strict=False)]
    assert len({one.key for one in found}) == len(found)
    kinds = collections.Counter(one.kind for one in found)
    wanted = {f"refused-{why}" for why in said.refused or ()} | set(said.kinds)
    assert kinds.keys() <= wanted
    assert kinds["use"]


def test_every_scenario_that_was_asked_for_is_there() -> None:
    assert set(scenario.names()) >= {
        *("collect-night", "refusals", "mixed-day", "new-year-midnight", "enrollment-opening"),
        *("night-batch", "whale-holder", "holiday-after", "audit-day"),
    }


def test_a_day_ends_when_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "_OFFSET_US", days._OFFSET_US)
    ends_at = days.parse_instant("2026-11-26T03:21:07+00:00")
    midnight.shift(20_000, ends_at=ends_at)
    assert [days.of_instant(at) for at in (ends_at - 1, ends_at, ends_at + days.DAY_US)] == [
        *(20_000, 20_001, 20_002),
    ]
    assert days.start(20_001) == ends_at


def test_a_batch_of_the_night_has_its_shares() -> None:
    text = collect.batch_file(2_000, random.Random(1), first=0).decode()
    operations = collections.Counter(line.split(",")[-3] for line in text.splitlines()[1:])
    assert operations["I"] == 1_400
    assert operations["U"] == 480
    assert sum(operations.values()) == 2_000


# --- the driver, against a service of a few lines ---


@contextlib.contextmanager
def answering(*answers: tuple[int, dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """A service that gives these answers in turn, the last again and again; and the keys that came."""
    keys: list[str] = []
    ready, address, ends = threading.Event(), [], []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")[1:-2]
                head = dict(line.split(": ", 1) for line in lines)
                keys.append(head["idempotency-key"])
                await reader.readexactly(int(head["content-length"]))
                status, said = answers[min(len(keys), len(answers)) - 1]
                if not status:
                    return
                body = json.dumps(said).encode()
                more = "Retry-After: 0\r\n" if status == 429 else ""
                text = f"HTTP/1.1 {status} -\r\n{more}Content-Length: {len(body)}\r\n\r\n"
                writer.write(text.encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def serve() -> None:
        ended = asyncio.Event()
        server = await asyncio.start_server(one, "127.0.0.1", 0)
        async with server:
            address.append(server.sockets[0].getsockname()[1])
            ends.append((asyncio.get_running_loop(), ended))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(30)
    try:
        yield f"http://127.0.0.1:{address[0]}", keys
    finally:
        loop, ended = ends[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join()


def asked(count: int, **members: Any) -> Iterator[driver.Call]:
    for number in range(count):
        yield driver.Call(
            **{"kind": "use", "path": "/v1/uses", "token": "t", "key": f"k{number}", "body": {}, **members}
        )


def test_a_caller_who_is_told_to_wait_asks_again_under_its_key() -> None:
    busy, granted = (429, {"type": "urn:x:queue-full"}), (200, {"index": 7, "uses": [USE]})
    with answering(busy, (0, {}), busy, granted) as (url, keys):
        driven = driver.drive(url, asked(1), rate=1_000, seconds=1, connections=1)
    (seen,) = driven.kinds.values()
    assert (seen.outcomes, seen.asked_again, seen.undecided) == ({"granted": 1}, 3, 0)
    assert keys == ["k0"] * 4
    assert driven.events == {"k0": {7}}


def test_answers_are_counted_by_what_they_say_and_by_whether_they_are_right() -> None:
    refused = (200, {"index": 1, "uses": [{"decision": "refused", "reason": "not-held"}]})
    with answering(refused, (200, {"index": 2, "uses": [USE]}), (422, {"type": "urn:x:invalid"})) as (url, _):
        driven = driver.drive(url, asked(3, expected="!granted"), rate=1_000, seconds=1, connections=1)
    seen = driven.kinds["use"]
    assert seen.outcomes == {"not-held": 1, "granted": 1, "422 invalid": 1}
    assert (seen.wrong, driven.total("wrong")) == (1, 1)
    told = driven.figures()["kinds"]["use"]
    assert (told["calls"], told["wrong"], told["undecided"]) == (3, 1, 0)


def test_a_use_that_is_recorded_twice_under_one_key_is_seen() -> None:
    with answering((200, {"index": 1, "uses": [USE]}), (200, {"index": 2, "uses": [USE]})) as (url, _):
        driven = driver.drive(url, asked(1), rate=1_000, seconds=1, repeated=1.0, connections=1)
    assert driven.events == {"k0": {1, 2}}
