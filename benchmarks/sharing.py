"""The sharing path over HTTP, in one run: against an ordinary service, an HTTP floor and a database floor.

Rounds are interleaved, so that what else the machine does meets all of them alike, and medians of the
rounds' ratios are told with their spread. Closed loop: wrk with prepared bodies, the same for all. Open
loop: our own generator at 70 % of our measured peak, for latencies. Server, database and load generator
share one machine. See `results/REPORT.md` for method and limits.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from api import bulk
from benchmarks import (
    closed_loop,
    database_floor,
    ground,
    open_loop,
    probe,
    processor,
    result,
    serving,
    versus_floor,
    workload,
)
from ledger import bundle, keeping

SPREAD, HOT, COLD, BATCH = "morning-peak", "hot-enterprise", "enrollment-opening", "night-batch"
WHALE = "whale-holder"
OPEN_LOOP_SHARE = 0.7
"""Of our measured peak."""
BATCH_CONNECTIONS = 4
WORKERS = 2
"""Ours as the ordinary service: the better of one worker and of so many."""
_USES = "/v1/uses"
_TOKENS_S = 60.0
"""So long a token is used; it lives longer than a run of `wrk` after that."""
_SAMPLE = 40
"""Answers whose size is looked at."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    beside_seconds: float
    """Of rounds of other workloads than the first, and of batches."""
    open_seconds: float
    holders: int
    cold_holders: int
    whale_licenses: int
    peers: tuple[tuple[int, int], ...]
    """Workers and connections of each; the best counts."""
    best_of_seconds: float
    """How long each size of the ordinary service is tried."""
    replayed_seconds: float
    requests: int
    """Different ones of a workload, at least; they begin again, under other keys."""


FULL = Plan(
    rounds=7,
    seconds=8,
    beside_seconds=8,
    open_seconds=30,
    holders=2_790,
    cold_holders=60_000,
    whale_licenses=20_000,
    peers=((1, 8), (1, 24), (2, 8), (2, 24)),
    best_of_seconds=8,
    replayed_seconds=15,
    requests=10_000,
)
QUICK = Plan(
    rounds=2,
    seconds=2,
    beside_seconds=1,
    open_seconds=2,
    holders=300,
    cold_holders=2_500,
    whale_licenses=400,
    peers=((1, 8), (2, 8)),
    best_of_seconds=1,
    replayed_seconds=1,
    # `wrk` reads all of them at the beginning of each of its runs.
    requests=1_500,
)


@dataclass(kw_only=True)
class Rates:
    """What each round of each service answered, and how often it failed."""

    seen: dict[str, list[float]] = field(default_factory=dict)
    errors: int = 0

    def add(self, name: str, run: closed_loop.Run) -> closed_loop.Run:
        """Keep one run."""
        self.seen.setdefault(name, []).append(run.rate)
        self.errors += run.errors
        return run

    def ratios(self, name: str, other: str) -> list[float]:
        """Round by round."""
        return [one / two for one, two in zip(self.seen[name], self.seen[other], strict=True)]

    def median(self, name: str) -> float:
        """The median rate."""
        return statistics.median(self.seen[name])


def main() -> int:
    """Run and tell."""
    parser = result.parser(__doc__, quick="smaller, within 60 seconds; its ratios are rough")
    parser.add_argument("--rounds", type=int, help="rounds of each kind")
    parser.add_argument("--seconds", type=float, help="of each round")
    arguments = parser.parse_args()
    closed_loop.require_wrk()
    plan = _plan(arguments)
    arguments.rounds, arguments.seconds = plan.rounds, plan.seconds
    result.tell("sharing", measure(plan), arguments)
    return 0


def _plan(arguments: argparse.Namespace) -> Plan:
    plan = QUICK if arguments.quick else FULL
    changes = {name: getattr(arguments, name) for name in ("rounds", "seconds") if getattr(arguments, name)}
    if "seconds" in changes:
        changes["beside_seconds"] = changes["seconds"]
    return Plan(**{**vars(plan), **changes})


