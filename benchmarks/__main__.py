"""`python -m benchmarks [NAME...]`: run the benchmarks, one after another, each in its own process."""

from __future__ import annotations

import subprocess
import sys

NAMES = ("append", "check")


def main() -> int:
    """Run the benchmarks named, or all; each prints one JSON object."""
    wanted = sys.argv[1:] or list(NAMES)
    unknown = set(wanted) - set(NAMES)
    if unknown:
        print(f"benchmarks are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in wanted:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
