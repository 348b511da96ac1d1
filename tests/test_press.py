"""The press of a service outlives its workers: none that is replaced keeps anybody waiting."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api import press
from ledger import errors


def answer(work: str) -> bytes:
    """The worker's number; run there. Of `end` it dies, of a path it waits until something is written."""
    if work == "end":
        os._exit(1)
    if work:
        with Path(work).open("rb", buffering=0) as gate:
            gate.read(1)
    return str(os.getpid()).encode()


@pytest.fixture
def pressing() -> Iterator[press.Press]:
    """A press that makes no page."""
    made = press.Press(vault=cast(Any, SimpleNamespace(keks=None)), does=cast(Any, answer))
    yield made
    made.close()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Where a worker waits, and where to write that it may go on; it stands until the press is closed."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    opened = os.open(path, os.O_RDWR)
    yield str(path), opened
    os.close(opened)


async def made(pressing: press.Press, number: int, work: str = "") -> bytes:
    got = await pressing.make(cast(Any, work), digest=bytes([number]))
    assert isinstance(got, bytes)
    return got


def test_what_waits_when_a_worker_is_renewed_is_made(pressing: press.Press) -> None:
    pressing.work_max, pressing.wait_max_s = 3, 20

    async def crowd() -> list[bytes]:
        return await asyncio.gather(*(made(pressing, number) for number in range(8)))

    assert sorted(Counter(asyncio.run(crowd())).values()) == [2, 3, 3]


def test_a_worker_that_is_renewed_ends_its_page_and_stops_nobody(
    gate: tuple[str, int], pressing: press.Press
) -> None:
    path, opened = gate
    pressing.work_max, pressing.wait_max_s = 1, 20

    async def opening() -> bytes:
        second = await made(pressing, 1)
        os.write(opened, b".")
        return second

    async def both() -> tuple[bytes, bytes]:
        return await asyncio.gather(made(pressing, 0, path), opening())

    first, second = asyncio.run(both())
    assert first != second


def test_a_worker_that_died_is_replaced_once(pressing: press.Press) -> None:
    async def dies(number: int) -> None:
        with pytest.raises(errors.Unavailable):
            await made(pressing, number, "end")

    async def newcomer() -> bytes:
        await dies(0)
        return await made(pressing, 2)

    async def all_of_them() -> tuple[bytes, bytes]:
        first, _ = await asyncio.gather(newcomer(), dies(1))
        return first, await made(pressing, 3)

    first, later = asyncio.run(all_of_them())
    assert first == later


def test_a_page_that_does_not_come_is_unavailable_and_the_next_one_is_made(
    gate: tuple[str, int], pressing: press.Press
) -> None:
    async def next_one() -> bytes:
        pressing.wait_max_s = 0
        with pytest.raises(errors.Unavailable):
            await made(pressing, 0, gate[0])
        pressing.wait_max_s = 20
        next_made = await made(pressing, 1)
        os.write(gate[1], b".")
        return next_made

    assert asyncio.run(next_one())
    assert pressing._waiting == 0
