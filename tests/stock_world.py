"""The stock for tests: synthetic rows of old licenses, and imports of them into a world.

Every code is synthetic, as in `tests/world.py`; identifiers are the computed vectors of the published list.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ledger import reading, stock_file, stock_results, stock_row, stock_run, store
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, ISSUER, World, citizen

OWN = f"1.2.156.3005.2.{BUSINESS_LICENSE}.{ISSUER}"
GOOD_ID, LEGACY_ID, BAD_ID = (f"{OWN}.2026000001.001.{check}" for check in "PGC")
SHAPELESS_ID = "350102-OLD-7"


def row(count: int = 1, /, **changes: Any) -> dict[str, Any]:
    """A row of a citizen's card; None leaves a column out."""
    code = citizen(count % 900)
    made = {
        "source_id": f"S{count}",
        "license_type": CITIZEN_CARD,
        "number": f"NO-{count}",
        "holder_code_type": code.code_type,
        "holder_code": code.code,
        "holder_name": f"合成居民{count}",
        "issued_on": "2015-06-01",
        "valid_to": "2035-05-31",
        "fields": '{"name": "合成居民"}',
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def business(count: int = 1, /, **changes: Any) -> dict[str, Any]:
    """A row of the enterprise's business license."""
    said = {
        "license_type": BUSINESS_LICENSE,
        "holder_code_type": "001",
        "holder_code": ENTERPRISE.code,
        "valid_to": "长期",
    }
    return row(count, **said | changes)


def csv_text(rows: list[dict[str, Any]], *, columns: list[str] | None = None) -> str:
    """The rows as a CSV."""
    names = columns or list(dict.fromkeys(name for one in rows for name in one))
    written = io.StringIO()
    writer = csv.DictWriter(written, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def ndjson_text(rows: list[dict[str, Any]]) -> str:
    """The rows as NDJSON."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)


class Import:
    """One import of a file into a world, and what its folder then holds."""

    def __init__(self, world: World, data: bytes, folder: Path, **options: Any) -> None:
        self.world, self.data, self.folder = world, data, folder
        self.form = stock_file.Form(
            format=options.pop("format", "csv"), encoding=options.pop("encoding", "utf-8")
        )
        self.actor = options.pop("actor", world.issuer)
        self.submit: Callable[..., Any] = options.pop("submit", world.appender.submit)
        self.options = options

    def run(self) -> stock_results.State:
        """Run it, or go on with it."""
        rows = stock_file.Reader(io.BytesIO(self.data), self.form)
        with self._reader() as reader:
            judge = stock_row.Judge(
                self.world.ledger.vault,
                self.actor,
                row=reader.row,
                now=store.wall_clock,
                defaults=self.options.get("defaults"),
            )
            if self.form.format == "csv":
                judge.columns(rows.columns)
            size = self.world.ledger.recorder.newest_index() + 1
            opened = stock_results.opened(
                self.folder, form=self.form, columns=rows.columns, file="a file", size=size
            )
            with opened as results:
                return stock_run.Run(
                    rows=rows, judge=judge, submit=self.submit, reader=reader, results=results
                ).run()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[reading.Reader]:
        made = reading.Reader(self.world.ledger.ways.service, self.world.ledger.vault)
        with contextlib.closing(made):
            yield made

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """What the results say, row by row."""
        text = (self.folder / stock_results.RESULTS).read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    @property
    def rejected(self) -> str:
        """The rows that came back."""
        return (self.folder / f"rejected.{self.form.format}").read_bytes().decode(self.form.encoding)


def imported(world: World, rows: list[dict[str, Any]], folder: Path, **options: Any) -> Import:
    """An import of some rows that has run."""
    made = Import(world, csv_text(rows).encode(), folder, **options)
    made.run()
    return made
