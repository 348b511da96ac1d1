"""Commands that prove: `check` a ledger against itself, `verify` a file against a trust file.

`verify` opens no database, no network and no home folder; its keys come from the trust file alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import rich.markup
import typer

from api import cli_console, cli_files, cli_verdicts
from ledger import audit_export, errors, offline
from ledger import check as checking
from signing import trust as trusts

_PAPER_BYTES_MAX = 4_096
_AGAINST_BYTES_MAX = 256 * 1024 * 1024


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(check)
    app.command()(verify)


def check(
    facts: Annotated[
        bool, typer.Option("--facts", help="Bytes, columns, tree, checkpoints; no rules.")
    ] = False,
    since: Annotated[
        Path | None,
        typer.Option(help="A signed checkpoint, receipt or backup manifest that the history must contain."),
    ] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Re-derive everything from the events; name the first that does not fit. Exit 1 if any does not.

    Example: license-ledger check --since yesterday.checkpoint
    """
    kept = since.read_text(encoding="utf-8") if since is not None else None
    with cli_console.opened(data) as ledger, cli_console.progress("events") as tell:
        report = checking.check(
            ledger.ways.owner or ledger.ways.service,
            identity=checking.identity_of(ledger.vault.ring),
            anchor=ledger.vault.anchor,
            vault=ledger.vault,
            since=kept,
            facts_only=facts,
            progress=tell,
        )
    if as_json:
        cli_console.print_json(_as_dict(report))
    else:
        _print(report, facts=facts)
    if not report.is_sound:
        raise typer.Exit(1)


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


def _as_dict(report: checking.Report) -> dict[str, Any]:
    return {
        "sound": report.is_sound,
        "complete": report.is_complete,
        "events": report.events,
        "checkpoints": report.checkpoints,
        "seconds": round(report.seconds, 3),
        "events_per_second": round(report.rate),
        "unread": list(report.unread),
        "findings": [
            {"kind": found.kind, "index": found.index, "text": found.text} for found in report.findings
        ],
    }


def _print(report: checking.Report, *, facts: bool) -> None:
    scope = "facts" if facts else "facts, rules and state"
    word = "[green bold]sound[/]" if report.is_sound else "[red bold]NOT SOUND[/]"
    cli_console.OUT.print(
        f"{word} {report.events:,} events, {report.checkpoints:,} checkpoints: {scope}; "
        f"{report.seconds:.1f} s, {report.rate:,.0f} events/s"
    )
    for found in report.findings:
        cli_console.OUT.print(f"  {found.kind}: {rich.markup.escape(found.text)}")
    for name in report.unread:
        cli_console.OUT.print(f"  [yellow]not checked, the login may not read it:[/] {name}")
    if not report.is_complete:
        cli_console.OUT.print("  (ended early: more may not fit)")
