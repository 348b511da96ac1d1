"""Commands about signed documents: the group `documents`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api import cli_console, cli_files, cli_opened
from ledger import config, errors, issuer_seal_register, opening, revocation_asking, store
from signing import document, document_judge

BYTES_MAX = 100 << 20


def add_to(app: typer.Typer) -> None:
    """Add the group `documents`."""
    group = typer.Typer(no_args_is_help=True, help="Signed documents: upgrade for the archive.")
    group.callback()(_documents)
    group.command("upgrade")(upgrade)
    app.add_typer(group, name="documents")


def _documents() -> None:
    """Signed documents: upgrade for the archive."""


def upgrade(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A signed document, PDF.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; default: FILE with -lta.")
    ] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Add what is known of revocations and a time-stamp to a document (PAdES B-LTA): it is proven for long.

    Authority, roots, lists and responders are those of the configuration (LEDGER_TIMESTAMP_URL and its
    like); of a demonstration ledger also its own.

    Example: license-ledger documents upgrade license.pdf
    """
    configured = config.load(data=data)
    if configured.timestamp_url is None:
        raise errors.Invalid("say which authority stamps documents", field="LEDGER_TIMESTAMP_URL")
    target = out or file.with_name(f"{file.stem}-lta.pdf")
    made = _archived(cli_files.read(file, bytes_max=BYTES_MAX), configured)
    cli_files.write(made, target)
    if as_json:
        cli_console.print_json({"file": str(target), "level": "b-lta", "bytes": len(made)})
    else:
        cli_console.done(f"B-LTA in {target}: {len(made):,} bytes")


def _archived(content: bytes, configured: config.Config) -> bytes:
    trust, at = _trust(configured), issuer_seal_register.moment(store.wall_clock())
    assert configured.timestamp_url is not None, "it was asked for"
    _require_sound(content, trust, at=at)
    try:
        return document.archive(
            content,
            time_stamper=document.authority_at(configured.timestamp_url),
            at=at,
            roots=trust.roots,
            time_stamp_roots=trust.time_stamp_roots,
            revocation_lists=trust.revocation_lists,
            evidence=revocation_asking.evidence(configured.revocation_sources, at=at),
        )
    except document.DocumentInvalid as error:
        raise errors.Invalid(str(error), field="FILE") from error
    except document.TimeStampFailed as error:
        raise errors.Unavailable(str(error)) from error


def _require_sound(content: bytes, trust: issuer_seal_register.DocumentTrust, *, at: datetime) -> None:
    """Nothing when a file is what a trusted issuer signed; raises Invalid with the reasons why it is not.

    A stranger's file is not opened by what archives documents.
    """
    said = document_judge.judge(
        content,
        roots=trust.roots,
        at=at,
        time_stamp_roots=trust.time_stamp_roots,
        revocation_lists=trust.revocation_lists,
    )
    if not said.holds:
        reasons = [reason.value for reason in said.reasons]
        raise errors.Invalid(f"not a sound document: {', '.join(reasons)}", field="FILE", reasons=reasons)


def _trust(configured: config.Config) -> issuer_seal_register.DocumentTrust:
    """What the document is judged by: with the demonstration authority where the ledger is here."""
    if not opening.is_ledger(configured):
        return issuer_seal_register.configured_trust(configured)
    with cli_opened.ledger(configured.data) as ledger:
        return issuer_seal_register.document_trust(ledger, at=store.wall_clock())
