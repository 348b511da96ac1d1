"""The ledger as it is served, but that a Beijing midnight comes when it is asked to come.

`python -m benchmarks.midnight --order FILE serve …`: once there is such a file, it says which day ends at
which instant, in microseconds UTC. Nothing else differs: dates turn by the clock under the lock, as ever.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from api import appending, cli
from ledger import days

LOOKS_EVERY_S = 0.05


def shift(day: int, *, ends_at: int) -> None:
    """The day ends at the instant `ends_at`, and another every 24 hours after it."""
    days._OFFSET_US = (day + 1) * days.DAY_US - ends_at


def await_order(order: Path) -> None:
    """Move the days once there is an order."""
    while not order.exists():
        time.sleep(LOOKS_EVERY_S)
    shift(**json.loads(order.read_text("utf-8")))


def main() -> None:
    """Serve or append, and move the days when told to."""
    at = sys.argv.index("--order")
    order = Path(sys.argv[at + 1])
    threading.Thread(target=await_order, args=(order,), daemon=True).start()
    if "--append" in sys.argv:
        appending.main()
        return
    appending.Process.program = ("-m", "benchmarks.midnight", "--order", str(order), "--append")
    del sys.argv[at : at + 2]
    cli.main()


if __name__ == "__main__":
    main()
