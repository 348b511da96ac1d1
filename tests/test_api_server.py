"""Real servers: processes under uvicorn on one ledger, over TCP; what they log and how they end."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import psycopg
import pytest

from ledger import config, opening
from tests import api_world, world
from tests.api_world import Caller, grant_body, issue_body, person, use_body
from tests.conftest import Cluster
from tests.service_process import Ending

ROOT = Path(__file__).resolve().parent.parent
SERVE = """
import json, pathlib, sys, uvicorn
from api import appending, limits, logs, main, service, views
from ledger import config
said = {name: pathlib.Path(one) if one and name in ("data", "workdays_file") else one
        for name, one in json.loads(sys.argv[1]).items()}
logs.configure()
rate = limits.Rate(burst=10_000, per_s=1_000.0)
app = main.create_app(
    config.Config(**said),
    settings=service.Settings(address_rate=rate, client_rate=rate),
    followed=views.beside,
    appended=appending.beside,
)
uvicorn.run(app, fd=int(sys.argv[2]), log_config=None, server_header=False, proxy_headers=False)
"""

SERVE_WORKERS = """
import json, pathlib, sys
from api import limits, logs, service, workers
from ledger import config
said = {name: pathlib.Path(one) if one and name in ("data", "workdays_file") else one
        for name, one in json.loads(sys.argv[1]).items()}
logs.configure()
rate = limits.Rate(burst=10_000, per_s=1_000.0)
workers.serve(
    config.Config(**said),
    workers=2, host="127.0.0.1", port=int(sys.argv[2]),
    settings=service.Settings(address_rate=rate, client_rate=rate),
    log_config=None, server_header=False, proxy_headers=False,
)
"""


@dataclass(kw_only=True)
class Server:
    """A server process."""

    process: subprocess.Popen[bytes]
    url: str
    clients: contextlib.ExitStack
    log: IO[bytes]
    """A file: a pipe that nobody empties would stop the server."""

    def stop(self) -> str:
        """End it as an operator does; returns its log."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) in (0, -signal.SIGTERM)
        self.log.seek(0)
        return self.log.read().decode()


def said_of(configured: config.Config) -> str:
    """What a server process is told of its ledger."""
    return json.dumps(
        {
            "data": str(configured.data),
            "database_url": configured.database_url,
            "owner_database_url": configured.owner_database_url,
            "workdays_file": None if configured.workdays_file is None else str(configured.workdays_file),
        }
    )


@contextlib.contextmanager
def serving(configured: config.Config) -> Iterator[Server]:
    """A server on a port of its own; whoever connects waits until it answers."""
    with tempfile.TemporaryFile() as log, contextlib.ExitStack() as clients:
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
            port, fd = listening.getsockname()[1], listening.fileno()
            process = subprocess.Popen(
                [sys.executable, "-c", SERVE, said_of(configured), str(fd)],
                cwd=ROOT,
                pass_fds=(fd,),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Server(process=process, url=f"http://127.0.0.1:{port}", clients=clients, log=log)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def working(configured: config.Config) -> Iterator[Server]:
    """A server of two workers."""
    with tempfile.TemporaryFile() as log, contextlib.ExitStack() as clients, socket.socket() as held:
        # The port stays ours until the workers share it.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE_WORKERS, said_of(configured), str(port)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        server = Server(process=process, url=f"http://127.0.0.1:{port}", clients=clients, log=log)
        try:
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)


def workers_of(server: Server, *, but: frozenset[int] = frozenset()) -> list[int]:
    """The process ids of both workers once they serve, none of them one of `but`."""
    while True:
        assert server.process.poll() is None, "the parent lives"
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        found = [int(child) for child in children if int(child) not in but and _listens(int(child), server)]
        if len(found) == 2:
            return found
        time.sleep(0.05)


def beside(process_id: int, module: str, *, but: int = 0) -> int:
    """The process that runs a module beside a service, or the one that took the place of `but`."""
    while True:
        assert Path(f"/proc/{process_id}").exists(), "the service lives"
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and _runs(folder, module, process_id) and int(folder.name) != but:
                    return int(folder.name)
        time.sleep(0.05)


def follower_of(process_id: int, *, but: int = 0) -> int:
    """The process that follows beside a service, or the one that took the place of `but`."""
    return beside(process_id, "api.following", but=but)


def appender_of(process_id: int, *, but: int = 0) -> int:
    """The process that appends beside a service, or the one that took the place of `but`."""
    return beside(process_id, "api.appending", but=but)


def await_through(caller: Caller, index: int) -> None:
    """A list has come through an index; each answer waits a second for it."""
    path, at_least = f"/v1/license-types/{world.CITIZEN_CARD}", {"Ledger-At-Least": str(index)}
    while (answer := caller.get(path, **at_least)).status_code == 503:
        assert answer.json()["type"].endswith("behind-index")
    assert answer.status_code == 200


def _runs(folder: Path, module: str, parent: int) -> bool:
    if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) != parent:
        return False
    return module.encode() in (folder / "cmdline").read_bytes().split(b"\0")


