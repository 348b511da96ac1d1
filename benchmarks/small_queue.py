"""The ledger as it is served, with a queue that a load generator of this machine can fill.

`python -m benchmarks.small_queue --queue LENGTH serve …`. What a full queue does is the same at any length.
"""

from __future__ import annotations

import sys

from api import appending, cli
from ledger import appender, remote_appender


def shorten(length: int) -> None:
    """Appenders that are made from here on take so many commands at most."""
    for made in (appender.Appender.__init__, remote_appender.RemoteAppender.__init__):
        defaults = made.__kwdefaults__
        assert defaults is not None, "the length has a default"
        defaults["queue_max"] = length


def main() -> None:
    """Serve with a short queue, or append from one."""
    at = sys.argv.index("--queue")
    length = sys.argv[at + 1]
    shorten(int(length))
    if "--append" in sys.argv:
        appending.main()
        return
    appending.Process.program = ("-m", "benchmarks.small_queue", "--queue", length, "--append")
    del sys.argv[at : at + 2]
    cli.main()


if __name__ == "__main__":
    main()