def measure(plan: Plan) -> result.Figures:
    """All figures of one run."""
    workloads = [
        workload.load(SPREAD).scaled(holders=plan.holders),
        workload.load(HOT),
        workload.load(COLD).scaled(holders=plan.cold_holders),
        workload.load(BATCH).scaled(holders=plan.holders),
        workload.load(WHALE).scaled(holders=1, licenses=plan.whale_licenses),
    ]
    url = f"http://127.0.0.1:{serving.free_port()}"
    result.step("a fresh ledger with holders, licenses and authorizations")
    with ground.prepared(workloads, base_url=url) as made:
        stage = Stage(made, {one.name: one for one in workloads}, plan)
        result.step("batched uses, their statements recorded and replayed")
        floor = stage.record()
        result.step("services")
        starting = {
            "alone": serving.ours(made.configured),
            "together": serving.ours(made.configured, workers=WORKERS, port=serving.free_port()),
        }
        with contextlib.ExitStack() as stack:
            ours = serving.together(stack, starting)
            stage.come_up(ours["alone"], ours["together"])
            return stage.compare() | floor | stage.summary()


class Stage:
    """The services of one run, and what was measured of them so far."""

    def __init__(self, made: ground.Ground, workloads: dict[str, workload.Workload], plan: Plan) -> None:
        self.made = made
        self.plan = plan
        self.folder = made.configured.data.parent
        self.rates = Rates()
        self._owner = str(made.ledger.ways.owner)
        self.database = processor.Server(self._owner)
        self._workloads = workloads
        self._asked = {name: self._requests(one) for name, one in workloads.items()}
        self._cold_offset = 0
        self._held_tokens: tuple[float, list[str]] | None = None
        self.cold_ratios: list[float] = []
        self.alone: serving.Served
        """By one worker, as the HTTP floor."""
        self._ours: list[serving.Served] = []
        self._served: serving.Served | None = None
        self.replay: database_floor.Replay | None = None

    def _requests(self, one: workload.Workload) -> list[workload.Asked]:
        held = self.made.held[one.name]
        if one.uses.items is not None:
            return ground.first(one.batches(held), 40)
        return ground.first(one.requests(held), max(self.plan.requests, len(held)))

    def come_up(self, alone: serving.Served, together: serving.Served) -> None:
        """The ledger is served by one worker, and by several."""
        self.alone, self._ours = alone, [alone, together]
        seconds = self.plan.best_of_seconds
        for one in (alone, together):
            self.run(SPREAD, one.url, seconds=seconds)  # what is asked about often is known
        rates = [self.run(SPREAD, one.url, seconds=seconds).rate for one in (alone, together)]
        self._served = alone if rates[0] > rates[1] else together

    @property
    def served(self) -> serving.Served:
        """The ledger that is measured."""
        assert self._served is not None, "it has come up"
        return self._served

    # --- what is run ---

    def compare(self) -> result.Figures:
        """Interleaved rounds of everything over HTTP, then the open loop."""
        size = self._answer_bytes()
        with contextlib.ExitStack() as stack:
            floor = stack.enter_context(
                serving.http_floor(self.made, self.folder, answer_bytes=round(statistics.median(size)))
            )
            peers = self._peers(stack, round(statistics.median(size)))
            name, peer = self._best(peers)
            beside = [one for one in self._ours if one is not self.served]
            watched = probe.Watch(self.made.ledger, self.served, self.database, beside=beside)
            for number in range(self.plan.rounds):
                result.step(f"round {number + 1} of {self.plan.rounds}")
                self._round(peer, floor, watched, rounds_left=self.plan.rounds - number)
            chosen = {"ordinary_best_of": name, "workers": 1 if self.served is self.alone else WORKERS}
            figures: result.Figures = chosen | watched.figures()
        result.step("open loop")
        return figures | self.open_loop()

    def _cold_round(self, rounds_left: int) -> None:
        """Holders that were never asked about, each once; shorter, or left out, where they run short."""
        left = len(self._asked[COLD]) - self._cold_offset
        hot = self.rates.seen["hot"][-1]
        beside = self.plan.beside_seconds
        seconds = closed_loop.seconds_for(left, rounds_left, rate=hot, seconds=beside)
        if not seconds:
            return
        run = self.run(COLD, self.served.url, offset=self._cold_offset, seconds=seconds)
        self._cold_offset += run.requests + closed_loop.CONNECTIONS
        self.cold_ratios.append(self.rates.add("cold", run).rate / hot)

    def _round(
        self, peer: serving.Served, floor: serving.Served, watched: probe.Watch, *, rounds_left: int
    ) -> None:
        add = self.rates.add
        with watched.during() as count:
            count.append(add("ours", self.run(SPREAD, self.served.url)).requests)
        add("ordinary", self.run(SPREAD, peer.url))
        add("ours_alone", self.run(SPREAD, self.alone.url))
        add("http_floor", self.run(SPREAD, floor.url))
        beside = self.plan.beside_seconds
        # Nobody asks for one use now, nor has of late: batches have all places then (decision 0041).
        time.sleep(max(0.0, bulk.OTHERS_RECENT_S - self.plan.seconds))
        batched = self._batched(self.served.url, beside)
        self.rates.seen.setdefault("batched", []).append(batched)
        assert self.replay is not None, "recorded before"
        self.rates.seen.setdefault("database_floor", []).append(self.replay.round())
        add("hot", self.run(HOT, self.served.url, seconds=beside))
        add("whale", self.run(WHALE, self.served.url, seconds=beside))
        self._cold_round(rounds_left)

    def run(self, name: str, url: str, *, offset: int = 0, seconds: float | None = None) -> closed_loop.Run:
        """One closed loop of a workload."""
        path = self._written(name)
        return closed_loop.run(url, path, seconds=seconds or self.plan.seconds, offset=offset)

    def _batched(self, url: str, seconds: float) -> float:
        """Uses a second in batches: all that were recorded, until the last call was worked off."""
        path = self._written(BATCH)
        head, begun = probe.head(self._owner), time.perf_counter()
        run = closed_loop.run(url, path, seconds=seconds, connections=BATCH_CONNECTIONS)
        self.rates.errors += run.errors + run.item_errors
        ended, recorded = probe.settled(self._owner)
        return (recorded - head) / (ended - begun)

    def _written(self, name: str) -> Path:
        """The prepared requests with tokens that are still good."""
        path = self.folder / f"{name}.requests"
        if not path.exists():
            closed_loop.write(path, self._asked[name])
        closed_loop.write_tokens(path, self._tokens())
        return path

    def _tokens(self) -> list[str]:
        """A token of each hall, at most so old."""
        if self._held_tokens is None or time.monotonic() > self._held_tokens[0] + _TOKENS_S:
            audience = self.made.configured.public_url
            made = [hall.token(audience, audience=audience) for hall in self.made.halls]
            self._held_tokens = time.monotonic(), made
        return self._held_tokens[1]

    def _answer_bytes(self) -> list[int]:
        """Sizes of our answers."""
        return [len(answer) for answer in self._sample(self.served.url)]

    def _sample(self, url: str) -> list[bytes]:
        """Answers of a service to the first requests, with our tokens."""
        return versus_floor.answers(url, self._asked[SPREAD][:_SAMPLE], self._tokens())

    def _peers(self, stack: contextlib.ExitStack, answer_bytes: int) -> dict[str, serving.Served]:
        """The ordinary service in every size, with answers about as long as ours."""
        chosen = serving.ordinary_chosen(self.made, supplement="")
        serving.fill_ordinary(self.made, chosen)
        own = serving.ordinary_answer_bytes(self.made, chosen, self._asked[SPREAD][:_SAMPLE])
        chosen = serving.ordinary_chosen(self.made, supplement="0" * max(0, answer_bytes - own), like=chosen)
        starting = {
            f"{workers} workers, {pool} connections each": serving.ordinary(
                chosen, self.folder, workers=workers, pool_size=pool
            )
            for workers, pool in self.plan.peers
        }
        return serving.together(stack, starting)

    def _best(self, peers: dict[str, serving.Served]) -> tuple[str, serving.Served]:
        """The size of the ordinary service that answers most."""
        seconds = self.plan.best_of_seconds
        rates = {name: self.run(SPREAD, one.url, seconds=seconds).rate for name, one in peers.items()}
        name = max(rates, key=lambda one: rates[one])
        return name, peers[name]

    def open_loop(self) -> result.Figures:
        """Latencies at a share of our peak, and the proofs of a sample of answers."""
        tokens = self._tokens()
        prepared = [
            (tokens[one.requester], json.dumps(one.body, ensure_ascii=False).encode())
            for one in self._asked[SPREAD]
        ]
        rate = OPEN_LOOP_SHARE * self.rates.median("ours")
        told = open_loop.run(self.served.url + _USES, prepared, rate=rate, seconds=self.plan.open_seconds)
        self.rates.errors += told.errors + told.unanswered
        return {
            "p50_ms": result.rounded(told.quantile(0.5) * 1000, 3),
            "p99_ms": result.rounded(told.quantile(0.99) * 1000, 3),
            "p999_ms": result.rounded(told.quantile(0.999) * 1000, 3),
            "open_loop_rate": result.rounded(rate, 3),
            "open_loop_late": told.late,
            "open_loop_behind_p99_ms": result.rounded(open_loop.quantile(told.behind, 0.99) * 1000, 3),
            "receipts_verified": self._verified(told.kept),
        }

    def _verified(self, answers: tuple[bytes, ...]) -> int:
        """How many proofs of the kept answers hold offline; raises BundleInvalid for one that does not."""
        trusted = keeping.trust_file(self.made.ledger, made_at=datetime.now(UTC))
        return sum(len(bundle.judge(answer, trusted=trusted)) for answer in answers)

    def record(self) -> result.Figures:
        """Record batched uses of a run of our own, whose statements each round replays on a copy."""
        self.made.ledger.recorder.datastore.close()
        copy = database_floor.copy_database(self._owner)
        record = self.folder / "statements"
        program = ("-m", "benchmarks.database_floor", "--record", str(record))
        with serving.ours(self.made.configured, program=program) as served:
            self._batched(served.url, self.plan.replayed_seconds)
        made = database_floor.batches(database_floor.read(record))
        self.replay = database_floor.Replay(copy, made, rounds=self.plan.rounds)
        events = database_floor.events(made)
        mean = result.rounded(events / max(1, len(made)), 3)
        return {"database_floor": {"events_recorded": events, "mean_batch": mean}}

    # --- what is told ---

    def summary(self) -> result.Figures:
        """Ratios with their spread, and rates."""
        rates = self.rates
        ratios = {
            "ordinary": rates.ratios("ours", "ordinary"),
            "http_floor": rates.ratios("ours_alone", "http_floor"),
            "hot_to_spread": rates.ratios("hot", "ours"),
            "whale_to_spread": rates.ratios("whale", "ours"),
            **({"cold_to_hot": self.cold_ratios} if self.cold_ratios else {}),
            "batch_to_database_floor": rates.ratios("batched", "database_floor"),
        }
        return {
            "ratio_to_ordinary": result.spread(ratios["ordinary"])["median"],
            "ratio_to_http_floor": result.spread(ratios["http_floor"])["median"],
            "batch_ratio_to_database_floor": result.spread(ratios["batch_to_database_floor"])["median"],
            "uses_per_second": result.rounded(rates.median("ours"), 3),
            "errors": rates.errors + probe.refused(self._owner),
            "ratios": {name: result.spread(values) for name, values in ratios.items()},
            "rates": {name: result.spread(values) for name, values in rates.seen.items()},
        }


if __name__ == "__main__":
    sys.exit(closed_loop.guarded(main))
