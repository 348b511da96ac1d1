"""The open loop: requests sent by a timetable, whatever became of those before; for latencies only.

A request's latency counts from the instant at which the timetable meant it to be sent. If every
connection is busy then, the wait for one counts too: a service that stalls is charged for all who
would have come meanwhile (no coordinated omission). Arrivals are random, as many independent callers
make them, from a seed. Speaks just enough HTTP/1.1 to cost little beside the service it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import random
import secrets
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

CONNECTIONS = 256
KEPT_EVERY = 50
"""The body of one answer of so many is kept, to be verified."""
_PATIENCE_S = 30.0
_LENGTH = b"content-length: "


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """What callers waited for, in seconds from when they meant to ask."""

    seconds: tuple[float, ...]
    """Sorted."""
    errors: int
    unanswered: int
    late: int
    """Requests for which no connection was free when their time came."""
    behind: tuple[float, ...]
    """Sorted seconds by which we were late to send ourselves: part of the latencies all the same."""
    kept: tuple[bytes, ...] = field(repr=False)

    def quantile(self, share: float) -> float:
        """The least latency that so large a share of the answered requests did not exceed."""
        return quantile(self.seconds, share)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of sorted numbers."""
    if not ordered:
        return math.nan
    rank = max(1, math.ceil(share * len(ordered)))
    return ordered[rank - 1]


def timetable(*, rate: float, seconds: float, seed: int) -> Iterator[float]:
    """When requests are meant to be sent, in seconds from the start: a Poisson process of `rate` a second."""
    chance = random.Random(seed)
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


def run(
    url: str,
    requests: Sequence[tuple[str, bytes]],
    *,
    rate: float,
    seconds: float,
    seed: int = 1,
    connections: int = CONNECTIONS,
) -> Latencies:
    """Send (token, body) by a timetable of `rate` a second, each under a key of its own."""
    with _without_collector():
        return uvloop.run(_run(url, requests, rate, seconds, seed, connections))


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Python looks for no reference cycles meanwhile, which the service would be charged for."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _run(
    url: str,
    requests: Sequence[tuple[str, bytes]],
    rate: float,
    seconds: float,
    seed: int,
    connections: int,
) -> Latencies:
    parts = urllib.parse.urlsplit(url)
    loop = asyncio.get_running_loop()
    pool = Pool()
    for _ in range(connections):
        await loop.create_connection(
            lambda: Connection(pool), parts.hostname or "127.0.0.1", parts.port or 80
        )
    prepared = _heads(parts, requests)
    begun = time.perf_counter()
    for number, due in enumerate(timetable(rate=rate, seconds=seconds, seed=seed)):
        left = begun + due - time.perf_counter()
        if left > 0:
            # The loop's timers count milliseconds: rounded up, so that nothing is sent before its time.
            await asyncio.sleep(math.ceil(left * 1_000) / 1_000)
        head, tail = prepared[number % len(prepared)]
        pool.submit(begun + due, b"%b%d%b" % (head, number, tail))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(pool.idle.wait(), _PATIENCE_S)
    pool.close()
    return Latencies(
        seconds=tuple(sorted(pool.seconds)),
        errors=pool.errors,
        unanswered=pool.in_flight + len(pool.waiting),
        late=pool.late,
        behind=tuple(sorted(pool.behind)),
        kept=tuple(pool.kept),
    )


def _heads(
    parts: urllib.parse.SplitResult, requests: Sequence[tuple[str, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Each request in two pieces, between which the number that ends its key goes."""
    prefix = secrets.token_hex(8)
    return [
        (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
            f"Idempotency-Key: {prefix}-".encode(),
            b"\r\n\r\n" + body,
        )
        for token, body in requests
    ]


class Pool:
    """Connections that are free, requests that wait for one, and what was measured."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.free: list[Connection] = []
        self.open: list[Connection] = []
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.seconds: list[float] = []
        self.behind: list[float] = []
        self.kept: list[bytes] = []
        self.in_flight = self.errors = self.late = 0
        self.idle = asyncio.Event()
        """Set while nothing is waiting and everything is answered."""

    def submit(self, intended: float, data: bytes) -> None:
        """Send now if a connection is free, else when one comes free."""
        self.idle.clear()
        self.behind.append(self._clock() - intended)
        if self.free:
            self.free.pop().ask(intended, data)
        else:
            self.late += 1
            self.waiting.append((intended, data))

    def answered(self, connection: Connection, intended: float, *, is_good: bool, body: bytes) -> None:
        """Count an answer, and give its connection the next request."""
        self.in_flight -= 1
        if is_good:
            self.seconds.append(self._clock() - intended)
            if len(self.seconds) % KEPT_EVERY == 0:
                self.kept.append(body)
        else:
            self.errors += 1
        if self.waiting:
            connection.ask(*self.waiting.popleft())
        else:
            self.free.append(connection)
            self._rest()

    def lost(self, connection: Connection, *, is_asking: bool) -> None:
        """A connection has ended; what it asked is an error."""
        if is_asking:
            self.in_flight -= 1
            self.errors += 1
        if connection in self.free:
            self.free.remove(connection)
        self._rest()

    def _rest(self) -> None:
        if not self.in_flight and not self.waiting:
            self.idle.set()

    def close(self) -> None:
        """End every connection."""
        for connection in self.open:
            connection.close()


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._intended: float | None = None
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pool.open.append(self)
        self._pool.free.append(self)

    def ask(self, intended: float, data: bytes) -> None:
        """Send a request that was meant to be sent at `intended`."""
        assert self._transport is not None
        self._intended = intended
        self._pool.in_flight += 1
        self._transport.write(data)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answer = parse(self._buffer)
        if answer is None or self._intended is None:
            return
        intended, self._intended, self._buffer = self._intended, None, b""
        status, body = answer
        self._pool.answered(self, intended, is_good=status == 200, body=body)

    def connection_lost(self, exc: Exception | None) -> None:
        is_asking, self._intended = self._intended is not None, None
        self._pool.lost(self, is_asking=is_asking)


def parse(data: bytes) -> tuple[int, bytes] | None:
    """Status and body of a whole answer with a Content-Length; None while there is more to come."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    at = head.find(_LENGTH)
    if at < 0:
        raise ValueError("an answer without Content-Length")
    length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
    if len(data) < end + 4 + length:
        return None
    return int(head[9:12]), data[end + 4 : end + 4 + length]
