"""The command `import`: a file of old licenses into the ledger 存量归集, with progress and results."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, BinaryIO

import rich.progress
import typer

from api import cli_console, cli_opened
from ledger import (
    appender,
    collection,
    collection_run,
    command,
    errors,
    identifiers,
    opening,
    reading,
    state,
    stock,
    stock_file,
    stock_results,
    stock_row,
    stock_run,
    store,
)
from signing import cbor, ids

TOLD_EVERY_S = 10.0
TOLD_FAULTS = 10
SWITCH_S = 0.0005
KEYS_MAX = 2_000
"""Holders whose keys are at hand: rows of one stand close together, and memory does not grow with them."""
_HEAD_BYTES = 65_536


ActsFor = Annotated[
    str | None, typer.Option(help="Credit code that the client acts for; its own unless said.")
]
Format = Annotated[
    str | None, typer.Option("--format", help="csv or ndjson; by the file's name unless said.")
]
Encoding = Annotated[str, typer.Option(help="utf-8 or gb18030, which reads GBK and GB 2312 too.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("import")(import_)


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or NDJSON; - for standard input.")],
    results: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the results; default FILE.results. Same folder: go on."),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(metavar="CLIENT_ID", help="Import with a client's powers, not the operator's."),
    ] = None,
    organization: ActsFor = None,
    format_: Format = None,
    encoding: Encoding = "utf-8",
    origin: Annotated[
        str, typer.Option(help=f"Of rows that do not say it: {', '.join(stock.ORIGINS)}.")
    ] = "from-database",
    trust_level: Annotated[str | None, typer.Option(help="Of rows that do not say it: A to D.")] = None,
    case_number: Annotated[str | None, typer.Option(help="Number of the batch; on every event.")] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="The file is a batch of inserts, updates, deletes.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="System of the organization that numbered the batch.")
    ] = collection.SOURCE_DEFAULT,
    as_json: cli_console.Json = False,
    data: cli_console.Data = None,
) -> None:
    """Import old licenses, or a batch; after a crash, the same command goes on.

    Ends with 1 when rows were rejected, or of a batch wait for others.

    Example: license-ledger import stock.csv --encoding gb18030 --client CLIENT_ID
    """
    encoding = encoding_of(encoding)
    form = stock_file.Form(format=format_ or format_of(file), encoding=encoding)
    form.check()
    stock.check(origin, trust_level, 1)
    if case_number is not None and identifiers.contains_citizen_id(case_number):
        raise errors.CaseNumberUnfit(field="--case-number")
    folder = _results(file, results)
    with contextlib.ExitStack() as stack:
        bytes_ = stack.enter_context(opened(file))
        ledger = stack.enter_context(cli_opened.ledger(data))
        reader = reading.Reader(ledger.ways.service, ledger.vault)
        stack.callback(reader.close)
        actor = replace(actor_of(ledger, reader, client, organization), case_number=case_number)
        numbered = None if batch is None else collection.Batch(actor.organization, source, batch)
        work = _Work(ledger=ledger, reader=reader, actor=actor, batch=numbered, form=form)
        told = [str(client), str(organization), form.format, encoding, origin, str(trust_level)]
        defaults = stock_row.Defaults(origin=origin, trust_level=trust_level)
        done = _done(work, defaults, bytes_, file=file, folder=folder, told=told)
        _tell(done, folder, as_json, work=work)
    if done.rejected or done.waiting:
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What an import is done with."""

    ledger: opening.Ledger
    reader: reading.Reader
    actor: command.Actor
    batch: collection.Batch | None
    form: stock_file.Form


