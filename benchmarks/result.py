"""What a benchmark tells: figures for people or programs, and a raw result that says how they came about.

A raw result is one JSON file in `results/`: commit, versions, machine and settings beside the figures. It
names no folder, host or person. All benchmarks take `--json`, `--quick` and `--save` from `parser`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("results")
_LIBRARIES = (
    "cryptography",
    "eventsourcing",
    "fastapi",
    "httptools",
    "psycopg",
    "pydantic",
    "pyhanko",
    "starlette",
    "typst",
    "uvicorn",
    "uvloop",
)
Figures = dict[str, Any]


def parser(description: str | None, *, quick: str) -> argparse.ArgumentParser:
    """Options that every benchmark has; `quick` says what the quick way is."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--save", action="store_true", help="keep the raw result in benchmarks/results/")
    return made


def step(text: str) -> None:
    """Say on standard error what is being done."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def tell(name: str, figures: Figures, arguments: argparse.Namespace) -> None:
    """Print the figures, and keep them if asked to."""
    if arguments.save:
        options = {key: value for key, value in vars(arguments).items() if key not in {"json", "save"}}
        save(name, figures, settings=options)
    if arguments.json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for line in lines(figures):
        print(line)


def lines(figures: Mapping[str, Any], indent: str = "") -> list[str]:
    """The figures, one a line, those of a group below its name."""
    shown = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            shown += [f"{indent}{name}", *lines(value, indent + "  ")]
        else:
            shown.append(f"{indent}{name:<{36 - len(indent)}} {value}")
    return shown


def save(name: str, figures: Figures, *, settings: Mapping[str, Any], folder: Path = FOLDER) -> Path:
    """Write the raw result; the one of an earlier run is replaced."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    content = {"benchmark": name, **surroundings(), "settings": dict(settings), "figures": figures}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def surroundings() -> dict[str, Any]:
    """Commit, day, versions and machine."""
    return {
        "commit": _commit(),
        "day": datetime.now(UTC).date().isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _LIBRARIES},
        },
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }


def _commit() -> str:
    """The commit that is measured; with a plus when files differ from it."""
    folder = Path(__file__).parent
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def _processor() -> str:
    """The processor's model, as the kernel names it."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return found[1] if found else platform.machine()


def spread(values: Sequence[float], digits: int = 3) -> Figures:
    """Median, least and greatest of some rounds."""
    return {
        "median": rounded(statistics.median(values), digits),
        "least": rounded(min(values), digits),
        "greatest": rounded(max(values), digits),
        "rounds": [rounded(value, digits) for value in values],
    }


def rounded(value: float, digits: int) -> float:
    """Rounded to so many significant digits, so that no figure says more than it knows."""
    return float(f"{value:.{digits}g}")
