"""The report: `results/REPORT.md` with its pictures, drawn from the raw results that `--save` kept.

Ratios first, each beside what is wanted, with the spread of its rounds; then what a use costs, and how
the figures came about. A benchmark that was not kept is left out. The same results give the same report.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import drawing, result

REPORT = "REPORT.md"
Raw = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A figure with what is wanted of it."""

    benchmark: str
    path: tuple[str, ...]
    """Of the figure, or of its spread."""
    what: str
    at_least: float
    aim: float | None = None


RATIOS = (
    Wanted(
        benchmark="sharing",
        path=("ratios", "ordinary"),
        what="single uses against an ordinary service",
        at_least=12,
        aim=20,
    ),
    Wanted(
        benchmark="sharing",
        path=("ratios", "http_floor"),
        what="single uses against the HTTP floor",
        at_least=0.35,
        aim=0.5,
    ),
    Wanted(
        benchmark="sharing",
        path=("ratios", "batch_to_database_floor"),
        what="batched uses against the database floor",
        at_least=0.4,
        aim=0.6,
    ),
    Wanted(
        benchmark="sharing",
        path=("ratios", "hot_to_spread"),
        what="one hot enterprise against many holders",
        at_least=0.8,
        aim=0.95,
    ),
    Wanted(
        benchmark="sharing",
        path=("ratios", "whale_to_spread"),
        what="a holder of very many licenses against many holders",
        at_least=0.83,
    ),
    Wanted(
        benchmark="sharing",
        path=("ratios", "cold_to_hot"),
        what="holders asked about first against hot",
        at_least=0.8,
        aim=0.95,
    ),
    Wanted(
        benchmark="lookup",
        path=("ratios", "http_floor"),
        what="look-up by reference against the HTTP floor",
        at_least=0.4,
        aim=0.6,
    ),
    Wanted(
        benchmark="growth",
        path=("ratios", "large_to_small"),
        what="the large ledger against the small",
        at_least=0.9,
        aim=0.95,
    ),
    Wanted(
        benchmark="imports",
        path=("ratios",),
        what="import against the database floor",
        at_least=0.2,
        aim=0.35,
    ),
    Wanted(
        benchmark="overload",
        path=("ratios", "accepted_to_peak"),
        what="accepted at four times the connections against the peak",
        at_least=0.8,
    ),
    Wanted(
        benchmark="append",
        path=("ratios", "ordinary"),
        what="append path against the library's recorder",
        at_least=8,
    ),
    Wanted(
        benchmark="document",
        path=("ratios", "plain"),
        what="documents on one core against pyHanko's SimpleSigner",
        at_least=2,
        aim=4,
    ),
)


