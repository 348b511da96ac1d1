"""Commands that register who may call: the group `clients`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api import auth, cli_console, cli_files, cli_opened
from ledger import client, errors, reading, registry_commands, state
from signing import ids, keyring


def add_to(app: typer.Typer) -> None:
    """Add the group `clients`."""
    group = typer.Typer(no_args_is_help=True, help="Client systems: keys, registration, suspension.")
    group.command("generate-key")(generate_key)
    group.command("register")(register)
    group.command("change-key")(change_key)
    group.command("organizations")(organizations)
    group.command("suspend")(suspend)
    group.command("show")(show)
    app.add_typer(group, name="clients")


Algorithm = Annotated[str, typer.Option(help=f"One of {', '.join(client.ALGORITHMS)}.")]
Keys = Annotated[
    list[Path], typer.Option("--key", metavar="FILE", help="Public key, JWK or PEM; repeatable.")
]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID")]


def generate_key(
    out: Annotated[
        Path, typer.Argument(metavar="FILE", help="Private JWK, mode 0600; FILE.pub gets the public.")
    ],
    algorithm: Algorithm = "Ed25519",
) -> None:
    """Make a key for a client: keep FILE, register FILE.pub.

    Example: license-ledger clients generate-key hall.jwk
    """
    if out.exists():
        raise errors.Invalid("there is a file of this name, which may be the key of a client", field=out.name)
    private, public = auth.generate_client_key(algorithm)
    try:
        keyring.write_private(json.dumps(private).encode(), out)
    except OSError as error:
        raise errors.Invalid(f"cannot be written: {error.strerror}", field=out.name) from error
    cli_files.write(f"{json.dumps(public)}\n".encode(), out.with_name(f"{out.name}.pub"))
    cli_console.done(f"Private key in {out}, public key in {out}.pub")


def register(
    name: Annotated[str, typer.Option(help="Name of the system.")],
    organization: Annotated[str, typer.Option(help="Credit code of the organization it acts for.")],
    scope: Annotated[list[str], typer.Option(help=f"Repeatable: {', '.join(client.SCOPES)}.")],
    key: Keys,
    algorithm: Algorithm = "Ed25519",
    license_type: Annotated[
        list[str] | None, typer.Option(help="Type code it may issue; repeatable.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Further organization that it serves; repeatable.")
    ] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Register a client system; prints its client id.

    Example: license-ledger clients register --name hall --organization 12350100000000027E
    --scope license:use --key hall.jwk.pub
    """
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        asked = registry_commands.RegisterClient(
            actor=ledger.console,
            name=name,
            acts_for=organization,
            scopes=tuple(scope),
            license_types=tuple(license_type or ()),
            algorithm=algorithm,
            keys=_public_keys(key, algorithm),
            further=tuple(also or ()),
        )
        (index,) = appender.submit(asked).result().indexes
    client_id = ids.text(asked.client_id)
    if as_json:
        cli_console.print_json({"client_id": client_id, "index": index})
    else:
        cli_console.done(f"{client_id}  (registered at index {index})")


def change_key(
    client_id: ClientId, key: Keys, algorithm: Algorithm = "Ed25519", data: cli_console.Data = None
) -> None:
    """Replace a client's keys; access tokens made before are dead at once.

    Example: license-ledger clients change-key CLIENT_ID --key new.jwk.pub
    """
    fact = client.ClientKeyChanged(
        client_id=_id(client_id), algorithm=algorithm, keys=_public_keys(key, algorithm)
    )
    _record(fact, data)
    cli_console.done("The client's keys are changed")


def organizations(
    client_id: ClientId,
    also: Annotated[
        list[str] | None, typer.Option(help="Further organization that it serves; repeatable.")
    ] = None,
    data: cli_console.Data = None,
) -> None:
    """Say which further organizations a client serves from now on; access tokens for others are dead.

    Example: license-ledger clients organizations CLIENT_ID --also 12350100000000027E
    """
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        asked = registry_commands.ChangeOrganizations(
            actor=ledger.console, client_id=_id(client_id), further=tuple(also or ())
        )
        appender.submit(asked).result()
    cli_console.done("The client's organizations are changed")


def suspend(client_id: ClientId, data: cli_console.Data = None) -> None:
    """Suspend a client: it is granted nothing from the commit on.

    Example: license-ledger clients suspend CLIENT_ID
    """
    _record(client.ClientSuspended(client_id=_id(client_id)), data)
    cli_console.done("The client is suspended")


def show(client_id: ClientId, as_json: cli_console.Json = False, data: cli_console.Data = None) -> None:
    """Show a client's registration.

    Example: license-ledger clients show CLIENT_ID
    """
    with (
        cli_opened.ledger(data) as ledger,
        contextlib.closing(reading.Reader(ledger.ways.service, ledger.vault)) as reader,
    ):
        row = reader.row(state.ClientRow, _id(client_id))
    if row is None:
        raise errors.NotFound("no such client")
    shown: dict[str, Any] = {
        "client_id": client_id,
        "name": row.name,
        "organization": row.organization,
        "also": list(row.acts_for),
        "scopes": list(row.scopes),
        "license_types": list(row.license_types),
        "algorithm": row.algorithm,
        "keys": [json.loads(text) for text in row.keys],
        "suspended": row.is_suspended,
    }
    if as_json:
        cli_console.print_json(shown)
        return
    rows = [(label, value if isinstance(value, str) else json.dumps(value)) for label, value in shown.items()]
    cli_console.OUT.print(cli_console.table("", "", rows=rows))


def _record(fact: client.ClientKeyChanged | client.ClientSuspended, data: Path | None) -> None:
    with cli_opened.ledger(data) as ledger, ledger.appending() as appender:
        asked = registry_commands.RecordInRegistry(actor=ledger.console, facts=(fact,))
        appender.submit(asked).result()


def _public_keys(files: list[Path], algorithm: str) -> tuple[str, ...]:
    return tuple(
        json.dumps(auth.public_jwk(cli_files.read(file), algorithm=algorithm), sort_keys=True)
        for file in files
    )


def _id(text: str) -> bytes:
    try:
        return ids.parse(text)
    except ids.IdInvalid as error:
        raise errors.Invalid(str(error), field="CLIENT_ID") from error
