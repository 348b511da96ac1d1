"""What is asked for at once is read at once, and what cannot be read costs no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from api import together


def test_what_is_asked_in_one_turn_is_read_by_one_call() -> None:
    reads: list[list[int]] = []

    def read(keys: Sequence[int]) -> dict[int, str]:
        reads.append(sorted(keys))
        return {key: str(key) for key in keys}

    async def run() -> list[str]:
        found = together.Together(read)
        first = await asyncio.gather(*(found.get(key % 5) for key in range(20)))
        return first + await asyncio.gather(*(found.get(key) for key in range(together.AT_ONCE_MAX + 1)))

    told = asyncio.run(run())
    assert told[:20] == [str(key % 5) for key in range(20)]
    assert told[20:] == [str(key) for key in range(together.AT_ONCE_MAX + 1)]
    assert reads[0] == [0, 1, 2, 3, 4]
    assert sorted(map(len, reads[1:])) == [1, together.AT_ONCE_MAX]


def test_one_that_cannot_be_read_costs_no_other() -> None:
    def read(keys: Sequence[int]) -> dict[int, int]:
        return {key: 10 // key for key in keys}

    async def run() -> list[int | BaseException]:
        found = together.Together(read)
        return await asyncio.gather(*(found.get(key) for key in (0, 1, 2)), return_exceptions=True)

    broken, *told = asyncio.run(run())
    assert isinstance(broken, ZeroDivisionError)
    assert told == [10, 5]


def test_who_hangs_up_takes_it_from_nobody() -> None:
    async def run() -> int:
        found = together.Together(lambda keys: dict.fromkeys(keys, 7))
        gone, stays = (asyncio.create_task(found.get(1)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(run()) == 7
