"""The command `sync`: a source's batches from its front-end database 前置库, once or again and again."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from api import cli_console, cli_opened, cli_stock
from ledger import (
    collection,
    collection_sync,
    command,
    config,
    errors,
    front,
    front_database,
    identifiers,
    opening,
    reading,
    stock,
    stock_results,
    stock_row,
    stock_run,
)

FOLDER = "sync"
WATCH_MAX_S = 86_400.0
Connection = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Connection string, in a file of mode 0600; else LEDGER_FRONT_DATABASE_URL."
    ),
]
Renamed = Annotated[
    list[str] | None,
    typer.Option(metavar="OURS=THEIRS", help="A column that has another name in the table; again."),
]
Skipped = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="A column of the table not to be read; again.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("sync")(sync)


def sync(
    table: Annotated[str, typer.Argument(metavar="SCHEMA.TABLE", help="Table or view with the rows.")],
    connection: Connection = None,
    source: Annotated[
        str, typer.Option(help="System of the organization that numbers the batches.")
    ] = collection.SOURCE_DEFAULT,
    client: Annotated[
        str | None,
        typer.Option(metavar="CLIENT_ID", help="Take with a client's powers, not the operator's."),
    ] = None,
    organization: cli_stock.ActsFor = None,
    column: Renamed = None,
    skip: Skipped = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="The source writes each batch in one transaction; no batch_rows.")
    ] = False,
    encoding: Annotated[str, typer.Option(help="Of text in a database that is SQL_ASCII.")] = "utf-8",
    origin: Annotated[
        str, typer.Option(help=f"Of rows that do not say it: {', '.join(stock.ORIGINS)}.")
    ] = "from-database",
    trust_level: Annotated[str | None, typer.Option(help="Of rows that do not say it: A to D.")] = None,
    case_number: Annotated[str | None, typer.Option(help="On every event.")] = None,
    watch: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Go on until told to end; look as often as this.")
    ] = None,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Take a source's batches from its front-end database 前置库, and answer every row there.

    Ends with 1 when rows were rejected or wait for others. With `--watch` it ends with 0 when told to end.

    Example: license-ledger sync front.licenses --connection FILE --source archive --client CLIENT_ID
    """
    asked = front.asked(
        table,
        renames=column or (),
        skips=skip or (),
        is_whole=whole,
        encoding=cli_stock.encoding_of(encoding),
    )
    _check(origin, trust_level, case_number, watch)
    conninfo = front_database.connection(config.load(data=data).front_database_url, connection)
    defaults = stock_row.Defaults(origin=origin, trust_level=trust_level)
    database = front_database.Database(conninfo, asked)
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(cli_opened.ledger(data))
        reader = reading.Reader(ledger.ways.service, ledger.vault)
        stack.callback(reader.close)
        actor = replace(cli_stock.actor_of(ledger, reader, client, organization), case_number=case_number)
        made = _sync(ledger, reader, actor, source=source, defaults=defaults, database=database)
        is_good = _run(ledger, made, watch, as_json)
    if not is_good:
        raise typer.Exit(1)


def _sync(
    ledger: opening.Ledger,
    reader: reading.Reader,
    actor: command.Actor,
    *,
    source: str,
    defaults: stock_row.Defaults,
    database: front_database.Database,
) -> collection_sync.Sync:
    """A sync of a source; raises Invalid for a name that can be no source's."""
    collection.Batch(actor.organization, source, "1").check()
    return collection_sync.Sync(
        vault=ledger.vault,
        reader=reader,
        newest_index=ledger.recorder.newest_index,
        actor=actor,
        source=source,
        defaults=defaults,
        database=database,
        folder=ledger.config.data / FOLDER / f"{actor.organization}-{source}",
        shown=_shown,
    )


def _check(origin: str, trust_level: str | None, case_number: str | None, watch: float | None) -> None:
    """Nothing when these can be meant; raises Invalid."""
    stock.check(origin, trust_level, 1)
    if case_number is not None and identifiers.contains_citizen_id(case_number):
        raise errors.CaseNumberUnfit(field="--case-number")
    if watch is not None and not 1 <= watch <= WATCH_MAX_S:
        raise errors.Invalid(f"1 to {WATCH_MAX_S:.0f} seconds", field="--watch")


def _run(ledger: opening.Ledger, sync: collection_sync.Sync, watch: float | None, as_json: bool) -> bool:
    """Whether all went well; a watch that was told to end did."""
    cli_stock.set_up(ledger)
    with sync.alone(), _disk(), _told_to_end() as ending, ledger.appending() as appending:
        made = replace(sync, submit=appending.submit, is_stopping=ending.is_set)
        if watch is not None:
            _watch(made, watch, ending, as_json)
            return True
        try:
            done = made.run()
        except stock_run.Stopped:
            cli_console.ERR.print("stopped; the same command goes on")
            return False
        _tell(done, as_json)
        return done.is_good


def _watch(made: collection_sync.Sync, every_s: float, ending: threading.Event, as_json: bool) -> None:
    """Go on until told to end; of each look that found something there is a line, of JSON if asked for."""

    def told(summary: collection_sync.Summary) -> None:
        if summary.is_empty:
            return
        if as_json:
            line = json.dumps(summary.figures(), ensure_ascii=False)
            cli_console.OUT.print(line, soft_wrap=True, markup=False)
        else:
            _tell(summary, as_json)

    def failed(error: errors.LedgerError, pause_s: float) -> None:
        cli_console.complain(error)
        cli_console.ERR.print(f"tried again in {pause_s:.0f} s")

    collection_sync.watch(made.run, every_s=every_s, wait=ending.wait, told=told, failed=failed)


def _tell(done: collection_sync.Summary, as_json: bool) -> None:
    figures = done.figures()
    if as_json:
        cli_console.print_json(figures)
        return
    cli_console.done(
        f"{len(done.done)} batches, {figures['rows']} rows: {figures['issued']} issued "
        f"({figures['with_findings']} with findings), {figures['existing']} in the ledger before, "
        f"{figures['rejected']} rejected"
    )
    told = ", ".join(f"{figures[name]} {name}" for name in stock_results.BATCH_OUTCOMES)
    cli_console.done(f"  {told}")
    for number, rule in done.refused.items():
        cli_console.done(f"batch {number} was sent back: {rule}")
    if done.nameless:
        cli_console.done(f"{done.nameless} rows of no batch were sent back")
    for number, (there, expected) in done.incomplete.items():
        of = "rows that do not agree on their number" if expected is None else f"of {expected} rows"
        cli_console.done(f"batch {number} is not complete: {there} {of}")
    if done.incomplete_count > len(done.incomplete):
        cli_console.done(f"and {done.incomplete_count - len(done.incomplete)} other batches are not complete")


@contextlib.contextmanager
def _shown(number: str, begun: stock_results.State) -> Iterator[stock_run.Progress]:
    """How far a batch has come, on standard error."""
    with cli_stock.progress_of(begun, 0) as progress:
        if cli_console.ERR.is_terminal:
            cli_console.ERR.print(f"batch {number}")
        yield progress


@contextlib.contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Set once this process is told to end: what is begun is kept, and the next run goes on."""
    ending = threading.Event()

    def end(_: int, frame: FrameType | None) -> None:
        ending.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """A disk that fails, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise errors.Unavailable(
            f"the disk fails ({error.strerror}): put it right, then run the command again"
        ) from error
