"""The closed loop: so many connections, each of which asks again once it is answered, driven by wrk.

Tells how many requests a second were answered. Its latencies say nothing about a service under a given
load, since a slow answer holds the next question back: the open loop tells those.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workload

SCRIPT = Path(__file__).with_name("closed_loop.lua")
CONNECTIONS = 128
_MISSING = "wrk is missing: it comes as a package of that name, on Debian by `apt-get install wrk`"


class WrkMissing(RuntimeError):
    """The load generator is not installed."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run answered."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    """Answers that were not 2xx, and connections that failed."""
    item_errors: int = 0
    """Items of batches that were answered with a problem."""

    @property
    def rate(self) -> float:
        """Answered requests a second, errors left out."""
        return (self.requests - self.errors) / self.seconds


def require_wrk() -> None:
    """Nothing when wrk is there; raises WrkMissing."""
    if shutil.which("wrk") is None:
        raise WrkMissing(_MISSING)


def guarded(main: Callable[[], int]) -> int:
    """The status of `main`, or 2 and a line on standard error where wrk is missing."""
    try:
        return main()
    except WrkMissing as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 2


def write(path: Path, requests: Sequence[workload.Asked]) -> None:
    """The prepared requests, as the script reads them."""
    lines = []
    for one in requests:
        body = "" if one.body is None else json.dumps(one.body, ensure_ascii=False, separators=(",", ":"))
        lines.append(f"{one.requester}\t{one.path}\t{body}")
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def seconds_for(left: int, rounds_left: int, *, rate: float, seconds: float) -> float:
    """How long a round may last so that requests that are sent once suffice for all that is left of a run.

    `seconds` where that is less; 0 where not even a second can be driven, which is the least that wrk does.
    """
    share = (left / rounds_left - CONNECTIONS) / (1.2 * rate)
    return float(int(min(seconds, share))) if share < seconds else seconds


def write_tokens(path: Path, tokens: Sequence[str]) -> None:
    """The tokens of the requests that `write` wrote to `path`; they end sooner than the requests."""
    beside = path.with_name(path.name + ".tokens")
    beside.touch(mode=0o600)
    beside.write_text("\n".join(tokens) + "\n", encoding="ascii")


def run(
    url: str,
    requests: Path,
    *,
    seconds: float,
    offset: int = 0,
    count: int = 1_000_000,
    connections: int = CONNECTIONS,
) -> Run:
    """Drive the service at `url` for some seconds; raises CalledProcessError when wrk fails."""
    require_wrk()
    prefix = secrets.token_hex(8) + "-"
    command = [
        "wrk",
        "-t",
        "1",
        "-c",
        str(connections),
        "-d",
        f"{max(1, round(seconds))}s",
        "-s",
        str(SCRIPT),
    ]
    command += ["--timeout", "30s", url, "--", str(requests), prefix, str(offset), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return read(done.stdout)


def read(output: str) -> Run:
    """The result in what wrk printed; raises ValueError when there is none."""
    for line in output.splitlines():
        if line.startswith("RESULT "):
            said = json.loads(line.removeprefix("RESULT "))
            return Run(
                requests=said["requests"],
                seconds=said["duration_us"] / 1e6,
                bytes=said["bytes"],
                errors=said["status_errors"] + said["socket_errors"],
                item_errors=said["item_errors"],
            )
    raise ValueError("wrk printed no result")
