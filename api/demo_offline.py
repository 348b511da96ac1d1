"""What the demonstration shows of offline verification: a use, a license, its code and paper, an audit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich.markup

from api import cli_console, cli_verdicts
from ledger import offline

PAPER = "license-paper.txt"
"""What is printed on the sample license: its number and its holder's name, as `verify --paper` reads them."""


def keep_paper(file: Any, *, license_ref: str, out: Path) -> None:
    """Number and name of the sample license, from the holder's file, as a file beside its code."""
    (fields,) = (one["fields"] for one in file["licenses"] if one["license_ref"] == license_ref)
    (out / PAPER).write_text(f"{fields['@license_number']}\n{fields['@holder_name']}\n", encoding="utf-8")


def show(out: Path) -> None:
    """What `verify` says of the files that the demonstration left."""
    for name in ("use.bundle.json", "license.pdf", "license-qr.png", "trail.export"):
        _show(out, name, paper=PAPER if name.endswith(".png") else None)


def _show(out: Path, name: str, *, paper: str | None) -> None:
    console = cli_console.OUT
    command = f"license-ledger verify {out / name} --trust {out / 'trust.json'}"
    command += "" if paper is None else f" --paper {out / paper}"
    console.print(f"$ {rich.markup.escape(command)}", soft_wrap=True)
    printed = None
    if paper is not None:
        number, holder = (out / paper).read_text(encoding="utf-8").splitlines()
        printed = offline.Paper(number=number, name=holder)
    verdict = cli_verdicts.judge(
        (out / name).read_bytes(),
        trusted=(out / "trust.json").read_bytes(),
        now=datetime.now(UTC),
        paper=printed,
    )
    console.print(f"[{'green' if verdict.is_good else 'red'} bold]{verdict.word}[/]")
    for line in verdict.lines:
        console.print(f"  {rich.markup.escape(line)}", soft_wrap=True)
