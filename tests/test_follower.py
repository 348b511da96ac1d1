"""Followers: each fact once and in order, whatever fails; projections are rebuilt beside themselves."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import psycopg
import pytest
from psycopg import conninfo

from api import look_counts
from ledger import draft_commands, errors, opening, pooling, reading, recorder
from projections import db, follower, holder, positions, rebuild, registry, trail, trail_pages
from projections.projection import Projection
from tests import campaign
from tests.projecting import Breaking, Projected, Teller, projected, require_equal_to_a_replay, seed
from tests.world import BUSINESS_LICENSE, World

BOTH = pytest.mark.parametrize("projection", registry.ALL, ids=lambda item: item.name)


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    # Every projection has something to hold.
    world.do(draft_commands.DraftLicense(actor=world.issuer, type_code=BUSINESS_LICENSE, content={}))
    world.dispute(None)
    with projected(world) as made:
        yield made


def test_after_a_random_history_every_projection_equals_a_replay(here: Projected) -> None:
    rng = random.Random(seed())
    teller = Teller(here.world, rng)
    for _ in range(4):
        teller.tell(15)
        here.follow(batch_max=rng.randint(1, 9))
    require_equal_to_a_replay(here)


class _Counting:
    """The events of a ledger, and how many were asked for."""

    def __init__(self, source: recorder.Recorder) -> None:
        self._source = source
        self.read = 0

    def states_after(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        found = self._source.states_after(after=after, limit=limit)
        self.read += len(found)
        return found


def test_facts_are_read_once_for_all_who_follow_at_one_pace(here: Projected) -> None:
    Teller(here.world, random.Random(seed())).tell(12)
    source = _Counting(here.world.ledger.recorder)
    news = follower.News(cast(recorder.Recorder, source))
    places = dict.fromkeys(range(5), -1)
    while min(places.values()) < here.head:
        for one, at in places.items():
            found = news.after(at, limit=7)
            places[one] = found[-1].index if found else at
    assert source.read == here.head + 1


def test_whoever_is_ahead_or_behind_is_told_the_same_facts(here: Projected) -> None:
    rng = random.Random(seed())
    source = here.world.ledger.recorder
    news = follower.News(source, kept_max=20)
    for _ in range(60):
        if rng.random() < 0.1:
            Teller(here.world, rng).tell(2)
        head = source.newest_index()
        after, limit = rng.randint(-1, head), rng.randint(1, 15)
        told, all_ = news.after(after, limit=limit), follower.happened(source, after=after, limit=limit)
        assert list(told) == all_[: len(told)]
        assert bool(told) == bool(all_)


def test_a_connection_killed_between_apply_and_commit_leaves_nothing_behind(here: Projected) -> None:
    here.world.issue()
    here.world.grant()
    here.world.use()
    for projection in registry.ALL:
        kills = iter([True, False, True])

        def kill(work: db.Work, indexes: list[int], kills: Iterator[bool] = kills) -> None:
            if next(kills, False):
                work.run("SELECT pg_terminate_backend(pg_backend_pid())")

        made = here.follower(Breaking(projection, kill), batch_max=30)
        before = here.tables(projection)
        assert made.advance() == 0
        assert here.tables(projection) == before
        assert here.database.position(projection.name).through == -1
        assert made.advance() == 30
        assert made.advance() == 0
        assert made.catch_up() == here.head + 1 - 30
        assert here.database.position(projection.name) == db.Position(
            version=projection.version, through=here.head, halted_at=None
        )
    require_equal_to_a_replay(here)


def test_after_a_random_history_with_crashes_every_projection_equals_a_replay(here: Projected) -> None:
    """Sessions die before and after their batches are applied, followers are made anew, facts go on."""
    rng = random.Random(seed())
    teller = Teller(here.world, rng)

    def crash(work: db.Work, indexes: list[int]) -> None:
        if rng.random() < 0.3:
            work.run("SELECT pg_terminate_backend(pg_backend_pid())")

    for _ in range(3):
        teller.tell(15)
        for projection in registry.ALL:
            made = here.follower(Breaking(projection, crash), batch_max=rng.randint(1, 30))
            while here.database.position(projection.name).through < here.head:
                if rng.random() < 0.2:
                    made = here.follower(Breaking(projection, crash), batch_max=rng.randint(1, 30))
                made.advance()
            assert here.database.position(projection.name).halted_at is None
    require_equal_to_a_replay(here)


def test_bytes_that_are_no_event_halt_before_them(here: Projected) -> None:
    here.world.issue()
    broken = here.head - 1
    stored = here.fetch("SELECT state FROM events WHERE position = %s", broken + 1)[0]
    change = "UPDATE events SET state = %s WHERE position = %s"
    here.run(change, stored[:-1], broken + 1)
    try:
        with pytest.raises(errors.HistoryBroken):
            follower.happened(here.world.ledger.recorder, after=-1, limit=100)
        made = here.follower(trail.Trail(), batch_max=8)
        while here.database.position("trail").halted_at is None:
            made.advance()
        assert here.database.position("trail").halted_at == broken
    finally:
        here.run(change, stored, broken + 1)


def test_a_fact_that_fails_three_times_halts_its_projection_alone(here: Projected) -> None:
    here.world.issue()
    here.world.grant()
    poison = here.head - 1
    tries: list[int] = []

    def fail(work: db.Work, indexes: list[int]) -> None:
        if poison in indexes:
            tries.append(len(indexes))
            raise ArithmeticError("this fact cannot be applied")

    halting = here.follower(Breaking(trail.Trail(), fail), batch_max=16)
    others = here.follower(holder.Holder())
    while here.database.position("trail").halted_at is None:
        halting.advance()
    assert others.catch_up() == here.head + 1
    assert tries[-follower.FAILURES_MAX :] == [1] * follower.FAILURES_MAX
    assert tries.count(1) == follower.FAILURES_MAX
    assert halting.catch_up() == 0
    assert tries.count(1) == follower.FAILURES_MAX

    status = {item.name: item for item in here.positions().status()}
    assert (status["trail"].halted_at, status["trail"].through) == (poison, poison - 1)
    assert not status["trail"].is_ready
    assert status["trail"].lag == 2
    assert status["holder"].is_ready
    assert status["holder"].lag == 0
    with pytest.raises(errors.BehindIndex):
        here.positions().wait_for(poison, name="trail")


def test_a_halted_projection_goes_on_when_it_is_rebuilt(here: Projected) -> None:
    made = here.follower(trail.Trail())
    with here.database.transaction() as work:
        work.halt("trail", 0)
    assert made.catch_up() == 0
    rebuild.rebuild(here.owner, here.world.ledger.recorder, trail.Trail())
    here.world.issue()
    assert made.catch_up() > 0


def test_a_failure_that_passes_halts_nothing(here: Projected) -> None:
    here.world.issue()
    failures = iter([True, True, True])

    def fail(work: db.Work, indexes: list[int]) -> None:
        if 40 in indexes and next(failures, False):
            raise ArithmeticError("for a while")

    made = here.follower(Breaking(trail.Trail(), fail), batch_max=16)
    while here.database.position("trail").through < here.head:
        made.advance()
    assert here.database.position("trail").halted_at is None
    assert next(failures, None) is None
    here.follow()
    require_equal_to_a_replay(here)


def test_a_standby_at_the_address_is_a_database_that_is_away_and_halts_nothing(here: Projected) -> None:
    """As while another server takes over: nothing that a fact could be blamed for."""
    here.world.issue()
    ways, standby = here.world.ledger.ways, "-c default_transaction_read_only=on"
    with db.Database(conninfo.make_conninfo(ways.service, options=standby), pool_max=1) as away:
        made = follower.Follower(away, here.world.ledger.recorder, trail.Trail())
        with pytest.raises(errors.Unavailable):
            made.step()
        assert [made.advance() for _ in range(follower.FAILURES_MAX + 1)] == [0] * 4
    assert here.database.position("trail").halted_at is None
    reader = reading.Reader(conninfo.make_conninfo(ways.service, options=standby), here.world.ledger.vault)
    try:
        with reader.pool.connection() as conn:
            said = {name: str(value) for name, value in pooling.KEEPALIVES.items()}
            assert said.items() <= conn.info.get_parameters().items()
        counts = look_counts.Counts(reader)
        counts.add(at=0, result="unknown")
        for _ in range(2):  # nothing to be stored would raise nothing: they are still there
            with pytest.raises(errors.Unavailable):
                counts.store()
    finally:
        reader.close()


def test_two_followers_at_once_apply_each_fact_once(here: Projected) -> None:
    rng = random.Random(seed())
    teller = Teller(here.world, rng)
    told = threading.Event()

    def keep_on(projection: Projection) -> int:
        made = here.follower(projection, batch_max=3)
        go.wait()
        applied = 0
        while not told.is_set() or here.database.position(projection.name).through < here.head:
            applied += made.advance()
        return applied

    twice = (*registry.ALL, *registry.ALL)
    go = threading.Barrier(len(twice))
    with ThreadPoolExecutor(len(twice)) as pool:
        counts = [pool.submit(keep_on, projection) for projection in twice]
        try:
            teller.tell(25)
        finally:
            told.set()
        applied = [count.result() for count in counts]
    each = [one + other for one, other in zip(applied, applied[len(registry.ALL) :], strict=False)]
    assert each == [here.head + 1] * len(registry.ALL)
    require_equal_to_a_replay(here)


def test_followers_keep_up_by_themselves_and_can_be_waited_for(here: Projected) -> None:
    team = follower.Followers(here.database, here.world.ledger.recorder, registry.ALL).start()
    standing = here.positions(team.wake)
    try:
        here.world.issue()
        for projection in registry.ALL:
            standing.wait_for(here.head, name=projection.name, timeout_s=30.0)
        assert {item.lag for item in standing.status()} == {0}
        with pytest.raises(errors.BehindIndex):
            standing.wait_for(here.head + 1, name="trail", timeout_s=3_600.0)
    finally:
        team.stop()


def test_readers_and_followers_go_on_while_a_projection_is_rebuilt(here: Projected) -> None:
    ref = here.world.issue()
    here.follow()
    followed = here.head
    team = follower.Followers(here.database, here.world.ledger.recorder, registry.ALL).start()
    standing = here.positions(team.wake)
    done = threading.Event()

    def read() -> int:
        through, reads = followed, 0
        while not done.is_set():
            page = here.trail.page(trail_pages.Query(subjects={"license": (ref,)}, is_newest_first=False))
            assert page.rows[0].about.topic == "LicenseIssued"
            assert page.through >= through
            assert page.rows[-1].index <= page.through
            reads, through = reads + 1, page.through
        return reads

    def write() -> None:
        for verb in ["suspend", "reinstate"] * 6:
            here.world.status(ref, verb)

    try:
        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            writer = pool.submit(write)
            try:
                for _ in range(3):
                    for projection in registry.ALL:
                        rebuild.rebuild(here.owner, here.world.ledger.recorder, projection)
                writer.result()
            finally:
                done.set()
            assert all(reader.result() for reader in readers)
        for projection in registry.ALL:
            standing.wait_for(here.head, name=projection.name, timeout_s=30.0)
    finally:
        team.stop()
    require_equal_to_a_replay(here)


@BOTH
def test_a_rebuild_never_takes_a_reader_back(
    here: Projected, projection: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read moves on after the last batch of the rebuild: the rebuild comes as far first."""
    here.world.issue()
    here.follow()
    put_in_place = rebuild._put_in_place

    def late(*args: Any) -> int:
        here.world.issue()
        here.follow()
        return put_in_place(*args)

    monkeypatch.setattr(rebuild, "_put_in_place", late)
    assert rebuild.rebuild(here.owner, here.world.ledger.recorder, projection) == here.head
    assert here.database.position(projection.name).through == here.head
    monkeypatch.undo()
    require_equal_to_a_replay(here)


