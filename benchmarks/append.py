"""The append path against the event store library's own recorder, in one run, without HTTP.

`ordinary`: `eventsourcing`'s PostgresApplicationRecorder saves one event a transaction, on its own table.
`ours`: uses of one authorization through the appender, each decided, sealed, idempotent, committed with
fsync, anchored, signed and answered with a receipt. Both get the same number of callers that each wait
for their answer, threads for the library, which is synchronous, and tasks of an event loop for ours, as
the service calls it; event bytes of the same size; one embedded server. Rounds are interleaved, and the
median of their ratios is told.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import uvloop
from eventsourcing import persistence, postgres
from psycopg import conninfo as conninfos

from benchmarks import result
from ledger import config, opening, use_commands
from ledger.appender import Appender, spare_collector
from ledger.command import Repeat
from signing import note, receipt
from tests.world import BUSINESS_LICENSE, ENTERPRISE, OPERATOR, World

KEPT_EVERY = 100
"""Every receipt is written; one of so many is kept and verified in the end."""


def main() -> None:
    """Run the rounds and tell."""
    parser = result.parser(__doc__, quick="two short rounds")
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--pool", type=int, default=16, help="connections of the ordinary recorder")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 5)
    arguments.seconds = arguments.seconds or (1.0 if arguments.quick else 4.0)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        with opening.opened(configured) as ledger, ledger.appending() as appender:
            result.tell("append", _compare(ledger, appender, arguments), arguments)


def _compare(ledger: opening.Ledger, appender: Appender, arguments: argparse.Namespace) -> result.Figures:
    world = World(ledger, appender)
    world.issue()
    world.grant()
    (sample,) = world.use()
    spare_collector()  # as the service does
    ordinary = _ordinary(ledger, len(sample.data), arguments.pool)
    receipts: list[tuple[str, bytes]] = []
    ours = _ours(world, appender, receipts)
    rates: dict[str, list[float]] = {"ordinary": [], "ours": []}
    for _ in range(arguments.rounds):
        rates["ordinary"].append(_rate(ordinary, arguments.callers, arguments.seconds))
        rates["ours"].append(uvloop.run(_rate_of_tasks(ours, arguments.callers, arguments.seconds)))
    key = note.VerifierKey(name=f"{ledger.vault.ring.origin}/0", public=ledger.vault.log_key.public)
    for text, data in receipts:
        receipt.verify(text, event=data, trusted=[key])
    ratios = [own / other for own, other in zip(rates["ours"], rates["ordinary"], strict=True)]
    return {
        "ratio_to_ordinary": result.spread(ratios)["median"],
        "callers": arguments.callers,
        "event_bytes": len(sample.data),
        "ordinary_events_per_second": round(statistics.median(rates["ordinary"])),
        "ours_events_per_second": round(statistics.median(rates["ours"])),
        "receipts_verified": len(receipts),
        "ratios": {"ordinary": result.spread(ratios)},
    }


def _ordinary(ledger: opening.Ledger, size: int, pool: int) -> Callable[[], None]:
    """One call saves one event, as the library's own recorder does it."""
    assert ledger.ways.owner is not None, "the benchmark owns its database"
    parts = conninfos.conninfo_to_dict(ledger.ways.owner)
    datastore = postgres.PostgresDatastore(
        dbname=str(parts["dbname"]),
        host=str(parts["host"]),
        port=str(parts["port"]),
        user=str(parts["user"]),
        password=str(parts["password"]),
        pool_size=pool,
    )
    recorder = postgres.PostgresApplicationRecorder(datastore, events_table_name="ordinary_events")
    recorder.create_table()
    state = bytes(size)

    def call() -> None:
        stored = persistence.StoredEvent(
            originator_id=uuid4(), originator_version=1, topic="LicenseUsed", state=state
        )
        recorder.insert_events([stored])

    return call


def _ours(
    world: World, appender: Appender, receipts: list[tuple[str, bytes]]
) -> Callable[[], Awaitable[None]]:
    """One call is one use, with its receipt."""
    numbers = itertools.count()
    vault = world.ledger.vault

    async def call() -> None:
        number = next(numbers)
        key = vault.suite.digest(number.to_bytes(8, "big"))
        asked = use_commands.UseLicense(
            actor=world.hall,
            holder=ENTERPRISE,
            type_code=BUSINESS_LICENSE,
            repeat=Repeat(key=key, body_digest=key),
        )
        (recorded,) = (await appender.submit_soon(asked)).recorded
        text = recorded.receipt
        if number % KEPT_EVERY == 0:
            receipts.append((text, recorded.data))

    return call


def _rate(call: Callable[[], None], callers: int, seconds: float) -> float:
    """Calls a second, by `callers` threads that each wait for their answer."""
    end = time.perf_counter() + seconds
    begun = time.perf_counter()

    def work() -> int:
        done = 0
        while time.perf_counter() < end:
            call()
            done += 1
        return done

    with ThreadPoolExecutor(callers) as threads:
        total = sum(future.result() for future in [threads.submit(work) for _ in range(callers)])
    return total / (time.perf_counter() - begun)


async def _rate_of_tasks(call: Callable[[], Awaitable[None]], callers: int, seconds: float) -> float:
    """As `_rate`, by `callers` tasks of one event loop."""
    begun = time.perf_counter()
    end = begun + seconds

    async def work() -> int:
        done = 0
        while time.perf_counter() < end:
            await call()
            done += 1
        return done

    total = sum(await asyncio.gather(*(work() for _ in range(callers))))
    return total / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
