"""Who waits and who goes first: imports give way, clients take turns, and nobody waits for too long."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import ClassVar

import pytest

from ledger import errors, stock_commands
from ledger.appender import GIVING_WAY_FEW, OTHERS_TO_ONE, Appender
from ledger.command import Actor
from ledger.pen import Pen
from ledger.queueing import BATCH_MAX, WAIT_MAX_S
from tests.test_appender import Gate, NoFacts, lock_held
from tests.world import World


@dataclass(frozen=True, kw_only=True)
class Patient(NoFacts):
    """A command that gives way."""

    gives_way: ClassVar[bool] = True


def shares(world: World, patient: int, others: int, *, own: Actor | None = None) -> list[tuple[int, int]]:
    """Commands that give way, and others, in each batch behind a first one."""
    pen = Gate(world.ledger)
    appender = Appender(pen).start()
    with contextlib.ExitStack() as stack:
        stack.callback(appender.stop)
        with lock_held(world.ledger):
            futures = [appender.submit(NoFacts(actor=world.auditor))]
            while not pen.batches:
                pass
            futures += [appender.submit(Patient(actor=world.issuer)) for _ in range(patient)]
            futures += [appender.submit(NoFacts(actor=own or world.hall)) for _ in range(others)]
        for future in futures:
            future.result(timeout=60)
    counts = [sum(asked.gives_way for asked in batch) for batch in pen.batches[1:]]
    return [(count, len(batch) - count) for count, batch in zip(counts, pen.batches[1:], strict=True)]


def test_while_others_wait_those_that_give_way_have_few_places(world: World) -> None:
    (first, *later) = shares(world, 40, 24)
    assert first == (2, 24)
    assert sum(count for count, _ in later) == 38
    assert later[0] == (GIVING_WAY_FEW, 0), "whoever was just answered may be about to ask again"


def test_a_batch_has_as_few_places_for_them_when_far_more_others_wait_than_fit(world: World) -> None:
    (first, *_) = shares(world, 200, 900)
    assert first == (BATCH_MAX // (OTHERS_TO_ONE + 1), BATCH_MAX - BATCH_MAX // (OTHERS_TO_ONE + 1))


def test_they_have_one_place_at_least(world: World) -> None:
    assert shares(world, 3, 1) == [(1, 1), (2, 0)]


def test_they_have_every_place_when_nobody_else_asks(world: World) -> None:
    pen = Gate(world.ledger)
    appender = Appender(pen).start()
    with lock_held(world.ledger):
        futures = [appender.submit(Patient(actor=world.issuer)) for _ in range(60)]
    for future in futures:
        future.result(timeout=60)
    appender.stop()
    assert len(pen.batches) <= 2


def test_a_clients_own_requests_do_not_wait_behind_its_import(world: World) -> None:
    assert shares(world, 40, 3, own=world.issuer)[0] == (1, 3)


def test_imports_give_way() -> None:
    assert stock_commands.ImportLicense.gives_way
    assert not NoFacts.gives_way


def test_who_would_wait_too_long_finds_no_place_and_who_asks_little_does(world: World) -> None:
    appender = Appender(Pen(world.ledger.recorder, world.ledger.vault), batch_max=4, queue_max=100)
    greedy, other = NoFacts(actor=world.issuer), NoFacts(actor=world.hall)
    for _ in range(12):
        appender.submit(greedy)
    appender.submit(other)
    appender._batch_s = 2 * WAIT_MAX_S
    with pytest.raises(errors.QueueFull) as told:
        appender.require_place(greedy.actor.client_id)
    assert told.value.retry_after_s == 3 * 2 * WAIT_MAX_S, "three batches are before it"
    # It is served in turn, and waits for one batch, which everybody may.
    appender.require_place(other.actor.client_id)
    appender.require_place()
    appender._batch_s = WAIT_MAX_S / 4
    appender.require_place(greedy.actor.client_id)
    appender.start().stop()
