"""`python -m benchmarks [NAME [OPTIONS...]]`: one benchmark with its options, or all without, in turn."""

from __future__ import annotations

import subprocess
import sys

NAMES = ("sharing", "append", "check", "growth", "rebuild")


def main() -> int:
    """Run one benchmark, or all; each prints one JSON object."""
    name, options = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if name and name not in NAMES:
        print(f"benchmarks are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for one in [name] if name else NAMES:
        print(f"== {one}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{one}", *options], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
