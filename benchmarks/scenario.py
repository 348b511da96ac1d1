"""Scenarios: how the service behaves on a day that is not ordinary, from the same files as the workloads.

Each scenario says its own rates, phases and kinds of calls (`benchmarks/workloads/`); calls are sent by a
timetable, so that a stall is charged to all who would have asked meanwhile, and callers who are told to wait
do so and ask again. Told are latencies and outcomes by phase and kind, and the figure for which the scenario
is there; ratios are of phases of one run.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import synchronize
from typing import Any

from benchmarks import calls, collect, driver, ground, result, serving, workload
from ledger import days, store
from signing import event

WHALE_LICENSES = 300_000
"""Of the whale at full size."""
BATCHES = 200
"""Calls of a night, at most."""
ORDER_S = 1.0
"""Within which the service has moved its days."""
Figures = result.Figures


def main() -> int:
    """Run some scenarios, or all, and tell."""
    parser = result.parser(__doc__, quick="at a hundredth of the size")
    parser.add_argument("--name", action="append", help=f"one of {', '.join(names())}; all unless said")
    parser.add_argument("--scale", type=float, help="of the full size; 0.01 unless said, 0.1 without --quick")
    parser.add_argument("--times", type=float, default=1.0, help="rates times this")
    arguments = parser.parse_args()
    arguments.scale = arguments.scale or (0.01 if arguments.quick else 0.1)
    chosen = arguments.name or names()
    unknown = sorted(set(chosen) - set(names()))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}: there are {', '.join(names())}")
    told: Figures = {}
    for name in chosen:
        result.step(name)
        told[name] = measure(workload.load(name), arguments)
    result.tell("scenario", {"scenarios": told}, arguments)
    return 0


def names() -> list[str]:
    """The workloads that are scenarios."""
    return [name for name in workload.names() if workload.load(name).scenario is not None]


def measure(chosen: workload.Workload, arguments: argparse.Namespace) -> Figures:
    """The figures of one scenario."""
    said = chosen.scenario
    assert said is not None, "it is one"
    if said.rows:
        return collect.measure(rows=max(500, round(said.rows * arguments.scale)), seed=chosen.seed)
    workloads = _scaled(chosen, said, arguments)
    is_midnight = chosen.name == "new-year-midnight"
    last_day = days.of_instant(store.wall_clock()) if is_midnight else days.parse("2025-12-31")
    url = f"http://127.0.0.1:{serving.free_port()}"
    with ground.prepared(workloads, base_url=url, last_day=last_day) as made:
        order = made.configured.data.parent / "order"
        moved = ("-m", "benchmarks.midnight", "--order", str(order), "serve")
        with serving.ours(made.configured, program=moved if is_midnight else ()) as served:
            stage = Stage(made, workloads, served, times=arguments.times, last_day=last_day)
            return _RUNS.get(chosen.name, Stage.phases)(stage)


def _scaled(
    chosen: workload.Workload, said: workload.Scenario, arguments: argparse.Namespace
) -> list[workload.Workload]:
    """The workload at the size that the run needs, and what it is compared with."""
    if chosen.name == "whale-holder":
        own = max(400, round(WHALE_LICENSES * arguments.scale))
        return [chosen.scaled(holders=1, licenses=own), workload.load("morning-peak").scaled(holders=300)]
    if chosen.uses.holders == "each-once":
        asked = sum(one["seconds"] * one["times"] for one in said.phases) * said.rate * arguments.times
        return [chosen.scaled(holders=round(asked * 1.2) + 100)]
    return [chosen.scaled(holders=max(300, round(27_900 * arguments.scale)))]


class Stage:
    """A scenario on its ground, served."""

    def __init__(
        self,
        made: ground.Ground,
        workloads: list[workload.Workload],
        served: serving.Served,
        *,
        times: float,
        last_day: int,
    ) -> None:
        chosen = workloads[0]
        assert chosen.scenario is not None, "a scenario is on stage"
        self.said, self._times, self._served = chosen.scenario, times, served
        self._order = made.configured.data.parent / "order"
        self._last_day, self._ends_at = last_day, 0
        self.url = made.configured.public_url
        tokens = [hall.token(self.url, audience=self.url) for hall in made.halls]
        auditor = made.auditor.token(self.url, audience=self.url)
        others = None
        for one in reversed(workloads):
            others = calls.Calls(one, made.held[one.name], tokens=tokens, auditor=auditor, others=others)
        assert others is not None, "there is a workload"
        self.calls, self._chosen, self._tokens = others, chosen, tokens
        self._held = made.held[chosen.name]
        self._asked = self.calls.calls(self.said.kinds, self.said.refused)

    def phase(
        self,
        number: int,
        *,
        asked: Iterator[driver.Call] | None = None,
        judge: driver.Judge | None = None,
    ) -> driver.Driven:
        """One phase, to its last answer."""
        one = self.said.phases[number]
        return driver.drive(
            self.url,
            asked or self._asked,
            rate=self.said.rate * one["times"] * self._times,
            seconds=one["seconds"],
            repeated=self.said.repeated,
            seed=number + 1,
            judge=judge,
        )

    def phases(self) -> Figures:
        """Every phase in turn, by kind; and what no phase may have."""
        return self.told([self.phase(number) for number in range(len(self.said.phases))])

    def told(self, driven: list[driver.Driven], **more: Any) -> Figures:
        """The figures of some phases."""
        answers = sum(len(seen.seconds) for one in driven for seen in one.kinds.values())
        again = sum(one.total("asked_again") for one in driven)
        return {
            **more,
            "share_asked_again": result.rounded(again / max(1, again + answers), 3),
            "undecided": sum(one.total("undecided") for one in driven),
            "wrong": sum(one.total("wrong") for one in driven),
            "recorded_twice": sum(len(indexes) > 1 for one in driven for indexes in one.events.values()),
            "phases": {f"phase {number}": one.figures() for number, one in enumerate(driven, start=1)},
        }

    def crowd(self) -> Figures:
        """A calm, then a crowd that is drained."""
        calm, crowd = self.phase(0), self.phase(1)
        length = self.said.phases[1]["seconds"]
        return self.told([calm, crowd], drained_in_lengths=result.rounded(crowd.seconds / length, 3))

    def beside(self) -> Figures:
        """Single uses alone, and beside batches."""
        alone = self.phase(0)
        # In a process of its own: what it does with its answers is not to hold up those whose time is taken.
        apart = multiprocessing.get_context("spawn")
        ended = apart.Event()
        worker = apart.Process(target=send_batches, args=(self.url, list(self._batches()), ended))
        worker.start()
        try:
            beside = self.phase(1)
        finally:
            ended.set()
            worker.join()
        ratios = {
            f"{name}_ratio": result.rounded(beside.quantile(share) / alone.quantile(share), 3)
            for name, share in (("p50", 0.5), ("p99", 0.99))
        }
        return self.told([alone, beside], **ratios)

    def _batches(self) -> Iterator[driver.Call]:
        """Batch calls, more than a phase has time for."""
        for number, one in enumerate(itertools.islice(self._chosen.batches(self._held), BATCHES)):
            items = [
                {**item, "idempotency_key": item["idempotency_key"].replace("@KEY@", f"batch-{number}")}
                for item in (one.body or {})["items"]
            ]
            yield driver.Call(
                kind="batch",
                path=one.path,
                token=self._tokens[one.requester],
                key=f"batch-{number}",
                body={"items": items},
            )

    def whale(self) -> Figures:
        """The whale's uses and first page against an ordinary holder's."""
        driven = self.phase(0)
        ratios = {
            f"{kind}_p50_ratio": result.rounded(
                driven.quantile(0.5, kind) / driven.quantile(0.5, f"{kind}-other"), 3
            )
            for kind in ("use", "file")
        }
        return self.told([driven], **ratios)

    def midnight(self) -> Figures:
        """Uses up to the end of a day, and from then on: none is granted that has expired."""
        asked = self.calls.expiring()
        self._ends_at = store.wall_clock() + int((ORDER_S + self.said.phases[0]["seconds"]) * 1e6)
        written = self._order.with_suffix(".written")
        written.write_text(json.dumps({"day": self._last_day, "ends_at": self._ends_at}), "utf-8")
        written.replace(self._order)
        time.sleep(ORDER_S)
        before, after = (self.phase(number, asked=asked, judge=self._is_right) for number in (0, 1))
        step = after.quantile(0.99) / before.quantile(0.99)
        return self.told([before, after], p99_ratio=result.rounded(step, 3))

    def _is_right(self, call: driver.Call, said: dict[str, Any]) -> bool:
        """Whether a use was decided as its instant of recording asks."""
        (one,) = said["uses"]
        about = event.parse(base64.b64decode(one["proof"]["event"]))
        is_over = call.kind == "use-expiring" and about.recorded_at >= self._ends_at
        return bool((one["decision"] == "granted") != is_over)


def send_batches(url: str, batches: Sequence[driver.Call], ended: synchronize.Event) -> None:
    """Send batch calls one after another until it has ended."""
    for call in batches:
        if ended.is_set():
            return
        driver.drive(url, iter([call]), rate=1_000, seconds=1, connections=1)


_RUNS: dict[str, Callable[[Stage], Figures]] = {
    "enrollment-opening": Stage.crowd,
    "night-batch": Stage.beside,
    "whale-holder": Stage.whale,
    "new-year-midnight": Stage.midnight,
}


if __name__ == "__main__":
    sys.exit(main())
