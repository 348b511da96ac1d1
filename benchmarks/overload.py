"""Far more callers than the service can answer: what is still accepted, and how long that takes.

The service has a short queue, so that one machine can fill it. Rounds alternate: the peak, by as many
connections as half of the queue has places; then by four times as many as the queue has, none of which waits
when it is told to: offered is as much as the machine can offer. Beside it, callers who do wait as told ask by
a timetable: their latencies are told, of the answer that decided and with the waiting. At the end, the peak
again.
"""

from __future__ import annotations

import statistics
import sys
import threading

from benchmarks import calls, closed_loop, driver, ground, open_loop, result, serving, workload

TIMES = 4
QUEUE = closed_loop.CONNECTIONS
POLITE_RATE = 10.0


def main() -> int:
    """Run and tell."""
    parser = result.parser(__doc__, quick="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each round")
    arguments = parser.parse_args()
    closed_loop.require_wrk()
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 5)
    arguments.seconds = arguments.seconds or (3.0 if arguments.quick else 10.0)
    figures = measure(arguments.rounds, arguments.seconds, holders=300 if arguments.quick else 2_790)
    result.tell("overload", figures, arguments)
    return 0


def measure(rounds: int, seconds: float, *, holders: int) -> result.Figures:
    """Rates at the peak and beyond it, and what callers who wait see."""
    chosen = workload.load("morning-peak").scaled(holders=holders)
    url = f"http://127.0.0.1:{serving.free_port()}"
    with ground.prepared([chosen], base_url=url) as made:
        program = ("-m", "benchmarks.small_queue", "--queue", str(QUEUE), "serve")
        path = made.configured.data.parent / "requests"
        closed_loop.write(path, ground.first(chosen.requests(made.held[chosen.name]), 10_000))
        with serving.ours(made.configured, program=program):
            tokens = [hall.token(url, audience=url) for hall in made.halls]
            closed_loop.write_tokens(path, tokens)
            asked = calls.Calls(chosen, made.held[chosen.name], tokens=tokens, auditor="")
            half = QUEUE // 2  # no client may have more than half of the queue
            closed_loop.run(url, path, seconds=seconds, connections=half)
            peaks, accepted, refused, polite = [], [], [], driver.Seen()
            for number in range(rounds):
                result.step(f"round {number + 1} of {rounds}")
                peaks.append(closed_loop.run(url, path, seconds=seconds, connections=half).rate)
                seen = _Polite(url, asked, seconds)
                over = closed_loop.run(url, path, seconds=seconds, connections=TIMES * QUEUE)
                accepted.append(over.rate)
                refused.append(over.errors / max(1, over.requests))
                for one in seen.ended().kinds.values():
                    polite.seconds += one.seconds
                    polite.decided += one.decided
                    polite.asked_again += one.asked_again
                    polite.undecided += one.undecided
            again = closed_loop.run(url, path, seconds=seconds, connections=half).rate
    return _told(peaks, accepted, refused, polite) | {
        "after_to_peak": result.rounded(again / statistics.median(peaks), 3)
    }


def _told(
    peaks: list[float], accepted: list[float], refused: list[float], polite: driver.Seen
) -> result.Figures:
    ratios = [one / other for one, other in zip(accepted, peaks, strict=True)]
    waiting, decided = sorted(polite.seconds), sorted(polite.decided)
    return {
        "accepted_to_peak": result.spread(ratios)["median"],
        "share_refused": result.spread(refused),
        "accepted_p99_ms": result.rounded(open_loop.quantile(decided, 0.99) * 1000, 3),
        "with_waiting_p99_ms": result.rounded(open_loop.quantile(waiting, 0.99) * 1000, 3),
        "asked_again": polite.asked_again,
        "undecided": polite.undecided,
        "ratios": {"accepted_to_peak": result.spread(ratios)},
        "rates": {"peak": result.spread(peaks), "accepted": result.spread(accepted)},
    }


class _Polite:
    """Callers who wait as they are told, beside those who do not."""

    def __init__(self, url: str, asked: calls.Calls, seconds: float) -> None:
        self._driven: list[driver.Driven] = []
        self._thread = threading.Thread(target=self._run, args=(url, asked, seconds))
        self._thread.start()

    def _run(self, url: str, asked: calls.Calls, seconds: float) -> None:
        uses = asked.calls({"use": 1.0})
        self._driven.append(driver.drive(url, uses, rate=POLITE_RATE, seconds=seconds, connections=32))

    def ended(self) -> driver.Driven:
        """What became of them."""
        self._thread.join()
        return self._driven[0]


if __name__ == "__main__":
    sys.exit(closed_loop.guarded(main))
