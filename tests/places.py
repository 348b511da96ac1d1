"""Where tests put databases and what lies beside them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_ROOM_BYTES = 8 << 30


def roomy() -> str:
    """A folder in memory where there is room, else on the disk; no program is run from it.

    A database is some three hundred files; to make one soon after another was dropped, a disk's file system
    looks through all that was deleted in the last minute. The server keeps its settings, `fsync` among them.
    """
    memory = Path("/dev/shm")  # noqa: S108
    has_room = memory.is_mount() and shutil.disk_usage(memory).free >= _ROOM_BYTES
    return str(memory) if has_room and os.access(memory, os.W_OK) else "/var/tmp"  # noqa: S108
