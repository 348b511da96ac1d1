"""Rebuilding projections from the events: facts a second, server and rebuild on one core.

Uses of many holders' licenses fill a ledger; then each projection is built beside the one that is read
and takes its place, a few times. The median of each is told, and the rate of all of them in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import growth
from ledger import config, opening
from projections import db, rebuild, registry
from tests.world import CITIZEN_CARD, OPERATOR, World, citizen


def main() -> None:
    """Fill, rebuild, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uses", type=int, default=30_000)
    parser.add_argument("--holders", type=int, default=900, help="at most 900")
    parser.add_argument("--licenses", type=int, default=5, help="of each holder")
    parser.add_argument("--operators", type=int, default=50)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=1)
    arguments = parser.parse_args()
    # The server is started by this process and stays on the same cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        with opening.opened(configured) as ledger:
            _fill(ledger, arguments)
            print(json.dumps(_measure(ledger, arguments), indent=2))


def _fill(ledger: opening.Ledger, arguments: argparse.Namespace) -> None:
    with ledger.appending() as appender:
        world = World(ledger, appender)
        licenses = [
            world.issue(citizen(number), type_code=CITIZEN_CARD)
            for number in range(arguments.holders)
            for _ in range(arguments.licenses)
        ]
        world.grant(type_codes=(CITIZEN_CARD,))
        asyncio.run(growth.use(world, appender, licenses, arguments))


def _measure(ledger: opening.Ledger, arguments: argparse.Namespace) -> dict[str, object]:
    owner = str(ledger.ways.owner)
    db.migrate(owner)
    seconds: dict[str, list[float]] = {projection.name: [] for projection in registry.ALL}
    events = ledger.recorder.newest_index() + 1
    for _ in range(arguments.rounds):
        for projection in registry.ALL:
            begun = time.perf_counter()
            through = rebuild.rebuild(owner, ledger.recorder, projection)
            seconds[projection.name].append(time.perf_counter() - begun)
            assert through == events - 1
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    return {
        "events": events,
        "cores": arguments.cores,
        "events_per_second": {name: round(events / taken) for name, taken in medians.items()},
        "events_per_second_all_in_turn": round(events / sum(medians.values())),
    }


if __name__ == "__main__":
    main()
