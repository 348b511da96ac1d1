"""What becomes of speed and disk as a ledger grows: uses a second at 10 thousand and at a million events.

Two ledgers, a small and a large one, each on a server of its own, take turns, so that what else the
machine does meets both alike. Then a long snapshot is held open on the large one, as a report or a
backup holds it, and it is measured again while it is open. Beside rates the processor time of a use is told,
whose ratios (of the small to the large) say the same on a machine that others use too. The bytes that one
use adds are those of all tables and indexes, decision state and projections among them; nothing is vacuumed
by hand, so that what updates leave behind counts. Through the appender, without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks import processor, result
from ledger import config, opening, use_commands
from ledger.appender import Appender, spare_collector
from ledger.command import Repeat
from projections import db, follower, registry
from tests.world import CITIZEN_CARD, OPERATOR, World, citizen

_SIZES = """
SELECT n.nspname || '.' || coalesce(p.relname, c.relname), sum(pg_total_relation_size(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind = 'r' AND n.nspname IN ('public', 'projections') GROUP BY 1 ORDER BY 1
"""
_QUICK = {"small": 1_500, "large": 8_000, "rounds": 2, "seconds": 2.0, "snapshot_seconds": 4.0, "holders": 90}
_FULL = {
    "small": 10_000,
    "large": 1_000_000,
    "rounds": 5,
    "seconds": 10.0,
    "snapshot_seconds": 600.0,
    "holders": 900,
}


def main() -> int:
    """Fill, measure, tell."""
    parser = result.parser(__doc__, quick="a hundredth of the size")
    parser.add_argument("--small", type=int, help="events of the small ledger")
    parser.add_argument("--large", type=int, help="events of the large one; 10000000 takes an hour")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each round")
    parser.add_argument("--snapshot-seconds", type=float, help="how long the snapshot has been open")
    parser.add_argument("--holders", type=int, help="at most 900")
    parser.add_argument("--licenses", type=int, default=5, help="of each holder")
    parser.add_argument("--operators", type=int, default=50)
    parser.add_argument("--callers", type=int, default=64)
    arguments = parser.parse_args()
    for name, value in (_QUICK if arguments.quick else _FULL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    with _filled(arguments, arguments.small) as small, _filled(arguments, arguments.large) as large:
        spare_collector()
        del arguments.uses
        result.tell("growth", _measure(small, large, arguments), arguments)
    return 0


@dataclasses.dataclass(kw_only=True)
class Filled:
    """A ledger with so many events, and who uses it."""

    ledger: opening.Ledger
    appender: Appender
    world: World
    licenses: list[bytes]
    numbers: Iterator[int]
    bytes_per_use: int = 0
    by_table: dict[str, int] = dataclasses.field(default_factory=dict)


class Round(NamedTuple):
    """What some seconds of uses told."""

    rate: float
    """Uses a second."""
    cpu_us: float
    """Processor time of a use, of our process and of its database server."""


@contextlib.contextmanager
def _filled(arguments: argparse.Namespace, events: int) -> Iterator[Filled]:
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        with opening.opened(configured) as ledger, ledger.appending() as appender:
            world = World(ledger, appender)
            licenses = [
                world.issue(citizen(number), type_code=CITIZEN_CARD)
                for number in range(arguments.holders)
                for _ in range(arguments.licenses)
            ]
            world.grant(type_codes=(CITIZEN_CARD,))
            numbers = itertools.count(1)
            made = Filled(ledger=ledger, appender=appender, world=world, licenses=licenses, numbers=numbers)
            _fill(made, events, arguments)
            yield made


def _fill(made: Filled, events: int, arguments: argparse.Namespace) -> None:
    """Use until there are so many events, followers behind, and see what that added to the disk."""
    owner = str(made.ledger.ways.owner)
    db.migrate(owner)
    with db.Database(made.ledger.ways.service) as database:
        _follow(made.ledger, database)
        before, head = sizes(owner), made.ledger.recorder.newest_index()
        count = max(1_000, events - head - 1)
        for _ in range(0, count, 50_000):
            some = min(50_000, count)
            arguments.uses = some
            asyncio.run(use(made.world, made.appender, made.licenses, arguments, numbers=made.numbers))
            _follow(made.ledger, database)
            count -= some
        after, uses = sizes(owner), made.ledger.recorder.newest_index() - head
    grown = {name: (size - before.get(name, 0)) / uses for name, size in after.items()}
    made.bytes_per_use = round(sum(grown.values()))
    made.by_table = {
        name: round(size) for name, size in sorted(grown.items(), key=lambda item: -item[1]) if size >= 1
    }


def _measure(small: Filled, large: Filled, arguments: argparse.Namespace) -> result.Figures:
    seen: dict[str, list[Round]] = {"small": [], "large": [], "large_with_snapshot": []}
    memory = processor.resident_mib(os.getpid())
    for _ in range(arguments.rounds):
        seen["small"].append(_round(small, arguments))
        seen["large"].append(_round(large, arguments))
    with _snapshot(str(large.ledger.ways.owner)):
        ready_at = time.monotonic() + arguments.snapshot_seconds
        while time.monotonic() < ready_at:
            _round(large, arguments)
        for _ in range(arguments.rounds):
            seen["large_with_snapshot"].append(_round(large, arguments))
            seen["small"].append(_round(small, arguments))
    pairs = {
        "large_to_small": list(zip(seen["large"], seen["small"], strict=False)),
        "snapshot_to_small": list(
            zip(seen["large_with_snapshot"], seen["small"][arguments.rounds :], strict=True)
        ),
    }
    ratios = {name: [one.rate / two.rate for one, two in found] for name, found in pairs.items()}
    by_processor = {name: [two.cpu_us / one.cpu_us for one, two in found] for name, found in pairs.items()}
    return {
        "ratio_large_to_small": result.spread(ratios["large_to_small"])["median"],
        "ratio_with_snapshot_to_small": result.spread(ratios["snapshot_to_small"])["median"],
        "bytes_per_use": large.bytes_per_use,
        "small_events": arguments.small,
        "large_events": arguments.large,
        "memory_mib": {"before": memory, "after": processor.resident_mib(os.getpid())},
        "ratios": {name: result.spread(values) for name, values in ratios.items()},
        "ratios_by_processor": {name: result.spread(values) for name, values in by_processor.items()},
        "rates": {name: result.spread([one.rate for one in found]) for name, found in seen.items()},
        "cpu_us_per_use": {
            name: result.spread([one.cpu_us for one in found]) for name, found in seen.items()
        },
        "bytes_by_table": large.by_table,
    }


def _round(made: Filled, arguments: argparse.Namespace) -> Round:
    """Uses for some seconds."""
    database, spent = processor.Server(str(made.ledger.ways.owner)), time.process_time()
    spent += database.seconds()
    begun, head = time.perf_counter(), made.ledger.recorder.newest_index()
    asyncio.run(
        use(
            made.world,
            made.appender,
            made.licenses,
            arguments,
            numbers=made.numbers,
            until=begun + arguments.seconds,
        )
    )
    seconds, uses = time.perf_counter() - begun, made.ledger.recorder.newest_index() - head
    spent = time.process_time() + database.seconds() - spent
    return Round(rate=uses / seconds, cpu_us=spent / uses * 1e6)


@contextlib.contextmanager
def _snapshot(owner: str) -> Iterator[None]:
    """A transaction that sees the ledger as it is now, for the time of the block."""
    with psycopg.connect(owner) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        conn.execute("SELECT count(*) FROM checkpoints WHERE size < 0")
        yield


async def use(
    world: World,
    appender: Appender,
    licenses: list[bytes],
    arguments: argparse.Namespace,
    *,
    numbers: Iterator[int] | None = None,
    until: float | None = None,
) -> None:
    """Uses of random licenses, each with its key, case number, operator and item.

    As many as `arguments.uses`, or, when it is given, `until` an instant of the performance counter.
    """
    rng = random.Random(1)
    numbers = numbers or itertools.count(1)
    left = iter(range(arguments.uses)) if until is None else itertools.count()
    digest = world.ledger.vault.suite.digest
    operators = [f"account-{n}" for n in range(arguments.operators)]

    async def work() -> None:
        for _ in left:
            if until is not None and time.perf_counter() >= until:
                return
            number = next(numbers)
            operator = rng.choice(operators)
            assert world.hall.operator is not None
            actor = dataclasses.replace(
                world.hall,
                case_number=f"2026{rng.randrange(10**6):06}-{number:07}",
                service_item=f"350000-{rng.randrange(200):04}",
                operator=dataclasses.replace(world.hall.operator, account=operator),
            )
            key = digest(number.to_bytes(8, "big"))
            asked = use_commands.UseLicense(
                actor=actor,
                license_ref=rng.choice(licenses),
                repeat=Repeat(key=key, body_digest=key),
            )
            await appender.submit_soon(asked)

    await asyncio.gather(*(work() for _ in range(arguments.callers)))


def _follow(ledger: opening.Ledger, database: db.Database) -> None:
    for projection in registry.ALL:
        follower.Follower(database, ledger.recorder, projection).catch_up()


def sizes(owner: str) -> dict[str, int]:
    """Bytes of every table with its indexes."""
    with psycopg.connect(owner) as conn:
        return {name: int(size) for name, size in conn.execute(_SIZES).fetchall()}


if __name__ == "__main__":
    sys.exit(main())
