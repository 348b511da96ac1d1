"""Rebuilding projections from the events: facts a second on one core, server and rebuild together.

Uses of many holders' licenses fill a ledger; then each projection is built beside the one that is read
and takes its place, a few times. What counts is the time that a core works for it, ours and the server's,
so that other work on the machine does not. The best round of each is told, and the rate of all in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks import growth, processor, result
from ledger import config, opening
from projections import db, rebuild, registry
from tests.world import CITIZEN_CARD, OPERATOR, World, citizen


def main() -> None:
    """Fill, rebuild, and tell."""
    parser = result.parser(__doc__, quick="a tenth of the uses and holders, one round")
    parser.add_argument("--uses", type=int)
    parser.add_argument("--holders", type=int, help="at most 900")
    parser.add_argument("--licenses", type=int, default=5, help="of each holder")
    parser.add_argument("--operators", type=int, default=50)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--rounds", type=int)
    arguments = parser.parse_args()
    arguments.uses = arguments.uses or (3_000 if arguments.quick else 30_000)
    arguments.holders = arguments.holders or (90 if arguments.quick else 900)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        with opening.opened(configured) as ledger:
            _fill(ledger, arguments)
            result.tell(
                "rebuild", _measure(ledger, processor.Server(str(ledger.ways.owner)), arguments), arguments
            )


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


def _measure(
    ledger: opening.Ledger, server: processor.Server, arguments: argparse.Namespace
) -> result.Figures:
    owner = str(ledger.ways.owner)
    db.migrate(owner)
    seconds: dict[str, list[float]] = {projection.name: [] for projection in registry.ALL}
    events = ledger.recorder.newest_index() + 1
    for _ in range(arguments.rounds):
        for projection in registry.ALL:
            begun = time.process_time() + server.seconds()
            through = rebuild.rebuild(owner, ledger.recorder, projection)
            seconds[projection.name].append(time.process_time() + server.seconds() - begun)
            assert through == events - 1
    best = {name: min(taken) for name, taken in seconds.items()}
    return {
        "events_per_core_second_all_in_turn": round(events / sum(best.values())),
        "events": events,
        "events_per_core_second": {name: round(events / taken) for name, taken in best.items()},
    }


if __name__ == "__main__":
    main()