def _done(
    work: _Work,
    defaults: stock_row.Defaults,
    opened: BinaryIO,
    *,
    file: str,
    folder: Path,
    told: list[str],
) -> stock_results.State:
    """How the import of a file came out; `told` tells it from others of the same file."""
    if work.batch is not None:
        work.batch.check()
        told.append(work.batch.key)
        if not opened.seekable():
            raise errors.Invalid("the rows of a batch are ordered first: give a file", field="FILE")
    judge = collection_run.judge(
        work.batch,
        work.ledger.vault,
        work.actor,
        reader=work.reader,
        now=store.wall_clock,
        defaults=defaults,
    )
    name, size = _fingerprint(file, opened, told)
    try:
        return _run(work, judge, opened, folder=folder, name=name, size=size)
    except OSError as error:
        raise errors.Unavailable(
            f"file or results fail ({error.strerror}): put it right, then run the command again"
        ) from error


def _run(
    work: _Work,
    judge: stock_row.Judge,
    opened: BinaryIO,
    *,
    folder: Path,
    name: str,
    size: int,
) -> stock_results.State:
    """How the import came out that its results call `name`, of a file of `size` bytes."""
    ledger, form = work.ledger, work.form
    rows = stock_file.Reader(opened, form)
    if form.format == "csv":
        judge.columns(rows.columns)
    begun_at = ledger.recorder.newest_index() + 1
    with (
        stock_results.opened(folder, form=form, columns=rows.columns, file=name, size=begun_at) as kept,
        progress_of(kept.state, size) as progress,
        ledger.appending() as appending,
    ):
        set_up(ledger)
        run = collection_run.of(
            work.batch,
            actor=work.actor,
            file=opened,
            rows=rows,
            judge=judge,
            submit=appending.submit,
            reader=work.reader,
            results=kept,
            progress=progress,
        )
        return run.run()


def set_up(ledger: opening.Ledger) -> None:
    """Have this process do nothing but take rows in."""
    appender.spare_collector()
    ledger.vault.cached_keys_max = KEYS_MAX
    # Rows are judged while others are recorded: who has to wait for Python's lock waits shortly.
    sys.setswitchinterval(SWITCH_S)


def _tell(done: stock_results.State, folder: Path, as_json: bool, *, work: _Work) -> None:
    batch = work.batch
    missing = [] if batch is None else collection_run.missing(work.reader, batch)
    figures: dict[str, object] = {
        "rows": done.rows,
        "issued": done.issued,
        "existing": done.existing,
        "rejected": done.rejected,
        "with_findings": done.doubtful,
        "faults": done.faults,
        "results": str(folder),
    }
    if batch is not None:
        figures["batch"] = batch.number
        figures |= {name: getattr(done, name) for name in stock_results.BATCH_OUTCOMES}
        figures["missing_batches"] = missing
    if as_json:
        cli_console.print_json(figures)
        return
    cli_console.done(
        f"{done.rows} rows: {done.issued} issued ({done.doubtful} with findings), "
        f"{done.existing} in the ledger before, {done.rejected} rejected; results in {folder}"
    )
    _tell_faults(done, work.form.encoding)
    if batch is not None:
        told = ", ".join(f"{getattr(done, name)} {name}" for name in stock_results.BATCH_OUTCOMES)
        cli_console.done(f"batch {batch.number}: {told}")
    if missing:
        cli_console.done(f"did not come: batches {', '.join(missing)}")


def _tell_faults(done: stock_results.State, encoding: str) -> None:
    """What is wrong with the rejected rows most often, and what may be wrong with the whole file."""
    often = sorted(done.faults.items(), key=lambda one: (-one[1], one[0]))
    for name, count in often[:TOLD_FAULTS]:
        cli_console.done(f"  {count} rows: {name}")
    if len(often) > TOLD_FAULTS:
        cli_console.done(f"  and {len(often) - TOLD_FAULTS} other faults")
    if any(name.endswith(": encoding") for name in done.faults):
        other = "gb18030" if encoding == "utf-8" else "utf-8"
        cli_console.done(
            f"some bytes are no characters in {encoding}; is the file in {other}? --encoding {other}"
        )


def encoding_of(name: str) -> str:
    """An encoding by our name for it; GB 18030 reads what is written in GBK and GB 2312."""
    known = name.lower().replace("_", "-")
    return {"gbk": "gb18030", "gb2312": "gb18030", "gb-18030": "gb18030", "utf8": "utf-8"}.get(known, known)


