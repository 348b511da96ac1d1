"""Bytes on disk that one use adds: all tables and indexes, decision state and projections among them.

Uses go through the appender with an idempotency key and a case number each, to many holders' licenses
under one authorization; the followers come up behind them. Then the size of every relation is read
before and after, and the difference is shared among the uses, a table a line. Nothing is vacuumed by
hand: what updates leave behind counts.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import random
import tempfile
from pathlib import Path

import psycopg

from ledger import config, opening, use_commands
from ledger.appender import Appender
from ledger.command import Repeat
from projections import db, follower, registry
from tests.world import CITIZEN_CARD, OPERATOR, World, citizen

_SIZES = """
SELECT n.nspname || '.' || coalesce(p.relname, c.relname), sum(pg_total_relation_size(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind = 'r' AND n.nspname IN ('public', 'projections') GROUP BY 1 ORDER BY 1
"""


def main() -> None:
    """Use, follow, measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uses", type=int, default=50_000)
    parser.add_argument("--holders", type=int, default=900, help="at most 900")
    parser.add_argument("--licenses", type=int, default=5, help="of each holder")
    parser.add_argument("--operators", type=int, default=50)
    parser.add_argument("--callers", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        with opening.opened(configured) as ledger, ledger.appending() as appender:
            print(json.dumps(_measure(ledger, appender, arguments), indent=2))


def _measure(ledger: opening.Ledger, appender: Appender, arguments: argparse.Namespace) -> dict[str, object]:
    owner = str(ledger.ways.owner)
    world = World(ledger, appender)
    licenses = [
        world.issue(citizen(number), type_code=CITIZEN_CARD)
        for number in range(arguments.holders)
        for _ in range(arguments.licenses)
    ]
    world.grant(type_codes=(CITIZEN_CARD,))
    db.migrate(owner)
    with db.Database(ledger.ways.service) as database:
        _follow(ledger, database)
        before, head = sizes(owner), ledger.recorder.newest_index()
        asyncio.run(use(world, appender, licenses, arguments))
        _follow(ledger, database)
        after, uses = sizes(owner), ledger.recorder.newest_index() - head
    grown = {name: (size - before.get(name, 0)) / uses for name, size in after.items()}
    events = ledger.recorder.facts(after=head, limit=500)
    return {
        "uses": uses,
        "bytes_per_use": round(sum(grown.values())),
        "bytes_of_event": round(sum(len(stored.data) for _, stored in events) / len(events)),
        "by_table": {
            name: round(size) for name, size in sorted(grown.items(), key=lambda item: -item[1]) if size >= 1
        },
    }


async def use(world: World, appender: Appender, licenses: list[bytes], arguments: argparse.Namespace) -> None:
    """Uses of random licenses, each with its key, case number, operator and item."""
    rng = random.Random(1)
    numbers = itertools.count(1)
    digest = world.ledger.vault.suite.digest
    operators = [f"account-{n}" for n in range(arguments.operators)]

    async def work() -> None:
        while (number := next(numbers)) <= arguments.uses:
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
    main()
