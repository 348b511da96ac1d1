"""Too much, or the database gone, over HTTP: callers are told to wait, and what they asked is done once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from api import overload
from benchmarks import driver
from ledger import errors, opening
from tests import api_world, test_api_server, world
from tests.api_world import Caller, Face
from tests.campaign import Campaign, campaign
from tests.test_api_server import at, serving

USED = "SELECT count(*) FROM events WHERE topic = 'LicenseUsed'"


def use_of_the_enterprise() -> dict[str, Any]:
    holder = {"code_type": "001", "code": world.ENTERPRISE.code}
    return {**api_world.example("UseBody"), "holder": holder, "license_type": world.BUSINESS_LICENSE}


def test_a_full_queue_is_429_and_what_was_turned_away_is_done_when_asked_again(face: Face) -> None:
    hall = face.register(world.HALL)
    appender, before = face.served.appender, face.events()
    most, appender._queue_max = appender._queue_max, 0
    full = hall.post("/v1/uses", use_of_the_enterprise(), key="once")
    assert api_world.problem(full)[:2] == (429, "queue-full")
    assert int(full.headers["Retry-After"]) >= 1
    assert face.events() == before, "nothing was done"
    appender._queue_max = most
    first = hall.done("/v1/uses", use_of_the_enterprise(), key="once")
    assert hall.done("/v1/uses", use_of_the_enterprise(), key="once")["index"] == first["index"]
    assert face.events() == before + 1


def test_who_finds_no_place_is_told_so_before_anything_of_it_is_read(face: Face) -> None:
    hall, other = face.register(world.HALL), face.register(world.HALL)
    appender, before = face.served.appender, face.events()
    most, appender._client_max = appender._client_max, 0
    for path in ("/v1/uses", "/v1/uses/batch"):
        assert api_world.problem(hall.post(path, b"no json"))[:2] == (429, "queue-full")
    hall.headers, known = {}, hall.headers
    assert api_world.problem(hall.post("/v1/uses", b"no json"))[0] == 401
    appender._client_max = most
    # A queue that is full for everybody is no secret, and costs no look at a token.
    most, appender._queue_max = appender._queue_max, 0
    assert api_world.problem(hall.post("/v1/uses", b"no json"))[:2] == (429, "queue-full")
    appender._queue_max = most
    hall.headers = known
    for caller in (hall, other):
        assert api_world.problem(caller.post("/v1/uses", b"no json"))[:2] == (400, "invalid-json")
    assert face.events() == before, "nothing was done"


def test_who_is_told_to_come_back_is_held_a_moment_but_not_too_many_at_once() -> None:
    async def crowd() -> None:
        turning = overload.Overload(held_s=3_600.0, held_max=1)
        held = asyncio.create_task(turning.answer(errors.QueueFull(retry_after_s=3)))
        await asyncio.sleep(0)
        told = await turning.answer(errors.QueueFull(retry_after_s=3))
        assert (told.status_code, told.headers["retry-after"]) == (429, "3")
        assert not held.done()
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        next_ = asyncio.create_task(turning.answer(errors.QueueFull()))
        await asyncio.sleep(0)
        assert not next_.done(), "there was a place again"
        next_.cancel()

    asyncio.run(crowd())


def calls(hall: Caller, kind: str = "use") -> Iterator[driver.Call]:
    """Uses without end, each under a key of its own."""
    token, prefix = hall.headers["Authorization"].removeprefix("Bearer "), secrets.token_hex(4)
    for number in itertools.count():
        yield driver.Call(
            kind=kind, path="/v1/uses", token=token, key=f"{prefix}-{number}", body=use_of_the_enterprise()
        )


def used(attacked: Campaign) -> int:
    with attacked.owner() as conn, contextlib.closing(conn.execute(USED)) as found:
        return int(found.fetchall()[0][0])


@contextlib.contextmanager
def attacked_service() -> Iterator[tuple[Campaign, test_api_server.Server, Caller]]:
    """A service on a server of its own, and a hall that may use; the ledger is whole in the end."""
    with campaign(1) as attacked:
        with api_world.running(attacked.configured) as face:
            hall = face.register(world.HALL)
        with serving(attacked.configured) as server:
            yield attacked, server, at(server, hall)
            server.stop()
        with opening.opened(attacked.configured, migrate=False) as ledger:
            api_world.require_whole(ledger)


@pytest.mark.faults
@pytest.mark.slow("a database server is stopped and started again under load")
def test_a_lost_database_costs_no_use_and_the_service_goes_on_by_itself() -> None:
    with attacked_service() as (attacked, server, hall):
        before, pid = used(attacked), server.process.pid
        driven: list[driver.Driven] = []
        ended = threading.Event()

        def load() -> None:
            asked = itertools.takewhile(lambda _: not ended.is_set(), calls(hall))
            driven.append(driver.drive(server.url, asked, rate=60, seconds=150, repeated=0.2, connections=16))

        asking = threading.Thread(target=load)
        asking.start()
        for _ in range(2):
            _await_uses(attacked, more=30)
            attacked.halt_server()
            threading.Event().wait(1.0)
            attacked.restart_server()
        _await_uses(attacked, more=30)
        ended.set()
        asking.join()
        (seen,) = driven[0].kinds.values()
        assert (seen.undecided, set(seen.outcomes)) == (0, {"granted"})
        assert all(len(indexes) == 1 for indexes in driven[0].events.values()), "one use a key"
        assert used(attacked) == before + len(driven[0].events)
        assert (server.process.poll(), server.process.pid) == (None, pid), "nobody restarted the service"
        assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200


def _await_uses(attacked: Campaign, *, more: int) -> None:
    with contextlib.suppress(psycopg.OperationalError):
        target = used(attacked) + more
        while used(attacked) < target:
            threading.Event().wait(0.05)


@pytest.mark.faults
@pytest.mark.slow("callers of a service in a process of its own hang up")
def test_callers_who_hang_up_lose_nothing_and_spend_nothing_twice() -> None:
    with attacked_service() as (attacked, server, hall):
        before = used(attacked)
        asked = list(itertools.islice(calls(hall), 60))
        parts = urllib.parse.urlsplit(server.url)
        assert parts.port is not None
        speaker = driver._Driver(server.url, 0.0, 1, 1, None)
        for call in asked:
            with socket.create_connection((parts.hostname or "", parts.port)) as line:
                line.sendall(speaker._bytes(call))
        driven = driver.drive(server.url, iter(asked), rate=200, seconds=5, repeated=1.0, connections=8)
        assert driven.total("undecided") == 0
        assert {len(indexes) for indexes in driven.events.values()} == {1}
        assert len(driven.events) == len(asked) == used(attacked) - before
