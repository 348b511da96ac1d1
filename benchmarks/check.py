"""How fast a ledger is checked: facts alone, and with rules and state, with the memory it takes.

Builds a ledger through the appender (uses of one authorization, many at once), then checks it in a
process of its own per measurement, which also starts the database. `one_core` binds the check and its
database server together to a single core; `two_processes` leaves both to the scheduler.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from benchmarks import result
from ledger import check, config, opening, use_commands
from ledger.appender import Appender
from ledger.pen import Result
from tests.world import BUSINESS_LICENSE, ENTERPRISE, OPERATOR, World

CALLERS = 20
"""Batches come out at a mean a little below this; the target speaks of at least 16."""


def main() -> None:
    """Build, check each way, tell."""
    parser = result.parser(__doc__, quick="a tenth of the events")
    parser.add_argument("--events", type=int)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--facts", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--one-core", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(_measure(arguments.measure, facts=arguments.facts, one_core=arguments.one_core)))
        return
    arguments.events = arguments.events or (5_000 if arguments.quick else 50_000)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        with opening.opened(configured) as ledger, ledger.appending() as appender:
            _fill(World(ledger, appender), appender, arguments.events)
        told: dict[str, Any] = {}
        for one_core in (True, False):
            for facts in (True, False):
                name = f"{'facts' if facts else 'full'}_{'one_core' if one_core else 'two_processes'}"
                told[name] = _in_own_process(configured.data, facts=facts, one_core=one_core)
        told = {"facts_per_core_second": told["facts_one_core"]["events_per_second"], **told}
        for name in ("measure", "facts", "one_core"):
            delattr(arguments, name)
        result.tell("check", told, arguments)


def _fill(world: World, appender: Appender, events: int) -> None:
    world.issue()
    world.grant()
    asked = use_commands.UseLicense(actor=world.hall, holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
    waiting: deque[Future[Result]] = deque()
    for _ in range(events):
        waiting.append(appender.submit(asked))
        if len(waiting) >= CALLERS:
            waiting.popleft().result(timeout=60)
    for future in waiting:
        future.result(timeout=60)


def _in_own_process(data: Path, *, facts: bool, one_core: bool) -> dict[str, Any]:
    flags = ["--facts"] * facts + ["--one-core"] * one_core
    command = [sys.executable, "-m", "benchmarks.check", "--measure", str(data), *flags]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return told


def _measure(data: Path, *, facts: bool, one_core: bool) -> dict[str, Any]:
    if one_core:
        os.sched_setaffinity(0, {0})  # the server is started below, and inherits it
    with opening.opened(config.Config(data=data), migrate=False) as ledger:
        before, started = _peak_mib(), time.process_time()
        report = check.check(
            ledger.ways.service,
            identity=check.identity_of(ledger.vault.ring),
            anchor=ledger.vault.anchor,
            facts_only=facts,
        )
        cpu = time.process_time() - started
    assert report.is_sound, report.findings
    return {
        "events": report.events,
        "mean_batch": round(report.events / report.checkpoints, 1),
        "seconds": round(report.seconds, 3),
        "events_per_second": round(report.rate),
        "own_cpu_seconds": round(cpu, 3),
        "peak_rss_mib": _peak_mib(),
        "peak_rss_before_mib": before,
    }


def _peak_mib() -> float:
    """The most memory that this process has had; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    main()
