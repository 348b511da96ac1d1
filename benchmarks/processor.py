"""Processor time of processes and of the database server, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg


class Server:
    """The embedded server's processes."""

    def __init__(self, conninfo: str) -> None:
        with psycopg.connect(conninfo) as conn:
            backend = conn.info.backend_pid
            self._postmaster = int(_stat(Path(f"/proc/{backend}"))[1])

    def seconds(self) -> float:
        """Processor time of all of them so far, those that ended included."""
        return seconds(self._postmaster)


def seconds(process_id: int) -> float:
    """Processor time of a process and its children so far, children that ended included."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            ticks += _ticks(folder, process_id)
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(folder: Path, parent: int) -> int:
    try:
        said = _stat(folder)
    except OSError:
        return 0  # it ended meanwhile
    if int(folder.name) == parent:
        return sum(map(int, said[11:15]))
    return sum(map(int, said[11:13])) if int(said[1]) == parent else 0


def resident_mib(process_id: int) -> float:
    """Memory that a process has now, or that of its children which has most."""
    # Each thread has children of its own: the followers' process is not the first one's.
    listed = Path(f"/proc/{process_id}/task").glob("*/children")
    children = [int(child) for one in listed for child in one.read_text().split()]
    return max(_resident_mib(one) for one in [process_id, *children])


def _resident_mib(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    found = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return round(int(found[0].split()[1]) / 1024, 1) if found else 0.0


def _stat(folder: Path) -> list[str]:
    """What the system says of a process, from its state on."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
