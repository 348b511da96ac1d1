"""Commands that keep a ledger: rebuild, backup, restore, recover, erasure."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from api import cli_console, cli_holders, cli_opened
from ledger import backup as backups
from ledger import config, errors, identifiers, keeping, rebuilding, recovery
from projections import db, registry
from projections import rebuild as projection_rebuild


def add_to(app: typer.Typer) -> None:
    """Add the commands and groups of this module."""
    app.command()(rebuild)
    app.command()(recover)
    app.command()(backup)
    app.command()(restore)
    holders = typer.Typer(no_args_is_help=True, help="Holders: codes, ends, erasure.")
    holders.callback()(_holders)
    holders.command("erase")(erase)
    cli_holders.add_to(holders)
    app.add_typer(holders, name="holders")


def _holders() -> None:
    """Holders: codes, ends, erasure."""


def rebuild(data: cli_console.Data = None) -> None:
    """Derive decision state and projections from the events again; says what was different.

    Example: license-ledger rebuild
    """
    with cli_opened.ledger(data) as ledger:
        with cli_console.progress("events replayed") as tell:
            rebuilt = rebuilding.rebuild(ledger, progress=lambda events: tell(events, 0))
        cli_console.done(f"Decision state from {rebuilt.events:,} events")
        for table, rows in rebuilt.changed.items():
            cli_console.done(f"  {table}: {rows} rows were different")
        owner = rebuilding.owner_of(ledger)
        db.migrate(owner)
        for projection in registry.ALL:
            through = projection_rebuild.rebuild(owner, ledger.recorder, projection)
            cli_console.done(f"Projection {projection.name} through index {through}")


def recover(
    declare_loss: Annotated[
        bool, typer.Option("--declare-loss", help="Declare what is missing lost; open a successor origin.")
    ] = False,
    seen: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A signed checkpoint, a receipt or a backup's manifest.json that somebody kept; the anchor "
            "has it from then on.",
        ),
    ] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Say whether the database has what the anchor has seen; with --declare-loss go on without it.

    Exit 1 if it lacks something. Where the newest anchor was lost too, give the newest checkpoint that a
    client, a witness or a mirror has as --seen. What to do in which order: docs/operate/backup-drill.md.

    Example: license-ledger recover --seen newest.checkpoint
    """
    kept = None if seen is None else _read(seen)
    with cli_opened.ledger(data) as ledger:
        if kept is not None:
            recovery.see(ledger, kept)
        report = recovery.recover(ledger, declare_loss=declare_loss)
    if as_json:
        cli_console.print_json({name: value for name, value in vars(report).items() if name != "declared"})
    else:
        _print_loss(report)
    if not report.is_contained and not declare_loss:
        raise typer.Exit(1)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.Invalid("the file cannot be read as text", field=file.name) from error


def _print_loss(report: recovery.LossReport) -> None:
    cli_console.done(f"The anchor has seen {report.anchored_size:,} events of {report.anchored_origin}")
    cli_console.done(f"The database has {report.found_size:,} events of {report.found_origin}")
    if report.is_contained:
        cli_console.done("Nothing is lost: the database contains what the anchor has.")
    elif report.lost_from is not None:
        cli_console.done(
            f"Lost: the events from index {report.lost_from} up to {report.lost_until}, not included."
        )
    else:
        cli_console.done("The database holds another history than the anchor has seen.")
    if report.successor is not None:
        (first, *_) = report.declared
        cli_console.done(f"Declared at index {first.index}; appending goes on under {report.successor}.")
        cli_console.done("Hand out a new trust file: license-ledger export trust FILE")
    elif not report.is_contained:
        cli_console.done("Find the lost events, or go on without them: recover --declare-loss")


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New or empty; gets mode 0700.")],
    data: cli_console.Data = None,
) -> None:
    """Write a backup of the database. It holds no key: keep keys/, secrets/ and anchor/ elsewhere.

    Example: license-ledger backup /backup/2026-11-22
    """
    with cli_opened.ledger(data) as ledger:
        manifest = backups.backup(ledger, folder, made_at=datetime.now(UTC))
    cli_console.done(f"Backup of {manifest.origin}, {manifest.size:,} events, in {folder}")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup.")],
    data: cli_console.Data = None,
) -> None:
    """Put a backup into an empty database; keys, secrets and anchor must be in the data folder.

    Example: license-ledger restore /backup/2026-11-22 --data /srv/ledger
    """
    restored = backups.restore(config.load(data=data), folder)
    cli_console.done(f"Restored {restored.size:,} events; {restored.streams_without_key} streams without key")
    if restored.anchored_size > restored.size:
        cli_console.done(
            f"The anchor has seen {restored.anchored_size:,} events: appending stops until "
            "`license-ledger recover --declare-loss`"
        )


def erase(
    code_type: Annotated[str, typer.Option(help="Holder code type, 111 or 001.")],
    code: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="The code; asked for if not given.")
    ],
    operator: Annotated[str, typer.Option(help="Account of who erases.")],
    operator_name: Annotated[str, typer.Option(help="Name of who erases.")],
    reason: Annotated[str, typer.Option(help="Legal basis, sealed with the event.")],
    data: cli_console.Data = None,
) -> None:
    """Destroy a holder's keys and directory rows, here and in every backup; the fact of it is recorded.

    Example: license-ledger holders erase --code-type 111 --operator dba1 --operator-name 管理员 --reason …
    """
    try:
        holder = identifiers.holder_code(code_type, code)
    except identifiers.IdentifierError as error:
        raise errors.InvalidHolderCode(str(error), field="code") from error
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        actor = cli_opened.actor(ledger, operator=operator, operator_name=operator_name, reason=reason)
        result = keeping.erase_holder(ledger, appender, holder, actor)
    cli_console.done(f"Erased; recorded at index {result.indexes[0]}")