def _listens(pid: int, server: Server) -> bool:
    """Whether one of the sockets on which the server's port listens is a process's."""
    port = f":{int(server.url.rpartition(':')[2]):04X}"
    # It may be gone by now.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        listening = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "0A"}
        return any(str(link.readlink()) in listening for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


@pytest.fixture
def registered(cluster: Cluster) -> Iterator[tuple[config.Config, list[Caller]]]:
    """A ledger on which two organizations have clients, and nobody serves yet."""
    configured = cluster.clone()
    try:
        with api_world.running(configured) as face:
            callers = [face.register(world.OPERATOR), face.register(world.HALL)]
        yield configured, callers
        with opening.opened(configured, migrate=False) as ledger:
            api_world.require_whole(ledger)
    finally:
        cluster.drop(configured)


def at(server: Server, caller: Caller) -> Caller:
    """The client, signed in to a server."""
    http: Any = server.clients.enter_context(httpx.Client(base_url=server.url, timeout=60))
    moved = Caller(
        http=http, public_url=caller.public_url, client_id=caller.client_id, private=caller.private
    )
    return moved.sign_in()


def test_a_server_answers_logs_nothing_about_anyone_and_ends_when_told(
    registered: tuple[config.Config, list[Caller]],
) -> None:
    configured, callers = registered
    with serving(configured) as server:
        issuer, hall = (at(server, caller) for caller in callers)
        made = issuer.done("/v1/licenses", issue_body(1))
        issuer.done("/v1/authorizations", grant_body(to=world.HALL))
        (used,) = hall.done("/v1/uses", use_body(1))["uses"]
        assert used["license"]["fields"]["@holder_code"]["value"] == person(1)["code"]
        assert hall.get(f"/v1/none?code={person(1)['code']}").status_code == 404
        assert hall.http.get(made["qr"][made["qr"].index("/V/") :]).json()["result"] == "effective"
        assert hall.http.get("/readyz").json()["status"] == "ready"
        assert hall.http.get("/docs").status_code == 200
        endings = [Ending(find(server.process.pid)) for find in (follower_of, appender_of)]
        logged = server.stop()
        for ending in endings:
            ending.wait()
    lines = [json.loads(line) for line in logged.splitlines()]
    assert {line.get("route") for line in lines} >= {"/v1/uses", "/v1/licenses", "/V/{token}", "unmatched"}
    tokens = [hall.headers["Authorization"].split()[1], made["qr"][-60:], made["license_ref"]]
    secrets = [person(1)["code"], "合成居民1", "李某", "window-7", *tokens]
    assert not [text for text in secrets if text in logged]


@pytest.mark.faults
def test_two_servers_of_one_ledger_are_one_ledger(registered: tuple[config.Config, list[Caller]]) -> None:
    configured, callers = registered
    with serving(configured) as one, serving(configured) as other:
        issuer = at(one, callers[0])
        issuer.done("/v1/licenses", issue_body(2))
        made = issuer.done("/v1/authorizations", grant_body(2, to=world.HALL, uses_max=10))
        halls = [at(one, callers[1]), at(other, callers[1])]
        body = api_world.by_code(made["use_code"])
        with ThreadPoolExecutor(16) as pool:
            answers = list(
                pool.map(lambda number: halls[number % 2].done("/v1/uses", body)["uses"][0], range(64))
            )
        assert [answer["decision"] for answer in answers].count("granted") == 10
        path = f"/v1/authorizations/{made['authorization_ref']}/withdraw"
        issuer.done(path, api_world.example("WithdrawBody"))
        (late,) = halls[1].done("/v1/uses", body)["uses"]
        assert late["reason"] == "authorization-withdrawn"
        assertion = halls[0].assertion()
        statuses = [hall.ask_token(assertion).status_code for hall in halls]
        assert sorted(statuses) == [200, 401]
        one.stop()
        (after,) = halls[1].done("/v1/uses", body)["uses"]
        assert after["decision"] == "refused"
        other.stop()


@pytest.mark.faults
def test_workers_are_one_service_and_one_that_is_killed_is_replaced(
    registered: tuple[config.Config, list[Caller]],
) -> None:
    configured, callers = registered
    with working(configured) as server:
        before = workers_of(server)
        issuer = at(server, callers[0])
        issuer.done("/v1/licenses", issue_body(2))
        made = issuer.done("/v1/authorizations", grant_body(2, to=world.HALL, uses_max=10))
        body = api_world.by_code(made["use_code"])
        # Each on a connection of its own: the kernel spreads them over both.
        halls = [at(server, callers[1]) for _ in range(16)]
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda hall: hall.done("/v1/uses", body)["uses"][0], halls))
        assert [answer["decision"] for answer in answers].count("granted") == 10
        os.kill(before[0], signal.SIGKILL)
        after = workers_of(server, but=frozenset(before[:1]))
        assert before[1] in after
        assert at(server, callers[1]).done("/v1/uses", body)["uses"][0]["decision"] == "refused"
        await_through(at(server, callers[1]), made["index"])
        endings = [Ending(find(server.process.pid)) for find in (follower_of, appender_of)]
        server.stop()
        for ending in endings:
            ending.wait()
        assert not [pid for pid in after if Path(f"/proc/{pid}").exists()]