def main() -> int:
    """Draw; 1 when no result was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=result.FOLDER, help="of the raw results")
    arguments = parser.parse_args()
    raw = read(arguments.folder)
    if not raw:
        print("error: no raw result: run benchmarks with --save first", file=sys.stderr)
        return 1
    for name, text in files(raw).items():
        (arguments.folder / name).write_text(text, encoding="utf-8")
    print(arguments.folder / REPORT)
    return 0


def read(folder: Path) -> dict[str, Raw]:
    """The raw results by benchmark."""
    kept = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json")))
    return {one["benchmark"]: one for one in kept}


def files(raw: Mapping[str, Raw]) -> dict[str, str]:
    """The report and its pictures, by file name."""
    pictures = dict(_pictures(raw))
    lines = ["# What was measured", "", *_ratios(raw), ""]
    lines += [f"![{_title(name)}]({name})" for name in pictures]
    lines += [
        "",
        *_latencies(raw),
        *_costs(raw),
        *_overload(raw),
        *_growth(raw),
        *_beside(raw),
        *_scenarios(raw),
        *_rates(raw),
        *_surroundings(raw),
    ]
    lines += _METHOD
    return {REPORT: "\n".join(lines).rstrip() + "\n", **pictures}


# --- ratios ---


def _spread_of(raw: Mapping[str, Raw], one: Wanted) -> Mapping[str, float] | None:
    found: Any = raw.get(one.benchmark, {}).get("figures", {})
    for step in one.path:
        found = found.get(step, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) and "median" in found else None


def _ratios(raw: Mapping[str, Raw]) -> Iterator[str]:
    yield "| ratio of one run, rounds interleaved | wanted | aim | median | least to greatest round |"
    yield "|---|---|---|---|---|"
    for one in RATIOS:
        spread = _spread_of(raw, one)
        if spread is None:
            continue
        met = "" if spread["median"] >= one.at_least else " (not met)"
        aim = "" if one.aim is None else f"{one.aim:g}"
        between = f"{spread['least']:g} to {spread['greatest']:g}"
        yield f"| {one.what} | {one.at_least:g} | {aim} | **{spread['median']:g}**{met} | {between} |"


def _pictures(raw: Mapping[str, Raw]) -> Iterator[tuple[str, str]]:
    shown = [(one, spread) for one in RATIOS if (spread := _spread_of(raw, one)) is not None]
    multiples = [_bar(one, spread) for one, spread in shown if one.at_least > 1]
    shares = [_bar(one, spread) for one, spread in shown if one.at_least <= 1]
    if multiples:
        yield "multiples.svg", drawing.bars("Times as many as the other; the green mark is wanted", multiples)
    if shares:
        yield "shares.svg", drawing.bars("Share of the other; the green mark is wanted", shares)
    sizes = raw.get("sharing", {}).get("figures", {}).get("batch_sizes")
    if sizes:
        counted = [(f"≤ {bound}", count) for bound, count in sizes["at_most"].items()]
        yield (
            "batches.svg",
            drawing.columns("Batches of single uses, by uses in one commit", counted),
        )


def _bar(one: Wanted, spread: Mapping[str, float]) -> drawing.Bar:
    return drawing.Bar(
        label=one.what,
        value=spread["median"],
        least=spread["least"],
        greatest=spread["greatest"],
        wanted=one.at_least,
    )


def _title(name: str) -> str:
    titles = {
        "multiples.svg": "ratios above one",
        "shares.svg": "ratios against floors and between holders",
        "batches.svg": "sizes of batches",
    }
    return titles[name]


# --- the rest ---


def _latencies(raw: Mapping[str, Raw]) -> Iterator[str]:
    figures = raw.get("sharing", {}).get("figures")
    if figures is None:
        return
    yield "## Latency"
    yield ""
    yield "Open loop at 70 % of this run's peak, from the instant at which a request was meant to be sent:"
    yield ""
    yield "| p50 | p99 (wanted: 25 ms) | p99.9 |"
    yield "|---|---|---|"
    met = "" if figures["p99_ms"] <= P99_MAX_MS else " (not met)"
    yield f"| {figures['p50_ms']:g} ms | **{figures['p99_ms']:g} ms**{met} | {figures['p999_ms']:g} ms |"
    yield ""
    if (behind := figures.get("open_loop_behind_p99_ms")) is not None:
        yield f"In these is how late the generator itself was: {behind:g} ms at the 99th percentile."
        yield ""


def _costs(raw: Mapping[str, Raw]) -> Iterator[str]:
    figures = raw.get("sharing", {}).get("figures")
    if figures is None:
        return
    cpu, lag = figures["cpu_us_per_use"], figures["follower_lag"]
    yield "## What a use costs"
    yield ""
    yield "| processor, server | processor, database | on disk | disk's fsync | followers behind, at most |"
    yield "|---|---|---|---|---|"
    yield (
        f"| {cpu['server']:g} µs | {cpu['database']:g} µs | {figures['bytes_per_use']} bytes"
        f" | {figures['fsync_us']} µs | {lag['greatest']} events |"
    )
    yield ""
    yield (
        f"{figures['receipts_verified']} use answers of the open loop were verified offline;"
        f" {figures['errors']} requests failed."
    )
    yield ""


P99_MAX_MS = 25.0


def _overload(raw: Mapping[str, Raw]) -> Iterator[str]:
    figures = raw.get("overload", {}).get("figures")
    if figures is None:
        return
    yield "## Four times the connections that find a place"
    yield ""
    yield "| turned away | p99 of who waits as told, last answer | with waiting | undecided | peak after it |"
    yield "|---|---|---|---|---|"
    yield (
        f"| {figures['share_refused']['median']:.0%} | {figures['accepted_p99_ms']:g} ms"
        f" | {figures['with_waiting_p99_ms']:g} ms | {figures['undecided']}"
        f" | {figures['after_to_peak']:g} of before |"
    )
    yield ""


def _growth(raw: Mapping[str, Raw]) -> Iterator[str]:
    figures = raw.get("growth", {}).get("figures", {})
    if "ratios_by_processor" not in figures:
        return
    yield "## A ledger that grows"
    yield ""
    yield f"{figures['large_events']:,} events against {figures['small_events']:,}, through the appender:"
    yield ""
    yield "| | by rate | by processor time | least to greatest round, by processor time |"
    yield "|---|---|---|---|"
    for name, what in (
        ("large_to_small", "large to small"),
        ("snapshot_to_small", "with a long snapshot open"),
    ):
        spread = figures["ratios_by_processor"][name]
        between = f"{spread['least']:g} to {spread['greatest']:g}"
        yield f"| {what} | {figures['ratios'][name]['median']:g} | **{spread['median']:g}** | {between} |"
    yield ""
    memory = figures["memory_mib"]
    yield (
        f"One use adds {figures['bytes_per_use']} bytes. Memory of the process: {memory['before']:g} MiB"
        f" before these rounds, {memory['after']:g} MiB after."
    )
    yield ""


def _beside(raw: Mapping[str, Raw]) -> Iterator[str]:
    uses = raw.get("imports", {}).get("figures", {}).get("uses")
    if uses is None:
        return
    yield "## Uses beside an import"
    yield ""
    yield "| times of uses without an import | at most | median | least to greatest round |"
    yield "|---|---|---|---|"
    for name, what in (("p50_ms_ratio", "median"), ("p99_ms_ratio", "99th percentile")):
        spread = uses[name]
        met = "" if spread["median"] <= BESIDE_MAX else " (not met)"
        between = f"{spread['least']:g} to {spread['greatest']:g}"
        yield f"| {what} | {BESIDE_MAX:g} | **{spread['median']:g}**{met} | {between} |"
    yield ""


BESIDE_MAX = 2.0
SCENARIOS = (
    ("enrollment-opening", "drained_in_lengths", "crowd drained, in lengths of the crowd", 2.0),
    ("night-batch", "p99_ratio", "p99 of single uses beside batches, in times of without", 1.3),
    ("whale-holder", "use_p50_ratio", "use of a whale's license, in times of an ordinary holder's", 1.2),
    ("whale-holder", "file_p50_ratio", "first page of a whale's file, in times of an ordinary one", 1.2),
    ("new-year-midnight", "p99_ratio", "p99 after midnight, in times of before", None),
    ("collect-night", "sheet_s_per_100k_rows", "seconds of a sheet of 100,000 rows", 30.0),
)
"""Scenario, figure, what it is, and the most that is wanted."""


def _scenarios(raw: Mapping[str, Raw]) -> Iterator[str]:
    told = raw.get("scenario", {}).get("figures", {}).get("scenarios", {})
    if not told:
        return
    yield "## Days that are not ordinary"
    yield ""
    yield "| scenario | figure | at most | measured |"
    yield "|---|---|---|---|"
    for name, figure, what, most in SCENARIOS:
        value = told.get(name, {}).get(figure)
        if value is not None:
            met = "" if most is None or value <= most else " (not met)"
            yield f"| {name} | {what} | {'' if most is None else f'{most:g}'} | **{value:g}**{met} |"
    yield ""
    yield "| scenario | phase | kind | calls | p50 | p99 | asked again | wrong |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, one in told.items():
        for phase, driven in one.get("phases", {}).items():
            for kind, seen in driven["kinds"].items():
                times = " | ".join(_ms(seen[part]) for part in ("p50_ms", "p99_ms"))
                counts = f"{seen['asked_again']} | {seen['wrong']}"
                yield f"| {name} | {phase} | {kind} | {seen['calls']} | {times} | {counts} |"
    yield ""
    faults = ("undecided", "wrong", "recorded_twice")
    bad = {name: sum(one.get(name, 0) for one in told.values()) for name in faults}
    yield (
        f"Calls without an answer: {bad['undecided']}; answers that were wrong: {bad['wrong']};"
        f" uses recorded twice under one key: {bad['recorded_twice']}."
    )
    yield ""


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:g} ms"


def _rates(raw: Mapping[str, Raw]) -> Iterator[str]:
    yield "## Rates of this machine"
    yield ""
    yield "They depend on the machine and on what else it did; quote the ratios."
    yield ""
    yield "| benchmark | what | a second, median | least to greatest round |"
    yield "|---|---|---|---|"
    for name, one in raw.items():
        for what, spread in one["figures"].get("rates", {}).items():
            between = f"{spread['least']:g} to {spread['greatest']:g}"
            yield f"| {name} | {what.replace('_', ' ')} | {spread['median']:g} | {between} |"
    yield ""


def _surroundings(raw: Mapping[str, Raw]) -> Iterator[str]:
    yield "## How the figures came about"
    yield ""
    yield "| benchmark | commit | day | processor | cores | memory | settings |"
    yield "|---|---|---|---|---|---|---|"
    for name, one in raw.items():
        machine = one["machine"]
        settings = ", ".join(f"{key} {value}" for key, value in one["settings"].items() if value)
        yield (
            f"| [{name}]({name}.json) | {one['commit']} | {one['day']} | {machine['processor']}"
            f" | {machine['cores']} | {machine['memory_gib']:g} GiB | {settings} |"
        )
    yield ""


_METHOD = (
    "## Method and limits",
    "",
    "Everything of a benchmark ran on one machine in one run: server, database and load generator shared",
    "its cores. Rounds of what is compared were interleaved; a ratio is the median of the rounds' ratios,",
    "and its spread is told. Nothing was switched off: `fsync`, encryption, receipts, field proofs,",
    "idempotency and followers were on. Latencies are of open loops, from when a call was meant to be sent.",
    "",
    "Rates depend on the machine and on what else it did; quote ratios of one run on a quiet machine, with",
    "the machine. Requests came over loopback without TLS. Rounds of `--quick` are too short to quote.",
    "",
    "More: [docs/benchmarks.md](../../docs/benchmarks.md).",
    "",
)


if __name__ == "__main__":
    sys.exit(main())
