"""Taking turns: where several services append, a batch is taken once the lock is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger import errors, opening
from ledger.appender import Appender
from ledger.store import Session
from tests.test_appender import Gate, NoFacts, appending, lock_held
from tests.world import World

WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
      AND clock_timestamp() - xact_start > interval '5 ms' AND pid <> %s
"""


@contextlib.contextmanager
def looking(ledger: opening.Ledger) -> Iterator[psycopg.Connection[Any]]:
    """A session that sees who waits."""
    with psycopg.connect(str(ledger.ways.owner), autocommit=True) as conn:
        yield conn


def waiting(conn: psycopg.Connection[Any], *, gone: int = 0) -> int:
    """The process id of the session that waits for the lock, once it has waited for a while."""
    while (row := conn.execute(WAITING, (gone,)).fetchone()) is None:
        pass
    pid: int = row[0]
    return pid


def come_in_the_way(world: World, appender: Appender) -> None:
    """A batch of `appender` has waited for somebody else."""
    with looking(world.ledger) as conn:
        with lock_held(world.ledger):
            first = appender.submit(NoFacts(actor=world.hall))
            waiting(conn)
        first.result(60)


def test_what_comes_while_others_append_is_in_the_batch_that_waits_for_them(world: World) -> None:
    pen = Gate(world.ledger)
    with appending(world.ledger, pen) as appender, looking(world.ledger) as conn:
        come_in_the_way(world, appender)
        with lock_held(world.ledger):
            futures = [appender.submit(NoFacts(actor=world.hall))]
            waiting(conn)
            futures += [appender.submit(NoFacts(actor=world.hall)) for _ in range(3)]
        for future in futures:
            future.result(60)
    assert [len(batch) for batch in pen.batches] == [1, 4]


def test_a_session_that_is_lost_while_it_waits_costs_nobody_an_answer(world: World) -> None:
    with appending(world.ledger) as appender, looking(world.ledger) as conn:
        come_in_the_way(world, appender)
        with lock_held(world.ledger):
            future = appender.submit(NoFacts(actor=world.hall))
            lost = waiting(conn)
            conn.execute("SELECT pg_terminate_backend(%s)", (lost,))
            waiting(conn, gone=lost)
        assert future.result(60).indexes == ()


def test_who_cannot_append_after_waiting_gives_the_lock_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with appending(world.ledger) as appender, looking(world.ledger) as conn:
        come_in_the_way(world, appender)
        with lock_held(world.ledger):
            future = appender.submit(NoFacts(actor=world.hall))
            waiting(conn)

            def unreadable() -> None:
                raise errors.HistoryBehindAnchor("the anchor cannot be read")

            monkeypatch.setattr(world.ledger.vault.anchor, "read", unreadable)
        with pytest.raises(errors.HistoryBehindAnchor):
            future.result(60)
        conn.execute("SELECT partition FROM partitions WHERE partition = 0 FOR UPDATE NOWAIT")


def test_what_a_service_does_itself_under_the_lock_is_no_wait_for_others(world: World) -> None:
    with contextlib.closing(Session(world.ledger.ways.service)) as session:
        waited = session.lock()
        session.run("SELECT pg_sleep(0.002)")
        assert session.begin(anchor_size=0).waited_us == waited
        session.rollback()


def test_whatever_goes_wrong_while_waiting_there_is_an_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with appending(world.ledger) as appender:
        come_in_the_way(world, appender)

        def broken(session: Session) -> int:
            raise RuntimeError

        monkeypatch.setattr(Session, "lock", broken)
        assert appender.submit(NoFacts(actor=world.hall)).result(60).indexes == ()
        assert appender.is_running
