"""The command `reconcile`: the sheet of a source against the ledger 对账, with every difference in a file."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from api import cli_console, cli_opened, cli_stock
from ledger import (
    collection,
    collection_agreeing,
    collection_sheet,
    command,
    days,
    errors,
    opening,
    reading,
    reconciliation,
    stock_file,
    stock_results,
    store,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("reconcile")(reconcile)


def reconcile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sheet: CSV or NDJSON.")],
    source: Annotated[
        str, typer.Option(help="System of the organization that sent it.")
    ] = collection.SOURCE_DEFAULT,
    day: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Tell what the ledger has of this day; else of the sheet's days."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Differences, .csv or .ndjson; default FILE.differences.csv."),
    ] = None,
    agree: Annotated[
        bool, typer.Option("--agree", help="Record that both agree on the day, when they do.")
    ] = False,
    client: Annotated[
        str | None, typer.Option(metavar="CLIENT_ID", help="For a client's organization, not the operator's.")
    ] = None,
    organization: cli_stock.ActsFor = None,
    format_: cli_stock.Format = None,
    encoding: cli_stock.Encoding = "utf-8",
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Hold a source's sheet against what was collected from it. Ends with 1 when they differ.

    Example: license-ledger reconcile night.csv --source archive --day 2026-11-25 --agree --client CLIENT_ID
    """
    form = stock_file.Form(
        format=format_ or cli_stock.format_of(str(file)), encoding=cli_stock.encoding_of(encoding)
    )
    form.check()
    on_day = _day(day)
    if agree and on_day is None:
        raise errors.Invalid("an agreement is on a day", field="--day")
    told_in = output or Path(f"{file}.differences.csv")
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(cli_stock.opened(str(file)))
        ledger = stack.enter_context(cli_opened.ledger(data))
        reader = reading.Reader(ledger.ways.service, ledger.vault)
        stack.callback(reader.close)
        actor = cli_stock.actor_of(ledger, reader, client, organization)
        judge = _judge(ledger, reader, actor, source)
        tell = stack.enter_context(_telling(told_in))
        done = _compared(ledger, reader, judge, opened, form=form, day=on_day, tell=tell)
        index = None
        if agree and done.is_agreed:
            index = collection_agreeing.agree(
                done,
                actor=actor,
                source=source,
                day=on_day,
                submit=stack.enter_context(ledger.appending()).submit,
                reader=reader,
                suite=ledger.vault.suite,
            )
    _tell(done, told_in, as_json, agreed_index=index)
    if not done.is_agreed:
        raise typer.Exit(1)


def _judge(
    ledger: opening.Ledger, reader: reading.Reader, actor: command.Actor, source: str
) -> collection_sheet.SheetJudge:
    """Who reads the rows of a source's sheet."""
    batch = collection.Batch(actor.organization, source, reconciliation.NUMBER)
    batch.check()
    return collection_sheet.SheetJudge(ledger.vault, actor, batch=batch, reader=reader, now=store.wall_clock)


def _compared(
    ledger: opening.Ledger,
    reader: reading.Reader,
    judge: collection_sheet.SheetJudge,
    opened: BinaryIO,
    *,
    form: stock_file.Form,
    day: int | None,
    tell: collection_sheet.Tell,
) -> collection_sheet.Summary:
    """How a sheet and the ledger agree."""
    rows = stock_file.Reader(opened, form)
    if form.format == "csv":
        judge.columns(rows.columns)
    with tempfile.TemporaryDirectory(prefix="license-ledger-sheet-") as folder:
        return collection_sheet.Reconciliation(
            rows=rows,
            judge=judge,
            vault=ledger.vault,
            reader=reader,
            folder=Path(folder),
            tell=tell,
            day=day,
        ).run()


def _day(text: str | None) -> int | None:
    try:
        return None if text is None else days.parse(text)
    except ValueError as error:
        raise errors.Invalid("a day is written YYYY-MM-DD", field="--day") from error


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Writes differences to a file of mode 0600."""
    raw = stock_results.open_private(path, os.O_WRONLY | os.O_TRUNC)
    with io.TextIOWrapper(raw, "utf-8", newline="") as file:
        if path.suffix == ".ndjson":
            yield lambda said: print(json.dumps(said, ensure_ascii=False), file=file)
            return
        writer = csv.DictWriter(file, collection_sheet.COLUMNS, restval="")
        writer.writeheader()
        yield writer.writerow


def _tell(done: collection_sheet.Summary, path: Path, as_json: bool, *, agreed_index: int | None) -> None:
    figures = {**done.figures(), "agreed_index": agreed_index}
    if as_json:
        cli_console.print_json({**figures, "differences": str(path)})
        return
    columns = ("day", "license_type", "issuer", "area_code", "sent", "held", "same", "differences")
    rows = [tuple(one[name] for name in columns) for one in figures["days"]]
    cli_console.OUT.print(cli_console.table(*columns, rows=rows))
    told = ", ".join(f"{count} {name}" for name, count in done.told.items() if count)
    cli_console.done(f"{done.rows} rows, {done.same} the same" + (f", {told}" if told else ""))
    cli_console.done(f"differences in {path}")
    if agreed_index is not None:
        cli_console.done(f"both agree on the day: event {agreed_index}")
