"""Items of batch calls enter in pieces: many while nobody else asks, few while others do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from api import bulk


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Items:
    """Items that stay in until they are let out."""

    def __init__(self, entering: bulk.Bulk, count: int) -> None:
        self.inside: list[int] = []
        self._entering = entering
        self._out = [asyncio.Event() for _ in range(count)]
        self.tasks = [asyncio.create_task(self._enter(number)) for number in range(count)]

    async def _enter(self, number: int) -> None:
        async with self._entering:
            self.inside.append(number)
            await self._out[number].wait()
        self.inside.remove(number)

    async def seen(self) -> list[int]:
        """Who is in, once everybody has had a turn."""
        for _ in range(8):
            await asyncio.sleep(0)
        return self.inside

    def let_out(self, *numbers: int) -> None:
        for number in numbers:
            self._out[number].set()


def run(act: Callable[[bulk.Bulk, Clock], Awaitable[None]]) -> None:
    async def played() -> None:
        clock = Clock()
        await act(bulk.Bulk(alone=4, beside=1, clock=clock), clock)

    asyncio.run(played())


def test_few_are_in_while_others_ask_and_many_when_they_have_stopped() -> None:
    async def act(entering: bulk.Bulk, clock: Clock) -> None:
        items = Items(entering, 8)
        assert await items.seen() == [0, 1, 2, 3], "nobody else asks"
        entering.others_ask()
        items.let_out(0, 1, 2)
        assert await items.seen() == [3]
        items.let_out(3)
        assert await items.seen() == [4], "one at a time, in their order"
        clock.now += bulk.OTHERS_RECENT_S
        items.let_out(4)
        assert await items.seen() == [5, 6, 7]
        items.let_out(5, 6, 7)
        await asyncio.gather(*items.tasks)

    run(act)


def test_one_that_gives_up_takes_no_place_with_it() -> None:
    async def act(entering: bulk.Bulk, clock: Clock) -> None:
        entering.others_ask()
        items = Items(entering, 4)
        assert await items.seen() == [0]
        items.tasks[1].cancel()
        items.let_out(0)
        await asyncio.sleep(0)
        items.tasks[2].cancel()  # it may have its place already
        assert await items.seen() == [3]
        items.let_out(3)
        await asyncio.gather(*items.tasks, return_exceptions=True)
        clock.now += bulk.OTHERS_RECENT_S
        after = Items(entering, 5)
        assert await after.seen() == [0, 1, 2, 3], "every place is free again"
        after.let_out(*range(5))
        await asyncio.gather(*after.tasks)

    run(act)
