"""Commands that make and migrate a ledger, and open its database in a shell."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from api import cli_console, cli_opened
from ledger import config, errors, filing, opening
from projections import db


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(init)
    app.command()(migrate)
    app.command()(psql)


def init(
    origin: Annotated[str, typer.Option(help="HOST/PATH that names the log for ever.")],
    operator: Annotated[str, typer.Option(help="Credit code of the body that runs the ledger.")],
    suite: Annotated[str, typer.Option(help="Cryptographic suite.")] = "intl",
    catalog: Annotated[bool, typer.Option(help="Register the national list of license types.")] = True,
    data: cli_console.Data = None,
) -> None:
    """Make a new ledger: database, keys, anchor, first facts.

    Example: license-ledger init --origin ledger.example/fj --operator 11350000000000019H
    """
    configured = config.load(data=data)
    opening.init(configured, origin=origin, operator=operator, suite_name=suite, with_catalog=catalog)
    with cli_opened.ledger(data) as ledger:
        if ledger.ways.owner is not None:
            db.migrate(ledger.ways.owner)
        cli_console.done(f"Ledger {ledger.vault.ring.origin} is open in {configured.data}")
        cli_console.done("Keep keys/, secrets/ and anchor/ safe, and apart from backups of the database.")


def migrate(data: cli_console.Data = None) -> None:
    """Bring the database up to date: schema, tables for what comes, logins. Run it daily.

    Where the keys are, licenses recorded before numbers were filed come to be found by them, once.

    Example: LEDGER_OWNER_DATABASE_URL=postgresql://… license-ledger migrate
    """
    configured = config.load(data=data)
    with opening.database(configured) as (ways, _):
        if ways.owner is None:
            raise errors.Invalid("the owner's URL is needed", field="LEDGER_OWNER_DATABASE_URL")
        names = db.migrate(ways.owner)
        if opening.is_ledger(configured):
            _file_numbers(configured)
    cli_console.done(f"Schema is up to date; projections to be rebuilt: {', '.join(names) or 'none'}")


def _file_numbers(configured: config.Config) -> None:
    with (
        opening.opened(configured, migrate=False) as ledger,
        cli_console.progress("numbers filed") as tell,
    ):
        filing.file_numbers(ledger, progress=lambda filed: tell(filed, 0))


def psql(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS...]", help="For psql.")] = None,
    owner: Annotated[bool, typer.Option("--owner", help="As owner, who may change everything.")] = False,
    data: cli_console.Data = None,
) -> None:
    """Open the database in psql: read-only, without keys and directory, unless `--owner`.

    Example: license-ledger psql -- -c 'SELECT count(*) FROM events'
    """
    with cli_opened.ledger(data) as ledger:
        way = ledger.ways.owner if owner else ledger.ways.reader
        if way is None:
            name = "LEDGER_OWNER_DATABASE_URL" if owner else "LEDGER_READER_DATABASE_URL"
            raise errors.Invalid("the URL of that login is needed", field=name)
        program = str(ledger.server.bin("psql")) if ledger.server is not None else "psql"
        plain, password = opening.password_apart(way)
        environment = config.child_environment() | {"PGPASSWORD": password}
        if not owner:
            environment["PGOPTIONS"] = "-c default_transaction_read_only=on"
        finished = subprocess.run([program, plain, *(arguments or [])], env=environment, check=False)  # noqa: S603
    raise typer.Exit(finished.returncode)
