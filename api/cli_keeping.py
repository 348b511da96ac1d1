"""Commands that keep a ledger: rebuild, backup, restore, recover, erasure, keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from api import cli_console, cli_holders
from ledger import backup as backups
from ledger import command, config, errors, identifiers, keeping, rebuilding, recovery
from projections import db, registry
from projections import rebuild as projection_rebuild
from signing import keyring, keys, trust


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
    group = typer.Typer(no_args_is_help=True, help="Keys of the ledger: list, rotate, renew, trust file.")
    group.command("list")(list_keys)
    group.command("rotate")(rotate)
    group.command("rotate-pepper")(rotate_pepper)
    group.command("renew-bucket")(renew_bucket)
    group.command("finish-erasures")(finish_erasures)
    group.command("trust")(trust_file)
    app.add_typer(group, name="keys")


def _holders() -> None:
    """Holders: codes, ends, erasure."""


def rebuild(data: cli_console.Data = None) -> None:
    """Derive decision state and projections from the events again; says what was different.

    Example: license-ledger rebuild
    """
    with cli_console.opened(data) as ledger:
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
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Say whether the database has what the anchor has seen; with --declare-loss go on without it.

    Example: license-ledger recover
    """
    with cli_console.opened(data) as ledger:
        report = recovery.recover(ledger, declare_loss=declare_loss)
    if as_json:
        cli_console.print_json({name: value for name, value in vars(report).items() if name != "declared"})
    else:
        _print_loss(report)
    if not report.is_contained and not declare_loss:
        raise typer.Exit(1)


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
        cli_console.done("Hand out a new trust file: license-ledger keys trust FILE")
    elif not report.is_contained:
        cli_console.done("Find the lost events, or go on without them: recover --declare-loss")


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New or empty; gets mode 0700.")],
    data: cli_console.Data = None,
) -> None:
    """Write a backup of the database. It holds no key: keep keys/, secrets/ and anchor/ elsewhere.

    Example: license-ledger backup /backup/2026-11-22
    """
    with cli_console.opened(data) as ledger:
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
    with cli_console.opened(data) as ledger, ledger.appending() as appender:
        actor = command.Actor(
            client_id=None,
            organization=ledger.vault.ring.operator,
            operator=command.Operator(account=operator, name=operator_name),
            channel="console",
            reason=reason,
        )
        result = keeping.erase_holder(ledger, appender, holder, actor)
    cli_console.done(f"Erased; recorded at index {result.indexes[0]}")


def list_keys(as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """List signing keys with their ids and states.

    Example: license-ledger keys list
    """
    with cli_console.opened(data) as ledger:
        held = ledger.vault.ring.signing
    rows = [
        (
            key.purpose,
            key.key_id.hex(),
            "retired" if key.is_retired else "active",
            keys.SigningKey(key.seed).public.hex(),
        )
        for key in held
    ]
    if as_json:
        names = ("purpose", "key_id", "status", "public")
        cli_console.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    cli_console.OUT.print(cli_console.table("purpose", "key id", "status", "public key", rows=rows))


def rotate(
    purpose: Annotated[str, typer.Argument(help=f"One of {', '.join(keyring.PURPOSES)}.")],
    data: cli_console.Data = None,
) -> None:
    """Introduce a new signing key and retire the old one, without downtime. Hand out the trust file after.

    After `access`, clients are told 401 once and fetch a new access token.

    Example: license-ledger keys rotate log
    """
    with cli_console.opened(data) as ledger, ledger.appending() as appender:
        key_id = keeping.rotate_signing_key(ledger, appender, purpose)
    cli_console.done(f"{purpose}: key {key_id.hex()} signs from now on")


def rotate_pepper(data: cli_console.Data = None) -> None:
    """Move every keyed lookup to a new pepper and destroy the old one, without downtime.

    Example: license-ledger keys rotate-pepper
    """
    with cli_console.opened(data) as ledger, cli_console.progress("lookups") as tell:
        moved = keeping.rotate_pepper(ledger, progress=lambda done: tell(done, 0))
    cli_console.done(f"{moved:,} lookups are under the new pepper; the old one is destroyed")


def renew_bucket(
    bucket: Annotated[int, typer.Argument(help="0 to 1023.")], data: cli_console.Data = None
) -> None:
    """Wrap a bucket's data keys under a new key and destroy the old one; finishes one cut short.

    Example: license-ledger keys renew-bucket 17
    """
    with cli_console.opened(data) as ledger:
        moved = keeping.renew_bucket(ledger, bucket)
    cli_console.done(f"{moved:,} data keys of bucket {bucket} are under its new key")


def finish_erasures(data: cli_console.Data = None) -> None:
    """Finish erasures and renewals that a crash cut short.

    Example: license-ledger keys finish-erasures
    """
    with cli_console.opened(data) as ledger:
        buckets = keeping.finish_erasures(ledger)
    cli_console.done(f"Renewed buckets: {', '.join(map(str, buckets)) or 'none was left'}")


def trust_file(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    data: cli_console.Data = None,
) -> None:
    """Write the trust file: origins and public keys, to be handed to verifiers on a safe way.

    Example: license-ledger keys trust trust.json
    """
    with cli_console.opened(data) as ledger:
        made = trust.write(keeping.trust_file(ledger, made_at=datetime.now(UTC)))
    out.write_bytes(made)
    cli_console.done(f"Trust file in {out}: {len(made):,} bytes")
