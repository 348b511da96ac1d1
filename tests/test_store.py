"""Sessions of the append path: what is never answered, who stops with the lock, a database that is gone."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from psycopg import conninfo as conninfos

from ledger import config, errors, opening, pooling, registry_commands, store
from ledger.appender import Appender
from ledger.command import Command
from ledger.pen import Pen, Result
from ledger.store import Lost, Session, Unknown
from tests.wire import Proxy


@pytest.fixture
def proxy(configured: config.Config) -> Iterator[Proxy]:
    port = conninfos.conninfo_to_dict(str(configured.database_url))["port"]
    with Proxy(("127.0.0.1", int(str(port)))) as running:
        yield running


def through(proxy: Proxy, configured: config.Config) -> str:
    way = {"host": "127.0.0.1", "port": proxy.port, "sslmode": "disable", "gssencmode": "disable"}
    return conninfos.make_conninfo(str(configured.database_url), **way)


def test_a_statement_that_is_never_answered_is_given_up(
    proxy: Proxy, configured: config.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(Session(through(proxy, configured))) as session:
        monkeypatch.setattr(store, "ANSWER_DEADLINE_S", 0.2)
        proxy.mute()
        with pytest.raises(Lost):
            session.begin(anchor_size=0)


def test_a_commit_that_is_never_answered_is_unknown(
    proxy: Proxy, configured: config.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(Session(through(proxy, configured))) as session:
        session.begin(anchor_size=0)
        monkeypatch.setattr(store, "COMMIT_DEADLINE_S", 0.2)
        proxy.mute()
        with pytest.raises(Unknown):
            session.commit()


def test_a_server_that_is_silent_from_the_start_is_given_up(
    proxy: Proxy, configured: config.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pooling.KEEPALIVES, "connect_timeout", 2)
    proxy.mute()
    with pytest.raises(Lost):
        Session(through(proxy, configured))


def test_whoever_stops_amid_a_pipeline_is_ended_by_the_next_in_line(ledger: opening.Ledger) -> None:
    """The server's own time-out runs only between pipelines, so that it never would end this session."""
    with contextlib.closing(Session(ledger.ways.service)) as stopped:
        stopped._pipeline.ask("BEGIN")
        stopped._ask("lock_partition", 0)
        stopped._pipeline.send()
        with contextlib.closing(Session(ledger.ways.service)) as waiting, pytest.raises(Lost):
            waiting.begin(anchor_size=0)
        with contextlib.closing(Session(ledger.ways.service)) as following:
            assert following.begin(anchor_size=0).head.size > 0
            following.rollback()


def test_a_database_with_another_default_isolation_reads_the_state_under_the_lock(
    ledger: opening.Ledger,
) -> None:
    with psycopg.connect(str(ledger.ways.owner), autocommit=True) as owner:
        name = owner.info.dbname
        owner.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'")  # type: ignore[arg-type]
    with contextlib.closing(Session(ledger.ways.service)) as session:
        session.begin(anchor_size=0)
        assert session.run("SHOW transaction_isolation") == [("read committed",)]
        session.rollback()


def test_while_the_database_is_gone_nobody_waits_for_those_before_him(
    ledger: opening.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: collections.Counter[int] = collections.Counter()

    class Counting(Pen):
        def append(self, commands: Sequence[Command]) -> list[Result | errors.LedgerError]:
            tried.update(map(id, commands))
            raise Lost

    monkeypatch.setattr("ledger.appender.RETRY_FOR_S", 0.3)
    pen = Counting(ledger.recorder, ledger.vault)
    appender = Appender(pen, batch_max=1)
    asked = [registry_commands.RecordInRegistry(actor=ledger.console, facts=()) for _ in range(5)]
    waiting = [appender.submit(each) for each in asked]
    appender.start()
    for future in waiting:
        with pytest.raises(errors.Unavailable):
            future.result(60)
    appender.stop()
    tries = [tried[id(each)] for each in asked]
    assert tries[0] > 1, "the first is tried again"
    assert tries[1:] == [1, 1, 1, 1], "the others are tried once"
