"""The command line `license-ledger`: one program for those who run, check and verify a ledger.

Exit status: 0 done, 1 the check or the command failed, 2 wrong usage. Composition only: commands live in
the modules `cli_*`, what they do on the floors below.
"""

from __future__ import annotations

import sys

import typer

from api import (
    cli_bench,
    cli_cases,
    cli_console,
    cli_demo,
    cli_identifiers,
    cli_keeping,
    cli_ledger,
    cli_organizations,
    cli_proof,
    cli_registry,
    cli_stock,
    cli_types,
)
from ledger import errors

app = typer.Typer(
    name="license-ledger",
    help="An event-sourced electronic license ledger 电子证照账本.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for module in (
    cli_ledger,
    cli_demo,
    cli_proof,
    cli_keeping,
    cli_registry,
    cli_stock,
    cli_types,
    cli_organizations,
    cli_identifiers,
    cli_cases,
    cli_bench,
):
    module.add_to(app)


def main() -> None:
    """Run the command line; a refusal is one line on standard error, never a traceback."""
    try:
        app()
    except errors.LedgerError as error:
        cli_console.complain(error)
        sys.exit(2 if isinstance(error, errors.Invalid) else 1)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)
