"""An older history put in the ledger's place gets no more facts, until its loss is declared."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo as conninfos

from ledger import check, command, config, embedded, errors, keeping, opening, recovery, registry_commands
from ledger.pen import Pen, Recorded, Stage
from ledger.reading import Reader
from ledger.state import LicenseRow
from signing import note, receipt
from tests.conftest import Cluster
from tests.world import CITIZEN_CARD, OPERATOR, ORIGIN, World, citizen


class Signed:
    """Every checkpoint that anybody was ever given: one root for each origin and size."""

    def __init__(self) -> None:
        self.roots: dict[tuple[str, int], bytes] = {}

    def see(self, checkpoint: str) -> note.Checkpoint:
        head = note.parse_checkpoint(checkpoint.rpartition("\n\n")[0] + "\n")
        assert self.roots.setdefault((head.origin, head.size), head.root) == head.root
        return head

    def see_all(self, recorded: list[Recorded]) -> None:
        for item in recorded:
            self.see(receipt.parse(item.receipt).checkpoint)


def in_place_of(present: config.Config, older: config.Config) -> config.Config:
    """The ledger whose database was replaced by an older copy; its files are those of now."""
    return replace(present, database_url=older.database_url, owner_database_url=older.owner_database_url)


@contextlib.contextmanager
def opened(configured: config.Config) -> Iterator[tuple[opening.Ledger, World]]:
    with opening.opened(replace(configured), migrate=False) as ledger, ledger.appending() as appender:
        yield ledger, World(ledger, appender)


@contextlib.contextmanager
def reading(ledger: opening.Ledger) -> Iterator[Reader]:
    reader = Reader(ledger.ways.service, ledger.vault)
    try:
        yield reader
    finally:
        reader.close()


def require_refused(ledger: opening.Ledger) -> None:
    """Nothing is appended, nothing is signed, and what is there can be read."""
    before = _size(ledger)
    with ledger.appending() as appender, pytest.raises(errors.HistoryBehindAnchor):
        World(ledger, appender)
    for change in (keeping.rotate_pepper, lambda behind: keeping.renew_bucket(behind, 1)):
        with pytest.raises(errors.HistoryBehindAnchor):
            change(ledger)
    with reading(ledger) as reader:
        assert reader.events([0])
        with pytest.raises(errors.HistoryBehindAnchor):
            reader.checkpoint()
    assert _size(ledger) == before


def _size(ledger: opening.Ledger) -> int:
    with psycopg.connect(ledger.ways.service) as conn:
        row = conn.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
    assert row is not None
    return int(row[0])


def require_sound(ledger: opening.Ledger) -> None:
    report = check.check(
        ledger.ways.service,
        identity=check.identity_of(ledger.vault.ring),
        anchor=ledger.vault.anchor,
    )
    assert report.is_complete
    assert report.findings == ()


def use(world: World, number: int) -> list[Recorded]:
    return world.use(holder=citizen(number), type_code=CITIZEN_CARD)


def begin(configured: config.Config, signed: Signed) -> None:
    """Some history before yesterday's backup."""
    with opened(configured) as (_, world):
        for number in range(6):
            world.issue(citizen(number), type_code=CITIZEN_CARD, name="合成")
        world.grant(type_codes=(CITIZEN_CARD,))
        signed.see_all(use(world, 1))


def test_yesterdays_backup_gets_no_facts_until_its_loss_is_declared(
    cluster: Cluster, configured: config.Config
) -> None:
    signed = Signed()
    begin(configured, signed)
    copies = [cluster.clone(configured) for _ in range(2)]
    with opened(configured) as (ledger, world):
        signed.see_all(use(world, 2))
        keeping.erase_holder(ledger, world.appender, citizen(3), ledger.console)
        keeping.rotate_pepper(ledger)
        keeping.rotate_signing_key(ledger, world.appender, "log")
        signed.see_all(use(world, 4))
        anchored = ledger.vault.anchor.read()
    first = anchored.origin

    for generation, copy in enumerate(copies, start=1):
        with opening.opened(in_place_of(configured, copy), migrate=False) as ledger:
            require_refused(ledger)
            before = ledger.vault.anchor.read()
            told = recovery.recover(ledger)
            assert not told.is_contained
            assert (told.anchored_origin, told.found_origin) == (before.origin, first)
            assert (told.lost_from, told.lost_until) == (_size(ledger), before.size)
            assert ledger.vault.anchor.read() == before
            require_refused(ledger)

            declared = recovery.recover(ledger, declare_loss=True)
            assert declared.successor == f"{first}.{generation}"
            signed.see_all(list(declared.declared))
            fact = declared.declared[0].event.fact
            assert (fact["anchored_size"], fact["surviving_size"]) == (told.lost_until, told.lost_from)
            with pytest.raises(errors.Conflict):
                recovery.recover(ledger, declare_loss=True)
        with opened(in_place_of(configured, copy)) as (ledger, world):
            for number in range(6):
                (item,) = use(world, number)
                signed.see_all([item])
                assert (item.event.topic == "LicenseUsed") == (number != 3), number
            with reading(ledger) as reader:
                assert signed.see(reader.checkpoint()).origin == f"{first}.{generation}"
            require_sound(ledger)
    assert {origin for origin, _ in signed.roots} == {first, f"{first}.1", f"{first}.2"}
    with opening.opened(configured, migrate=False) as ledger:
        require_refused(ledger)
    for copy in copies:
        cluster.drop(copy)


