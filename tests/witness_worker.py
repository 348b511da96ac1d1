"""A witness's process that dies where it is told: `python -m tests.witness_worker FOLDER STAGE`.

Reads one submission from standard input and cosigns it. At STAGE (`judged`, `kept`) it kills itself as
`kill -9` does; otherwise it prints the cosignature.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from signing import witness, witnessing


def main() -> None:
    folder, stage = Path(sys.argv[1]), sys.argv[2]

    def reached(here: witness.Stage) -> None:
        if here == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    with witness.opened(folder, reached=reached) as held:
        sys.stdout.write(held.add(witnessing.parse(sys.stdin.buffer.read()), now_s=1_700_000_000))


if __name__ == "__main__":
    main()
