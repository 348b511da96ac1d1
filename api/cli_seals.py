"""Commands about the seals with which issuers sign documents: the group `seals`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api import cli_console, cli_files, cli_opened
from ledger import days, errors, issuer_seal, issuer_seal_register, opening, state_document, store
from signing import certificate, keyring

SOON_US = 60 * days.DAY_US
"""How long before its end a seal is said to end soon."""
_LOUD = (
    "DEMONSTRATION: made by this ledger itself, without legal effect; no reader of documents trusts it. "
    "演示印章，由本账本自行签发，不具法律效力。"
)


def add_to(app: typer.Typer) -> None:
    """Add the group `seals`."""
    group = typer.Typer(no_args_is_help=True, help="Seals of issuers 电子印章: import, renew, revoke.")
    group.command("import")(import_)
    group.command("demonstration")(demonstration)
    group.command("list")(list_)
    group.command("renew")(renew)
    group.command("revoke")(revoke)
    app.add_typer(group, name="seals")


Organization = Annotated[str, typer.Argument(metavar="ORGANIZATION", help="Credit code of the issuer.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="PKCS#12, with key, certificate and chain.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Mode 0600, its first line; without it the passphrase is asked for."),
]


def import_(
    organization: Organization,
    file: File,
    passphrase_file: PassphraseFile = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Take an issuer's key and certificate from a PKCS#12 file; it signs from now on.

    Example: license-ledger seals import 11350000000000019H seal.p12 --passphrase-file seal.pass
    """
    content, passphrase = cli_files.read(file), _passphrase(passphrase_file)
    with cli_opened.ledger(data) as ledger:
        row = _import(ledger, content, organization=organization, passphrase=passphrase)
    _tell(row, as_json=as_json)


