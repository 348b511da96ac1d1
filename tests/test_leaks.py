"""No value of a natural person is found outside sealed parts, however it is spelled."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from ledger import config, embedded, opening
from tests import console, leaks, leaks_run, world

ORIGIN = "demo.license-ledger.example/leaks"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A ledger on an embedded server of its own, for a run."""

    folder: Path
    data: Path
    owner: str
    """As superuser."""
    cluster: Path

    @property
    def log(self) -> Path:
        """What the service says."""
        return self.folder / "service.log"

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Rows, then every file once all pages are written."""
        yield from leaks.rows(self.owner)
        with psycopg.connect(self.owner, autocommit=True) as conn:
            conn.execute("CHECKPOINT")
        yield "service.log", self.log.read_bytes()
        outside = () if self.cluster.is_relative_to(self.data) else (self.cluster,)
        yield from leaks.files((self.data, *outside))


@pytest.fixture
def run() -> Iterator[Run]:
    with console.folder() as folder:
        data = folder / "ledger"
        console.run("init", "--origin", ORIGIN, "--operator", world.OPERATOR, "--data", data)
        with embedded.Server.start(data) as server, opening.database(config.Config(data=data)) as (ways, _):
            assert ways.owner is not None
            with psycopg.connect(ways.owner, autocommit=True) as conn:
                # A compressed page could hide what it holds.
                conn.execute("ALTER SYSTEM SET wal_compression = off")
                conn.execute("SELECT pg_reload_conf()")
            yield Run(folder=folder, data=data, owner=ways.owner, cluster=server.cluster_dir)


def live(run: Run, *, people: int, seed: int) -> leaks.Markers:
    """The markers of a run, which is over."""
    markers, answers = leaks.Markers(chance=random.Random(seed)), b""
    scratch = run.folder / "scratch"
    scratch.mkdir()
    with (
        leaks_run.serving(run.data, run.log, scratch) as service,
        leaks.Watch(scratch, pid=service.pid) as watch,
    ):
        with leaks_run.Day(service.url, run.folder, run.data, markers) as day:
            day.live(people=people)
        for path in ("/readyz", "/healthz", "/log/0/checkpoint"):
            answer = httpx.get(service.url + path, timeout=60)
            answers += answer.content + repr(answer.headers).encode()
        answers += metrics(run, service.metrics_url)
    assert watch.looks > people
    kept = [content for contents in watch.seen.values() for content in contents]
    (run.folder / "answers").write_bytes(b"\n".join([answers, *kept, day.refusals]))
    assert day.disclosed >= 2 * people, "the ledger gave values, so it had them"
    return markers


def metrics(run: Run, url: str) -> bytes:
    """What the service counts, read with the token that it made."""
    assert httpx.get(url, timeout=60).status_code == 401
    token = (run.data / "secrets" / "metrics").read_text()
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert b'ledger_uses_total{decision="granted"' in answer.content
    return answer.content + repr(answer.headers).encode()


def assert_nothing_leaked(run: Run, markers: leaks.Markers) -> None:
    search = leaks.Search(markers.known)
    assert leaks.found_in(search, run.places()) == {}
    # A refusal may say which member it does not know; the one who sent it reads it.
    assert search.find((run.folder / "answers").read_bytes()) <= {"member"}


@pytest.mark.faults
@pytest.mark.slow("runs a service and reads every file of its database")
def test_no_value_of_a_person_leaves_the_sealed_parts(run: Run) -> None:
    assert_nothing_leaked(run, live(run, people=1, seed=1))
    console.call("check", "--data", run.data)


@pytest.mark.faults
def test_no_value_of_many_people_leaves_the_sealed_parts(run: Run) -> None:
    seed = int(os.environ.get("LEDGER_FAULTS_SEED", "") or random.SystemRandom().getrandbits(32))
    print(f"seed {seed}")  # noqa: T201 - what repeats the campaign
    markers = live(run, people=9, seed=seed)
    assert len(markers.known) > 500
    assert_nothing_leaked(run, markers)
    console.call("check", "--data", run.data)


def test_the_search_finds_what_is_in_the_database(run: Run) -> None:
    markers = leaks.Markers(chance=random.Random(2))
    name, code, words = markers.name(), markers.code(), markers.text("reason")
    search = leaks.Search(markers.known)
    run.log.write_bytes(b"")
    with psycopg.connect(run.owner, autocommit=True) as conn:
        conn.execute("CREATE TABLE control (a text, b bytea)")
        conn.execute("CREATE INDEX by_a ON control (a)")
        conn.execute("INSERT INTO control VALUES (%s, %s)", (name, code.encode("utf-16-le")))
        conn.execute("DELETE FROM control")
        conn.execute("INSERT INTO control VALUES (%s, %s)", (code, base64.b32encode(b"." + words.encode())))
        conn.execute("SET log_min_messages = log; SET log_statement = 'all'")
        conn.execute(f"SELECT '{code}'")  # type: ignore[arg-type]
    found = leaks.found_in(search, run.places())
    of = {place.split("/")[-2] if "/" in place else place: what for place, what in found.items()}
    assert of["public.control as text"] == {"citizen ID"}
    assert of["public.control as binary"] == {"citizen ID", "reason"}
    assert of["pg_wal"] == {"name", "citizen ID", "reason"}
    assert of["log"] == {"citizen ID"}
    files = [what for place, what in found.items() if "/base/" in place]
    assert {"name", "citizen ID"} in files, "an index"
    assert {"name", "citizen ID", "reason"} in files, "a table, with what was deleted"


def test_the_watch_sees_files_that_are_gone_when_the_run_is_over(tmp_path: Path) -> None:
    with leaks.Watch(tmp_path, pid=os.getpid()) as watch, (tmp_path / "unnamed").open("w+b") as unnamed:
        (tmp_path / "unnamed").unlink()
        unnamed.write(b"without a name")
        unnamed.flush()
        (tmp_path / "short").write_bytes(b"for a moment")
        looks = watch.looks
        while watch.looks < looks + 2:
            assert watch.is_watching
        (tmp_path / "short").unlink()
    assert list(tmp_path.iterdir()) == []
    seen = {content for contents in watch.seen.values() for content in contents}
    assert {b"without a name", b"for a moment"} <= seen


def test_the_search_finds_every_spelling_at_every_place() -> None:
    markers = leaks.Markers(chance=random.Random(3))
    values = [
        markers.name(),
        markers.text("reason").split()[1],
        markers.number(),
        markers.code(),
        markers.evidence(),
    ]
    search = leaks.Search(markers.known)
    noise = random.Random(4)
    for value in values:
        for raw in (value.encode(), value.encode("utf-16-le"), value.encode("utf-16-be")):
            for shift in range(15):
                whole = noise.randbytes(shift) + raw + noise.randbytes(7)
                spelled = {
                    whole,
                    whole.hex().encode(),
                    whole.hex().upper().encode(),
                    base64.b64encode(whole),
                    base64.urlsafe_b64encode(whole),
                    base64.b32encode(whole),
                    base64.b32encode(whole).lower(),
                }
                for text in spelled:
                    assert search.find(noise.randbytes(shift) + text) == {markers.known[value]}
    assert search.find(noise.randbytes(1_000_000)) == set()
    assert search.find(b"") == set()
