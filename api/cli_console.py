"""What all commands of the command line share: options, output, progress, complaints.

Figures and tables go to standard output, everything else to standard error, so that `--json` prints one
object and nothing more. Opens no ledger, and imports nothing of one: that is `cli_opened`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import rich.console
import rich.markup
import rich.progress
import rich.table
import typer

from ledger import errors

OUT = rich.console.Console(highlight=False)
ERR = rich.console.Console(stderr=True, highlight=False)

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder; default LEDGER_DATA or ./license-ledger-data."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def complain(error: errors.LedgerError) -> None:
    """One line about what was refused."""
    field = f" ({error.field})" if error.field else ""
    detail = "" if error.detail == error.title else f": {error.detail}"
    # What is wrong with several places has a line each.
    listed = error.extra.get("errors", [])
    extra = "".join(f", {name} {value}" for name, value in error.extra.items() if name != "errors")
    ERR.print(
        f"license-ledger: {rich.markup.escape(f'{error.title}{detail}{field}{extra}')}",
        style="red",
        soft_wrap=True,
    )
    for one in listed[1:]:
        told = rich.markup.escape(f"  {one['field']}: {one['message']}")
        ERR.print(told, style="red", soft_wrap=True)


def done(text: str) -> None:
    """One line about what was done."""
    OUT.print(rich.markup.escape(text), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    OUT.print_json(json.dumps(value, ensure_ascii=False))


def table(*columns: str, rows: list[tuple[Any, ...]]) -> rich.table.Table:
    """A plain table; what is too wide goes on in the next line, nothing is cut."""
    heads = (rich.table.Column(column, overflow="fold") for column in columns)
    made = rich.table.Table(*heads, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        made.add_row(*(rich.markup.escape("" if cell is None else str(cell)) for cell in row))
    return made


@contextlib.contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, told (done, total); total 0 when it is not known."""
    with rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        console=ERR,
        transient=True,
    ) as bars:
        task = bars.add_task(label, total=None)

        def tell(done_: int, total: int) -> None:
            bars.update(task, completed=done_, total=total or None)

        yield tell
