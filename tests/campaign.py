"""What the crash campaigns share: a server, workers to hurt, and the judgement afterwards.

`Campaign` holds a ledger, its server and its workers; `Campaign.judge` says after each fault whether
everything that was answered is there, proven, unique and under one history. Workers are processes
(`tests.crash_worker`). A campaign that hurts its server has one of its own; another one runs on the server
that LEDGER_TEST_DATABASE_URL names, if it does.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo as conninfos

from ledger import check, config, embedded, embedded_account, opening, reading
from ledger.anchor import Anchor
from signing import event, merkle, note, receipt
from tests import crash_worker
from tests.conftest import Cluster
from tests.world import World

OTHERS_GO_ON_S, MACHINE_S = 6.0, 15.0
"""Others go on so soon after a fault; once in ten times this machine may take longer, and never so long."""
PATIENCE_S = 40.0
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One use that a worker answered."""

    at: float
    key: bytes
    is_counted: bool
    index: int
    data: bytes
    receipt: str


class Worker:
    """A worker process."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.answered_path = Path(order["answered"])
        self._errors = self.answered_path.with_suffix(".log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash_worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._offset = 0
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.tell(json.dumps(order))

    def tell(self, line: str) -> None:
        """One line to the worker."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def await_line(self, start: str) -> str:
        """The next line that begins so."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, give_up_at - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {start!r} from a worker: {self.said[-5:]}\n{self.log()}") from None
            self.require_no_failure()
            if line.startswith(start):
                return line

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and reap."""
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self.close()

    def stop(self) -> None:
        """Let the worker end by itself."""
        self.tell("stop")
        assert self._process.wait(2 * PATIENCE_S) == 0, self.log()
        self.close()
        self.require_no_failure()

    def close(self) -> None:
        """Give the pipes back; a worker that still lives is killed."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
        self._listener.join(PATIENCE_S)
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def log(self) -> str:
        """The end of what the worker wrote on standard error."""
        return self.answered_path.with_suffix(".log").read_text()[-4000:]

    def require_no_failure(self) -> None:
        """Nothing when the worker met only what a worker may meet."""
        failures = [line for line in self.said if line.startswith("failed")]
        assert not failures, f"{failures[:3]}\n{self.log()}"

    def new_answers(self) -> Iterator[Answered]:
        """What was answered since the last call; a line cut short by a kill does not count."""
        data = self.answered_path.read_bytes()[self._offset :] if self.answered_path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            values = json.loads(line)
            values |= {"key": bytes.fromhex(values["key"]), "data": bytes.fromhex(values["data"])}
            yield Answered(**values)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip("\n"))
            self._lines.put(self.said[-1])


@dataclass(kw_only=True)
class Campaign:
    """A ledger under attack."""

    folder: Path
    servers: list[embedded.Server]
    """Of its own, the one that runs last; none where it runs on a server of somebody else's."""
    configured: config.Config
    world: World
    counted_ref: bytes
    uses_max: int
    rng: random.Random
    threads: int
    workers: list[Worker] = field(default_factory=list)
    answered: dict[bytes, Answered] = field(default_factory=dict)
    roots: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """Every signed (origin, size) with its root."""
    waits_s: list[float] = field(default_factory=list)
    """How long others did not answer, fault by fault."""
    _judged: int = 0

    @property
    def server(self) -> embedded.Server:
        return self.servers[-1]

    @property
    def address(self) -> tuple[str, int]:
        """Where the server listens."""
        parts = conninfos.conninfo_to_dict(str(self.configured.database_url))
        return str(parts["host"]), int(str(parts["port"]))

    def start_worker(self, *, port: int | None = None) -> Worker:
        """A worker that appends from now on; `port` is a proxy's, on this machine."""
        url = conninfos.make_conninfo(
            str(self.configured.database_url),
            sslmode="disable",
            gssencmode="disable",
            **({} if port is None else {"host": "127.0.0.1", "port": port}),
        )
        order = {
            "data": str(self.configured.data),
            "database_url": url,
            "answered": str(self.folder / f"answered-{len(self.workers)}"),
            "threads": self.threads,
            "seed": self.rng.random(),
            "client_id": (self.world.hall.client_id or b"").hex(),
            "organization": self.world.hall.organization,
        }
        worker = Worker(order)
        self.workers.append(worker)
        worker.await_line("ready")
        return worker

    def collect(self) -> list[Answered]:
        """Everything answered since the last call; no answer may contradict an earlier one."""
        fresh = [answer for worker in self.workers for answer in worker.new_answers()]
        for answer in fresh:
            first = self.answered.setdefault(answer.key, answer)
            assert (first.index, first.data) == (answer.index, answer.data), "one key, two uses"
        return fresh

    def await_progress(self, worker: Worker, *, since: float) -> float:
        """Seconds from `since` until the worker answered a use."""
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at:
            worker.require_no_failure()
            fresh = list(worker.new_answers())
            for answer in fresh:
                self.answered.setdefault(answer.key, answer)
            later = [answer.at for answer in fresh if answer.at > since]
            if later:
                self.waits_s.append(min(later) - since)
                assert self.waits_s[-1] <= MACHINE_S, f"others waited {self.waits_s[-1]:.1f} s"
                return self.waits_s[-1]
            threading.Event().wait(0.02)
        raise AssertionError(f"a worker does not go on: {worker.said[-5:]}\n{worker.log()}")

    def halt_server(self) -> None:
        """`pg_ctl stop -m immediate`: all processes gone, nothing tidied up."""
        server = self.server
        owner = embedded_account.account(None)
        if owner.is_switched:
            owner = embedded_account.account(server.system_user)
        pgdata = server.cluster_dir / "pgdata"
        done = owner.run([server.bin("pg_ctl"), "stop", "-D", pgdata, "-m", "immediate"])
        assert done.returncode == 0, done.stderr

    def restart_server(self) -> None:
        """The server again, at the same port, recovered."""
        port = self.server.port
        self.servers.append(embedded.Server.start(self.folder / "server", listen_tcp=True))
        assert self.server.port == port, "workers find the server where it was"

    @contextmanager
    def owner(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection as the owner."""
        with psycopg.connect(str(self.configured.owner_database_url), autocommit=True) as conn:
            yield conn

    def judge(self) -> None:
        """What was answered since the last judgement is there, proven, unique and under one history."""
        self.collect()
        fresh = list(self.answered.values())[self._judged :]
        self._judged = len(self.answered)
        self._judge(fresh)

    def _judge(self, answers: list[Answered]) -> None:
        for worker in self.workers:
            worker.require_no_failure()
        with opening.opened(self.configured, migrate=False) as ledger:
            self._judge_repeats(ledger, answers)
            self._judge_answers(ledger, answers)
        assert self.granted() <= self.uses_max, "more uses were granted than the authorization has"

    def finish(self) -> None:
        """The workers end by themselves; all is judged once more, and nothing moves."""
        running = [worker for worker in self.workers if worker.is_running]
        for worker in running:
            worker.stop()
        size = self._size()
        self.collect()
        self._judge(list(self.answered.values()))
        assert self._size() == size, "repeats added facts"
        self._check()
        anchored = Anchor(self.configured.data / "anchor" / "anchor").read().size
        assert anchored == size, "the anchor has everything that was answered"
        said = collections.Counter(
            line for worker in self.workers for line in worker.said if line.startswith("unavailable")
        )
        waited_s = max(self.waits_s, default=0.0)
        late = [f"{wait:.1f} s" for wait in self.waits_s if wait > OTHERS_GO_ON_S]
        assert len(late) <= max(1, len(self.waits_s) // 10), (
            f"others waited {late} of {len(self.waits_s)} times"
        )
        say(f"{size} facts, {len(self.answered)} answered, {dict(said)}; waited {waited_s:.1f} s at most")

    def _check(self) -> None:
        """The ledger's own check finds nothing."""
        with opening.opened(self.configured, migrate=False) as ledger:
            identity = check.identity_of(ledger.vault.ring)
            found = check.check(ledger.ways.service, identity=identity, anchor=ledger.vault.anchor)
        assert found.is_sound, found.findings

    def _judge_repeats(self, ledger: opening.Ledger, answers: list[Answered]) -> None:
        """Repeating all keys adds nothing."""
        with ledger.appending() as appender:
            waiting = []
            for answer in answers:
                asked = crash_worker.use(self.world.hall, answer.key, is_counted=answer.is_counted)
                waiting.append((answer, appender.submit(asked)))
                if len(waiting) >= 2_000:
                    _require_same(waiting)
                    waiting.clear()
            _require_same(waiting)

    def _judge_answers(self, ledger: opening.Ledger, answers: list[Answered]) -> None:
        """Every answered use is there, its receipt verifies, and the newest tree has grown from its tree."""
        key = note.VerifierKey(name=f"{ledger.vault.ring.origin}/0", public=ledger.vault.log_key.public)
        with contextlib.closing(reading.Reader(ledger.ways.service, ledger.vault)) as reader:
            newest = note.parse_checkpoint(note.verify(reader.checkpoint(), trusted=[key])[0])
        with self.owner() as conn:
            states = conn.execute(
                "SELECT state FROM events WHERE position <= %s ORDER BY position", [newest.size]
            )
            stored = [state for (state,) in states]
        tree = merkle.Extension.of((), 0, [merkle.leaf_hash(state) for state in stored])
        assert (tree.size, tree.root) == (newest.size, newest.root), (
            "the newest checkpoint is of another history"
        )
        checkpoints: dict[str, note.Checkpoint] = {}
        for answer in answers:
            assert stored[answer.index] == answer.data, "an answered use is not there"
            parsed = receipt.parse(answer.receipt)
            assert parsed.index == answer.index, "a receipt of another event"
            if parsed.checkpoint not in checkpoints:
                proven = receipt.verify(answer.receipt, event=answer.data, trusted=[key])
                checkpoints[parsed.checkpoint] = proven.checkpoint
                self._judge_checkpoint(proven.checkpoint, tree)
            found = checkpoints[parsed.checkpoint]
            leaf = merkle.leaf_hash(answer.data)
            merkle.verify_inclusion(leaf, parsed.index, found.size, parsed.proof, found.root)

    def _judge_checkpoint(self, found: note.Checkpoint, newest: merkle.Extension) -> None:
        """No size was signed with two roots, and the newest tree has grown from this one."""
        first = self.roots.setdefault((found.origin, found.size), found.root)
        assert first == found.root, "two roots were signed for one size"
        proof = merkle.consistency_proof(
            found.size, newest.size, node=lambda level, index: newest.rows[level][index]
        )
        merkle.verify_consistency(found.size, newest.size, proof, found.root, newest.root)

    def granted(self) -> int:
        """How many uses the counted authorization granted."""
        with self.owner() as conn:
            rows = conn.execute("SELECT state FROM events WHERE topic = 'LicenseUsed'").fetchall()
        facts = [event.parse(state).fact for (state,) in rows]
        return sum(fact["authorization_ref"] == self.counted_ref for fact in facts)

    def await_all_granted(self) -> None:
        """Return once the counted authorization is used up; the workers go on meanwhile."""
        give_up_at = time.monotonic() + PATIENCE_S
        while self.granted() < self.uses_max:
            assert time.monotonic() < give_up_at, "the counted authorization is not used up"
            threading.Event().wait(0.5)

    def size_to_be_seen(self) -> int:
        """How many facts anybody sees now."""
        with self.owner() as conn:
            row = conn.execute("SELECT coalesce(max(position), -1) + 1 FROM events").fetchone()
        assert row is not None
        return int(row[0])

    def _size(self) -> int:
        with self.owner() as conn:
            row = conn.execute("SELECT max(size) FROM checkpoints").fetchone()
        assert row is not None
        return int(row[0])


def _require_same(waiting: list[tuple[Answered, Any]]) -> None:
    for answer, future in waiting:
        result = future.result(timeout=PATIENCE_S)
        assert result.is_repeat, "a repeat was recorded anew"
        assert result.indexes == (answer.index,), "a repeat got another index"


def seed() -> int:
    """The campaign's seed, said so that it can be repeated."""
    chosen = int(os.environ.get("LEDGER_FAULTS_SEED") or secrets.randbits(32))
    say(f"seed {chosen}: repeat with LEDGER_FAULTS_SEED={chosen}")
    return chosen


def say(line: str) -> None:
    """One line on the campaign's output."""
    sys.stdout.write(line + "\n")


@contextmanager
def campaign(
    seed: int, *, threads: int = 12, uses_max: int = 400, spares_server: bool = False
) -> Iterator[Campaign]:
    """A fresh ledger with a license to use and a counted authorization.

    With `spares_server` it may stand on a server that others use.
    """
    folder = Path(tempfile.mkdtemp(prefix="ledger-faults-", dir="/var/tmp"))
    folder.chmod(0o755)
    outside = os.environ.get("LEDGER_TEST_DATABASE_URL") if spares_server else None
    servers = [] if outside else [embedded.Server.start(folder / "server", listen_tcp=True)]
    workers: list[Worker] = []
    cluster: Cluster | None = None
    try:
        cluster = Cluster(folder, outside or servers[-1].conninfo(over_tcp=True))
        configured = cluster.template
        with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appender:
            world = World(ledger, appender)
            world.issue()
            world.grant()
            world.issue(type_code=crash_worker.COUNTED_TYPE)
            counted = world.grant(type_codes=(crash_worker.COUNTED_TYPE,), uses_max=uses_max)
        yield Campaign(
            folder=folder,
            servers=servers,
            configured=configured,
            world=world,
            counted_ref=counted,
            uses_max=uses_max,
            rng=random.Random(seed),
            threads=threads,
            workers=workers,
        )
    finally:
        for worker in workers:
            worker.close()
        if outside and cluster is not None:
            cluster.drop(cluster.template)
        for each in reversed(servers):
            each.stop()
        shutil.rmtree(folder, ignore_errors=True)
