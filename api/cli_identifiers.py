"""`license-ledger id check`: what a citizen ID, a credit code or a license identifier says of itself."""

from __future__ import annotations

from typing import Annotated

import rich.markup
import typer

from api import cli_console
from ledger import explanation


def add_to(app: typer.Typer) -> None:
    """Add the group `id`."""
    group = typer.Typer(no_args_is_help=True, help="Identifiers: citizen IDs, credit codes, licenses.")
    group.callback()(_group)
    group.command("check")(check)
    app.add_typer(group, name="id")


def _group() -> None:
    """Identifiers: citizen IDs, credit codes, license identifiers."""


def check(
    codes: Annotated[list[str], typer.Argument(metavar="CODE...", help="One or more codes.")],
    as_json: cli_console.Json = False,
) -> None:
    """Check codes: check characters, dates, structure; exit 1 if any is bad (a legacy variant is none).

    Example: license-ledger id check 91350100MA0000007A 11010519491231002X
    """
    found = [explanation.explain(code) for code in codes]
    if as_json:
        cli_console.print_json([one.as_dict() for one in found])
    else:
        for code, one in zip(codes, found, strict=True):
            color = {"bad": "red", "ok": "green"}.get(one.verdict, "yellow")
            cli_console.OUT.print(f"[bold]{rich.markup.escape(code)}[/] [{color}]{one.verdict}[/] {one.kind}")
            for line in one.lines:
                cli_console.OUT.print(f"  {rich.markup.escape(line)}")
    if any(one.verdict == "bad" for one in found):
        raise typer.Exit(1)
