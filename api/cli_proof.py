"""The command that proves: `verify` a file against a trust file.

It opens no database, no network and no home folder; its keys come from the trust file alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import rich.markup
import typer

from api import cli_console, cli_files, cli_verdicts
from ledger import audit_export, errors, offline
from signing import trust as trusts

_PAPER_BYTES_MAX = 4_096
_AGAINST_BYTES_MAX = 256 * 1024 * 1024


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(verify)


def verify(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="PDF, QR picture or text, receipt, bundle …; - for stdin."),
    ],
    trust: Annotated[Path, typer.Option(metavar="FILE", help="Trust file; the only source of keys.")],
    event: Annotated[Path | None, typer.Option(metavar="FILE", help="Stored bytes, for a receipt.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="As of a day YYYY-MM-DD, or a time with its offset.")
    ] = None,
    paper: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What is printed: number in the first line, name in the second."),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the number and name that are printed.")] = False,
    witnessed: Annotated[
        bool,
        typer.Option("--witnessed", help="Of a receipt or export, ask for the trust file's witnesses too."),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of an export: another export or a bundle; does it show what this one keeps back?",
        ),
    ] = None,
    as_json: cli_console.Json = False,
) -> None:
    """Verify a file offline: no database, no network. Exit 1 if it does not hold, 2 if it cannot be judged.

    Example: license-ledger verify license.pdf --trust trust.json
    """
    now, known = datetime.now(UTC), cli_files.read(trust, bytes_max=trusts.SIGNED_BYTES_MAX)
    other = None if against is None else cli_files.read(against, bytes_max=_AGAINST_BYTES_MAX)
    with cli_files.opened(file) as stream:
        first = stream.readline(audit_export.LINE_BYTES_MAX + 1)
        if first.startswith(audit_export.BEGINNING):
            verdict = cli_verdicts.judge_export(
                stream, first=first, trusted=known, now=now, is_witnessed=witnessed, against=other
            )
        elif other is not None:
            raise errors.Invalid("only an export is held against another file", field="--against")
        else:
            verdict = cli_verdicts.judge(
                cli_files.rest_of(stream, file, first=first),
                trusted=known,
                event=None if event is None else cli_files.read(event),
                at=at,
                now=now,
                paper=_paper(paper, ask=ask),
                is_witnessed=witnessed,
            )
    if as_json:
        cli_console.print_json(verdict.as_dict())
    else:
        _print_verdict(verdict, file.name)
    if not verdict.is_good:
        raise typer.Exit(1)


def _print_verdict(verdict: cli_verdicts.Verdict, name: str) -> None:
    color = "green" if verdict.is_good else "red"
    cli_console.OUT.print(f"[{color} bold]{verdict.word}[/] {rich.markup.escape(name)}")
    for line in verdict.lines:
        cli_console.OUT.print(f"  {rich.markup.escape(line)}")


def _paper(file: Path | None, *, ask: bool) -> offline.Paper | None:
    """Number and name as printed: from a file or a prompt, never from arguments, which other users see."""
    if file is not None:
        try:
            number, name = cli_files.read(file, bytes_max=_PAPER_BYTES_MAX).decode().splitlines()
        except ValueError as error:
            raise errors.Invalid("two lines: the number, the name", field="--paper") from error
        return offline.Paper(number=number, name=name)
    if not ask:
        return None
    return offline.Paper(
        number=typer.prompt("Number 证照编号", err=True), name=typer.prompt("Name 姓名/名称", err=True)
    )