def demonstration(
    organization: Organization,
    name: Annotated[str, typer.Option(help="Name of the issuer, as the seal shows it.")],
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Make a seal under the built-in demonstration authority; a demonstration ledger only.

    Example: license-ledger seals demonstration 11350000000000019H --name 示例市市场监督管理局
    """
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        row = issuer_seal_register.demonstrate(
            ledger, appender, organization=organization, name=name, at=store.wall_clock()
        )
    _tell(row, as_json=as_json)


def list_(as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """List every seal: whose, until when, whether it signs.

    Example: license-ledger seals list
    """
    with cli_opened.ledger(data) as ledger:
        known = issuer_seal_register.known(ledger)
        keyless = {row.fingerprint for row in known if ledger.vault.seal_key(row.fingerprint) is None}
    now = store.wall_clock()
    signing = _signing(known, at=now)
    shown = [_shown(row, _standing(row, signing, keyless, at=now)) for row in known]
    if as_json:
        cli_console.print_json(shown)
        return
    rows = [
        (one["organization"], one["name"], one["valid_until"][:10], one["standing"], one["fingerprint"])
        for one in shown
    ]
    heads = ("organization", "name", "valid until", "standing", "fingerprint")
    cli_console.OUT.print(cli_console.table(*heads, rows=rows))


def renew(
    organization: Organization,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="PKCS#12; none for a demonstration seal.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Give an issuer its next seal. What was signed before verifies as before; the one before is not revoked.

    Example: license-ledger seals renew 11350000000000019H seal-2027.p12 --passphrase-file seal.pass
    """
    content = None if file is None else cli_files.read(file)
    passphrase = None if file is None else _passphrase(passphrase_file)
    with cli_opened.ledger(data) as ledger:
        before = issuer_seal_register.newest(ledger, organization)
        if content is not None:
            row = _import(ledger, content, organization=organization, passphrase=passphrase)
        elif before.is_demonstration:
            name = certificate.describe(before.certificate).name
            with ledger.appending() as appender:
                row = issuer_seal_register.demonstrate(
                    ledger, appender, organization=organization, name=name, at=store.wall_clock()
                )
        else:
            raise errors.Invalid("the next seal comes in a PKCS#12 file", field="FILE")
    _tell(row, as_json=as_json)


def revoke(
    fingerprint: Annotated[
        str, typer.Argument(metavar="FINGERPRINT", help="As `seals list` says it, or its beginning.")
    ],
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(issuer_seal.REASONS)}.")],
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Since when, RFC 3339; default: now.")
    ] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Revoke a seal: it signs no more, its key is destroyed. What it signed before stays as good as it was.

    Example: license-ledger seals revoke 3f9a41c2 --reason superseded
    """
    try:
        moment = None if since is None else days.parse_instant(since)
    except ValueError as error:
        raise errors.Invalid(str(error), field="--since") from error
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        row = issuer_seal_register.revoke(
            ledger, appender, _named(ledger, fingerprint), reason=reason, since=moment
        )
    if as_json:
        cli_console.print_json(_shown(row, "revoked"))
        return
    cli_console.done(f"Revoked since {days.instant_text(row.revoked_at or 0)}; its key is destroyed")
    cli_console.done("Hand out the trust file anew, so that verifiers without a line know it.")


def _import(
    ledger: opening.Ledger, content: bytes, *, organization: str, passphrase: bytes | None
) -> state_document.SealRow:
    with ledger.appending() as appender:
        return issuer_seal_register.import_file(
            ledger,
            appender,
            content,
            organization=organization,
            passphrase=passphrase,
            at=store.wall_clock(),
        )


def _named(ledger: opening.Ledger, text: str) -> bytes:
    """The fingerprint that begins so, when exactly one does."""
    wanted = text.lower().replace(":", "")
    known = [row.fingerprint for row in issuer_seal_register.known(ledger)]
    found = [one for one in known if len(wanted) >= 8 and one.hex().startswith(wanted)]
    if len(found) != 1:
        raise errors.Invalid(
            "names no seal, or several: 8 digits at least of one that is listed", field="FINGERPRINT"
        )
    return found[0]


def _signing(known: tuple[state_document.SealRow, ...], *, at: int) -> set[bytes]:
    """Fingerprints of the seals that sign now, one an issuer at most."""
    fit: dict[str, bytes] = {}
    for row in known:
        if issuer_seal.unfitness(row, at=at) is None:
            fit[row.organization] = row.fingerprint
    return set(fit.values())


def _standing(row: state_document.SealRow, signing: set[bytes], keyless: set[bytes], *, at: int) -> str:
    unfit = issuer_seal.unfitness(row, at=at)
    if unfit is not None:
        return unfit
    if row.fingerprint in keyless:
        return "key-missing"
    if row.fingerprint not in signing:
        return "superseded"
    return "ends-soon" if row.valid_until < at + SOON_US else "signs"


def _shown(row: state_document.SealRow, standing: str) -> dict[str, Any]:
    said = certificate.describe(row.certificate)
    return {
        "organization": row.organization,
        "name": said.name,
        "fingerprint": row.fingerprint.hex(),
        "subject": said.subject,
        "issued_by": said.issuer,
        "valid_from": days.instant_text(row.valid_from),
        "valid_until": days.instant_text(row.valid_until),
        "is_demonstration": row.is_demonstration,
        "standing": standing,
        "index": row.registered_index,
        "revoked_at": None if row.revoked_at is None else days.instant_text(row.revoked_at),
        "revocation": row.revocation,
    }


def _tell(row: state_document.SealRow, *, as_json: bool) -> None:
    shown = _shown(row, issuer_seal.unfitness(row, at=store.wall_clock()) or "signs")
    if row.is_demonstration:
        cli_console.ERR.print(_LOUD, style="bold yellow", soft_wrap=True)
    if as_json:
        cli_console.print_json(shown)
        return
    cli_console.done(f"{shown['name']} ({row.organization}): seal {row.fingerprint.hex()}")
    cli_console.done(f"  {shown['valid_from'][:10]} to {shown['valid_until'][:10]}, by {shown['issued_by']}")
    if certificate.describe(row.certificate).credit_code is None:
        cli_console.done(
            "  The certificate names no credit code: compare its subject with the issuer yourself."
        )


def _passphrase(file: Path | None) -> bytes:
    """The first line of a file that only its owner may read, or what is typed; never an argument."""
    if file is None:
        typed: str = typer.prompt("Passphrase of the PKCS#12 file", hide_input=True, default="", err=True)
        return typed.encode()
    try:
        return keyring.read_private(file).split(b"\n")[0].rstrip(b"\r")
    except keyring.KeyRingError as error:
        raise errors.Invalid(str(error), field="--passphrase-file") from error
