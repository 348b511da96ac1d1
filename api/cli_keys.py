"""Commands for the keys of a ledger: the group `keys`.

What to do when, in order: docs/operate/keys.md.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from api import cli_console, cli_files, cli_opened
from ledger import audit_export, bundle, days, errors, keeping, key_history, opening, reading
from signing import keyring, receipt


def add_to(app: typer.Typer) -> None:
    """Add the group `keys`."""
    group = typer.Typer(no_args_is_help=True, help="Keys of the ledger: history, rotation, compromise.")
    group.command("list")(list_keys)
    group.command("prepare")(prepare)
    group.command("rotate")(rotate)
    group.command("compromise")(compromise)
    group.command("refresh")(refresh)
    group.command("rotate-pepper")(rotate_pepper)
    group.command("renew-bucket")(renew_bucket)
    group.command("finish-erasures")(finish_erasures)
    app.add_typer(group, name="keys")


_FILE_BYTES_MAX = 256 * 1024 * 1024
"""Of an export of the trail with long events."""
Purpose = Annotated[str, typer.Argument(help=f"One of {', '.join(keyring.PURPOSES)}.")]
_COPY = "Copy keys/ of the data folder to its safe place now: without it nothing that was backed up opens"
_NEXT = {
    "log": "Hand out a new trust file. Whoever keeps receipts under the old key gets fresh ones: "
    "`keys refresh`, or GET /v1/receipts/0/INDEX",
    "token": "Hand out a new trust file. Offline counters answer `check online` for its tokens from then on; "
    "print new QR codes.",
    "access": "Every access token under the old key is refused; clients sign in again by themselves.",
}


def list_keys(as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """List the signing keys of all times with their history.

    `last size` is the size of the largest tree that the key can have signed.

    Example: license-ledger keys list
    """
    with cli_opened.ledger(data) as ledger:
        known = _records(ledger)
    shown = [_shown(one) for one in known]
    if as_json:
        cli_console.print_json(shown)
        return
    heads = ("purpose", "key id", "status", "since index", "last size", "compromised since", "public key")
    rows = [tuple(one.values()) for one in shown]
    cli_console.OUT.print(cli_console.table(*heads, rows=rows))


def prepare(purpose: Purpose, as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """Make the next key known, so that offline verifiers have it in their trust file before it signs.

    Example: license-ledger keys prepare token
    """
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        key_id = keeping.prepare_signing_key(ledger, appender, purpose)
    if as_json:
        cli_console.print_json({"purpose": purpose, "key_id": key_id.hex(), "status": "prepared"})
        return
    cli_console.done(f"{purpose}: key {key_id.hex()} is known, and signs after `keys rotate {purpose}`")
    if purpose == "access":
        cli_console.done("Gateways read it from GET /oauth/jwks by themselves")
    else:
        cli_console.done("Hand out a new trust file first: license-ledger export trust FILE")
    cli_console.done(_COPY)


def rotate(purpose: Purpose, as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """Have the prepared key sign, or a new one, and retire the one before, without downtime.

    What the old key signed stays good; access tokens under it are taken until they end. Services switch by
    themselves. Hand out the trust file after.

    Example: license-ledger keys rotate log
    """
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        key_id = keeping.rotate_signing_key(ledger, appender, purpose)
    if as_json:
        cli_console.print_json({"purpose": purpose, "key_id": key_id.hex(), "status": "active"})
        return
    cli_console.done(f"{purpose}: key {key_id.hex()} signs from now on")
    cli_console.done(_COPY)


def compromise(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `keys list` shows it.")],
    reason: Annotated[str, typer.Option(help="What happened; sealed with the event.")],
    operator: Annotated[str, typer.Option(help="Account of who says so.")],
    operator_name: Annotated[str, typer.Option(help="Name of who says so.")],
    since: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE_OR_TIME",
            help="Size of the log, or a time as 2026-01-31T08:00:00+08:00, from which on the key was not "
            "the ledger's alone; with witnesses, what they had cosigned before. Since it came if not given.",
        ),
    ] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Say that a key was in other hands: it signs no more, and what it alone signed is not believed.

    If it signed until now, a new key takes over in the same step. Give an earlier --since later if it turns
    out so. Run it again if it was cut short.

    Example: license-ledger keys compromise 66846015 --since 2026-01-31T08:00:00+08:00 --operator dba1
    --operator-name 管理员 --reason …
    """
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        actor = cli_opened.actor(ledger, operator=operator, operator_name=operator_name, reason=reason)
        named = _key_id(key_id)
        result = keeping.compromise_signing_key(
            ledger, appender, named, since=_size(ledger, since), actor=actor
        )
        (said,) = (one for one in _records(ledger) if one.key_id == named)
        signs = ledger.vault.ring.active(said.purpose).key_id
    if as_json:
        told = {"index": result.indexes[-1], "signs_now": signs.hex()}
        cli_console.print_json({**_shown(said), **told})
        return
    cli_console.done(f"{said.purpose}: key {key_id} is compromised since size {said.compromised_since}")
    cli_console.done(f"{said.purpose}: key {signs.hex()} signs; recorded at index {result.indexes[-1]}")
    cli_console.done(_NEXT[said.purpose])
    cli_console.done(_COPY)


