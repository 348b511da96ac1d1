"""The command line `license-ledger`: one program for those who run, check and verify a ledger.

Exit status: 0 done, 1 the check or the command failed, 2 wrong usage. Composition only: commands live in
the modules `cli_*`, what they do on the floors below. Only the module of the command that is asked for is
imported: whoever checks a code does not wait for the server's libraries.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import typer

from api import cli_console
from ledger import errors

COMMANDS = {
    "init": ("cli_ledger", "Make a new ledger: database, keys, anchor, first facts."),
    "serve": ("cli_serve", "Serve the ledger over HTTP: in one process, or in several at one address."),
    "migrate": (
        "cli_ledger",
        "Bring the database up to date: schema, tables for what comes, logins. Run it daily.",
    ),
    "psql": (
        "cli_ledger",
        "Open the database in psql: read-only, without keys and directory, unless `--owner`.",
    ),
    "demo": (
        "cli_demo",
        "Make a small synthetic province, use its licenses over HTTP, and prove one use offline.",
    ),
    "check": (
        "cli_check",
        "Re-derive everything from the events; name the first that does not fit. Exit 1 if any does not.",
    ),
    "verify": (
        "cli_proof",
        (
            "Verify a file offline: no database, no network. "
            "Exit 1 if it does not hold, 2 if it cannot be judged."
        ),
    ),
    "export": (
        "cli_export",
        "Export: the trust file for verifiers who are offline, and the trail for auditors.",
    ),
    "rebuild": (
        "cli_keeping",
        "Derive decision state and projections from the events again; says what was different.",
    ),
    "recover": (
        "cli_keeping",
        "Say whether the database has what the anchor has seen; with --declare-loss go on without it.",
    ),
    "backup": (
        "cli_keeping",
        "Write a backup of the database. It holds no key: keep keys/, secrets/ and anchor/ elsewhere.",
    ),
    "restore": (
        "cli_keeping",
        "Put a backup into an empty database; keys, secrets and anchor must be in the data folder.",
    ),
    "holders": ("cli_keeping", "Holders: codes, ends, erasure."),
    "keys": ("cli_keys", "Keys of the ledger: history, rotation, compromise."),
    "clients": ("cli_registry", "Client systems: keys, registration, suspension."),
    "seals": ("cli_seals", "Seals of issuers 电子印章: import, renew, revoke."),
    "documents": ("cli_documents", "Signed documents: upgrade for the archive."),
    "import": ("cli_stock", "Import old licenses, or a batch; after a crash, the same command goes on."),
    "sync": (
        "cli_sync",
        "Take a source's batches from its front-end database 前置库, and answer every row there.",
    ),
    "reconcile": (
        "cli_reconcile",
        "Hold a source's sheet against what was collected from it. Ends with 1 when they differ.",
    ),
    "rejects": ("cli_rejects", "List rejected rows of sources, the oldest first, until they are put right."),
    "types": ("cli_types", "License types: list, show, register, revise, retire."),
    "organizations": ("cli_organizations", "Organizations: succession, and who took over from whom."),
    "id": ("cli_identifiers", "Identifiers: citizen IDs, credit codes, licenses."),
    "cases": ("cli_cases", "The feed of cases 办件 of an organization."),
    "report": ("cli_report", "The monthly bulletin 通报: read, close, correct."),
    "witness": ("cli_witness", "A witness of logs 见证人: cosigns their checkpoints."),
    "bench": (
        "cli_bench",
        "Measure this machine: one benchmark with its options, or all; `report` draws what `--save` kept.",
    ),
}
"""Commands and groups in the order of the help: the module that adds each, and what the help says of it."""


def application(asked: str | None = None) -> typer.Typer:
    """The program with the commands of the module that has `asked`; of others it has the line of the help."""
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
    wanted, _ = COMMANDS.get(asked or "", (None, ""))
    for name, (module, line) in COMMANDS.items():
        if module != wanted:
            app.command(name, help=line)(_elsewhere)
    if wanted is not None:
        importlib.import_module(f"api.{wanted}").add_to(app)
    return app


def _elsewhere() -> NoReturn:
    """Stands for a command whose module was not imported, since another was asked for."""
    raise AssertionError("the command that is asked for is imported")


def _program() -> None:
    """An event-sourced electronic license ledger 电子证照账本."""


def main() -> None:
    """Run the command line; a refusal is one line on standard error, never a traceback."""
    try:
        application(next((word for word in sys.argv[1:] if not word.startswith("-")), None))()
    except errors.LedgerError as error:
        cli_console.complain(error)
        sys.exit(2 if isinstance(error, errors.Invalid) else 1)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)
