"""`python -m benchmarks [NAME] [OPTIONS...]`: one benchmark with its options, or all with them, in turn.

`report` draws `results/REPORT.md` from what was kept with `--save`.
"""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    *("sharing", "issue", "lookup", "verify", "append", "check", "rebuild", "growth", "imports"),
    *("scenario", "overload", "document"),
)
OTHERS = ("report",)


def main() -> int:
    """Run one benchmark, or all; the status of the first that failed, else 0."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        print(f"benchmarks: {', '.join(NAMES)}; each says more with --help")
        return 0
    chosen: tuple[str, ...] = NAMES
    options = arguments
    if arguments and not arguments[0].startswith("-"):
        chosen, options = (arguments[0],), arguments[1:]
    if chosen[0] not in NAMES + OTHERS:
        print(f"benchmarks are: {', '.join(NAMES + OTHERS)}", file=sys.stderr)
        return 2
    for name in chosen:
        print(f"== {name}", file=sys.stderr, flush=True)
        status = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *options], check=False
        ).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
