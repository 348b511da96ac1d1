"""The command that checks a ledger against itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import rich.markup
import typer

from api import cli_console, cli_opened
from ledger import check as checking


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(check)


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
    with cli_opened.ledger(data) as ledger, cli_console.progress("events") as tell:
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
