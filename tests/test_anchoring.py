"""The anchor: lanes that hold nobody up, and what is told when it cannot be written."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from ledger import command, errors, opening, reading, use_commands
from ledger.anchor import Anchor, Mark
from ledger.command import Command
from ledger.pen import Pen, Result, Stage
from tests.world import BUSINESS_LICENSE, ENTERPRISE, World

NUMBERS = itertools.count(1)


def marked(size: int, *, generation: int = 0) -> Mark:
    origin = "demo.license-ledger.example/tests/0" + (f".{generation}" if generation else "")
    return Mark(origin=origin, size=size, root=f"{size:064x}", system="1", timeline="1")


@pytest.fixture
def anchor(tmp_path: Path) -> Anchor:
    made = Anchor(tmp_path / "anchor")
    made.create(marked(0))
    return made


def use(world: World) -> use_commands.UseLicense:
    """A use under a key of its own."""
    key = next(NUMBERS).to_bytes(16)
    return use_commands.UseLicense(
        actor=world.hall,
        holder=ENTERPRISE,
        type_code=BUSINESS_LICENSE,
        repeat=command.Repeat(key=key, body_digest=key),
    )


@contextlib.contextmanager
def writing(ledger: opening.Ledger, reached: Callable[[Stage], None] = lambda stage: None) -> Iterator[Pen]:
    with contextlib.closing(Pen(ledger.recorder, ledger.vault, reached=reached)) as pen:
        yield pen


def results(pen: Pen, asked: Sequence[Command]) -> list[Result]:
    outcomes = pen.append(asked)
    assert all(isinstance(outcome, Result) for outcome in outcomes), outcomes
    return outcomes  # type: ignore[return-value]


def size(ledger: opening.Ledger) -> int:
    with psycopg.connect(str(ledger.ways.owner)) as conn:
        row = conn.execute("SELECT max(size) FROM checkpoints").fetchone()
    assert row is not None
    return int(row[0])


# --- lanes ---


def test_the_newest_mark_of_all_lanes_counts(anchor: Anchor) -> None:
    with contextlib.closing(anchor.lane()) as one, contextlib.closing(anchor.lane()) as other:
        one.write(marked(5))
        other.write(marked(9))
        one.write(marked(7))
        assert anchor.read() == marked(9)
        assert sorted(mark.size for mark in anchor.marks()) == [7, 9]


def test_a_lane_that_another_service_holds_is_not_waited_for(anchor: Anchor) -> None:
    with contextlib.closing(anchor.lane()) as stopped:
        stopped.write(marked(3))
        with contextlib.closing(anchor.lane()) as other:
            other.write(marked(4))
        with contextlib.closing(anchor.lane()) as again:
            again.write(marked(6))
            stopped.write(marked(5))  # it was only late
        assert anchor.read() == marked(6)


def test_a_torn_write_leaves_the_mark_before_it(anchor: Anchor, tmp_path: Path) -> None:
    with contextlib.closing(anchor.lane()) as lane:
        lane.write(marked(3))
        before = (tmp_path / "anchor").read_bytes()
        lane.write(marked(4))
        after = bytearray((tmp_path / "anchor").read_bytes())
        changed = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        after[changed[0] + 20 : changed[-1]] = before[changed[0] + 20 : changed[-1]]
        (tmp_path / "anchor").write_bytes(after)
        assert anchor.read() == marked(3)
        lane.write(marked(5))
        assert anchor.read() == marked(5)


def test_a_successor_origin_is_newer_however_small(anchor: Anchor) -> None:
    with contextlib.closing(anchor.lane()) as stopped, contextlib.closing(anchor.lane()) as recovering:
        recovering.write(marked(8, generation=1))
        stopped.write(marked(30))
        assert anchor.read() == marked(8, generation=1)


def test_without_any_whole_mark_the_anchor_is_damaged(anchor: Anchor, tmp_path: Path) -> None:
    (tmp_path / "anchor").write_bytes(bytes(4096))
    with pytest.raises(errors.HistoryBehindAnchor):
        anchor.read()


# --- what is told ---


def test_a_repeat_of_what_a_crashed_service_committed_is_anchored_before_it_is_told(world: World) -> None:
    class Crash(Exception):
        pass

    def crash(stage: Stage) -> None:
        if stage == "committed":
            raise Crash

    asked = use(world)
    with writing(world.ledger, crash) as crashed, pytest.raises(Crash):
        crashed.append([asked])
    assert world.ledger.vault.anchor.read().size == size(world.ledger) - 1
    repeat = world.do(asked)
    assert repeat.is_repeat
    assert world.ledger.vault.anchor.read().size == size(world.ledger)
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        assert f"index {repeat.indexes[0]}\n" in reader.receipt(repeat.indexes[0])


def test_while_the_anchor_cannot_be_written_nothing_is_told_and_nothing_more_is_added(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "no space")

    first, second = use(world), use(world)
    with writing(world.ledger) as pen:
        results(pen, [use(world)])
        before = size(world.ledger)
        with monkeypatch.context() as broken:
            broken.setattr("ledger.anchor.os.fdatasync", fail)
            with pytest.raises(errors.OutcomeUnknown):
                pen.append([first])
            with pytest.raises(errors.Unavailable, match="anchor"):
                pen.append([second])
        assert size(world.ledger) == before + 1, "only the batch that met the fault was stored"
        told = results(pen, [first, second])
        assert [each.is_repeat for each in told] == [True, False]
        assert world.ledger.vault.anchor.read().size == before + 2


def test_wraps_that_another_process_never_lets_go_of_cost_their_batch_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.wraps.WAIT_S", 0.1)
    before = size(world.ledger)
    with (world.ledger.config.data / "anchor" / "wraps").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(errors.Unavailable, match="wraps"):
            world.issue()
        world.use()  # nobody new: no wrap
    assert size(world.ledger) == before + 1
    world.issue()
