"""Workers are killed, stopped and cut off, and the server is: what was answered stays, others go on.

Each fault is done at every commit point of the append path, under batches of 8 commands and more. The
campaigns do each often enough to count on (`-m faults`, seed printed); without the marker each kind
runs once.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest

from ledger import store
from tests.campaign import PATIENCE_S, Campaign, Worker, campaign, seed
from tests.wire import Cut, Proxy

STAGES = ("locked", "inserted", "committing", "committed", "anchored")
ROUNDS = 5
Fault = Callable[[Campaign, str], None]


def reach(attacked: Campaign, worker: Worker, stage: str) -> None:
    """The worker waits at `stage` of one of its next batches."""
    worker.tell(f"arm {stage} {attacked.rng.randint(1, 6)}")
    worker.await_line("reached")


def kill(attacked: Campaign, stage: str) -> None:
    """kill -9 of one of two workers; another takes its place."""
    victim, other = attacked.workers[-1], attacked.workers[0]
    reach(attacked, victim, stage)
    victim.kill()
    attacked.await_progress(other, since=time.monotonic())
    attacked.start_worker()


def stop_and_continue(attacked: Campaign, stage: str) -> None:
    """SIGSTOP of one of two workers until the other went on, then SIGCONT."""
    victim, other = attacked.workers[-1], attacked.workers[0]
    reach(attacked, victim, stage)
    victim.signal(signal.SIGSTOP)
    attacked.await_progress(other, since=time.monotonic())
    victim.signal(signal.SIGCONT)
    victim.tell("go")
    attacked.await_progress(victim, since=time.monotonic())


def halt_server(attacked: Campaign, stage: str) -> None:
    """`pg_ctl stop -m immediate`; workers go on by themselves once the server is back."""
    victim, other = attacked.workers[-1], attacked.workers[0]
    reach(attacked, victim, stage)
    attacked.halt_server()
    if attacked.rng.random() < 0.5:
        victim.tell("go")  # it meets a server that is gone
        attacked.restart_server()
    else:
        attacked.restart_server()
        victim.tell("go")
    since = time.monotonic()
    attacked.await_progress(other, since=since)
    attacked.await_progress(victim, since=since)


def stop_anywhere(attacked: Campaign) -> None:
    """SIGSTOP of one of two workers wherever it happens to be, amid a statement or a file lock."""
    victim, other = attacked.workers[-1], attacked.workers[0]
    threading.Event().wait(attacked.rng.random() / 10)
    victim.signal(signal.SIGSTOP)
    attacked.await_progress(other, since=time.monotonic())
    victim.signal(signal.SIGCONT)
    attacked.await_progress(victim, since=time.monotonic())


def lose_replica(attacked: Campaign) -> None:
    """COMMIT waits for a replica that is not there: nothing is answered that no replica has confirmed.

    The batch is on disk all the same, and everybody can read it once its session was ended.
    """
    with attacked.owner() as conn:
        conn.execute("ALTER SYSTEM SET synchronous_standby_names = 'absent'")
        conn.execute("SELECT pg_reload_conf()")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while conn.execute(waiting).fetchone() == (0,):
            threading.Event().wait(0.01)
        # What waits is not to be seen, and whoever would follow it waits too: this is all that was confirmed.
        confirmed = attacked.size_to_be_seen()
        threading.Event().wait(store.COMMIT_DEADLINE_S + 2.0)
        late = [answer.index for answer in attacked.collect() if answer.index >= confirmed]
        assert not late, "a use was answered that no replica has"
        conn.execute("ALTER SYSTEM RESET synchronous_standby_names")
        conn.execute("SELECT pg_reload_conf()")
    since = time.monotonic()
    for worker in attacked.workers[-2:]:
        attacked.await_progress(worker, since=since)


def cut(attacked: Campaign, proxy: Proxy, kind: Cut) -> None:
    """The connection of one of two workers is cut at a COMMIT; both go on."""
    victim, other = attacked.workers[-1], attacked.workers[0]
    proxy.arm(kind)
    proxy.await_cut(PATIENCE_S)
    since = time.monotonic()
    attacked.await_progress(other, since=since)
    attacked.await_progress(victim, since=since)


def at_every_point(attacked: Campaign, fault: Fault, *, rounds: int) -> None:
    """`fault` at every stage, `rounds` times, against one of two workers; judged after every stage."""
    attacked.start_worker()
    attacked.start_worker()
    for stage in STAGES:
        for _ in range(rounds):
            fault(attacked, stage)
        attacked.judge()


def at_every_commit(attacked: Campaign, *, rounds: int) -> None:
    """Every kind of cut, `rounds` times; judged after every kind."""
    attacked.start_worker()
    with Proxy(attacked.address, is_patient=True) as proxy:
        attacked.start_worker(port=proxy.port)
        for kind in Cut:
            for _ in range(rounds):
                cut(attacked, proxy, kind)
            attacked.judge()
        attacked.finish()
    assert proxy.made_patient, "a held COMMIT meets a session that still waits for it"
    assert proxy.cuts_done == rounds * len(Cut)


@pytest.mark.faults
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(kill, marks=pytest.mark.outside),
        pytest.param(stop_and_continue, marks=pytest.mark.outside),
        halt_server,
    ],
)
def test_what_was_answered_survives_every_crash_at_every_point(fault: Fault) -> None:
    with campaign(seed(), spares_server=fault is not halt_server) as attacked:
        at_every_point(attacked, fault, rounds=ROUNDS)
        attacked.finish()


@pytest.mark.outside
@pytest.mark.faults
def test_a_worker_that_stops_anywhere_holds_nobody_up() -> None:
    with campaign(seed(), spares_server=True) as attacked:
        attacked.start_worker()
        attacked.start_worker()
        for _ in range(4 * ROUNDS):
            stop_anywhere(attacked)
        attacked.finish()


@pytest.mark.outside
@pytest.mark.faults
def test_a_commit_whose_connection_is_cut_is_settled() -> None:
    with campaign(seed(), spares_server=True) as attacked:
        at_every_commit(attacked, rounds=ROUNDS)


@pytest.mark.faults
def test_what_no_replica_has_is_not_answered() -> None:
    with campaign(seed()) as attacked:
        attacked.start_worker()
        attacked.start_worker()
        for _ in range(ROUNDS):
            lose_replica(attacked)
        attacked.finish()


@pytest.mark.outside
@pytest.mark.faults
def test_two_services_grant_no_use_too_many_while_one_is_killed_again_and_again() -> None:
    with campaign(seed(), spares_server=True, uses_max=300) as attacked:
        attacked.start_worker()
        end_at = time.monotonic() + 20
        while time.monotonic() < end_at:
            victim = attacked.start_worker()
            threading.Event().wait(attacked.rng.random())
            since = time.monotonic()
            victim.kill()
            attacked.await_progress(attacked.workers[0], since=since)
        attacked.await_all_granted()
        attacked.judge()
        attacked.finish()
        assert attacked.granted() == attacked.uses_max, (
            "the counted authorization was used up, and no further"
        )


@pytest.mark.faults
def test_each_fault_once() -> None:
    with campaign(seed()) as attacked:
        attacked.start_worker()
        attacked.start_worker()
        for stage in STAGES[2:4]:
            kill(attacked, stage)
        stop_and_continue(attacked, "committed")
        halt_server(attacked, "committed")
        with Proxy(attacked.address) as proxy:
            attacked.workers[-1].stop()
            attacked.start_worker(port=proxy.port)
            for kind in (Cut.BEFORE, Cut.AFTER):
                cut(attacked, proxy, kind)
            attacked.finish()
