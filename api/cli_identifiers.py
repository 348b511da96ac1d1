"""`license-ledger id`: what a code says of itself, and interim codes for bodies that have none."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import rich.markup
import typer

from api import cli_console
from ledger import errors, explanation, identifiers


def add_to(app: typer.Typer) -> None:
    """Add the group `id`."""
    group = typer.Typer(no_args_is_help=True, help="Identifiers: citizen IDs, credit codes, licenses.")
    group.callback()(_group)
    group.command("check")(check)
    group.command("interim")(interim)
    app.add_typer(group, name="id")


def _group() -> None:
    """Identifiers: citizen IDs, credit codes, license identifiers."""


def check(
    codes: Annotated[
        list[str],
        typer.Argument(metavar="CODE...", help="Codes; - reads them from standard input, one a line."),
    ],
    as_json: cli_console.Json = False,
) -> None:
    """Check codes: check characters, dates, structure; exit 1 if any is bad (a legacy variant is none).

    A code on the command line stands in the list of processes: those of people are better read with -.

    Example: license-ledger id check 91350100MA0000007A - < codes.txt
    """
    codes = [code for said in codes for code in (_read() if said == "-" else [said])]
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


def interim(
    division: Annotated[str, typer.Option(help="Six digits of the allotting division (GB/T 2260).")],
    serial: Annotated[
        str | None, typer.Option(help="Nine characters 0-9 A-Z without I O S V Z; drawn if not given.")
    ] = None,
) -> None:
    """Make an interim code 无代码主体赋码 for a body without a credit code; its code type is 099.

    Example: license-ledger id interim --division 350102
    """
    drawn = "".join(secrets.choice(identifiers.CREDIT_ALPHABET) for _ in range(9))
    try:
        made = identifiers.make_interim_code(division, drawn if serial is None else serial)
    except identifiers.IdentifierError as error:
        raise errors.Invalid(f"an interim code: {error.fault}", field="division or serial") from error
    cli_console.OUT.print(made)


def _read() -> list[str]:
    """The lines of standard input that are not blank."""
    return [line.strip() for line in sys.stdin if line.strip()]
