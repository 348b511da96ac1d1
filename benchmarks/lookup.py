"""Looking a license up by its reference, GET /v1/licenses/{license_ref}, against the HTTP floor.

Nothing is recorded: decision state and a projection are read, and who may know of the license is decided.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

from benchmarks import closed_loop, ground, result, versus_floor, workload


def main() -> int:
    """Run and tell."""
    parser = result.parser(__doc__, quick="smaller, with fewer and shorter rounds")
    versus_floor.add_to(parser)
    arguments = parser.parse_args()
    chosen = workload.load("morning-peak").scaled(holders=300 if arguments.quick else 2_790)

    def requests(made: ground.Ground) -> Sequence[workload.Asked]:
        refs = itertools.cycle(one.license_ref for one in made.held[chosen.name])
        return [
            workload.Asked(requester=one.requester, body=None, path=f"/v1/licenses/{next(refs)}")
            for one in ground.first(chosen.requests(made.held[chosen.name]), 5_000)
        ]

    result.tell("lookup", versus_floor.measure([chosen], requests, arguments), arguments)
    return 0


if __name__ == "__main__":
    sys.exit(closed_loop.guarded(main))
