"""Verifying: over HTTP by reference, POST /v1/verifications, against the HTTP floor; and offline on one core.

Online each check is recorded and answered with a receipt. Offline, kept use answers are judged as
`license-ledger verify` does: two receipts, the signature of each checkpoint, and every disclosed value; and
QR tokens against the bare signature check (`benchmarks/offline.py`).
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks import closed_loop, ground, result, versus_floor, workload
from benchmarks import offline as codes
from ledger import bundle, keeping
from signing import trust

_BUNDLES = {True: 200, False: 2_000}
_CODES = {True: 300, False: 3_000}


def main() -> int:
    """Run and tell."""
    parser = result.parser(__doc__, quick="smaller, with fewer and shorter rounds")
    versus_floor.add_to(parser)
    arguments = parser.parse_args()
    chosen = workload.load("morning-peak").scaled(holders=300 if arguments.quick else 2_790)
    trusted: list[trust.TrustFile] = []

    def requests(made: ground.Ground) -> Sequence[workload.Asked]:
        trusted.append(keeping.trust_file(made.ledger, made_at=datetime.now(UTC)))
        refs = itertools.cycle(one.license_ref for one in made.held[chosen.name])
        return [checking(one.requester, next(refs)) for one in _uses(made, chosen, 5_000)]

    kept: list[bytes] = []

    def keep(made: ground.Ground, url: str) -> None:
        uses = _uses(made, chosen, _BUNDLES[arguments.quick])
        kept.extend(versus_floor.answers(url, uses, versus_floor.tokens_of(url, made.halls)))

    figures = versus_floor.measure([chosen], requests, arguments, before=keep)
    figures |= offline(kept, trusted[0]) | codes.measure(_CODES[arguments.quick])
    result.tell("verify", figures, arguments)
    return 0


def _uses(made: ground.Ground, chosen: workload.Workload, count: int) -> list[workload.Asked]:
    return ground.first(chosen.requests(made.held[chosen.name]), count)


def checking(requester: int, license_ref: str) -> workload.Asked:
    """The request that verifies a license."""
    body = {
        "operator": {"account": "account-1", "name": "合成经办人"},
        "case_number": "BENCH-2026-1",
        "license_ref": license_ref,
    }
    return workload.Asked(requester=requester, body=body, path="/v1/verifications")


def offline(kept: Sequence[bytes], trusted: trust.TrustFile) -> result.Figures:
    """Use answers judged a second of one core; raises BundleInvalid for one that does not hold."""
    begun = time.process_time()
    proven = sum(len(bundle.judge(answer, trusted=trusted)) for answer in kept)
    seconds = time.process_time() - begun
    return {
        "bundles_verified": proven,
        "bundles_per_core_second": result.rounded(proven / seconds, 3),
        "bundle_bytes": round(sum(map(len, kept)) / len(kept)),
    }


if __name__ == "__main__":
    sys.exit(closed_loop.guarded(main))
