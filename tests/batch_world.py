"""Batches of sources for tests: synthetic rows of inserts, updates and deletes, and what became of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from ledger import collection, collection_row, collection_run, stock_file, stock_results, store
from ledger.state import LicenseRow
from signing import ids
from tests import stock_world
from tests.stock_world import csv_text
from tests.test_stock import opened
from tests.world import World


def inserted(count: int, /, *, at: str = "2026-11-25 09:00:00", **changes: Any) -> dict[str, Any]:
    """A row that inserts a citizen's card."""
    return stock_world.row(count, **{"operation": "I", "operated_at": at, **changes})


def updated(count: int, /, *, at: str = "2026-11-25 10:00:00", **changes: Any) -> dict[str, Any]:
    """A row that updates it."""
    return {**inserted(count, at=at, **changes), "operation": "U"}


def deleted(count: int, /, *, at: str = "2026-11-25 11:00:00", **changes: Any) -> dict[str, Any]:
    """A row that deletes it."""
    said = {"source_id": f"S{count}", "license_type": stock_world.CITIZEN_CARD, "reason": "持证人申请"}
    return {**said, "operation": "D", "operated_at": at, **changes}


class Batch(stock_world.Import):
    """One batch of a source into a world."""

    def __init__(self, world: World, rows: list[dict[str, Any]], folder: Path, **options: Any) -> None:
        number, source = options.pop("number", "B-1"), options.pop("source", "archive")
        super().__init__(world, csv_text(rows).encode(), folder, **options)
        self.batch = collection.Batch(self.actor.organization, source, number)

    def run(self) -> stock_results.State:
        file = io.BytesIO(self.data)
        rows = stock_file.Reader(file, self.form)
        with self._reader() as reader:
            judge = collection_row.BatchJudge(
                self.world.ledger.vault, self.actor, batch=self.batch, reader=reader, now=store.wall_clock
            )
            if self.form.format == "csv":
                judge.columns(rows.columns)
            size = self.world.ledger.recorder.newest_index() + 1
            opened = stock_results.opened(
                self.folder, form=self.form, columns=rows.columns, file="a file", size=size
            )
            with opened as results:
                return collection_run.BatchRun(
                    actor=self.actor,
                    file=file,
                    rows=rows,
                    judge=judge,
                    submit=self.submit,
                    reader=reader,
                    results=results,
                ).run()

    @property
    def by_line(self) -> dict[int, dict[str, Any]]:
        """The last outcome of every row."""
        return {one["line"]: one for one in self.outcomes}

    def words(self) -> list[str]:
        """The last outcomes in the order of the file."""
        return [one["outcome"] for _, one in sorted(self.by_line.items())]

    def missing(self) -> list[str]:
        """Numbers that should have come before this batch's."""
        with self._reader() as reader:
            return collection_run.missing(reader, self.batch)

    def standing(self) -> dict[str, tuple[Any, ...]]:
        """Source id to what is true of its license: status, version, dates, number and fields."""
        found = {}
        for line, outcome in self.by_line.items():
            if "license_ref" in outcome:
                source_id = self.data.decode().splitlines()[line - 1].split(",")[0]
                found[source_id] = standing(self.world, ids.parse(outcome["license_ref"]))
        return found


def standing(world: World, license_ref: bytes) -> tuple[Any, ...]:
    """What is true of a license."""
    row, version = opened(world, license_ref)
    said = {name: value for name, (_, value) in version.salted.items() if name != "@license_id"}
    assert isinstance(row, LicenseRow)
    return row.status, row.version, row.valid_from, row.valid_to, json.dumps(said, sort_keys=True)


def batch(world: World, rows: list[dict[str, Any]], folder: Path, **options: Any) -> Batch:
    """A batch that has run."""
    made = Batch(world, rows, folder, **options)
    made.run()
    return made
