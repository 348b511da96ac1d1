"""The database floor: the statements of our own run, sent again by one client that does nothing else.

`python -m benchmarks.database_floor --data … --port … --record FILE` serves the ledger as `license-ledger
serve` does, and has its appender's process write down every statement, with its packed parameters and where
answers were waited for. `Replay` sends the same to a copy of the database as it was before, as fast as
the server answers: without deciding, sealing, hashing, signing or answering anyone.
"""

from __future__ import annotations

import argparse
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import conninfo as conninfos

from api import appending, cli_serve
from ledger import store_pipeline

COPY = "ledger_copy"
Step = tuple[str, str, bytes, list[bytes | None]]
"""`ask` with text, statement and packed parameters, or `send` or `gather` with nothing."""


def main() -> None:
    """Serve, or append and write down; the file is complete once the process has ended in order."""
    if sys.argv[1] == "--append":
        append(Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True)
    arguments = parser.parse_args()
    appending.Process.program = ("-m", "benchmarks.database_floor", "--append", str(arguments.record))
    # The server ends in order on this signal, and then raises it again for whoever was there before it.
    signal.signal(signal.SIGTERM, lambda *_: None)
    cli_serve.serve(port=arguments.port, data=arguments.data)


def append(record: Path) -> None:
    """Append as the process beside a service does, and write down."""
    steps: list[Step] = []
    write_down(steps)
    appending.main()
    record.touch(mode=0o600)
    record.write_bytes(pickle.dumps(steps))


def write_down(steps: list[Step]) -> None:
    """Have every pipeline of this process, the appender's, write into `steps` what it does."""
    pipeline = store_pipeline.Pipeline
    put, send, gather = pipeline._put, pipeline.send, pipeline.gather

    def recorded_put(
        self: store_pipeline.Pipeline,
        text: str,
        statement: bytes,
        values: list[bytes | None],
        answer: store_pipeline.Answer,
    ) -> None:
        steps.append(("ask", text, statement, values))
        put(self, text, statement, values, answer)

    def recorded_send(self: store_pipeline.Pipeline) -> None:
        steps.append(("send", "", b"", []))
        send(self)

    def recorded_gather(self: store_pipeline.Pipeline, *, within_s: float) -> None:
        steps.append(("gather", "", b"", []))
        gather(self, within_s=within_s)

    pipeline._put = recorded_put  # type: ignore[method-assign]
    pipeline.send = recorded_send  # type: ignore[method-assign]
    pipeline.gather = recorded_gather  # type: ignore[method-assign]


def read(path: Path) -> list[Step]:
    """What `main` wrote."""
    steps: list[Step] = pickle.loads(path.read_bytes())  # noqa: S301 - our own file of a minute ago
    return steps


def copy_database(owner: str) -> str:
    """A copy of the database as it stands, which nobody may be using; returns the way to it."""
    name = str(conninfos.conninfo_to_dict(owner)["dbname"])
    with psycopg.connect(conninfos.make_conninfo(owner, dbname="postgres"), autocommit=True) as conn:
        conn.execute(f'DROP DATABASE IF EXISTS "{COPY}" WITH (FORCE)'.encode())
        conn.execute(f'CREATE DATABASE "{COPY}" TEMPLATE "{name}"'.encode())
    return conninfos.make_conninfo(owner, dbname=COPY)


def batches(steps: list[Step]) -> list[list[Step]]:
    """The steps from each BEGIN to the gathering of its COMMIT, those of committed batches alone."""
    found: list[list[Step]] = []
    for batch in _from_begin(steps):
        committed = next((at for at, step in enumerate(batch) if step[1] == "COMMIT"), None)
        if committed is not None and any("INSERT INTO events" in step[1] for step in batch):
            found.append(batch[: committed + 2])
    return found


def _from_begin(steps: list[Step]) -> Iterator[list[Step]]:
    batch: list[Step] = []
    for step in steps:
        if step[1] == "BEGIN":
            if batch:
                yield batch
            batch = []
        batch.append(step)
    if batch and batch[0][1] == "BEGIN":
        yield batch


def events(made: list[list[Step]]) -> int:
    """How many events the batches insert: elements of the first array of each insertion."""
    found = 0
    for batch in made:
        for _, text, _, values in batch:
            if "INSERT INTO events" in text and values[1] is not None:
                found += int.from_bytes(values[1][12:16], "big")  # length, after three words of header
    return found


def replay(conninfo: str, made: list[list[Step]]) -> float:
    """Seconds that the server takes for the batches, sent in their order by one client."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        return _sent(store_pipeline.Pipeline(conn), made)


class Replay:
    """Batches that wait to be sent to a copy of the database, in their order, some in each round."""

    def __init__(self, conninfo: str, made: list[list[Step]], *, rounds: int) -> None:
        self._conn = psycopg.connect(conninfo, autocommit=True)
        self._pipeline = store_pipeline.Pipeline(self._conn)
        self._left = made
        self._each = max(1, len(made) // (rounds + 1))
        self.round()  # statements are prepared from here

    def round(self) -> float:
        """Events a second that the server takes from one client."""
        some, self._left = self._left[: self._each], self._left[self._each :]
        if not some:
            raise RuntimeError("too few batches were recorded for so many rounds")
        return events(some) / _sent(self._pipeline, some)


def _sent(pipeline: store_pipeline.Pipeline, made: list[list[Step]]) -> float:
    begun = time.perf_counter()
    for batch in made:
        for kind, text, statement, values in batch:
            if kind == "ask":
                pipeline._put(text, statement, values, store_pipeline.Answer())
            elif kind == "send":
                pipeline.send()
            else:
                pipeline.gather(within_s=60)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
