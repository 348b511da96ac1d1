"""Issuing over HTTP: licenses a second through POST /v1/licenses, against the HTTP floor.

Every request issues a license to a holder who had none: a stream, a data key and its wrap, lookups of
holder, identifier and number, sealed fields with digests, a QR token and a receipt for each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks import closed_loop, ground, result, versus_floor, workload

_HOLDERS = {True: 20_000, False: 60_000}


def main() -> int:
    """Run and tell."""
    parser = result.parser(__doc__, quick="fewer and shorter rounds")
    versus_floor.add_to(parser)
    arguments = parser.parse_args()
    some = workload.load("morning-peak").scaled(holders=50)
    newcomers = workload.load("enrollment-opening").scaled(holders=_HOLDERS[arguments.quick])

    def requests(made: ground.Ground) -> Sequence[workload.Asked]:
        return [issuing(one) for one in newcomers.holdings(start=1_000)]

    result.tell(
        "issue", versus_floor.measure([some], requests, arguments, is_once=True, issues=True), arguments
    )
    return 0


def issuing(one: workload.Holding) -> workload.Asked:
    """The request that issues a license."""
    holder = one.holder
    body = {
        "operator": {"account": "account-1", "name": "合成经办人"},
        "case_number": "BENCH-2026-1",
        "license_type": one.type_code,
        "holder": {"code_type": holder.code_type, "code": holder.code, "name": one.holder_name},
        "number": one.number,
        "fields": one.fields,
        "valid_from": "2020-01-01",
        "issued_on": "2020-01-01",
    }
    return workload.Asked(requester=0, body=body, path="/v1/licenses")


if __name__ == "__main__":
    sys.exit(closed_loop.guarded(main))