@pytest.mark.faults
def test_a_follower_that_is_killed_comes_back_and_catches_up(
    registered: tuple[config.Config, list[Caller]],
) -> None:
    configured, callers = registered
    with serving(configured) as server:
        issuer = at(server, callers[0])
        first = follower_of(server.process.pid)
        os.kill(first, signal.SIGKILL)
        made = issuer.done("/v1/licenses", issue_body(3))
        follower_of(server.process.pid, but=first)
        await_through(issuer, made["index"])
        logged = server.stop()
    (line,) = (json.loads(line) for line in logged.splitlines() if "followers' process ended" in line)
    assert line["reason"] == f"exit status {-signal.SIGKILL}"


@pytest.mark.faults
@pytest.mark.parametrize("served", [serving, working])
def test_an_appender_that_is_killed_loses_no_use_and_does_none_twice(
    registered: tuple[config.Config, list[Caller]], served: Any
) -> None:
    configured, callers = registered
    with served(configured) as server:
        if served is working:
            workers_of(server)
        issuer = at(server, callers[0])
        issuer.done("/v1/licenses", issue_body(1))
        issuer.done("/v1/authorizations", grant_body(to=world.HALL))
        halls = [at(server, callers[1]) for _ in range(8)]
        killed = 0

        def ask(number: int) -> int:
            hall, key = halls[number % len(halls)], f"kill-{number}"
            while (answer := hall.post("/v1/uses", use_body(1), key=key)).status_code == 503:
                time.sleep(0.05)
            (used,) = answer.json()["uses"]
            assert used["decision"] == "granted"
            index: int = used["index"]
            return index

        with ThreadPoolExecutor(len(halls)) as pool:
            asked = [pool.submit(ask, number) for number in range(400)]
            while killed < 3:
                # Each dies amid uses: some were answered since the last, and others wait.
                while sum(future.done() for future in asked) < 100 * killed + 20:
                    time.sleep(0.01)
                before = appender_of(server.process.pid)
                os.kill(before, signal.SIGKILL)
                killed += 1
                appender_of(server.process.pid, but=before)
            indexes = [future.result() for future in asked]
        assert len(set(indexes)) == len(indexes), "each is a fact of its own"
        with psycopg.connect(str(configured.owner_database_url)) as conn:
            rows = conn.execute("SELECT count(*) FROM events WHERE topic = 'LicenseUsed'").fetchall()
        assert rows == [(len(indexes),)], "and there is no other"
        server.stop()


@pytest.mark.faults
def test_who_tells_all_processes_to_end_ends_the_service_alone(
    registered: tuple[config.Config, list[Caller]],
) -> None:
    configured, callers = registered
    with serving(configured) as server:
        issuer = at(server, callers[0])
        for number, kill in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGKILL), start=1):
            os.kill(appender_of(server.process.pid), kill)
            body, key = issue_body(number), f"told-{number}"
            while (answer := issuer.post("/v1/licenses", body, key=key)).status_code == 503:
                time.sleep(0.05)
            assert answer.status_code == 200
        assert issuer.http.get("/readyz").json()["status"] == "ready"
        server.stop()


@pytest.mark.faults
def test_a_service_that_cannot_come_up_says_so_and_ends(
    registered: tuple[config.Config, list[Caller]], tmp_path: Path
) -> None:
    configured, _ = registered
    wrong = tmp_path / "workdays.csv"
    os.mkfifo(wrong)  # whoever reads it waits for us
    with serving(dataclasses.replace(configured, workdays_file=wrong)) as server:
        endings = [Ending(find(server.process.pid)) for find in (follower_of, appender_of)]
        wrong.write_text("no such columns\n", "utf-8")
        assert server.process.wait(timeout=60) != 0
        for ending in endings:
            ending.wait()
        server.log.seek(0)
        assert "Application startup failed" in server.log.read().decode()


@pytest.mark.faults
@pytest.mark.parametrize("served", [serving, working])
def test_no_process_outlives_a_service_that_is_killed(
    registered: tuple[config.Config, list[Caller]], served: Any
) -> None:
    configured, _ = registered
    with served(configured) as server:
        children = [follower_of(server.process.pid), appender_of(server.process.pid)]
        if served is working:
            children += workers_of(server)
        endings = [Ending(child) for child in children]
        server.process.kill()
        for ending in endings:
            ending.wait()


@pytest.mark.faults
def test_of_two_services_the_one_left_follows_for_both(
    registered: tuple[config.Config, list[Caller]],
) -> None:
    configured, callers = registered
    with serving(configured) as one, serving(configured) as other:
        issuers = [at(one, callers[0]), at(other, callers[0])]
        for number in range(4, 8):
            made = issuers[number % 2].done("/v1/licenses", issue_body(number))
            await_through(issuers[1 - number % 2], made["index"])
        one.process.kill()
        last = issuers[1].done("/v1/licenses", issue_body(8))["index"]
        await_through(issuers[1], last)
        other.stop()
