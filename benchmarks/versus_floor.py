"""One path of the face against the HTTP floor: interleaved rounds of the same closed loop.

`issue`, `lookup` and `verify` say what they ask; this serves the ledger and a floor that answers as many
bytes, drives both by wrk, and tells the ratio of the rounds with its spread.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
from collections.abc import Callable, Sequence

import httpx

from benchmarks import closed_loop, ground, processor, result, serving, workload

Requests = Callable[[ground.Ground], Sequence[workload.Asked]]
_SAMPLE = 40


def add_to(parser: argparse.ArgumentParser) -> None:
    """Options of such a benchmark."""
    parser.add_argument("--rounds", type=int, help="of each kind")
    parser.add_argument("--seconds", type=float, help="of each round")


def measure(
    workloads: Sequence[workload.Workload],
    requests: Requests,
    arguments: argparse.Namespace,
    *,
    is_once: bool = False,
    issues: bool = False,
    before: Callable[[ground.Ground, str], None] = lambda made, url: None,
) -> result.Figures:
    """The figures; `is_once`: no request is sent twice. `issues`: the issuer asks, not the halls.

    `before` may ask the service that is at a URL for what it needs, before the rounds.
    """
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 7)
    arguments.seconds = arguments.seconds or (2 if arguments.quick else 8)
    closed_loop.require_wrk()
    url = f"http://127.0.0.1:{serving.free_port()}"
    with ground.prepared(workloads, base_url=url) as made:
        asked = requests(made)
        callers = [made.issuer] if issues else made.halls
        with serving.ours(made.configured) as ours:
            before(made, url)
            size = round(statistics.median(map(len, answers(url, asked[:_SAMPLE], tokens_of(url, callers)))))
            with serving.http_floor(made, made.configured.data.parent, answer_bytes=size) as floor:
                return _rounds(made, ours, floor, asked[_SAMPLE:], callers, arguments, is_once=is_once)


def _rounds(
    made: ground.Ground,
    ours: serving.Served,
    floor: serving.Served,
    asked: Sequence[workload.Asked],
    callers: Sequence[ground.Caller],
    arguments: argparse.Namespace,
    *,
    is_once: bool,
) -> result.Figures:
    path, offset, errors = made.configured.data.parent / "requests", 0, 0
    rates: dict[str, list[float]] = {"ours": [], "http_floor": []}
    cpu: list[float] = []
    closed_loop.write(path, asked)
    seconds = arguments.seconds if not is_once else min(2.0, arguments.seconds)
    for number in range(arguments.rounds + 1):
        closed_loop.write_tokens(path, tokens_of(ours.url, callers))
        before = processor.seconds(ours.process_id)
        run = closed_loop.run(ours.url, path, seconds=seconds, offset=offset)
        used = (processor.seconds(ours.process_id) - before) / max(1, run.requests)
        errors += run.errors
        if is_once:
            offset += run.requests + closed_loop.CONNECTIONS
            seconds = closed_loop.seconds_for(
                len(asked) - offset,
                max(1, arguments.rounds - number),
                rate=run.rate,
                seconds=arguments.seconds,
            )
        if number == 0:
            continue  # what is asked about often is known from here
        cpu.append(used)
        rates["ours"].append(run.rate)
        rates["http_floor"].append(closed_loop.run(floor.url, path, seconds=arguments.seconds).rate)
        if not seconds:
            break  # what is sent once was sent
    ratios = [one / other for one, other in zip(*rates.values(), strict=True)]
    return {
        "ratio_to_http_floor": result.spread(ratios)["median"],
        "per_second": result.spread(rates["ours"])["median"],
        "errors": errors,
        "server_cpu_us": result.rounded(statistics.median(cpu) * 1e6, 3),
        "ratios": {"http_floor": result.spread(ratios)},
        "rates": {name: result.spread(values) for name, values in rates.items()},
    }


def tokens_of(url: str, callers: Sequence[ground.Caller]) -> list[str]:
    """A fresh token of each caller."""
    return [caller.token(url, audience=url) for caller in callers]


def answers(url: str, asked: Sequence[workload.Asked], tokens: Sequence[str]) -> list[bytes]:
    """The answers of a service, each of which must be a success."""
    told, run = [], secrets.token_hex(4)
    with httpx.Client() as http:
        for number, one in enumerate(asked):
            headers = {"Authorization": f"Bearer {tokens[one.requester]}"}
            headers["Idempotency-Key"] = f"{run}-{number}"
            method = "GET" if one.body is None else "POST"
            answer = http.request(method, url + one.path, json=one.body, headers=headers)
            answer.raise_for_status()
            told.append(answer.content)
    return told