def test_an_erasure_that_was_lost_takes_the_partys_fields_along_again(
    cluster: Cluster, configured: config.Config
) -> None:
    with opened(configured) as (_, world):
        shared = [world.issue(citizen(one), co_owner=citizen(other)) for one, other in ((1, 2), (3, 4))]
    copy = cluster.clone(configured)
    with opened(configured) as (ledger, world):
        for number in (2, 3):
            keeping.erase_holder(ledger, world.appender, citizen(number), ledger.console)
        with reading(ledger) as reader:
            before = [reader.row(LicenseRow, ref) for ref in shared]
    with opening.opened(in_place_of(configured, copy), migrate=False) as ledger:
        recovery.recover(ledger, declare_loss=True)
        with reading(ledger) as reader:
            after = [reader.row(LicenseRow, ref) for ref in shared]
        require_sound(ledger)
    assert after == before
    assert after[0] is not None
    assert "@party_1_name" not in after[0].field_names
    assert after[1] is not None
    assert after[1].is_orphaned
    cluster.drop(copy)


def test_a_recovery_cut_short_before_the_anchor_moves_is_done_again(
    cluster: Cluster, configured: config.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = Signed()
    begin(configured, signed)
    copy = cluster.clone(configured)
    with opened(configured) as (_, world):
        signed.see_all(use(world, 2))
    with opening.opened(in_place_of(configured, copy), migrate=False) as ledger:
        with monkeypatch.context() as patch:

            def crash(*args: object, **kwargs: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(recovery.RecoveryPen, "_anchor", crash)
            with pytest.raises(KeyboardInterrupt):
                recovery.recover(ledger, declare_loss=True)
        require_refused(ledger)
        declared = recovery.recover(ledger, declare_loss=True)
        assert str(declared.successor).endswith(".2")
    with opened(in_place_of(configured, copy)) as (ledger, world):
        signed.see_all(use(world, 1))
        require_sound(ledger)
    cluster.drop(copy)


def test_nothing_is_declared_lost_when_nothing_is(ledger: opening.Ledger) -> None:
    told = recovery.recover(ledger)
    assert told.is_contained
    assert told.lost_from is None
    with pytest.raises(errors.Conflict):
        recovery.recover(ledger, declare_loss=True)


@pytest.mark.parametrize("flaw", ["absent", "damaged"])
def test_without_its_anchor_a_ledger_is_not_recovered(ledger: opening.Ledger, flaw: str) -> None:
    path = ledger.config.data / "anchor" / "anchor"
    kept = path.read_bytes()
    if flaw == "absent":
        path.unlink()
    else:
        path.write_bytes(bytes(len(kept)))
    for declare in (False, True):
        with pytest.raises(errors.HistoryBehindAnchor, match="put its copy back"):
            recovery.recover(ledger, declare_loss=declare)
    path.write_bytes(kept)
    path.chmod(0o600)
    assert recovery.recover(ledger).is_contained


def test_an_anchor_of_another_ledger_is_told_apart() -> None:
    assert recovery.generation_of("h/p/0", first="h/p/0") == 0
    assert recovery.generation_of("h/p/0.12", first="h/p/0") == 12
    for other in ("h/q/0", "h/p/1", "h/p/0.x", "h/p/0."):
        with pytest.raises(errors.HistoryBehindAnchor):
            recovery.generation_of(other, first="h/p/0")


@pytest.mark.parametrize(("own", "others"), [(1, 2), (2, 1), (1, 1)])
def test_of_two_histories_that_grow_at_once_only_one_is_signed(
    cluster: Cluster, configured: config.Config, own: int, others: int
) -> None:
    """Between a commit and its anchor, a copy of the database is written to as well."""
    copy = cluster.clone(configured)
    there = in_place_of(configured, copy)
    with opening.opened(configured, migrate=False) as one, opening.opened(there, migrate=False) as other:

        def registering(ledger: opening.Ledger, count: int) -> list[command.Command]:
            return [
                registry_commands.RegisterClient(
                    actor=ledger.console,
                    name="client",
                    acts_for=OPERATOR,
                    scopes=("license:use",),
                    license_types=(),
                    algorithm="Ed25519",
                    keys=("{}",),
                )
                for _ in range(count)
            ]

        def grow_elsewhere(stage: Stage) -> None:
            if stage == "committed":
                with contextlib.closing(Pen(other.recorder, other.vault)) as second:
                    assert len(second.append(registering(other, others))) == others

        first = Pen(one.recorder, one.vault, reached=grow_elsewhere)
        with contextlib.closing(first), pytest.raises(errors.HistoryBehindAnchor):
            first.append(registering(one, own))
        with contextlib.closing(Pen(other.recorder, other.vault)) as second:
            second.append(registering(other, 1))
        require_refused(one)
        require_sound(other)
        recovery.recover(one, declare_loss=True)
        require_refused(other)
    cluster.drop(copy)


def wait_until(holds: Callable[[], bool], *, seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.05)


class Standby:
    """A replica of an embedded server, on its socket folder under another port."""

    PORT = 5499

    def __init__(self, server: embedded.Server) -> None:
        self._server = server
        self._account = server._cluster.account
        self.folder = server.cluster_dir / "standby"
        words = ["-D", self.folder, "-R", "-X", "stream", "-c", "fast", "-d", server.conninfo()]
        self._run("pg_basebackup", *words)
        options = f"-c port={self.PORT} -c listen_addresses='' -c logging_collector=off"
        log = self.folder / "standby.log"
        self._run("pg_ctl", "start", "-w", "-D", self.folder, "-l", log, "-o", options)
        self._conn = psycopg.connect(self.reached(server.conninfo()), autocommit=True)

    def _run(self, program: str, *words: str | Path) -> None:
        done = self._account.run([self._server.bin(program), *words])
        assert done.returncode == 0, done.stderr

    def reached(self, conninfo: str) -> str:
        """The same database and login, on the replica."""
        return conninfos.make_conninfo(conninfo, port=self.PORT)

    def ask(self, statement: str) -> object:
        row = self._conn.execute(statement).fetchone()  # type: ignore[arg-type]
        return None if row is None else row[0]

    def cut(self) -> None:
        """The replica receives nothing from here on."""
        self._conn.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.ask("SELECT pg_reload_conf()")
        wait_until(lambda: self.ask("SELECT count(*) FROM pg_stat_wal_receiver") == 0)

    def promote(self) -> None:
        assert self.ask("SELECT pg_promote(true, 60)") is True

    def stop(self) -> None:
        self._conn.close()
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that the server's account reaches."""
    made = Path(tempfile.mkdtemp(prefix="ledger-rollback-", dir="/var/tmp"))
    made.chmod(0o755)
    yield made / "data"
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.faults
def test_a_promoted_replica_that_lacks_the_last_batch_gets_no_facts(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = config.Config(data=folder)
    opening.init(own, origin=ORIGIN, operator=OPERATOR)
    signed = Signed()
    with opening.opened(own) as ledger:
        server, ways = ledger.server, ledger.ways
        assert server is not None
        assert ways.owner is not None
        with contextlib.ExitStack() as stack:
            standby = Standby(server)
            stack.callback(standby.stop)
            moved = replace(
                own,
                database_url=standby.reached(ways.service),
                owner_database_url=standby.reached(ways.owner),
            )
            with ledger.appending() as appender:
                world = World(ledger, appender)
                world.issue()
                world.grant()
                signed.see_all(world.use())
                size = _size(ledger)
                with opening.opened(moved, migrate=False) as replica:
                    wait_until(lambda: _size(replica) == size)
                    with replica.appending() as refused, pytest.raises(errors.Unavailable, match="standby"):
                        World(replica, refused)
                standby.cut()
                signed.see_all(world.use())
            standby.promote()
            with opening.opened(moved, migrate=False) as replica, caplog.at_level(logging.WARNING):
                assert _size(replica) == size
                require_refused(replica)
                assert "another database server or timeline" in caplog.text
                told = recovery.recover(replica)
                assert (told.lost_from, told.lost_until) == (size, size + 1)
                signed.see_all(list(recovery.recover(replica, declare_loss=True).declared))
                with replica.appending() as appender:
                    signed.see_all(World(replica, appender).use())
                require_sound(replica)
            require_refused(ledger)
