"""A batch as it runs: received, its rows worked off in their order, those that wait tried again, settled.

What `stock_run` does for a file of old licenses, for one whose rows follow each other: the rows of a license
never overtake one another, since a wave of rows is answered and kept before the next begins. A run of a batch
that is done tries again what waits.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from ledger import (
    collection,
    collection_commands,
    collection_order,
    collection_rejects,
    collection_row,
    errors,
    reading,
    sql,
    stock_file,
    stock_results,
    stock_row,
    stock_run,
    store,
)
from ledger.command import Actor, Command
from ledger.errors import Fault
from ledger.stock_results import Outcome
from ledger.vault import Vault

PARTITION = 0
PAGE_ROWS = 128
"""Rows for which the ledger is read at once."""
_CHUNK = 1 << 20
_COLLECTING = (
    collection_commands.CollectLicense,
    collection_commands.CollectAmendment,
    collection_commands.CollectStatus,
)


class BatchRun(stock_run.Run):
    """One batch, from where its results end."""

    def __init__(self, *, actor: Actor, file: BinaryIO, **members: Any) -> None:
        super().__init__(**members)
        judge = members["judge"]
        assert isinstance(judge, collection_row.BatchJudge), "rows of a batch have a judge of their own"
        self._deliverer, self._actor, self._file = judge, actor, file
        self._order: collection_order.Order | None = None
        self._again: set[int] = set()
        """Lines of rows that waited, while they are tried again."""
        self._flying: dict[tuple[Any, ...], int] = {}
        """Licenses that are being issued, to the line that does."""
        self._rejects: dict[bytes, collection_rejects.Reject] = {}
        self._settled: list[collection_rejects.Settled] = []
        self._wave = 0

    def run(self) -> stock_results.State:
        """As of an import; raises BatchDiffers when the source used the number for other rows."""
        state = self._results.state
        if state.is_done and not state.waiting:
            return state
        digest = self._digest()
        with collection_order.opened(self._results.folder) as self._order:
            count = self._order.fill(self._found())
            said: dict[str, Any] = {"actor": self._actor, "batch": self._deliverer.batch, "rows": count}
            self._do(collection_commands.ReceiveBatch(digest=self._deliverer.kept(digest), **said))
            state.is_done, state.counted = False, count
            self._again = self._results.waiting() if state.rows == count else set()
            done = super().run()
            self._do(
                collection_commands.SettleBatch(
                    applied=done.applied,
                    known=done.known,
                    rejected=done.rejected,
                    waiting=done.waiting,
                    **said,
                )
            )
        return done

    def go_on(self) -> None:
        """Rows are sought one by one."""

    def records(self) -> Iterator[stock_file.Record]:
        assert self._order is not None, "rows are worked off while their order is there"
        for page in self._pages(self._order):
            # What is told of a row is on disk before the next row of its license is begun, which is of
            # another wave: a run that died finds the newest row alone in the ledger.
            if page[0].wave != self._wave:
                self.drain()
                self.keep()
                self._wave = page[0].wave
            rows = [self._rows.record_at(offset=spot.offset, lines=spot.lines) for spot in page]
            self._deliverer.prepare(rows)
            yield from rows

    def _pages(self, order: collection_order.Order) -> Iterator[list[collection_order.Spot]]:
        """Rows that have no result, some of one wave at a time."""
        page: list[collection_order.Spot] = []
        for spot in order.spots(after=0 if self._again else self._results.state.rows):
            if self._again and spot.line not in self._again:
                continue
            if page and (spot.wave != page[0].wave or len(page) == PAGE_ROWS):
                yield page
                page = []
            page.append(spot)
        if page:
            yield page

    def keep(self, *, is_done: bool = False) -> None:
        rejects, self._rejects = list(self._rejects.values()), {}
        settled, self._settled = self._settled, []
        collection_rejects.keep(self._reader, rejects, settled, at=store.wall_clock())
        super().keep(is_done=is_done)

    def judged(self, record: stock_file.Record) -> stock_run.Asked | list[Fault] | Outcome:
        judged = self._deliverer.deliver(record)
        if not isinstance(judged, collection_commands.CollectLicense):
            return judged
        issued = _identity(judged)
        if self._flying.get(issued, record.line) != record.line:
            # Another row issues what may be the same license: whether it is, is seen when it is there.
            self.drain()
            self._deliverer.prepare(())
            judged = self._deliverer.deliver(record)
        self._flying[issued] = record.line
        return judged

    def tell(self, outcome: Outcome, pending: stock_run.Pending) -> None:
        asked, state = pending.asked, self._results.state
        if isinstance(asked, collection_commands.CollectLicense):
            self._flying.pop(_identity(asked), None)
        if self._again:
            if outcome.outcome == "waiting":
                return
            state.waiting -= 1
        if outcome.outcome == "rejected":
            self._reject(outcome, pending.record)
        elif isinstance(asked, _COLLECTING):
            self._settled.append(self._deliverer.settled(pending.record, asked.delivered.operated_at))
        super().tell(outcome, pending)

    def _reject(self, outcome: Outcome, record: stock_file.Record) -> None:
        """Keep what a reconciliation and the list of rejected rows tell of a row."""
        made = self._deliverer.reject(record, stock_results.remark(outcome.faults), at=store.wall_clock())
        self._rejects[made.row_key] = made

    def is_judged_again(self, error: errors.LedgerError) -> bool:
        is_moved = type(error) is errors.Conflict and error.field is None
        return is_moved or super().is_judged_again(error)

    def is_own(self, error: errors.LedgerError) -> bool:
        return error.extra.get("batch_key") == self._deliverer.batch.key

    def _found(self) -> Iterator[tuple[bytes, int, int, int, int, int]]:
        """Every row of the file with where it begins."""
        offset, lines = self._rows.begun
        for record in self._rows.records():
            place = self._deliverer.place(record)
            yield *place, record.line, offset, lines
            offset, lines = record.end, record.lines

    def _digest(self) -> bytes:
        """SHA-256 of the file."""
        at, digest = self._file.tell(), hashlib.sha256()
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            digest.update(chunk)
        self._file.seek(at)
        return digest.digest()

    def _do(self, asked: Command) -> None:
        """Record what is said of the batch; who does not know whether it was, asks again."""
        for tries in range(1, stock_run.TRIES_MAX + 1):
            try:
                self._submit(asked).result()
                return
            except (errors.OutcomeUnknown, errors.QueueFull):
                if tries == stock_run.TRIES_MAX:
                    raise
                time.sleep(0.2 * tries)


def _identity(asked: collection_commands.CollectLicense) -> tuple[Any, ...]:
    return asked.type_code, asked.actor.responsible, asked.holder, asked.content.number


def judge(
    batch: collection.Batch | None,
    vault: Vault,
    actor: Actor,
    *,
    reader: reading.Reader,
    now: Callable[[], int],
    defaults: stock_row.Defaults,
) -> stock_row.Judge:
    """Who judges the rows of a batch, or of a file of old licenses where there is none."""
    if batch is None:
        return stock_row.Judge(vault, actor, row=reader.row, now=now, defaults=defaults)
    return collection_row.BatchJudge(vault, actor, batch=batch, reader=reader, now=now, defaults=defaults)


def of(batch: collection.Batch | None, *, actor: Actor, file: BinaryIO, **members: Any) -> stock_run.Run:
    """The run of a batch, or of a file of old licenses where there is none."""
    if batch is None:
        return stock_run.Run(**members)
    return BatchRun(actor=actor, file=file, **members)


def missing(reader: reading.Reader, batch: collection.Batch) -> list[str]:
    """Numbers before a batch's that its source should have sent, and that did not come."""
    keys = {batch._replace(number=number).key: number for number in batch.before()}
    text = sql.load("collection")["known_batches"]
    known = {keys[key] for (key,) in reader.run(text, (PARTITION, list(keys)))} if keys else set()
    return batch.missing(known)
