"""Import of old licenses against the database floor, and what uses notice of an import, in one run.

**Rate.** A file of synthetic rows (seeded; holders with 1.65 licenses on average, all of them new to the
ledger, fields of about 600 bytes, an identifier and a source id each, 3 % of the identifiers in the legacy
variant) is imported as `license-ledger import` does: read, judged, decided, sealed, committed with fsync,
anchored, signed, and told in a results file that is synced. The append path writes down every statement.
**Floor.** The same statements, parameters packed, are sent by one client to a copy of the database in the
same state, as fast as the server answers. Rounds alternate, so that both meet the same machine; the ratio is
the median of the rounds' own. Processor time a row, of this process and the server, is told of both: load by
others bends it less than rates. No projection follows meanwhile, in either. What is not in it: HTTP, and
reading the file from a slow disk.

**Uses.** Callers that each wait for their answer use licenses through one appender, alone and beside an
import by another client in the same process, as the service runs it, in turn. Told are medians and 99th
percentiles of the time to an answer, and their ratios; Python's lock is shared by all, as in the service.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from api import cli_stock
from benchmarks import database_floor, processor, result
from ledger import (
    config,
    identifiers,
    license_id,
    opening,
    reading,
    stock_file,
    stock_results,
    stock_row,
    stock_run,
    store,
    store_pipeline,
    use_commands,
)
from ledger.appender import Appender, spare_collector
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, ISSUER, OPERATOR, World

FIELDS_BYTES = 600
COLUMNS = (
    *("source_id", "license_type", "license_id", "number", "holder_code_type", "holder_code"),
    *("holder_name", "issued_on", "valid_to", "fields"),
)


def main() -> int:
    """Run the rounds and tell."""
    parser = result.parser(__doc__, quick="one small round")
    parser.add_argument("--rows", type=int, help="of a round")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--callers", type=int, default=8, help="that use meanwhile")
    parser.add_argument("--seconds", type=float, help="of uses, alone and beside an import")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or (3_000 if arguments.quick else 10_000)
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    arguments.seconds = arguments.seconds or (3.0 if arguments.quick else 8.0)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data")
        opening.init(configured, origin="demo.license-ledger.example/bench", operator=OPERATOR)
        # The server stays up, so that the copy can be made while nobody uses the ledger.
        with opening.database(configured) as (ways, _):
            figures = _measure(configured, str(ways.owner), Path(folder), arguments)
    result.tell("imports", figures, arguments)
    return 0


def _measure(
    configured: config.Config, owner: str, folder: Path, arguments: argparse.Namespace
) -> result.Figures:
    with opening.opened(configured) as ledger, ledger.appending() as appender:
        actor = World(ledger, appender).issuer
    copy = database_floor.copy_database(owner)
    steps: list[database_floor.Step] = []
    rng = random.Random(1)
    server = processor.Server(owner)
    with opening.opened(configured) as ledger, ledger.appending() as appender:
        spare_collector()
        sys.setswitchinterval(cli_stock.SWITCH_S)
        importer = Importer(ledger, appender, actor, folder)
        ours, floor, batches, spent, least = [], [], [], [], []
        with _written_down(steps):
            for number in range(arguments.rounds):
                steps.clear()
                data = stock(arguments.rows, rng, first=number * arguments.rows)
                begun, before = time.perf_counter(), _spent_us(server)
                done = importer.run(data, f"round-{number}")
                ours.append(done.issued / (time.perf_counter() - begun))
                spent.append((_spent_us(server) - before) / done.issued)
                made, before = database_floor.batches(steps), _spent_us(server)
                floor.append(done.issued / database_floor.replay(copy, made))
                least.append((_spent_us(server) - before) / done.issued)
                batches.append(done.issued / max(1, len(made)))
        ratios = [own / other for own, other in zip(ours, floor, strict=True)]
        return {
            "ratio_to_database_floor": result.rounded(statistics.median(ratios), 3),
            "ratios": result.spread(ratios),
            "rows_per_second": result.spread(ours),
            "floor_rows_per_second": result.spread(floor),
            "processor_us_per_row": result.spread(spent),
            "floor_processor_us_per_row": result.spread(least),
            "mean_batch": result.rounded(statistics.median(batches), 3),
            "rows": arguments.rows * arguments.rounds,
            "uses": _uses(World(ledger, appender), importer, rng, arguments),
        }


def _spent_us(server: processor.Server) -> float:
    """Processor time of this process and of the database server so far."""
    return (time.process_time() + server.seconds()) * 1e6


@contextlib.contextmanager
def _written_down(steps: list[database_floor.Step]) -> Iterator[None]:
    pipeline = store_pipeline.Pipeline
    before = {name: getattr(pipeline, name) for name in ("_put", "send", "gather")}
    database_floor.write_down(steps)
    recording = {name: getattr(pipeline, name) for name in before}
    replay = database_floor.replay

    def unrecorded(conninfo: str, made: list[list[database_floor.Step]]) -> float:
        for name, function in before.items():
            setattr(pipeline, name, function)
        try:
            return replay(conninfo, made)
        finally:
            for name, function in recording.items():
                setattr(pipeline, name, function)

    database_floor.replay = unrecorded
    try:
        yield
    finally:
        database_floor.replay = replay
        for name, function in before.items():
            setattr(pipeline, name, function)


class Importer:
    """Imports files by one client, as the command line does."""

    def __init__(self, ledger: opening.Ledger, appender: Appender, actor: object, folder: Path) -> None:
        self._ledger, self._appender, self._actor, self._folder = ledger, appender, actor, folder
        self.is_stopping = threading.Event()

    def run(self, data: bytes, name: str) -> stock_results.State:
        """How the import of a file came out."""
        form = stock_file.Form(format="csv")
        rows = stock_file.Reader(io.BytesIO(data), form)
        size = self._ledger.recorder.newest_index() + 1
        reader = reading.Reader(self._ledger.ways.service, self._ledger.vault)
        judge = stock_row.Judge(
            self._ledger.vault,
            self._actor,  # type: ignore[arg-type]
            row=reader.row,
            now=store.wall_clock,
        )
        judge.columns(rows.columns)
        with (
            contextlib.closing(reader),
            stock_results.opened(
                self._folder / name, form=form, columns=rows.columns, file=name, size=size
            ) as results,
        ):
            run = stock_run.Run(
                rows=rows,
                judge=judge,
                submit=self._appender.submit,
                reader=reader,
                results=results,
                is_stopping=self.is_stopping.is_set,
            )
            with contextlib.suppress(stock_run.Stopped):
                run.run()
            return results.state


def stock(count: int, rng: random.Random, *, first: int = 0) -> bytes:
    """A CSV of so many rows."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    number = first
    while number < first + count:
        code = citizen(number)
        for _ in range(rng.choices((1, 2, 3, 4), (60, 25.5, 11, 3.5))[0]):
            body = f"{CITIZEN_CARD}{ISSUER}{number:020}001"
            is_legacy = rng.random() < 0.03
            check = (license_id.legacy_check_character if is_legacy else license_id.check_character)(body)
            text = f"{license_id.ROOT}.{CITIZEN_CARD}.{ISSUER}.{number:020}.001.{check}"
            said = json.dumps({"name": "合成居民", "address": "榕" * (FIELDS_BYTES // 3)}, ensure_ascii=False)
            known = (f"S-{number}", CITIZEN_CARD, text, f"NO-{number}", "111", code, "合成居民")
            writer.writerow((*known, f"{rng.randrange(2010, 2020)}-06-01", "2035-05-31", said))
            number += 1
            if number == first + count:
                break
    return written.getvalue().encode()


def citizen(number: int) -> str:
    """A synthetic citizen ID, born on 1900-01-01, of any of 500 million."""
    body = f"{110_000 + number // 1_000:06}19000101{number % 1_000:03}"
    return body + identifiers.citizen_id_check_character(body)


def _uses(
    world: World, importer: Importer, rng: random.Random, arguments: argparse.Namespace
) -> result.Figures:
    """What uses take alone, and beside an import, in turn."""
    world.issue()
    world.grant()
    _timed(world, arguments.callers, 0.5)
    alone, beside, imported = [], [], 0
    for number in range(arguments.rounds):
        alone.append(_timed(world, arguments.callers, arguments.seconds))
        data = stock(20_000, rng, first=10_000_000 + number * 20_000)
        state: list[stock_results.State] = []
        importer.is_stopping.clear()
        thread = threading.Thread(target=lambda: state.append(importer.run(data, f"beside-{number}")))  # noqa: B023
        thread.start()
        beside.append(_timed(world, arguments.callers, arguments.seconds))
        importer.is_stopping.set()
        thread.join()
        # What it had handed in is recorded before anybody is alone again.
        while world.appender.waiting:
            time.sleep(0.05)
        imported += state[0].issued
    ratios = {
        f"{name}_ratio": result.spread(
            [own[name] / other[name] for own, other in zip(beside, alone, strict=True)]
        )
        for name in ("p50_ms", "p99_ms")
    }
    return {**ratios, "alone": alone[-1], "beside_an_import": beside[-1], "imported_meanwhile": imported}


def _timed(world: World, callers: int, seconds: float) -> dict[str, float]:
    """Milliseconds to the answers of callers that use one license."""
    until = time.perf_counter() + seconds
    times: list[float] = []

    def call() -> None:
        while (begun := time.perf_counter()) < until:
            asked = use_commands.UseLicense(actor=world.hall, holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
            world.appender.submit(asked).result()
            times.append((time.perf_counter() - begun) * 1000)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(times, n=100)
    return {
        "uses_per_second": result.rounded(len(times) / seconds, 3),
        "p50_ms": result.rounded(cuts[49], 3),
        "p99_ms": result.rounded(cuts[98], 3),
    }


if __name__ == "__main__":
    sys.exit(main())