def format_of(file: str) -> str:
    """How a file is written, by its name."""
    return "ndjson" if file.endswith((".ndjson", ".jsonl")) else "csv"


def _results(file: str, results: Path | None) -> Path:
    if results is None and file == "-":
        raise errors.Invalid("name a folder for the results of standard input", field="--results")
    return results or Path(f"{file}.results")


@contextlib.contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """A file, or standard input; raises Invalid."""
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        found = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise errors.Invalid(f"cannot be read: {error.strerror}", field="FILE") from error
    with found:
        yield found


def _fingerprint(file: str, opened: BinaryIO, told: list[str]) -> tuple[str, int]:
    """What tells this import from another, and the file's size; 0 when nobody knows it."""
    head, size = b"", 0
    if file != "-":
        size = Path(file).stat().st_size
        head = opened.read(_HEAD_BYTES)
        opened.seek(0)
    return hashlib.sha256(cbor.encode([*told, str(size), head])).hexdigest(), size


def actor_of(
    ledger: opening.Ledger, reader: reading.Reader, client: str | None, organization: str | None
) -> command.Actor:
    """Who imports: the operator, or a client with its powers as they are now."""
    if client is None:
        if organization not in (None, ledger.console.organization):
            raise errors.Invalid("the operator acts for itself: name a client", field="--organization")
        return ledger.console
    try:
        client_id = ids.parse(client)
    except ids.IdInvalid as error:
        raise errors.Invalid(str(error), field="--client") from error
    row = reader.row(state.ClientRow, client_id)
    if row is None:
        raise errors.NotFound("no such client", field="--client")
    if organization is not None and organization not in (row.organization, *row.acts_for):
        raise errors.Invalid("the client acts for another organization", field="--organization")
    return command.Actor(
        client_id=client_id,
        organization=organization or row.organization,
        generation=row.generation,
        channel="batch",
    )


@contextlib.contextmanager
def progress_of(begun: stock_results.State, size: int) -> Iterator[stock_run.Progress]:
    """Rows, rows a second and the time left, on standard error; a line now and then where no terminal is."""
    if not cli_console.ERR.is_terminal:
        yield _plainly(begun, size)
        return
    started, rows_before = time.monotonic(), begun.rows
    with rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TextColumn("{task.fields[rows]} rows, {task.fields[rate]} rows/s"),
        rich.progress.TimeRemainingColumn(),
        console=cli_console.ERR,
        transient=True,
    ) as bars:
        task = bars.add_task("import", total=size or None, completed=begun.offset, rows=rows_before, rate=0)

        def tell(now: stock_results.State) -> None:
            rate = (now.rows - rows_before) / max(time.monotonic() - started, 0.001)
            done, whole = _done_of(now, size)
            rows, total = f"{now.rows:,}", whole or None
            bars.update(task, completed=done, total=total, rows=rows, rate=f"{rate:,.0f}")

        yield tell


def _plainly(
    begun: stock_results.State, size: int, *, clock: Callable[[], float] = time.monotonic
) -> stock_run.Progress:
    """A line now and then."""
    rows_before, done_before = begun.rows, _done_of(begun, size)[0]
    started = told_at = clock()

    def tell(now: stock_results.State) -> None:
        nonlocal told_at
        moment = clock()
        if moment < told_at + TOLD_EVERY_S:
            return
        told_at, passed, left = moment, moment - started, ""
        done, whole = _done_of(now, size)
        if whole > done_before < done:
            seconds = int(passed * (whole - done) / (done - done_before))
            left = f", {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"
        rate = (now.rows - rows_before) / passed
        cli_console.ERR.print(f"{now.rows:,} rows, {rate:,.0f} rows/s, {now.rejected:,} rejected{left}")

    return tell


def _done_of(now: stock_results.State, size: int) -> tuple[int, int]:
    """How much of how much is done: rows where they were counted, as those of a batch are, else bytes."""
    return (now.rows, now.counted) if now.counted else (now.offset, size)
