"""The command line `license-ledger`: one program for those who run, check and verify a ledger.

Exit status: 0 done, 1 the check or the command failed, 2 wrong usage. Composition only: commands live in
the modules `cli_*`, what they do on the floors below. Only the module of the command that is asked for is
imported: whoever checks a code does not wait for the server's libraries.
"""

from __future__ import annotations

import importlib
import sys

import typer

from api import cli_console
from ledger import errors

MODULES = {
    "cli_ledger": ("init", "serve", "migrate", "psql"),
    "cli_demo": ("demo",),
    "cli_proof": ("check", "verify"),
    "cli_export": ("export",),
    "cli_keeping": ("rebuild", "recover", "backup", "restore", "holders"),
    "cli_keys": ("keys",),
    "cli_registry": ("clients",),
    "cli_seals": ("seals",),
    "cli_documents": ("documents",),
    "cli_stock": ("import",),
    "cli_reconcile": ("reconcile",),
    "cli_rejects": ("rejects",),
    "cli_types": ("types",),
    "cli_organizations": ("organizations",),
    "cli_identifiers": ("id",),
    "cli_cases": ("cases",),
    "cli_report": ("report",),
    "cli_witness": ("witness",),
    "cli_bench": ("bench",),
}
"""Modules, in the order of the help, and the commands that each adds."""


def application(asked: str | None = None) -> typer.Typer:
    """The program with the commands of the module that has `asked`; with all where none has it."""
    app = typer.Typer(
        name="license-ledger",
        help="An event-sourced electronic license ledger 电子证照账本.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    # So that a program with one command is called by the command's name too.
    app.callback()(_program)
    for module in [name for name, commands in MODULES.items() if asked in commands] or MODULES:
        importlib.import_module(f"api.{module}").add_to(app)
    return app


def _program() -> None:
    """An event-sourced electronic license ledger 电子证照账本."""


def main() -> None:
    """Run the command line; a refusal is one line on standard error, never a traceback."""
    try:
        application(sys.argv[1] if len(sys.argv) > 1 else None)()
    except errors.LedgerError as error:
        cli_console.complain(error)
        sys.exit(2 if isinstance(error, errors.Invalid) else 1)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)
