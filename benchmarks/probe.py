"""What a run costs beside time: processor, bytes, batches, the disk's `fsync`, and how far followers lag.

`Watch` looks on while uses are made; it reads the database as owner and the process table, and changes
nothing.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from benchmarks import growth, processor, result, serving
from ledger import opening

_EVERY_S = 0.25
_FOLLOWED_WITHIN_S = 10.0
_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_SIZES_OF_BATCHES = """
SELECT size - lag(size) OVER (ORDER BY size) FROM checkpoints WHERE partition = 0 AND size >= %s ORDER BY size
"""
_POSITIONS = "SELECT coalesce(max(position), 0) FROM events"
_REFUSED = "SELECT count(*) FROM events WHERE topic = 'UseRefused'"
_LAG = "SELECT name, through FROM projections.positions"


class Watch:
    """Figures of some rounds of uses, each shared among the uses of its round."""

    def __init__(
        self,
        ledger: opening.Ledger,
        served: serving.Served,
        database: processor.Server,
        *,
        beside: Sequence[serving.Served] = (),
    ) -> None:
        """`beside`: other services of the ledger, which rest, but whose followers may follow for this one."""
        self._owner = str(ledger.ways.owner)
        self._served = served
        self._processes = [one.process_id for one in (served, *beside)]
        self._database = database
        self._cpu: list[tuple[float, float]] = []
        self._bytes: list[float] = []
        self._batches: list[int] = []
        self._lags: list[int] = []
        self._fsync_us = fsync_us(ledger.config.data)

    @contextlib.contextmanager
    def during(self) -> Iterator[list[int]]:
        """Look on for the block, which appends how many uses it made."""
        count: list[int] = []
        ended = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(ended,), daemon=True)
        before_bytes, start = growth.sizes(self._owner), head(self._owner)
        before = self._seconds()
        sampler.start()
        try:
            yield count
        finally:
            ended.set()
            sampler.join()
        self._await_followers()
        after = self._seconds()
        uses = sum(count)
        if uses:
            self._cpu.append(((after[0] - before[0]) / uses, (after[1] - before[1]) / uses))
        self._batches += self._batch_sizes(start)
        grown = sum(growth.sizes(self._owner).values()) - sum(before_bytes.values())
        self._bytes.append(grown / max(1, head(self._owner) - start))

    def figures(self) -> result.Figures:
        """What was seen."""
        server, database = (statistics.median(one[part] for one in self._cpu) for part in (0, 1))
        return {
            "cpu_us_per_use": {
                "server": result.rounded(server * 1e6, 3),
                "database": result.rounded(database * 1e6, 3),
            },
            "bytes_per_use": round(statistics.median(self._bytes)),
            "batch_sizes": histogram(self._batches),
            "fsync_us": round(self._fsync_us),
            "follower_lag": {
                "median": round(statistics.median(self._lags)) if self._lags else None,
                "greatest": max(self._lags, default=None),
            },
            "memory_mib": processor.resident_mib(self._served.process_id),
        }

    def _seconds(self) -> tuple[float, float]:
        """Processor time of the services with their followers, and of the database."""
        return sum(map(processor.seconds, self._processes)), self._database.seconds()

    def _await_followers(self) -> None:
        """What is left to follow belongs to the uses that were made."""
        give_up_at = time.monotonic() + _FOLLOWED_WITHIN_S
        with psycopg.connect(self._owner, autocommit=True) as conn:
            while _behind(conn) and time.monotonic() < give_up_at:
                time.sleep(0.02)

    def _sample(self, ended: threading.Event) -> None:
        with psycopg.connect(self._owner, autocommit=True) as conn:
            while not ended.wait(_EVERY_S):
                self._lags.append(_behind(conn))

    def _batch_sizes(self, start: int) -> list[int]:
        with psycopg.connect(self._owner) as conn:
            rows = conn.execute(_SIZES_OF_BATCHES, (start,)).fetchall()
        return [int(size) for (size,) in rows if size is not None]


def _behind(conn: psycopg.Connection[tuple[object, ...]]) -> int:
    """How many events the slowest projection has not applied yet."""
    newest = _one(conn, _POSITIONS) - 1
    through = [int(str(position)) for _, position in conn.execute(_LAG).fetchall()]
    return max(0, newest - min(through, default=newest))


def head(owner: str) -> int:
    """How many events there are."""
    with psycopg.connect(owner) as conn:
        return _one(conn, _POSITIONS)


def refused(owner: str) -> int:
    """How many uses were refused; of what the workloads ask for, none should be."""
    with psycopg.connect(owner) as conn:
        return _one(conn, _REFUSED)


def settled(owner: str, *, quiet_s: float = 0.5) -> tuple[float, int]:
    """When the last event came, by the performance counter, and how many there are, once no more come."""
    newest, since = head(owner), time.perf_counter()
    while time.perf_counter() < since + quiet_s:
        time.sleep(0.02)
        now = head(owner)
        if now != newest:
            newest, since = now, time.perf_counter()
    return since, newest


def _one(conn: psycopg.Connection[tuple[object, ...]], text: str) -> int:
    row = conn.execute(text.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


def histogram(sizes: list[int]) -> result.Figures:
    """How many batches were larger than the bound before and at most so large; and their mean."""
    counts = dict.fromkeys(map(str, _BOUNDS), 0)
    for size in sizes:
        bound = next((one for one in _BOUNDS if size <= one), _BOUNDS[-1])
        counts[str(bound)] += 1
    return {"mean": result.rounded(statistics.fmean(sizes), 3) if sizes else None, "at_most": counts}


def fsync_us(folder: Path, *, times: int = 100) -> float:
    """The median time of writing 8 KiB and having them on the disk, in the ledger's own file system."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            begun = time.perf_counter()
            os.write(file.fileno(), bytes(8_192))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e6
