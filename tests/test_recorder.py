"""The recorder keeps the contract of the library's own recorders, and nothing is appended without it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import psycopg
import pytest
from eventsourcing import persistence, postgres
from eventsourcing.application import LocalNotificationLog
from eventsourcing.tests import persistence as contract
from psycopg import conninfo as conninfos

from ledger import config, errors, migration, recorder
from tests.conftest import SERVICE_PASSWORD, Cluster
from tests.world import World

MEASURES_SPEED = "measures speed, which `make bench` does"


class _AsAggregateRecorder(recorder.Recorder):
    """The recorder without notification ids, as the contract of aggregate recorders has it."""

    def insert_events(self, stored_events: Any, **kwargs: Any) -> None:
        super().insert_events(stored_events, **kwargs)


@pytest.fixture(scope="module")
def blank(cluster: Cluster) -> Iterator[str]:
    """The name of a migrated database without a single event."""
    name = f"blank_{cluster.run}_{uuid.uuid4().hex[:6]}"
    migration.create_database(cluster.server_url, name)
    login = migration.Login(name=f"svc_{cluster.run}", password=SERVICE_PASSWORD, role=migration.SERVICE_ROLE)
    migration.migrate(conninfos.make_conninfo(cluster.server_url, dbname=name), logins=(login,))
    yield name
    _drop(cluster, name)


def _drop(cluster: Cluster, name: str) -> None:
    with psycopg.connect(cluster.server_url, autocommit=True) as conn:
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]


class _OnRealDatabase:
    """Every test of the contract gets a fresh database and the service's login on it."""

    recorder_class: type[recorder.Recorder] = recorder.Recorder

    @pytest.fixture(autouse=True)
    def fresh(self, cluster: Cluster, blank: str) -> Iterator[None]:
        name = f"recorder_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(cluster.server_url, autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{blank}"')  # type: ignore[arg-type]
        self.conninfo = conninfos.make_conninfo(
            cluster.server_url, dbname=name, user=f"svc_{cluster.run}", password=SERVICE_PASSWORD
        )
        self.opened: list[recorder.Recorder] = []
        yield
        for item in self.opened:
            item.datastore.close()
        _drop(cluster, name)

    def create_recorder(self) -> Any:
        made = recorder.open_recorder(self.conninfo)
        made.__class__ = self.recorder_class
        self.opened.append(made)
        return made


class TestAsApplicationRecorder(_OnRealDatabase, contract.ApplicationRecorderTestCase):
    """The library's contract of application recorders."""

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()

    def test_performance(self) -> None:
        raise SkipTest(MEASURES_SPEED)

    def test_concurrent_throughput(self) -> None:
        raise SkipTest(MEASURES_SPEED)


class TestAsAggregateRecorder(_OnRealDatabase, contract.AggregateRecorderTestCase):
    """The library's contract of aggregate recorders."""

    recorder_class = _AsAggregateRecorder

    def test_performance(self) -> None:
        raise SkipTest(MEASURES_SPEED)


class TestPositionsOfOneAppendStayTogether(_OnRealDatabase, contract.NonInterleavingNotificationIDsBaseCase):
    """The library's contract that two appends at once do not interleave."""


def test_the_ledger_is_read_with_the_librarys_own_notification_log(world: World) -> None:
    world.issue()
    world.grant()
    (used,) = world.use()
    log = LocalNotificationLog(world.ledger.recorder, section_size=7)
    mapper = recorder.Mapper()
    notifications: list[persistence.Notification] = []
    section_id: str | None = "1,7"
    while section_id is not None:
        section = log[section_id]
        notifications += section.items
        section_id = section.next_id
    assert [item.id for item in notifications] == list(range(1, len(notifications) + 1))
    mapped = [mapper.to_domain_event(item) for item in notifications]
    assert mapped[0].event.topic == "LedgerOpened"
    assert mapped[used.index].data == used.data
    assert mapped[used.index].event == used.event
    assert [item.topic for item in notifications] == [item.event.topic for item in mapped]
    assert world.ledger.recorder.states_after(after=-1, limit=10_000) == [
        (i, item.state) for i, item in enumerate(notifications)
    ]


@pytest.mark.parametrize("broken", ["StoredEvent", "Mapper.to_stored_event"])
def test_without_the_library_nothing_is_appended(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    class LibraryIsBroken(Exception):
        pass

    def refuse(*args: object, **kwargs: object) -> None:
        raise LibraryIsBroken

    before = world.ledger.recorder.newest_index()
    with monkeypatch.context() as patch:
        owner = persistence if broken == "StoredEvent" else recorder.Mapper
        patch.setattr(owner, broken.rpartition(".")[2], refuse)
        with pytest.raises(errors.OutcomeUnknown):
            world.issue()
    assert world.ledger.recorder.newest_index() == before
    world.issue()
    assert world.ledger.recorder.newest_index() > before


def test_the_recorder_is_one_of_the_librarys_application_recorders() -> None:
    assert issubclass(recorder.Recorder, postgres.PostgresApplicationRecorder)
    assert issubclass(recorder.Mapper, persistence.Mapper)


@pytest.mark.parametrize("value", ["y", "1", "TRUE", " on ", "enabled"])
def test_the_librarys_database_functions_are_refused(value: str) -> None:
    with pytest.raises(errors.Invalid):
        config.from_environment({"POSTGRES_ENABLE_DB_FUNCTIONS": value})


@pytest.mark.parametrize("value", ["", "n", "false", "0"])
def test_an_environment_without_database_functions_is_accepted(value: str) -> None:
    assert config.from_environment({"POSTGRES_ENABLE_DB_FUNCTIONS": value}).is_embedded


def test_a_datastore_with_database_functions_is_refused() -> None:
    datastore = postgres.PostgresDatastore("db", "localhost", "1", "user", "pass", enable_db_functions=True)
    with pytest.raises(errors.Invalid):
        recorder.Recorder(datastore, conninfo="")


def test_a_missing_event_is_named_not_passed_over(world: World) -> None:
    world.issue()
    last = world.ledger.recorder.newest_index()
    with psycopg.connect(str(world.ledger.ways.owner), autocommit=True) as conn:
        taken = conn.execute("DELETE FROM events WHERE position = %s RETURNING *", (last,)).fetchone()
        assert taken is not None
        with pytest.raises(errors.HistoryBroken):
            world.ledger.recorder.states_after(after=last - 2, limit=10)
        conn.execute("INSERT INTO events VALUES (%s, %s, %s, %s, %s, %s, %s)", taken)
    assert len(world.ledger.recorder.states_after(after=last - 2, limit=10)) == 2
