"""Calls of several kinds sent by a timetable, each until it is decided; what became of them, by kind.

A caller whose call is answered 429 or 503 waits as long as it is told and asks again under the same key, and
so does one whose connection ends. Latency counts from the instant at which a call was meant to be sent to the
answer that decided it, waiting included. For some hundreds of calls a second; peaks are `wrk`'s.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

from benchmarks import open_loop, result

CONNECTIONS = 64
PATIENCE_S = 60.0
_OK, _AGAIN = 200, (429, 503)
Judge = Callable[["Call", dict[str, Any]], bool]
"""Whether an answer of 200 is right."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request."""

    kind: str
    path: str
    token: str
    key: str
    body: dict[str, Any] | None = None
    """None: a GET."""
    expected: str | None = None
    """Beginning of the outcome that is right, or `!` and one that is wrong; None: any is right."""


@dataclass(kw_only=True)
class Seen:
    """What became of the calls of one kind."""

    seconds: list[float] = field(default_factory=list)
    decided: list[float] = field(default_factory=list)
    """Of the answer that decided, without what the caller waited before it asked for the last time."""
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    asked_again: int = 0
    """Answers of 429 or 503, and connections that ended."""
    wrong: int = 0
    """Decided calls whose outcome was not the right one."""
    undecided: int = 0

    def figures(self, seconds: float) -> result.Figures:
        """As they are told of a phase that lasted so long."""
        ordered = sorted(self.seconds)
        return {
            "calls": len(ordered) + self.undecided,
            "per_second": result.rounded(len(ordered) / seconds, 3),
            "p50_ms": result.rounded(open_loop.quantile(ordered, 0.5) * 1000, 3) if ordered else None,
            "p99_ms": result.rounded(open_loop.quantile(ordered, 0.99) * 1000, 3) if ordered else None,
            "outcomes": dict(sorted(self.outcomes.items())),
            "asked_again": self.asked_again,
            "wrong": self.wrong,
            "undecided": self.undecided,
        }


@dataclass(kw_only=True)
class Driven:
    """What became of one phase."""

    kinds: dict[str, Seen]
    seconds: float
    """Until the last call was decided."""
    events: dict[str, set[int]]
    """Idempotency key to the indexes of the uses it was answered with."""

    def quantile(self, share: float, *kinds: str) -> float:
        """Of the latencies of some kinds, or all."""
        chosen = [seen for kind, seen in self.kinds.items() if not kinds or kind in kinds]
        return open_loop.quantile(sorted(second for seen in chosen for second in seen.seconds), share)

    def total(self, name: str) -> int:
        """A count over all kinds."""
        return sum(getattr(seen, name) for seen in self.kinds.values())

    def figures(self) -> result.Figures:
        """As they are told."""
        return {
            "seconds": result.rounded(self.seconds, 3),
            "kinds": {kind: seen.figures(self.seconds) for kind, seen in sorted(self.kinds.items())},
        }


def drive(
    url: str,
    calls: Iterator[Call],
    *,
    rate: float,
    seconds: float,
    repeated: float = 0.0,
    seed: int = 1,
    connections: int = CONNECTIONS,
    judge: Judge | None = None,
) -> Driven:
    """Send calls at a rate for some seconds; a share `repeated` is sent again under its key once decided."""
    due = open_loop.timetable(rate=rate, seconds=seconds, seed=seed)
    return uvloop.run(_Driver(url, repeated, seed, connections, judge).drive(calls, due))


class _Driver:
    def __init__(self, url: str, repeated: float, seed: int, connections: int, judge: Judge | None) -> None:
        self._judge = judge
        parts = urllib.parse.urlsplit(url)
        self._host, self._port, self._netloc = parts.hostname or "127.0.0.1", parts.port or 80, parts.netloc
        self._repeated, self._chance = repeated, random.Random(seed + 1)
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        for _ in range(connections):
            self._free.put_nowait(None)
        self._kinds: dict[str, Seen] = {}
        self._events: dict[str, set[int]] = {}

    async def drive(self, calls: Iterator[Call], due: Iterable[float]) -> Driven:
        begun, tasks = time.perf_counter(), []
        for at, call in zip(due, calls, strict=False):
            await asyncio.sleep(max(0.0, begun + at - time.perf_counter()))
            tasks.append(asyncio.create_task(self._decide(call, begun + at)))
        await asyncio.gather(*tasks)
        ended = time.perf_counter()
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                connection[1].close()
                with contextlib.suppress(OSError):
                    await connection[1].wait_closed()
        return Driven(kinds=self._kinds, seconds=ended - begun, events=self._events)

    async def _decide(self, call: Call, intended: float) -> None:
        seen, answer = self._kinds.setdefault(call.kind, Seen()), None
        asked_at = intended
        while time.perf_counter() < intended + PATIENCE_S:
            answer = await self._ask(call)
            if answer is not None and answer[0] not in _AGAIN:
                break
            seen.asked_again += 1
            await asyncio.sleep(0.1 if answer is None else answer[2] * self._chance.uniform(0.8, 1.2))
            asked_at = time.perf_counter()
        if answer is None or answer[0] in _AGAIN:
            seen.undecided += 1
            return
        now = time.perf_counter()
        seen.seconds.append(now - intended)
        seen.decided.append(now - asked_at)
        outcome = self._outcome(call, answer[0], answer[1])
        seen.outcomes[outcome] += 1
        seen.wrong += not _is_expected(outcome, call.expected or "")
        if self._judge is not None and answer[0] == _OK and not self._judge(call, json.loads(answer[1])):
            seen.wrong += 1
        if self._chance.random() < self._repeated:
            again = await self._ask(call)
            if again is not None and again[0] not in _AGAIN:
                self._outcome(call, again[0], again[1])

    def _outcome(self, call: Call, status: int, body: bytes) -> str:
        said = json.loads(body) if body else {}
        if status != _OK:
            return f"{status} {str(said.get('type', '')).rpartition(':')[2]}"
        uses = said.get("uses", ())
        if uses:
            self._events.setdefault(call.key, set()).add(said["index"])
        else:
            return str(said.get("decision", "answered"))
        return ", ".join(sorted({one.get("reason") or one["decision"] for one in uses}))

    async def _ask(self, call: Call) -> tuple[int, bytes, float] | None:
        """Status, body and how long to wait; None when the connection ended."""
        connection = await self._free.get()
        try:
            if connection is None:
                connection = await asyncio.open_connection(self._host, self._port)
            reader, writer = connection
            writer.write(self._bytes(call))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(_header(head, "content-length") or 0)
            body = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection[1].close()
            connection = None
            return None
        finally:
            self._free.put_nowait(connection)
        return int(head[9:12]), body, float(_header(head, "retry-after") or 0)

    def _bytes(self, call: Call) -> bytes:
        said = b"" if call.body is None else json.dumps(call.body, ensure_ascii=False).encode()
        head = (
            f"{'GET' if call.body is None else 'POST'} {call.path} HTTP/1.1\r\nHost: {self._netloc}\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {call.token}\r\n"
            f"Content-Length: {len(said)}\r\nIdempotency-Key: {call.key}\r\n\r\n"
        )
        return head.encode() + said


def _is_expected(outcome: str, expected: str) -> bool:
    return outcome != expected[1:] if expected.startswith("!") else outcome.startswith(expected)


def _header(head: str, name: str) -> str | None:
    for line in head.split("\r\n"):
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return None
