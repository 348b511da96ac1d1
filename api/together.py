"""Together: what many requests ask for in one turn of the event loop is read by one call.

The uses of a batch are answered in one turn; where their licenses were not opened before, reading them one
by one would cost a thread and several round trips each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

K = TypeVar("K")
V = TypeVar("V")
AT_ONCE_MAX = 128


class Together(Generic[K, V]):
    """Reads by key; for one event loop."""

    def __init__(self, read: Callable[[Sequence[K]], Mapping[K, V]]) -> None:
        """`read` is run in a thread, and has an answer for every key that it is given, or raises."""
        self._read = read
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V:
        """What `read` says of `key`; raises what it raises of it."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._waiting[key] = loop.create_future()
            if len(self._waiting) == 1:
                loop.call_soon(self._go)
        # Whoever hangs up takes it from nobody else.
        return await asyncio.shield(future)

    def _go(self) -> None:
        waiting, self._waiting = self._waiting, {}
        keys = list(waiting)
        for start in range(0, len(keys), AT_ONCE_MAX):
            part = {key: waiting[key] for key in keys[start : start + AT_ONCE_MAX]}
            task = asyncio.create_task(self._answer(part))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer(self, waiting: Mapping[K, asyncio.Future[V]]) -> None:
        try:
            found = await run_in_threadpool(self._read, list(waiting))
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            if len(waiting) == 1:
                _fail(waiting.values(), error)
                return
            # One that cannot be read costs no other.
            await asyncio.gather(*(self._answer({key: future}) for key, future in waiting.items()))
            return
        for key, future in waiting.items():
            if not future.done():
                future.set_result(found[key])


def _fail(futures: Iterable[asyncio.Future[V]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
            # Everybody who waited may have hung up: then nobody looks at it.
            future.exception()
