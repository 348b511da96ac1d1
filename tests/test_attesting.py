"""The lane to outsiders on a real ledger: what is asked, kept and told, and what silence does."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api import examples, logs
from ledger import attesting, outsiders, reading
from signing import (
    cosignature,
    keys,
    merkle,
    note,
    receipt,
    timestamp,
    witness,
    witnessing,
)
from tests import api_world, tsa_world, witness_world
from tests.api_world import Caller, Face, problem
from tests.attesting_world import NUMBERS, STOP_S, WARN_S, Clock, Witnesses
from tests.conftest import Cluster

TSA = tsa_world.made()


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        # The lane of these tests is turned by hand; the reader tells what is cosigned.
        ledger = running.served.ledger
        running.served.reader.close()
        running.served.reader = reading.Reader(ledger.ways.service, ledger.vault, is_witnessed=True)
        running.served.__post_init__()
        try:
            yield running
        finally:
            running.served.appender.halt(None)


@pytest.fixture(scope="module")
def caller(face: Face) -> Caller:
    return face.register(examples.ORGANIZATION)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as opened:
        yield opened


@pytest.fixture
def one(stack: contextlib.ExitStack, tmp_path: Path, face: Face) -> Witnesses:
    return Witnesses(stack, tmp_path, face, 1)


def asking(
    face: Face, named: outsiders.Outsiders, clock: Callable[[], int] | None = None
) -> attesting.Attesting:
    made = attesting.Attesting(
        face.served.reader, named, halt=face.served.appender.halt, now=clock or Clock()
    )
    face.served.attesting = made
    return made


def append(caller: Caller) -> int:
    """One more event; its index."""
    body = api_world.issue_body(next(NUMBERS) % 800)
    return int(caller.done("/v1/licenses", body)["index"])


def told(face: Face, log: note.VerifierKey) -> tuple[str, note.Checkpoint]:
    """The checkpoint that anyone is told, and what it says."""
    text = face.http.get("/log/0/checkpoint").text
    return text, note.parse_checkpoint(note.verify(text, trusted=[log])[0])


def problems(lane: attesting.Attesting) -> list[str]:
    return [one.problem for one in lane.standing]


# --- witnesses ---


def test_checkpoints_and_receipts_carry_the_lines_of_witnesses(
    face: Face, caller: Caller, stack: contextlib.ExitStack, tmp_path: Path
) -> None:
    three = Witnesses(stack, tmp_path, face, 3)
    first = append(caller)
    lane = asking(face, three.named())
    lane.round()
    text, head = told(face, three.log)
    assert len(cosignature.require(text, policy=three.policy)) == 3
    assert {one.size(head.origin) for one in three.held} == {head.size}

    second = append(caller)
    # Until the next round, what is new has a receipt that nobody cosigned, and what is old keeps its lines.
    assert told(face, three.log) == (text, head)
    for index, cosigners in ((first, 3), (second, 0)):
        said = caller.get(f"/v1/receipts/0/{index}").text
        (stored,) = face.served.reader.events([index])
        proven = receipt.verify(said, event=stored, trusted=[three.log])
        assert proven.index == index
        found = cosignature.verified(receipt.parse(said).checkpoint, trusted=three.policy.witnesses)
        assert len(found) == cosigners
    lane.round()
    newer, grown = told(face, three.log)
    assert grown.size > head.size
    assert len(cosignature.require(newer, policy=three.policy)) == 3
    assert problems(lane) == ["", "", ""]


def test_a_quorum_is_enough_and_less_is_not_told(
    face: Face, caller: Caller, stack: contextlib.ExitStack, tmp_path: Path
) -> None:
    three = Witnesses(stack, tmp_path, face, 3)
    lane = asking(face, three.named())
    append(caller)
    three.silencing[0].close()
    lane.round()
    text, head = told(face, three.log)
    assert len(cosignature.require(text, policy=three.policy)) == 2
    assert [bool(said) for said in problems(lane)] == [True, False, False]
    append(caller)
    three.silencing[1].close()
    lane.round()
    assert told(face, three.log) == (text, head)
    assert three.held[2].size(head.origin) == head.size + 1


def test_an_unchanged_tree_is_not_cosigned_again_at_once(face: Face, caller: Caller, one: Witnesses) -> None:
    clock = Clock()
    lane = asking(face, one.named(), clock)
    append(caller)
    lane.round()
    (first,) = one.held[0].logs()
    kept = one.held[0].head(witness.origin_digest(first))
    lane.round()
    assert one.held[0].head(witness.origin_digest(first)) == kept
    one.silencing[0].close()
    clock.ahead_s = attesting.REFRESH_S + 1
    lane.round()
    # It is asked again after a while, or its silence would not be seen.
    assert problems(lane) == ["no answer"]


def test_a_witness_that_has_seen_another_size_is_met_there(
    face: Face, caller: Caller, one: Witnesses
) -> None:
    vault = face.served.ledger.vault
    append(caller)
    size = face.served.reader.head().size
    node = face.served.reader.node
    earlier = merkle.frontier_root(
        tuple(
            node(level, ((size - 1) >> level) - 1, size=size)
            for level in reversed(range(size.bit_length()))
            if (size - 1) >> level & 1
        )
    )
    one.submit(0, note.Checkpoint(origin=one.log.name, size=size - 1, root=earlier), vault.log_key)
    lane = asking(face, one.named())
    lane.round()
    assert problems(lane) == [""]
    assert one.held[0].size(one.log.name) == size


@pytest.mark.parametrize(("size", "said"), [(0, "as another history"), (10_000, "has seen")])
def test_a_witness_that_was_shown_another_history_does_not_cosign_this_one(
    face: Face, caller: Caller, one: Witnesses, size: int, said: str
) -> None:
    """A rolled-back ledger finds a witness that has seen more, a forked one a witness that has seen else."""
    append(caller)
    before = face.http.get("/log/0/checkpoint").text
    size = size or face.served.reader.head().size
    other = note.Checkpoint(origin=one.log.name, size=size, root=bytes(32))
    one.submit(0, other, face.served.ledger.vault.log_key)
    lane = asking(face, one.named())
    lane.round()
    assert said in problems(lane)[0]
    assert face.http.get("/log/0/checkpoint").text == before
    assert one.held[0].size(one.log.name) == size


def lines_of(seed: int, *, name: str, text: str, at_s: int) -> bytes:
    signing = keys.SigningKey(bytes([seed]) * 32)
    return cosignature.sign(text, name=name, key=signing, at_s=at_s).encode()


FALSE = {
    "nothing": lambda text, now: b"",
    "a page": lambda text, now: b"<html>",
    "no text": lambda text, now: b"\xff\xfe",
    "a stranger's line": lambda text, now: lines_of(8, name="witness.example/false", text=text, at_s=now),
    "a line over another tree": lambda text, now: lines_of(
        9, name="witness.example/false", text=text.replace("\n", "\n1", 1), at_s=now
    ),
    "a line of years ago": lambda text, now: lines_of(9, name="witness.example/false", text=text, at_s=7),
    "a line of tomorrow": lambda text, now: lines_of(
        9, name="witness.example/false", text=text, at_s=now + 86_400
    ),
    "lines without end": lambda text, now: b"\xe2\x80\x94 x AAAAAAAA\n" * 20_000,
}


@pytest.mark.parametrize("flaw", FALSE)
def test_what_a_false_witness_says_is_not_kept(face: Face, caller: Caller, flaw: str) -> None:
    append(caller)
    before = face.http.get("/log/0/checkpoint").text
    public = keys.SigningKey(bytes([9]) * 32).public
    key = cosignature.CosignerKey(name="witness.example/false", public=public)

    def answer(body: bytes) -> bytes:
        text = witnessing.parse(body).checkpoint.partition("\n\n")[0] + "\n"
        return FALSE[flaw](text, int(time.time()))

    with tsa_world.answering(answer) as url:
        named = outsiders.Outsiders(witnesses=(outsiders.Witness(url=url, key=key),), quorum=1)
        lane = asking(face, named)
        lane.round()
    assert problems(lane) != [""]
    assert face.http.get("/log/0/checkpoint").text == before
    assert face.served.attestations.latest([key.text]) == {}


def test_one_process_asks_at_a_time_and_all_look(face: Face, caller: Caller, one: Witnesses) -> None:
    append(caller)
    lane = asking(face, one.named())
    with face.served.attestations.alone() as is_ours:
        assert is_ours
        lane.round()
        assert one.held[0].size(one.log.name) is None
        assert [standing.name for standing in lane.standing] == [one.held[0].key.name]
    lane.round()
    assert one.held[0].size(one.log.name) is not None


# --- silence ---


def test_silence_is_warned_of_and_then_stops_appending_until_somebody_answers(
    face: Face, caller: Caller, one: Witnesses
) -> None:
    clock = Clock()
    lane = asking(face, one.named(), clock)
    append(caller)
    lane.round()
    one.silencing[0].close()
    clock.ahead_s = WARN_S + 5
    lane.round()
    told = face.http.get("/readyz").json()
    (standing,) = told["outsiders"]
    assert (standing["is_silent"], standing["kind"]) == (True, "witness")
    assert standing["silent_s"] > WARN_S < told["attested"]["cosigned_age_s"]
    assert face.http.get("/readyz").status_code == 200
    append(caller)

    clock.ahead_s = STOP_S + 5
    lane.round()
    refused = caller.post("/v1/uses", api_world.use_body(1))
    assert problem(refused)[:2] == (503, "outsiders-silent")
    assert int(refused.headers["retry-after"]) > 0
    assert face.http.get("/readyz").status_code == 503
    assert face.http.get("/log/0/checkpoint").status_code == 200
    assert caller.get("/v1/receipts/0/0").status_code == 200

    with witness_world.serving(one.held[0]) as url:
        one.urls[0] = url
        clock.ahead_s = 0
        again = asking(face, one.named(), clock)
        again.round()
    assert face.http.get("/readyz").json()["appending"] is True
    append(caller)


def test_a_restart_does_not_give_a_silent_witness_its_time_again(
    face: Face, caller: Caller, one: Witnesses
) -> None:
    clock = Clock()
    append(caller)
    asking(face, one.named(), clock).round()
    one.silencing[0].close()
    clock.ahead_s = STOP_S + 5
    restarted = asking(face, one.named(), clock)
    restarted.round()
    assert [standing.silent_s > STOP_S for standing in restarted.standing] == [True]
    assert face.served.appender.is_running is False
    face.served.appender.halt(None)


def test_the_log_says_who_is_silent_for_how_long_and_why(
    face: Face, one: Witnesses, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    one.silencing[0].close()
    lane = asking(face, one.named(), clock)
    clock.ahead_s = WARN_S + 5
    lane.round()
    records = [record for record in caplog.records if record.name == attesting.__name__]
    refused, silent = [json.loads(logs.JsonLines().format(record)) for record in records]
    name = one.held[0].key.name
    assert (refused["outsider"], refused["reason"]) == (name, "no answer")
    assert (silent["outsider"], silent["silent_s"] > WARN_S) == (name, True)


def test_without_a_stop_limit_silence_stops_nothing(face: Face, caller: Caller, one: Witnesses) -> None:
    clock = Clock()
    one.silencing[0].close()
    lane = asking(face, one.named(witness_limits=outsiders.Limits(warn_s=WARN_S)), clock)
    clock.ahead_s = 400 * 86_400
    lane.round()
    assert [standing.is_silent for standing in lane.standing] == [True]
    append(caller)


def test_a_quorum_that_answers_keeps_a_ledger_appending(
    face: Face, caller: Caller, stack: contextlib.ExitStack, tmp_path: Path
) -> None:
    clock = Clock()
    three = Witnesses(stack, tmp_path, face, 3)
    three.silencing[0].close()
    lane = asking(face, three.named(witness_limits=outsiders.Limits(warn_s=60, stop_s=240)), clock)
    append(caller)
    lane.round()
    clock.ahead_s = 241
    lane.round()
    # The two that answer have done so within the limit of their refreshing, the third never.
    assert [standing.is_silent for standing in lane.standing] == [True, True, True]
    assert face.served.appender.is_running is False
    clock.ahead_s = 0
    lane.round()
    assert face.served.appender.is_running is True


# --- time-stamps ---


@contextlib.contextmanager
def stamping(
    face: Face, tmp_path: Path, clock: Clock, answer: Callable[[bytes], bytes] | None = None
) -> Iterator[attesting.Attesting]:
    (tmp_path / "roots.pem").write_bytes(TSA.roots_pem)

    def by_clock(request: bytes) -> bytes:
        return TSA.answer(request, at=datetime.fromtimestamp(clock() // 1_000_000, UTC))

    with tsa_world.answering(answer or by_clock) as url:
        named = outsiders.Outsiders(
            stamp_url=url,
            stamp_roots=tmp_path / "roots.pem",
            stamp_limits=outsiders.Limits(warn_s=2 * 3600, stop_s=3 * 3600),
        )
        yield asking(face, named, clock)


def newest(face: Face) -> tuple[timestamp.Stamped, note.Checkpoint]:
    answer = face.http.get("/log/0/time-stamps/newest")
    assert answer.status_code == 200
    stamped = timestamp.parse(answer.text)
    return stamped, note.parse_checkpoint(note.taken_apart(stamped.checkpoint)[0])


def test_checkpoints_are_stamped_at_intervals_and_told(face: Face, caller: Caller, tmp_path: Path) -> None:
    clock = Clock()
    with stamping(face, tmp_path, clock) as lane:
        first = append(caller)
        lane.round()
        assert problems(lane) == [""]
        stamped, head = newest(face)
        assert head.size > first
        found = timestamp.verify(stamped, authority=TSA.authority)
        assert abs((found.at - datetime.now(UTC)).total_seconds()) < 300

        second = append(caller)
        lane.round()
        assert newest(face)[1] == head
        assert problem(face.http.get(f"/log/0/time-stamps/{second}"))[:2] == (404, "not-found")
        clock.ahead_s = 3601
        lane.round()
        assert newest(face)[1].size > second
        # What was there first is shown by the stamp that came first.
        covering = face.http.get(f"/log/0/time-stamps/{first}").text
        assert covering == timestamp.write(stamped)
        clock.ahead_s = 3 * 3601
        lane.round()
        assert [one.is_silent for one in lane.standing] == [False], "a tree that does not grow needs no other"

        # The stamp, the proof at its size and the stored bytes say together that the event was there by then.
        said = face.http.get(f"/log/0/inclusion/{first}/{head.size}").json()
        proof = [base64.b64decode(item) for item in said["proof"]]
        (stored,) = face.served.reader.events([first])
        merkle.verify_inclusion(merkle.leaf_hash(stored), first, head.size, proof, head.root)


@pytest.mark.parametrize("flaw", ["a page", "a stranger's", "another time"])
def test_what_a_false_authority_says_is_not_kept_and_its_silence_stops(
    face: Face, caller: Caller, tmp_path: Path, flaw: str
) -> None:
    clock = Clock()
    clock.ahead_s = {"a page": 10, "a stranger's": 20, "another time": 30}[flaw] * 3600
    answers = {
        "a page": lambda request: b"<html>",
        "a stranger's": tsa_world.made().answer,
        "another time": lambda request: TSA.answer(request, at=datetime(2026, 1, 1, tzinfo=UTC)),
    }
    append(caller)
    with stamping(face, tmp_path, clock) as lane:
        lane.round()
    before = face.served.attestations.newest_stamp(0)
    append(caller)
    clock.ahead_s += 3601
    # Another process: a restart does not give the authority its time again.
    with stamping(face, tmp_path, clock, answers[flaw]) as lane:
        lane.round()
        assert problems(lane) != [""]
        assert face.served.attestations.newest_stamp(0) == before
        clock.ahead_s += 3600 + 10
        lane.round()
        assert [one.is_silent for one in lane.standing] == [True]
        append(caller)
        clock.ahead_s += 3600
        lane.round()
        assert problem(caller.post("/v1/uses", api_world.use_body(1)))[:2] == (503, "outsiders-silent")
    face.served.appender.halt(None)


def test_a_tree_that_grows_after_a_long_rest_has_not_been_without_a_stamp_all_along(
    face: Face, caller: Caller, tmp_path: Path
) -> None:
    append(caller)
    head, kept = face.served.reader.head(), face.served.attestations
    long_ago = time.time_ns() // 1000 - 10 * 86_400 * 1_000_000
    stamped = timestamp.Stamped(checkpoint=head.note, response=b"")
    kept.save_stamp(
        generation=0, size=head.size, root=head.root, stamped=stamped, stamped_at=long_ago, at=long_ago
    )
    append(caller)
    with stamping(face, tmp_path, Clock(), lambda request: b"<html>") as lane:
        lane.round()
    assert problems(lane) != [""]
    assert [one.is_silent for one in lane.standing] == [False]
