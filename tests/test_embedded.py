"""The embedded PostgreSQL on a real server: who may enter, who stops it, and what a killed process leaves."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger import embedded_cluster
from ledger.embedded import EmbeddedError, Server
from tests import places

ROOT = Path(__file__).parent.parent
MARKER = "marker350102190001011235"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")

_USER = """
import sys
from pathlib import Path
from ledger.embedded import Server
server = Server.start(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
server.stop()
print("stopped", flush=True)
"""

pytestmark = pytest.mark.slow("starts a server for each of its tests")


class OtherProcess:
    """Another process that uses the server of a data folder until told to stop, or killed."""

    def __init__(self, data: Path) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", _USER, str(data)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> "OtherProcess":
        assert self.child.stdout is not None
        assert self.child.stdout.readline() == "ready\n"
        return self

    def stop(self) -> None:
        assert self.child.communicate("\n", timeout=60)[0] == "stopped\n"
        assert self.child.returncode == 0

    def kill(self) -> None:
        self.child.kill()
        self.child.communicate()


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-test-", dir=places.roomy()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data(room: Path, request: pytest.FixtureRequest) -> Path:
    """A data folder of the test's own, not yet made."""
    return room / f"data-{request.node.name[:40]}-{time.monotonic_ns()}"


@pytest.fixture(scope="module")
def shared(room: Path) -> Iterator[Server]:
    """One server for the tests that only ask; its data path has 200 characters and other modes than ours."""
    deep = room / ("p" * 80)
    deep.mkdir(mode=0o751)
    long = deep / ("d" * (199 - len(str(deep))))
    long.mkdir(mode=0o755)
    before = [_mode(path) for path in (room, deep, long)]
    with Server.start(long) as server:
        yield server
    assert [_mode(path) for path in (room, deep, long)] == before


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _data(server: Server) -> Path:
    """The data folder of a server whose cluster lies inside it."""
    return next(folder for folder in server.cluster_dir.parents if (folder / "secrets").is_dir())


def _password(server: Server) -> str:
    return (_data(server) / "secrets" / "postgres-owner").read_text().strip()


def _postmaster(server: Server) -> int:
    return int((server.cluster_dir / "pgdata" / "postmaster.pid").read_text().splitlines()[0])


def _ask(server: Server, question: str) -> str:
    with psycopg.connect(server.owner_url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return str(row[0])


def _is_running(server: Server) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(server.socket_dir / f".s.PGSQL.{server.port}"))
        except OSError:
            return False
    return True


def _logs(server: Server) -> str:
    return "".join(path.read_text() for path in (server.cluster_dir / "log").iterdir())


def test_a_data_path_of_200_characters_works_and_its_modes_stay(shared: Server) -> None:
    data = _data(shared)
    assert len(str(data)) == 200
    assert len(str(shared.socket_dir)) < 40
    assert _mode(data) == 0o755
    assert _mode(data.parent) == 0o751
    assert _ask(shared, "SELECT 1") == "1"


def test_all_that_we_make_is_closed_to_others(shared: Server) -> None:
    data = _data(shared)
    folders = [data / "postgres", data / "secrets", shared.cluster_dir, shared.socket_dir]
    folders += [shared.cluster_dir / "pgdata", shared.cluster_dir / "log"]
    assert {_mode(folder) for folder in folders} == {0o700}
    made = [
        path for folder in ("postgres", "secrets") for path in (data / folder).iterdir() if path.is_file()
    ]
    assert data / "secrets" / "postgres-owner" in made
    assert {_mode(path) for path in made} == {0o600}


def test_a_new_data_folder_is_closed_to_others(data: Path) -> None:
    with Server.start(data):
        assert _mode(data) & 0o007 == 0
        assert _mode(data) & 0o020 == 0


@needs_root
def test_another_account_reads_neither_socket_nor_password(shared: Server) -> None:
    uid = 65534 if shared.system_user != "nobody" else 65533
    password = _data(shared) / "secrets" / "postgres-owner"
    psql = f"{shared.bin('psql')} -w -h {shared.socket_dir} -U ledger_owner -c 'SELECT 1' postgres"
    environment = {"PGPASSWORD": _password(shared), "PATH": os.defpath}
    for command in (f"ls {shared.socket_dir}", f"cat {password}", f"ls {shared.cluster_dir}", psql):
        done = subprocess.run(
            ["/bin/sh", "-c", command], user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True,
            text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode != 0, command
        assert "Permission denied" in done.stderr, command
    ours = subprocess.run(["/bin/sh", "-c", psql], cwd="/", capture_output=True, check=False, env=environment)
    assert ours.returncode == 0, "the same command works for us"


def test_a_wrong_or_absent_password_is_refused(shared: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(shared.conninfo(password="wrong"))
    with pytest.raises(
        psycopg.OperationalError, match=r"no password supplied|password authentication failed"
    ):
        psycopg.connect(shared.conninfo().replace("password=", "application_name="))


def test_scram_is_the_only_way_in(shared: Server) -> None:
    assert (
        _ask(shared, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == "scram-sha-256"
    )
    assert (
        _ask(shared, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL OR type <> 'local'")
        == "0"
    )
    assert _ask(shared, "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin") == "SCRAM-SHA-256$"
    assert "trust" not in (shared.cluster_dir / "pgdata" / "pg_hba.conf").read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"), ("synchronous_commit", "on"), ("data_checksums", "on"), ("full_page_writes", "on"),
        ("listen_addresses", ""), ("unix_socket_permissions", "0700"), ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"), ("wal_level", "replica"), ("jit", "off"), ("shared_buffers", "256MB"),
    ],
)  # fmt: skip
def test_a_setting_is_in_force(shared: Server, name: str, value: str) -> None:
    assert _ask(shared, f"SHOW {name}") == value


def test_the_server_is_postgresql_18_with_its_own_programs(shared: Server) -> None:
    assert _ask(shared, "SHOW server_version").startswith("18.")
    with pytest.raises(EmbeddedError, match="no program pg_nothing"):
        shared.bin("pg_nothing")


def test_the_password_shows_in_no_representation_and_no_log(shared: Server) -> None:
    password = _password(shared)
    assert password in shared.owner_url
    assert password not in repr(shared)
    assert password not in (_data(shared) / "postgres" / "start.log").read_text() + _logs(shared)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
def test_the_server_inherits_no_lock_of_its_users_and_no_terminal(shared: Server) -> None:
    postmaster = _postmaster(shared)
    opened = {link.readlink().name for link in Path(f"/proc/{postmaster}/fd").iterdir()}
    assert "server.lock" in opened
    assert opened.isdisjoint({"users.lock", "start.lock"})
    assert os.getsid(postmaster) == postmaster


def test_quotes_in_a_password_reach_the_server_whole(shared: Server) -> None:
    secret = 'it\'s a \\ "word"'
    with psycopg.connect(shared.owner_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE quoted LOGIN")
        connection.pgconn.change_password(b"quoted", secret.encode())
    with psycopg.connect(shared.conninfo(user="quoted", password=secret)) as connection:
        assert connection.info.user == "quoted"


def test_the_last_of_two_processes_stops_the_server(data: Path) -> None:
    other = OtherProcess(data).ready()
    server = Server.start(data)
    other.stop()
    assert _ask(server, "SELECT 1") == "1"
    pgdata = server.cluster_dir / "pgdata"
    server.stop()
    assert not (pgdata / "postmaster.pid").exists()
    assert not server.socket_dir.exists()
    server.stop()


def test_two_uses_in_one_process_count_as_two(data: Path) -> None:
    with Server.start(data) as first:
        with Server.start(data) as second:
            assert second.socket_dir == first.socket_dir
        assert _ask(first, "SELECT 1") == "1"
    assert not _is_running(first)


def test_two_processes_that_start_at_once_share_one_server(data: Path) -> None:
    others = [OtherProcess(data), OtherProcess(data)]
    for other in others:
        other.ready()
    with Server.start(data) as server:
        assert _ask(server, "SELECT 1") == "1"
        for other in others:
            other.stop()
        assert _is_running(server)
    assert not _is_running(server)


def test_a_killed_starter_leaves_a_server_that_the_next_one_joins_and_stops(data: Path) -> None:
    OtherProcess(data).ready().kill()
    with Server.start(data) as server:
        assert _ask(server, "SELECT 1") == "1"
    assert not _is_running(server)


def test_a_killed_postmaster_does_not_block_the_next_start(data: Path) -> None:
    with Server.start(data) as first:
        with psycopg.connect(first.owner_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        os.kill(_postmaster(first), signal.SIGKILL)
        with Server.start(data) as second:
            assert _ask(second, "SELECT n FROM kept") == "7"
            assert _ask(first, "SELECT n FROM kept") == "7", "the address of the first is still right"


def test_a_killed_starter_with_a_killed_postmaster_does_not_block_either(data: Path) -> None:
    other = OtherProcess(data).ready()
    with Server.start(data) as seen:
        postmaster = _postmaster(seen)
        other.kill()
        os.kill(postmaster, signal.SIGKILL)
    with Server.start(data) as server:
        assert _ask(server, "SELECT 1") == "1"
        assert _postmaster(server) != postmaster


def test_a_dead_servers_process_id_that_was_given_to_another_process_does_not_block(data: Path) -> None:
    with Server.start(data) as first:
        path = first.cluster_dir / "pgdata" / "postmaster.pid"
        os.kill(_postmaster(first), signal.SIGKILL)
        stale = path.read_text().partition("\n")[2]
    # As the server's account: PostgreSQL minds no process of another one.
    owner = path.stat().st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=owner) as living:
        try:
            path.write_text(f"{living.pid}\n{stale}")
            with Server.start(data) as second:
                assert _ask(second, "SELECT 1") == "1"
        finally:
            living.kill()


def test_a_socket_folder_that_vanished_is_made_anew(data: Path) -> None:
    with Server.start(data) as first:
        gone = first.socket_dir
    gone.mkdir(mode=0o777)
    gone.chmod(0o777)  # somebody took the name meanwhile
    try:
        with Server.start(data) as second:
            assert second.socket_dir != gone
            assert _mode(second.socket_dir) == 0o700
        assert _mode(gone) == 0o777
    finally:
        gone.rmdir()


def test_the_log_quotes_no_statement_and_no_value(data: Path) -> None:
    with Server.start(data) as server:
        with psycopg.connect(server.owner_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE person (code text PRIMARY KEY, n int CHECK (n > 0))")
            connection.execute("INSERT INTO person VALUES (%s, 1)", [MARKER])
            with pytest.raises(psycopg.errors.UniqueViolation, match=MARKER):
                connection.execute("INSERT INTO person VALUES (%s, 1)", [MARKER])
            with pytest.raises(psycopg.errors.CheckViolation, match=MARKER):
                connection.execute(f"INSERT INTO person VALUES ('{MARKER}2', 0)")
            with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=MARKER):
                connection.execute(f"INSERT INTO person VALUES ('a', '{MARKER}')")
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute(f"SELECT '{MARKER}', pg_sleep(60)")
        log = _wait_for_log(server, "was terminated by signal 9")
        _wait_for_log(server, "database system is ready to accept connections", times=2)
    assert MARKER not in log
    assert MARKER not in (data / "postgres" / "start.log").read_text()


def _wait_for_log(server: Server, text: str, *, times: int = 1) -> str:
    deadline = time.monotonic() + 20
    while _logs(server).count(text) < times:
        assert time.monotonic() < deadline, f"the log never said: {text}"
    return _logs(server)


@pytest.mark.faults
def test_a_server_that_does_not_end_its_work_in_time_is_stopped_all_the_same(data: Path) -> None:
    server = Server.start(data)
    checkpointer = int(_ask(server, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"))
    os.kill(checkpointer, signal.SIGSTOP)
    server.stop(timeout_s=0.2)
    assert not _is_running(server)
    with Server.start(data) as again:
        assert _ask(again, "SELECT 1") == "1"


def test_tcp_is_opened_on_request_and_with_scram_only(data: Path) -> None:
    with Server.start(data) as first:
        with pytest.raises(EmbeddedError, match="runs without TCP for another process"):
            Server.start(data, listen_tcp=True)
        assert _ask(first, "SELECT 1") == "1"
    with Server.start(data, listen_tcp=True) as server:
        with psycopg.connect(server.conninfo(over_tcp=True)) as connection:
            assert connection.info.host == "127.0.0.1"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.conninfo(over_tcp=True, password="wrong"))
        assert _ask(server, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == (
            "scram-sha-256"
        )


def test_a_port_that_is_taken_before_the_server_has_it_is_given_up_for_another(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = embedded_cluster._free_port
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = int(other.getsockname()[1])
        first = iter([taken])
        monkeypatch.setattr(
            embedded_cluster,
            "_free_port",
            lambda *, preferred: next(first, 0) or free_port(preferred=preferred),
        )
        server = Server.start(data, listen_tcp=True)
        try:
            assert server.port != taken
            with psycopg.connect(server.conninfo(over_tcp=True)) as conn:
                assert conn.execute("SELECT 1").fetchone() == (1,)
        finally:
            server.stop()


def test_a_server_without_users_is_restarted_for_tcp(data: Path) -> None:
    OtherProcess(data).ready().kill()
    with Server.start(data, listen_tcp=True) as server:
        assert _ask(server, "SHOW listen_addresses") == "127.0.0.1"


def test_a_cluster_that_is_gone_is_an_error_and_not_a_new_beginning(data: Path) -> None:
    with Server.start(data) as server:
        cluster = server.cluster_dir
    cluster.rename(cluster.with_name("away"))
    with pytest.raises(EmbeddedError, match="is gone from"):
        Server.start(data)
    cluster.with_name("away").rename(cluster)
    (data / "secrets" / "postgres-owner").unlink()
    with pytest.raises(EmbeddedError, match="password of the database's owner is missing"):
        Server.start(data)


def test_a_server_that_cannot_start_says_why(data: Path) -> None:
    with Server.start(data) as server:
        pgdata = server.cluster_dir / "pgdata"
    with (pgdata / "postgresql.auto.conf").open("a") as file:
        file.write("max_connections = 'many'\n")
    with pytest.raises(EmbeddedError, match="max_connections"):
        Server.start(data)


def test_a_control_folder_that_others_can_read_is_refused_and_left_alone(data: Path) -> None:
    control = data / "postgres"
    control.mkdir(parents=True)
    control.chmod(0o755)
    with pytest.raises(EmbeddedError, match="mode 0700"):
        Server.start(data)
    assert _mode(control) == 0o755
