"""The open loop: when requests are meant to be sent, and from when their latency counts."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from benchmarks import open_loop


class Asked:
    """A connection that only remembers what it was given to ask."""

    def __init__(self) -> None:
        self.intended: list[float] = []

    def ask(self, intended: float, data: bytes) -> None:
        self.intended.append(intended)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_timetable_is_the_same_for_a_seed_and_keeps_its_rate() -> None:
    made = list(open_loop.timetable(rate=500, seconds=20, seed=7))
    assert made == list(open_loop.timetable(rate=500, seconds=20, seed=7))
    assert made != list(open_loop.timetable(rate=500, seconds=20, seed=8))
    assert made == sorted(made)
    assert made[-1] < 20
    assert len(made) == pytest.approx(10_000, rel=0.05)


def test_arrivals_are_random_not_regular() -> None:
    made = list(open_loop.timetable(rate=100, seconds=100, seed=1))
    gaps = [two - one for one, two in itertools.pairwise(made)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(mean, rel=0.1)


def test_a_quantile_is_the_nearest_rank() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [open_loop.quantile(ordered, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert open_loop.quantile([3.0], 0.99) == 3
    assert math.isnan(open_loop.quantile([], 0.5))


async def _stalled() -> tuple[open_loop.Pool, Asked]:
    clock, connection = Clock(), Asked()
    pool = open_loop.Pool(clock=clock)
    free: Any = connection
    pool.free.append(free)
    pool.submit(0.5, b"one")
    pool.in_flight += 1
    pool.submit(1.0, b"two")
    clock.now = 5.0
    pool.answered(free, 0.5, is_good=True, body=b"")
    pool.in_flight += 1
    clock.now = 6.0
    pool.answered(free, 1.0, is_good=True, body=b"")
    return pool, connection


@pytest.mark.anyio
async def test_a_stall_is_charged_to_those_who_would_have_asked_meanwhile() -> None:
    pool, connection = await _stalled()
    assert connection.intended == [0.5, 1.0]
    assert pool.seconds == [4.5, 5.0]
    assert pool.late == 1
    assert pool.idle.is_set()


@pytest.mark.anyio
async def test_what_was_not_answered_well_has_no_latency() -> None:
    pool = open_loop.Pool()
    free: Any = Asked()
    pool.in_flight = 2
    pool.answered(free, 0.0, is_good=False, body=b"")
    pool.lost(free, is_asking=True)
    assert (pool.errors, pool.seconds, pool.free, pool.idle.is_set()) == (2, [], [], True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("cut", range(len(ANSWER)))
def test_part_of_an_answer_is_none_yet(cut: int) -> None:
    assert open_loop.parse(ANSWER[:cut]) is None


def test_a_whole_answer_has_its_status_and_body() -> None:
    assert open_loop.parse(ANSWER) == (200, b"body")
    assert open_loop.parse(ANSWER.replace(b"200 OK", b"429 Too Many Requests")) == (429, b"body")


def test_an_answer_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="without Content-Length"):
        open_loop.parse(b"HTTP/1.1 200 OK\r\n\r\n")
