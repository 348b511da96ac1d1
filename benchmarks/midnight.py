"""The ledger as it is served, but that a Beijing midnight comes when it is asked to come.

`python -m benchmarks.midnight --order FILE serve …`: upon SIGUSR1 it reads from the file which day ends at
which instant, in microseconds UTC. Nothing else differs: dates turn by the clock under the lock, as ever.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from api import cli
from ledger import days


def shift(day: int, *, ends_at: int) -> None:
    """The day ends at the instant `ends_at`, and another every 24 hours after it."""
    days._OFFSET_US = (day + 1) * days.DAY_US - ends_at


def main() -> None:
    """Serve, and move the days when told to."""
    at = sys.argv.index("--order")
    order = Path(sys.argv[at + 1])
    del sys.argv[at : at + 2]
    signal.signal(signal.SIGUSR1, lambda *_: shift(**json.loads(order.read_text("utf-8"))))
    cli.main()


if __name__ == "__main__":
    main()
