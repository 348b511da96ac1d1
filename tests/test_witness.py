"""A witness as a program: what it keeps, who it obeys, and that it never says two things of one log."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api import witness_server
from signing import cosignature, merkle, note, split_view, witness, witnessing
from tests import witness_world
from tests.witness_world import NOW_S, Log

ROOT = Path(__file__).resolve().parent.parent
LOG = Log()
FORK = LOG.forked(5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return witness_world.made(tmp_path / "w1", LOG)


@pytest.fixture
def held(folder: Path) -> Iterator[witness.Witness]:
    with witness.opened(folder) as one:
        yield one


@pytest.fixture
def http(held: witness.Witness) -> TestClient:
    return TestClient(witness_server.application(held, clock=lambda: NOW_S))


def post(http: TestClient, body: bytes) -> httpx.Response:
    answer: httpx.Response = http.post("/add-checkpoint", content=body)
    return answer


def accepted(answer: httpx.Response, held: witness.Witness, log: Log, size: int) -> None:
    assert answer.status_code == 200, answer.text
    signed = cosignature.added(log.checkpoint(size), [answer.text])
    (found,) = cosignature.verified(signed, trusted=[held.key])
    assert found.at_s == NOW_S


def test_a_log_that_grows_is_cosigned_step_by_step(http: TestClient, held: witness.Witness) -> None:
    for old, new in ((0, 1), (1, 1), (1, 7), (7, 256), (256, 600)):
        accepted(post(http, LOG.body(old, new)), held, LOG, new)
    assert held.size(LOG.origin) == 600


REFUSED = {
    "a log that nobody told of": (Log("other.example/log/0").body(0, 9), 404, "origin-unknown"),
    "a log under the key of another": (
        witnessing.write(Log(seed=9).submission(9, 12)).encode(),
        403,
        "not-signed-by-the-log",
    ),
    "another old size": (LOG.body(3, 12), 409, "old-size"),
    "a log that was rolled back": (LOG.body(3, 7), 409, "rolled-back"),
    "a fork of the size that was cosigned": (FORK.body(9, 9), 422, "forked"),
    "a fork with another old size": (FORK.body(7, 9), 409, "old-size"),
    "a fork that has grown": (FORK.body(9, 12), 422, "proof-refused"),
    "a proof cut short": (
        witnessing.write(LOG.submission(9, 12, proof=LOG.proof(9, 12)[:-1])).encode(),
        422,
        "proof-refused",
    ),
    "an old size above the new": (
        witnessing.write(LOG.submission(9, 12, old_size=13)).encode(),
        400,
        "malformed",
    ),
    "no submission": (b"old", 400, "malformed"),
    "nothing": (b"", 400, "malformed"),
    "64 hashes": (b"old 9\n" + b"A" * 43 + b"=\n" * 64 + LOG.checkpoint(12).encode(), 400, "malformed"),
    "a proof of megabytes": (b"old 9\n" + b"A" * 3_000_000, 413, "too-large"),
}


@pytest.mark.parametrize("flaw", REFUSED)
def test_what_does_not_follow_is_refused_with_its_reason_and_changes_nothing(
    http: TestClient, held: witness.Witness, flaw: str
) -> None:
    accepted(post(http, LOG.body(0, 9)), held, LOG, 9)
    body, status, reason = REFUSED[flaw]
    answer = post(http, body)
    assert (answer.status_code, answer.headers["witness-refusal"]) == (status, reason)
    if status == 409:
        assert answer.headers["content-type"] == "text/x.tlog.size"
        assert answer.text == "9\n"
    accepted(post(http, LOG.body(9, 12)), held, LOG, 12)


def test_there_is_nothing_but_submissions_and_what_was_cosigned(
    http: TestClient, held: witness.Witness
) -> None:
    assert http.get("/add-checkpoint").status_code == 405
    digest = witness.origin_digest(LOG.origin)
    assert http.get(f"/{digest}/checkpoint").status_code == 404
    post(http, LOG.body(0, 9))
    told = http.get(f"/{digest}/checkpoint")
    text, _ = note.verify(told.text, trusted=[LOG.verifier])
    assert note.parse_checkpoint(text).size == 9
    assert len(cosignature.verified(told.text, trusted=[held.key])) == 1
    for absent in ("0" * 64, "..%2Fkey", "x", digest.upper()):
        assert http.get(f"/{absent}/checkpoint").status_code == 404


def test_lines_that_strangers_add_are_not_kept_and_do_not_stop_a_log(
    http: TestClient, held: witness.Witness
) -> None:
    """Anyone can fetch a checkpoint, and send it with as many signature lines as a note may have."""
    signed = LOG.checkpoint(9)
    strange = [
        note.signature_line(note.Line(LOG.origin, bytes([number] * 4), bytes(64)))
        for number in range(note.SIGNATURES_MAX - 1)
    ]
    twice = note.signature_line(note.taken_apart(signed)[1][0]) * (note.SIGNATURES_MAX - 1)
    accepted(
        post(http, witnessing.write(LOG.submission(0, 9, checkpoint=signed + "".join(strange))).encode()),
        held, LOG, 9,
    )  # fmt: skip
    kept = http.get(f"/{witness.origin_digest(LOG.origin)}/checkpoint").text
    assert [line.name for line in note.taken_apart(kept)[1]] == [LOG.origin, held.key.name]
    again = LOG.submission(9, 9, checkpoint=signed + twice)
    accepted(post(http, witnessing.write(again).encode()), held, LOG, 9)
    accepted(post(http, LOG.body(9, 12)), held, LOG, 12)


def test_what_anybody_can_send_again_is_told_once_a_minute(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [float(NOW_S)]
    with witness.opened(folder) as one:
        http = TestClient(witness_server.application(one, clock=lambda: now[0]))
        post(http, LOG.body(0, 9))
        for passed in (0, 30, 30):
            now[0] += passed
            assert post(http, LOG.body(0, 4)).status_code == 409
            assert post(http, FORK.body(9, 12)).status_code == 422
            assert post(http, LOG.body(4, 9)).status_code == 409  # only late
    told = [one.__dict__["reason"] for one in caplog.records if one.name == witness_server.__name__]
    assert told == ["rolled-back", "proof-refused"] * 2


def test_a_checkpoint_that_leaves_no_room_for_a_cosignature_is_refused(held: witness.Witness) -> None:
    text = LOG.checkpoint(9).partition("\n\n")[0] + "\n" + f"{'x' * 100}\n" * 645
    long = note.sign(text, name=LOG.origin, key=LOG.key)
    assert len(long) <= note.NOTE_BYTES_MAX
    with pytest.raises(witnessing.Refusal, match="no room"):
        held.add(LOG.submission(0, 9, checkpoint=long), now_s=NOW_S)
    held.add(LOG.submission(0, 9), now_s=NOW_S)


def test_two_trees_of_one_size_are_kept_as_the_log_signed_them(
    held: witness.Witness, folder: Path, http: TestClient
) -> None:
    post(http, LOG.body(0, 9))
    assert witness.forks(folder) == {}
    post(http, FORK.body(9, 9))
    post(http, LOG.body(9, 12))
    post(http, LOG.forked(3).body(12, 12))
    kept, shown = witness.forks(folder)[LOG.origin]
    with pytest.raises(split_view.SplitView):
        split_view.compare(kept.read_text(), shown.read_text(), trusted=[LOG.verifier])
    assert note.parse_checkpoint(note.taken_apart(shown.read_text())[0]).size == 9


def test_a_log_that_is_removed_is_cosigned_no_more_and_goes_on_where_it_was(
    held: witness.Witness, folder: Path, http: TestClient
) -> None:
    accepted(post(http, LOG.body(0, 9)), held, LOG, 9)
    witness.remove_log(folder, LOG.verifier.text)
    assert post(http, LOG.body(9, 12)).status_code == 404
    with pytest.raises(witness.WitnessError, match="under this key"):
        witness.remove_log(folder, LOG.verifier.text)
    witness.add_log(folder, LOG.verifier.text)
    assert post(http, LOG.body(0, 12)).text == "9\n"
    accepted(post(http, LOG.body(9, 12)), held, LOG, 12)


def test_the_key_and_the_heads_are_for_the_owner_alone(folder: Path) -> None:
    with witness.opened(folder) as one:
        one.add(LOG.submission(0, 9), now_s=NOW_S)
    for path in (folder / "key", *(folder / "heads").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (folder / "key").chmod(0o640)
    with pytest.raises(witness.WitnessError, match="0600"), witness.opened(folder):
        pass


def test_a_witness_is_made_once_and_under_a_name_that_a_note_can_have(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(witness.WitnessError, match="holds a witness"):
        witness.create(folder, name="witness.example/w2", seed=bytes(32))
    for name in ("a name", "w" * 256):
        with pytest.raises(witness.WitnessError, match="name"):
            witness.create(tmp_path / "other", name=name, seed=bytes(32))
    with pytest.raises(note.NoteInvalid):
        witness.add_log(folder, "no key")


def test_only_one_process_has_a_witness(folder: Path, held: witness.Witness) -> None:
    with pytest.raises(witness.WitnessError, match="another process"), witness.opened(folder):
        pass
    said = subprocess.run(
        [sys.executable, "-m", "tests.witness_worker", str(folder), "never"],
        cwd=ROOT,
        input=LOG.body(0, 9),
        capture_output=True,
        check=False,
    )
    assert said.returncode == 1
    assert b"another process has this witness" in said.stderr
    assert held.size(LOG.origin) is None


def test_a_log_that_is_added_is_watched_at_once(
    held: witness.Witness, folder: Path, http: TestClient
) -> None:
    other = Log("other.example/log/0", seed=7)
    assert post(http, other.body(0, 9)).status_code == 404
    witness.add_log(folder, other.verifier.text)
    witness.add_log(folder, other.verifier.text)
    accepted(post(http, other.body(0, 9)), held, other, 9)
    assert witness.sizes(folder) == {LOG.origin: None, other.origin: 9}


@pytest.mark.parametrize(("stage", "size_after"), [("judged", None), ("kept", 9)])
def test_a_witness_killed_amid_a_submission_says_nothing_else_later(
    folder: Path, stage: str, size_after: int | None
) -> None:
    died = subprocess.run(
        [sys.executable, "-m", "tests.witness_worker", str(folder), stage],
        cwd=ROOT,
        input=LOG.body(0, 9),
        capture_output=True,
        check=False,
    )
    assert died.returncode == -9, died.stderr
    assert died.stdout == b""
    with witness.opened(folder) as again:
        assert again.size(LOG.origin) == size_after
        if size_after is not None:
            # What was kept and never answered is asked for again; another tree of its size is not cosigned.
            with pytest.raises(witnessing.Forked):
                again.add(FORK.submission(9, 9), now_s=NOW_S)
        again.add(LOG.submission(size_after or 0, 9), now_s=NOW_S)
        assert again.size(LOG.origin) == 9


@pytest.mark.parametrize("damage", ["empty", "cut short", "another log's", "a byte changed", "unsigned"])
def test_a_damaged_head_is_never_taken_for_none(folder: Path, damage: str) -> None:
    other = Log("other.example/log/0", seed=7)
    witness.add_log(folder, other.verifier.text)
    with witness.opened(folder) as one:
        one.add(LOG.submission(0, 9), now_s=NOW_S)
        one.add(other.submission(0, 9), now_s=NOW_S)
        path = folder / "heads" / witness.origin_digest(LOG.origin)
        kept = path.read_text()
        content = {
            "empty": "",
            "cut short": kept[:-3],
            "another log's": (folder / "heads" / witness.origin_digest(other.origin)).read_text(),
            "a byte changed": kept.replace("\n9\n", "\n3\n"),
            "unsigned": LOG.checkpoint(9),
        }[damage]
        path.write_text(content)
        with pytest.raises(witness.WitnessError):
            one.add(LOG.submission(0, 9), now_s=NOW_S)
        http = TestClient(witness_server.application(one))
        assert post(http, LOG.body(0, 9)).status_code == 503
        path.write_text(kept)
        one.add(LOG.submission(9, 12), now_s=NOW_S)


def test_a_clock_that_went_back_makes_no_older_statement(held: witness.Witness) -> None:
    held.add(LOG.submission(0, 9), now_s=NOW_S)
    line = held.add(LOG.submission(9, 12), now_s=NOW_S - 500)
    (found,) = cosignature.verified(cosignature.added(LOG.checkpoint(12), [line]), trusted=[held.key])
    assert found.at_s == NOW_S


def test_a_clock_that_is_not_set_makes_no_statement(held: witness.Witness) -> None:
    with pytest.raises(witness.WitnessError, match="clock"):
        held.add(LOG.submission(0, 9), now_s=0)
    assert held.size(LOG.origin) is None


def test_submissions_at_one_time_are_cosigned_along_one_history(held: witness.Witness) -> None:
    outcomes: list[tuple[int, str]] = []

    def send(size: int, log: Log) -> None:
        try:
            outcomes.append((size, held.add(log.submission(0, size), now_s=NOW_S)))
        except witnessing.Refusal as refusal:
            outcomes.append((size, refusal.reason))

    threads = [
        threading.Thread(target=send, args=(size, log)) for size in (7, 8, 9, 10) for log in (LOG, FORK)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([said for _, said in outcomes if said.startswith("—")]) == 1
    assert held.size(LOG.origin) in (7, 8, 9, 10)


# --- over the network ---

HEAD = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 500\r\n\r\n"
QUICK_S, PATIENT_S = 0.3, 60.0


@pytest.mark.parametrize(
    ("sent", "answer", "deadlines"),
    [
        (b"", b"", witness_server.Deadlines(head_s=QUICK_S, body_s=PATIENT_S)),
        (
            b"POST /add-checkpoint HTTP/1.1\r\nHost: ",
            b"",
            witness_server.Deadlines(head_s=QUICK_S, body_s=PATIENT_S),
        ),
        (HEAD + b"old 3", b"HTTP/1.1 408", witness_server.Deadlines(head_s=PATIENT_S, body_s=QUICK_S)),
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_whoever_is_slow_is_hung_up_on(
    held: witness.Witness, sent: bytes, answer: bytes, deadlines: witness_server.Deadlines
) -> None:
    with witness_world.serving(held, deadlines) as url:
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(place, timeout=30) as conn:
            conn.sendall(sent)
            said = b""
            while chunk := conn.recv(4096):
                said += chunk
    assert said.startswith(answer)
    assert bool(said) is bool(answer)


def test_a_connection_serves_several_submissions(held: witness.Witness) -> None:
    with witness_world.serving(held) as url, httpx.Client(base_url=url) as client:
        for old, new in ((0, 5), (5, 9)):
            assert client.post("/add-checkpoint", content=LOG.body(old, new)).status_code == 200


# --- whatever is sent ---


def fuzz(http: TestClient, body: bytes) -> None:
    answer = post(http, body)
    assert answer.status_code in (200, 400, 403, 404, 409, 413, 422)
    assert answer.status_code == 200 or answer.headers["witness-refusal"]


MADE = LOG.body(9, 12)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.integers(0, len(MADE)), st.integers(0, len(MADE)), st.binary(max_size=40)).map(
        lambda cut: MADE[: cut[0]] + cut[2] + MADE[cut[1] :]
    ),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(BODIES)
def test_no_body_breaks_a_witness(http: TestClient, held: witness.Witness, body: bytes) -> None:
    fuzz(http, body)
    assert held.size(LOG.origin) in (None, 12, 9)


@pytest.mark.faults
@settings(max_examples=2000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(BODIES)
def test_no_body_of_many_breaks_a_witness(http: TestClient, held: witness.Witness, body: bytes) -> None:
    fuzz(http, body)
    assert held.size(LOG.origin) in (None, 12, 9)


# --- killed again and again ---

SEED = int(os.environ.get("LEDGER_FAULTS_SEED") or random.SystemRandom().getrandbits(32))
LIVES = 8


@pytest.mark.faults
def test_a_witness_that_is_killed_again_and_again_says_one_thing(folder: Path) -> None:
    """Two histories compete for it all the while; every line that ever left it is of one of them."""
    print(f"seed {SEED}: repeat with LEDGER_FAULTS_SEED={SEED}")  # noqa: T201
    chance = random.Random(SEED)
    heard: dict[int, set[bytes]] = {}
    size = 0
    for _ in range(LIVES):
        process, address = witness_world.alive(folder)
        deaths = threading.Timer(chance.uniform(0.0, 0.4), process.kill)
        try:
            with contextlib.suppress(httpx.HTTPError), httpx.Client(timeout=60) as client:
                while not heard:  # it says something before it is killed for the first time
                    size = ask_to_sign(client, address, size=size, chance=chance, heard=heard)
                deaths.start()
                while size < 500:
                    size = ask_to_sign(client, address, size=size, chance=chance, heard=heard)
            deaths.join()
        finally:
            process.kill()
            assert process.wait(30) == -9
    own = [
        log
        for log in (LOG, FORK)
        if all({merkle.root(log.leaves[:at])} == roots for at, roots in heard.items())
    ]
    assert own
    with witness.opened(folder) as again:
        kept = again.size(LOG.origin)
        assert kept is not None
        assert kept >= max(heard)


def ask_to_sign(
    client: httpx.Client, address: str, *, size: int, chance: random.Random, heard: dict[int, set[bytes]]
) -> int:
    """The size that the witness is at once it was asked to go on with one of the histories."""
    log, new = chance.choice((LOG, FORK)), size + chance.randrange(4)
    answer = client.post(f"http://{address}/add-checkpoint", content=log.body(size, new))
    if answer.status_code == 409:
        return int(answer.text)
    if answer.status_code != 200:
        return size
    heard.setdefault(new, set()).add(merkle.root(log.leaves[:new]))
    return new
