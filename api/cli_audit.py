"""An export of the trail from the ledger's console: `license-ledger export trail`.

For whoever has the data folder. It is recorded as any other, as asked by the ledger's own operator. Codes
of holders and accounts are read from a file or asked for, so that none stands in the list of processes.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api import cli_console, cli_files, cli_opened
from ledger import audit_export, errors

Out = Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; further files get -2, -3 ….")]
Query = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The filter as JSON, as /v1/audit/exports takes it; - for stdin."),
]
HolderType = Annotated[
    str | None, typer.Option(help="Of a holder: the code type, 111 or 001; the code is asked for.")
]
_QUERY_BYTES_MAX = 65_536


def export_trail(
    out: Out,
    account: Annotated[str, typer.Option("--operator", help="Account of who asks.")],
    name: Annotated[str, typer.Option("--operator-name", help="Name of who asks.")],
    reason: Annotated[str, typer.Option(help="Why, sealed with the event.")],
    query: Query = None,
    holder_type: HolderType = None,
    license_ref: Annotated[str | None, typer.Option("--license", help="Of a license: its reference.")] = None,
    requester: Annotated[str | None, typer.Option(help="Of a requester: its credit code.")] = None,
    issuer: Annotated[str | None, typer.Option(help="Of an issuer: its credit code.")] = None,
    case_number: Annotated[str | None, typer.Option("--case", help="Of a case: its number.")] = None,
    item: Annotated[str | None, typer.Option(help="Of a service item: its code.")] = None,
    recorded_from: Annotated[
        str | None, typer.Option("--from", help="From this instant on, as 2026-01-01T00:00:00+08:00.")
    ] = None,
    recorded_until: Annotated[str | None, typer.Option("--until", help="Before this instant.")] = None,
    finding: Annotated[str | None, typer.Option(help="Of this list of findings alone.")] = None,
    limit: Annotated[int, typer.Option(help="Events of one file.")] = audit_export.EVENTS_MAX,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Export the trail: every event of a query with its proof, in files that `verify` judges offline.

    Example: license-ledger export trail hall.export --requester 12350100000000027E --operator a …
    """
    said = {
        "license_ref": license_ref,
        "requester": requester,
        "issuer": issuer,
        "case_number": case_number,
        "service_item_code": item,
        "recorded_from": recorded_from,
        "recorded_until": recorded_until,
        "holder": _holder(holder_type),
    }
    filter_ = _filter(query) | {member: value for member, value in said.items() if value is not None}
    asked = {"filter": filter_, "limit": limit, **({} if finding is None else {"finding": finding})}
    # What the endpoint works with brings libraries for which `export trust` does not wait.
    console = importlib.import_module("api.audit_console")
    body = console.body(asked)
    with cli_opened.ledger(data) as ledger:
        who = cli_opened.actor(ledger, operator=account, operator_name=name, reason=reason)
        written = console.write(ledger, who, body, out)
    if as_json:
        cli_console.print_json({"files": written})
        return
    for one in written:
        cli_console.done(f"{one['events']} events in {one['file']}, recorded at index {one['index']}")


def _filter(file: Path | None) -> dict[str, Any]:
    """The filter in a file; raises Invalid."""
    if file is None:
        return {}
    try:
        said = json.loads(cli_files.read(file, bytes_max=_QUERY_BYTES_MAX))
    except (ValueError, RecursionError) as error:
        raise errors.Invalid("not JSON", field="--query") from error
    if not isinstance(said, dict):
        raise errors.Invalid("a filter is an object", field="--query")
    return said


def _holder(code_type: str | None) -> dict[str, str] | None:
    if code_type is None:
        return None
    return {"code_type": code_type, "code": typer.prompt("Code", hide_input=True, err=True)}
