"""The refusal quota: exact whatever is in flight together, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import random

import pytest

from api import access, quota
from ledger import errors

ASKING = access.Access(
    client_id=b"c" * 16,
    organization="12350100000000027E",
    generation=0,
    scopes=frozenset({"license:use"}),
    expires_at=0,
)


async def many(counts: quota.RefusalCounts, refused: list[bool], chance: random.Random) -> list[bool | None]:
    """For each request whether it was refused; None: turned away."""

    async def one(is_refused: bool) -> bool | None:
        try:
            await counts.admit(ASKING, now_s=lambda: 0)
        except errors.RefusalQuota:
            return None
        try:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            return is_refused
        finally:
            counts.settle(ASKING, now_s=0, was_refused=is_refused)

    return list(await asyncio.gather(*(one(item) for item in refused)))


@pytest.mark.parametrize("seed", range(40))
def test_never_more_are_refused_than_the_quota_and_none_is_turned_away_before_it(seed: int) -> None:
    chance = random.Random(seed)
    counts = quota.RefusalCounts(5)
    asked = [chance.random() < 0.3 for _ in range(chance.randrange(1, 80))]
    told = asyncio.run(asyncio.wait_for(many(counts, asked, chance), 10))
    assert told.count(True) <= 5
    if None in told:
        assert told.count(True) == 5
    (due,) = counts.due(1) or [None]
    assert (0 if due is None else due.count) == told.count(None)


def test_what_is_granted_is_never_turned_away() -> None:
    told = asyncio.run(many(quota.RefusalCounts(1), [False] * 100, random.Random(1)))
    assert told == [False] * 100


def test_one_that_gives_up_waiting_leaves_its_place_to_the_next() -> None:
    async def story() -> None:
        counts = quota.RefusalCounts(1)
        await counts.admit(ASKING, now_s=lambda: 0)
        first = asyncio.create_task(counts.admit(ASKING, now_s=lambda: 0))
        second = asyncio.create_task(counts.admit(ASKING, now_s=lambda: 0))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        counts.settle(ASKING, now_s=0, was_refused=False)
        await asyncio.wait_for(second, 10)
        assert first.cancelled()

    asyncio.run(story())
