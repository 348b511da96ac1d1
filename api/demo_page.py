"""A picture of the page behind a QR code, where this machine has a Chromium to take one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from signing import token

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--force-device-scale-factor=2", "--window-size=500,1760"),
)
"""A phone held upright, the whole page on it."""
_TIMEOUT_S = 30


def address(base_url: str, qr: str) -> str:
    """Where a service at `base_url` answers what the QR code asks its own host for."""
    return base_url + token.PATH + qr.rpartition(token.PATH)[2]


def take(url: str, out: Path) -> str | None:
    """Nothing once a picture of the page at `url` is in `out`; else why there is none, and nothing fails."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        return "no Chromium on this machine"
    # Chromium does not run as root inside its own sandbox; the page is ours and has no scripts.
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        said = (f"--user-data-dir={profile}", f"--screenshot={out}", f"{url}?lang=zh")
        try:
            subprocess.run(  # noqa: S603
                [program, *FLAGS, *root, *said], capture_output=True, check=True, timeout=_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"Chromium took none ({type(error).__name__})"
    return None if out.is_file() else "Chromium took none"
