"""Commands that export: what others take with them from a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api import cli_audit, cli_console, cli_files, cli_opened
from ledger import opening, reading, trust, trust_shared

_HELP = "Export: the trust file for verifiers who are offline, and the trail for auditors."


def add_to(app: typer.Typer) -> None:
    """Add the group of this module."""
    group = typer.Typer(no_args_is_help=True, help=_HELP)
    group.callback()(_exports)
    group.command("trust")(trust_file)
    group.command("trail")(cli_audit.export_trail)
    app.add_typer(group, name="export")


def _exports() -> None:
    """Export: the trust file for verifiers who are offline, and the trail for auditors."""


def trust_file(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    data: cli_console.Data = None,
) -> None:
    """Write the signed trust file: keys, status lists, checkpoint; the first goes to verifiers on a safe way.

    Example: license-ledger export trust trust.json
    """
    with cli_opened.ledger(data) as ledger:
        made = published(ledger)
    cli_files.write(made.trust, out)
    cli_console.done(f"Trust file in {out}: {len(made.trust):,} bytes, {len(made.lists):,} status lists")


def published(ledger: opening.Ledger) -> trust_shared.Published:
    """Trust file and status lists of an open ledger, as they are now."""
    is_witnessed = bool(ledger.config.outsiders.witnesses)
    reader = reading.Reader(ledger.ways.service, ledger.vault, is_witnessed=is_witnessed)
    try:
        return trust.made(ledger, reader, fresh_s=ledger.config.trust_fresh_s)
    finally:
        reader.close()
