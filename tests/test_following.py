"""The followers' process: it keeps up, is replaced when it dies, ends with its service, and knows no key."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import following
from ledger import draft_commands
from projections import registry
from tests.conftest import SERVICE_PASSWORD
from tests.projecting import Projected, Teller, projected, require_equal_to_a_replay, seed
from tests.service_process import Ending
from tests.world import BUSINESS_LICENSE, World

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
BESIDE = """
import os, sys
from api import following
with following.Process(sys.stdin.readline().strip()) as process:
    print(process.process_id, flush=True)
    sys.stdin.read()
"""
"""A service, as far as its followers know."""


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    # Every projection has something to hold.
    world.do(draft_commands.DraftLicense(actor=world.issuer, type_code=BUSINESS_LICENSE, content={}))
    world.dispute(None)
    with projected(world) as made:
        yield made


def await_all(here: Projected, process: following.Process) -> None:
    """Every projection has come through the newest fact."""
    for projection in registry.ALL:
        here.positions(process.wake).wait_for(here.head, name=projection.name, timeout_s=PATIENCE_S)


def living(process: following.Process) -> int:
    """The process that follows now, once there is one."""
    while (found := process.process_id) is None:
        time.sleep(0.01)
    return found


def test_a_process_follows_is_replaced_when_it_is_killed_and_ends_with_its_service(here: Projected) -> None:
    with following.Process(here.world.ledger.ways.service) as process:
        await_all(here, process)
        first = living(process)
        said = Path(f"/proc/{first}/cmdline").read_bytes() + Path(f"/proc/{first}/environ").read_bytes()
        assert b"LEDGER_" not in said
        assert SERVICE_PASSWORD.encode() not in said
        os.kill(first, signal.SIGKILL)
        here.world.issue()
        await_all(here, process)
        second = living(process)
        assert second != first
        ending = Ending(second)
    ending.wait()
    require_equal_to_a_replay(here)


def test_a_bell_never_holds_up_who_rings_it() -> None:
    heard, rope = multiprocessing.Pipe(duplex=False)
    bell = following.Bell(rope)
    for _ in range(100_000):
        bell("trail")
    heard.close()
    bell("trail")


@pytest.mark.faults
def test_a_process_ends_when_its_service_is_killed(here: Projected) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", BESIDE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with service:
        assert service.stdin is not None
        assert service.stdout is not None
        service.stdin.write(f"{here.world.ledger.ways.service}\n")
        service.stdin.flush()
        ending = Ending(int(service.stdout.readline()))
        service.kill()
        ending.wait()


@pytest.mark.faults
def test_two_processes_of_which_each_is_killed_again_and_again_apply_each_fact_once(here: Projected) -> None:
    rng = random.Random(seed())
    teller = Teller(here.world, rng)
    way = here.world.ledger.ways.service
    with following.Process(way) as one, following.Process(way) as other:
        for _ in range(6):
            teller.tell(10)
            # One that was killed just now and is not replaced yet may be gone meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.kill(living(rng.choice([one, other])), signal.SIGKILL)
        await_all(here, one)
    require_equal_to_a_replay(here)