def test_a_broken_rebuild_leaves_what_is_read_as_it_was(here: Projected) -> None:
    here.world.issue()
    here.follow()
    before = here.tables(trail.Trail())

    def fail(work: db.Work, indexes: list[int]) -> None:
        if here.head in indexes:
            raise ArithmeticError("this version is broken")

    with pytest.raises(ArithmeticError):
        rebuild.rebuild(here.owner, here.world.ledger.recorder, Breaking(trail.Trail(), fail))
    assert here.tables(trail.Trail()) == before
    assert here.trail.page(trail_pages.Query()).through == here.head
    require_equal_to_a_replay(here)


def test_one_rebuild_of_a_projection_at_a_time(here: Projected) -> None:
    here.world.issue()

    def again(work: db.Work, indexes: list[int]) -> None:
        with pytest.raises(errors.Conflict):
            rebuild.rebuild(here.owner, here.world.ledger.recorder, trail.Trail())
        rebuild.rebuild(here.owner, here.world.ledger.recorder, holder.Holder())

    rebuild.rebuild(here.owner, here.world.ledger.recorder, Breaking(trail.Trail(), again))
    here.follow()
    require_equal_to_a_replay(here)


def test_tables_of_another_version_are_read_and_not_followed_until_rebuilt(
    here: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.follow()
    other = trail.Trail.version + 1
    monkeypatch.setitem(db.VERSIONS, "trail", other)
    monkeypatch.setattr(trail.Trail, "version", other)
    assert db.migrate(here.owner) == ("trail",)
    here.world.issue()
    assert here.follower(trail.Trail()).catch_up() == 0
    assert [item.name for item in here.positions().status() if not item.is_ready] == ["trail"]
    assert here.trail.page(trail_pages.Query()).rows
    rebuild.rebuild(here.owner, here.world.ledger.recorder, trail.Trail())
    assert db.migrate(here.owner) == ()
    here.world.issue()
    assert here.follower(trail.Trail()).catch_up() > 0


def test_without_a_migration_the_projections_are_unavailable(world: World) -> None:
    with db.Database(world.ledger.ways.service) as database:
        with pytest.raises(errors.Unavailable):
            database.position("trail")
        with pytest.raises(errors.Unavailable):
            trail_pages.Pages(database, cursor_key=bytes(32)).page(trail_pages.Query())
        made = follower.Follower(database, world.ledger.recorder, trail.Trail())
        assert made.advance() == 0


def test_the_service_can_neither_make_nor_drop_projections(here: Projected) -> None:
    with psycopg.connect(here.world.ledger.ways.service, autocommit=True) as conn:
        for statement in (
            "DROP TABLE projections.trail_postings",
            "TRUNCATE projections.trail_postings",
            "CREATE TABLE projections.mine (x int)",
            "CREATE TABLE projections_next.mine (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)  # type: ignore[arg-type]


@pytest.mark.faults
def test_followers_go_on_when_a_server_that_went_away_is_back() -> None:
    with campaign.campaign(seed()) as fault:
        db.migrate(str(fault.configured.owner_database_url))
        with (
            opening.opened(fault.configured, migrate=False) as ledger,
            db.Database(ledger.ways.service) as database,
        ):
            team = follower.Followers(database, ledger.recorder, registry.ALL).start()
            standing = positions.Positions(
                database=database, source=ledger.recorder, projections=registry.ALL, wake=team.wake
            )
            try:
                standing.wait_for(0, name="trail", timeout_s=30.0)
                fault.halt_server()
                with pytest.raises(errors.Unavailable):
                    standing.status()
                fault.restart_server()
                with ledger.appending() as appender:
                    World(ledger, appender).issue()
                for projection in registry.ALL:
                    await_through(standing, ledger.recorder.newest_index(), projection.name)
                assert all(item.is_ready for item in standing.status())
            finally:
                team.stop()


def await_through(standing: positions.Positions, index: int, name: str) -> None:
    """Return once a projection has come through `index`; connections may have to be made anew first."""
    for _ in range(9):
        try:
            return standing.wait_for(index, name=name, timeout_s=10.0)
        except errors.Unavailable:
            continue
    raise AssertionError("the database is not reached again, or not followed")