def refresh(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Proof bundle, receipt or export.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")],
    event: Annotated[Path | None, typer.Option(metavar="FILE", help="Stored bytes, for a receipt.")] = None,
    data: cli_console.Data = None,
) -> None:
    """Write a proof again with receipts of now, under the key that signs now.

    Its events must be in this ledger as they stand in the file; what a forger invented gets no receipt.

    Example: license-ledger keys refresh use.bundle.json --out fresh.bundle.json
    """
    kept, own = (
        cli_files.read(file, bytes_max=_FILE_BYTES_MAX),
        None if event is None else cli_files.read(event),
    )
    with (
        cli_opened.ledger(data) as ledger,
        contextlib.closing(reading.Reader(ledger.ways.service, ledger.vault)) as reader,
    ):
        made = refreshed(kept, own, reader)
    cli_files.write_lines((made,), out)
    cli_console.done(f"Fresh receipts in {out}")


def refreshed(kept: bytes, event: bytes | None, reader: reading.Reader) -> bytes:
    """The bundle, receipt or export, proven anew; raises Invalid or EventNotFound."""
    if kept.startswith(audit_export.BEGINNING):
        try:
            return audit_export.with_receipt(
                kept,
                stored=lambda index: reader.events([index])[0],
                fresh=reader.receipt,
                consistency=reader.consistency_proof,
                suite=reader.suite,
            )
        except audit_export.ExportInvalid as error:
            raise errors.Invalid(str(error), field="FILE") from error
    if not kept.startswith(receipt.HEADER.encode()):
        try:
            return bundle.with_receipts(
                kept, stored=lambda index: reader.events([index])[0], fresh=reader.receipt
            )
        except bundle.BundleInvalid as error:
            raise errors.Invalid(str(error), field="FILE") from error
    try:
        index = receipt.parse(kept.decode()).index
    except (receipt.ReceiptInvalid, UnicodeDecodeError) as error:
        raise errors.Invalid(str(error), field="FILE") from error
    if event is None:
        raise errors.Invalid("a receipt is proven anew with the event's stored bytes", field="--event")
    if reader.events([index]) != [event]:
        raise errors.Invalid("the event is not what the ledger has at its index", field="--event")
    return reader.receipt(index).encode()


def rotate_pepper(data: cli_console.Data = None) -> None:
    """Move every keyed lookup to a new pepper and destroy the old one, without downtime.

    Example: license-ledger keys rotate-pepper
    """
    with cli_opened.ledger(data) as ledger, cli_console.progress("lookups") as tell:
        moved = keeping.rotate_pepper(ledger, progress=lambda done: tell(done, 0))
    cli_console.done(f"{moved:,} lookups are under the new pepper; the old one is destroyed")


def renew_bucket(
    bucket: Annotated[int, typer.Argument(help="0 to 1023.")], data: cli_console.Data = None
) -> None:
    """Wrap a bucket's data keys under a new key and destroy the old one; finishes one cut short.

    Example: license-ledger keys renew-bucket 17
    """
    with cli_opened.ledger(data) as ledger:
        moved = keeping.renew_bucket(ledger, bucket)
    cli_console.done(f"{moved:,} data keys of bucket {bucket} are under its new key")


def finish_erasures(data: cli_console.Data = None) -> None:
    """Finish erasures and renewals that a crash cut short.

    Example: license-ledger keys finish-erasures
    """
    with cli_opened.ledger(data) as ledger:
        buckets = keeping.finish_erasures(ledger)
    cli_console.done(f"Renewed buckets: {', '.join(map(str, buckets)) or 'none was left'}")


def _records(ledger: opening.Ledger) -> tuple[key_history.KeyRecord, ...]:
    with contextlib.closing(ledger.recorder.session()) as session:
        return key_history.records(key_history.running(session), ledger.vault.ring)


def _shown(known: key_history.KeyRecord) -> dict[str, Any]:
    return {
        "purpose": known.purpose,
        "key_id": known.key_id.hex(),
        "status": "prepared" if known.is_prepared else known.status,
        "introduced_index": known.introduced_index,
        "last_size": known.last_size,
        "compromised_since": known.compromised_since,
        "public": known.public.hex(),
    }


def _key_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise errors.Invalid("a key id is hexadecimal, as `keys list` shows it", field="KEY_ID") from error


def _size(ledger: opening.Ledger, since: str | None) -> int | None:
    """A size of the log from a size or a time."""
    if since is None or (since.isascii() and since.isdigit() and len(since) < 19):
        return None if since is None else int(since)
    try:
        at = days.parse_instant(since)
    except ValueError as error:
        raise errors.Invalid("a size of the log, or a time with its offset", field="since") from error
    with contextlib.closing(ledger.recorder.session()) as session:
        return key_history.size_at(key_history.running(session), at)
