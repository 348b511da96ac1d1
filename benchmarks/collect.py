"""A night's batch of a source against an import of as many licenses, and the reconciliation of the day.

Rows I/U/D, 70/24/6, in any order; 0.5 % are wrong, 0.2 % of the licenses come from another source too. In one
process without a service, as `license-ledger import --batch` does it; rates of both in turn.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import imports, result
from ledger import (
    collection,
    collection_row,
    collection_run,
    collection_sheet,
    config,
    opening,
    reading,
    stock_file,
    stock_results,
    store,
)
from ledger.appender import Appender
from tests.world import CITIZEN_CARD, OPERATOR, World

ROUNDS = 2
INSERTS, UPDATES = 0.70, 0.24
WRONG, DOUBLE = 0.005, 0.002
COLUMNS = (*imports.COLUMNS, "operation", "operated_at", "reason")


def measure(*, rows: int, seed: int) -> result.Figures:
    """Rates of a batch and of an import, and the time of a sheet."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        configured = config.Config(data=folder / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        with opening.opened(configured) as ledger, ledger.appending() as appender:
            return _rounds(ledger, appender, folder, rows, random.Random(seed))


def _rounds(
    ledger: opening.Ledger, appender: Appender, folder: Path, rows: int, rng: random.Random
) -> result.Figures:
    world = World(ledger, appender)
    importer = imports.Importer(ledger, appender, world.issuer, folder)
    imported, collected, sheets, states, summaries = [], [], [], [], []
    for number in range(ROUNDS):
        data = imports.stock(rows, rng, first=10_000_000 + number * rows)
        begun = time.perf_counter()
        importer.run(data, f"import-{number}")
        imported.append(rows / (time.perf_counter() - begun))
        night = batch_file(rows, rng, first=number * rows)
        begun = time.perf_counter()
        states.append(run(world, night, folder / f"batch-{number}", number))
        collected.append(rows / (time.perf_counter() - begun))
        begun = time.perf_counter()
        summaries.append(sheet(world, night, folder / f"batch-{number}", number))
        sheets.append(rows / (time.perf_counter() - begun))
    ratios = [one / other for one, other in zip(collected, imported, strict=True)]
    return {
        "rows": rows,
        "ratio_to_import": result.rounded(statistics.median(ratios), 3),
        "ratios": {"import": result.spread(ratios)},
        "rows_per_second": result.spread(collected),
        "import_rows_per_second": result.spread(imported),
        "sheet_rows_per_second": result.spread(sheets),
        "sheet_s_per_100k_rows": result.rounded(100_000 / max(sheets), 3),
        "outcomes": {
            name: getattr(states[-1], name)
            for name in ("issued", "amended", "ended", "existing", "outdated", "waiting", "rejected")
        },
        "sheet": {"same": summaries[-1].same, **summaries[-1].told},
    }


def batch_file(rows: int, rng: random.Random, *, first: int) -> bytes:
    """A batch of so many rows about licenses of its own."""
    made: list[dict[str, Any]] = []
    count = round(rows * INSERTS)
    for number in range(first, first + count):
        # Now and then the license of the row before, under another key.
        is_double = rng.random() < DOUBLE and number > first
        made.append(_inserted(f"N-{number}", number - is_double, rng))
    keyed = [one for one in made if one["issued_on"]]
    for one in rng.sample(keyed, min(len(keyed), round(rows * UPDATES))):
        later = {"operation": "U", "operated_at": "2026-11-25 12:00:00", "number": f"{one['number']}-2"}
        made.append({**one, **later, "license_id": ""})
    for one in rng.sample(keyed, min(len(keyed), rows - len(made))):
        named = {name: one[name] for name in ("source_id", "license_type")}
        made.append({**named, "operation": "D", "operated_at": "2026-11-25 18:00:00", "reason": "持证人申请"})
    rng.shuffle(made)
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(made)
    return written.getvalue().encode()


def _inserted(source_id: str, number: int, rng: random.Random) -> dict[str, Any]:
    said = {"name": "合成居民", "address": "榕" * (imports.FIELDS_BYTES // 3)}
    return {
        "source_id": source_id,
        "license_type": CITIZEN_CARD,
        "license_id": "",
        "number": f"NO-N{number}",
        "holder_code_type": "111",
        "holder_code": imports.citizen(300_000_000 + number),
        "holder_name": "合成居民",
        "issued_on": "" if rng.random() < WRONG else "2026-11-25",
        "valid_to": "2036-11-24",
        "fields": json.dumps(said, ensure_ascii=False),
        "operation": "I",
        "operated_at": "2026-11-25 09:00:00",
    }


def run(world: World, data: bytes, folder: Path, number: int) -> stock_results.State:
    """How a batch came out."""
    form = stock_file.Form(format="csv")
    file = io.BytesIO(data)
    rows = stock_file.Reader(file, form)
    batch = collection.Batch(world.issuer.organization, f"bench-{number}", "N-1")
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        judge = collection_row.BatchJudge(
            world.ledger.vault, world.issuer, batch=batch, reader=reader, now=store.wall_clock
        )
        judge.columns(rows.columns)
        size = world.ledger.recorder.newest_index() + 1
        opened = stock_results.opened(folder, form=form, columns=rows.columns, file="batch", size=size)
        with opened as results:
            return collection_run.BatchRun(
                actor=world.issuer,
                file=file,
                rows=rows,
                judge=judge,
                submit=world.appender.submit,
                reader=reader,
                results=results,
            ).run()


def sheet(world: World, data: bytes, folder: Path, number: int) -> collection_sheet.Summary:
    """How the batch as a sheet agrees with what was collected."""
    rows = stock_file.Reader(io.BytesIO(data), stock_file.Form(format="csv"))
    batch = collection.Batch(world.issuer.organization, f"bench-{number}", "sheet")
    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        judge = collection_sheet.SheetJudge(
            world.ledger.vault, world.issuer, batch=batch, reader=reader, now=store.wall_clock
        )
        return collection_sheet.Reconciliation(
            rows=rows,
            judge=judge,
            vault=world.ledger.vault,
            reader=reader,
            folder=folder,
            tell=lambda said: None,
        ).run()
