"""The ledger as it is served, but that a Beijing midnight comes when it is asked to come.

`python -m benchmarks.midnight --day DAY --ends INSTANT serve …`: the day of that number ends at that instant,
in microseconds UTC. Nothing else differs: dates turn by the clock under the lock, as they always do.
"""

from __future__ import annotations

import sys

from api import cli
from ledger import days


def shift(day: int, *, ends_at: int) -> None:
    """The day ends at the instant `ends_at`, and another every 24 hours after it."""
    days._OFFSET_US = (day + 1) * days.DAY_US - ends_at


def main() -> None:
    """Serve with days moved."""
    at = sys.argv.index("--day")
    shift(int(sys.argv[at + 1]), ends_at=int(sys.argv[at + 3]))
    del sys.argv[at : at + 4]
    cli.main()


if __name__ == "__main__":
    main()
