"""The command `rejects`: rows of sources that were rejected and not put right yet, by source and age."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from api import cli_console, cli_opened, rejects
from ledger import collection, collection_rejects, days, errors, reading, store


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("rejects")(rejected)


def rejected(
    organization: Annotated[
        str | None, typer.Option(metavar="CODE", help="Rows of this organization, and not only counts.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Rows of this system of it alone.")] = None,
    dismiss: Annotated[
        str | None, typer.Option(metavar="BATCH", help="Take the rows of a batch of the source off the list.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 100,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """List rejected rows of sources, the oldest first, until they are put right.

    Example: license-ledger rejects --organization 91350100MA0000007A --source archive
    """
    if organization is None and (source is not None or dismiss is not None):
        raise errors.Invalid("name the organization whose source it is", field="--organization")
    if dismiss is not None and source is None:
        raise errors.Invalid("name the source that numbered the batch", field="--source")
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(cli_opened.ledger(data))
        reader = reading.Reader(ledger.ways.service, ledger.vault)
        stack.callback(reader.close)
        at, gone = store.wall_clock(), 0
        if dismiss is not None and organization is not None and source is not None:
            named = collection.source_of(collection.Batch(organization, source, dismiss).key)
            gone = collection_rejects.dismiss(reader, source=named, number=dismiss, at=at)
        backlogs = collection_rejects.backlogs(reader, organization)
        rows = [] if organization is None else _rows(reader, organization, source, limit)
    _tell(backlogs, rows, at, as_json=as_json, gone=None if dismiss is None else gone)


def _rows(
    reader: reading.Reader, organization: str, source: str | None, limit: int
) -> list[collection_rejects.Open]:
    return collection_rejects.waiting(reader, organization, source=source, after=None, limit=limit)


def _tell(
    backlogs: list[collection_rejects.Backlog],
    rows: list[collection_rejects.Open],
    at: int,
    *,
    as_json: bool,
    gone: int | None,
) -> None:
    sources = [
        {
            "organization": one.organization,
            "source": one.source,
            "rows": one.rows,
            "oldest_days": days.of_instant(at) - days.of_instant(one.oldest_at),
            "oldest_at": days.instant_text(one.oldest_at),
            "newest_at": days.instant_text(one.newest_at),
        }
        for one in backlogs
    ]
    told = [rejects.shown(row, at) for row in rows]
    if as_json:
        cli_console.print_json({"sources": sources, "rows": told, "dismissed": gone})
        return
    if gone is not None:
        cli_console.done(f"{gone} rows taken off the list")
    names = ("organization", "source", "rows", "oldest_days", "oldest_at")
    cli_console.OUT.print(
        cli_console.table(*names, rows=[tuple(one[name] for name in names) for one in sources])
    )
    columns = ("source", "batch", "line", "operation", "license_type", "age_days", "times", "error_remark")
    if told:
        cli_console.OUT.print(
            cli_console.table(*columns, rows=[tuple(one[name] for name in columns) for one in told])
        )
