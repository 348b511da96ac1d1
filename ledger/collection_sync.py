"""A source's batches taken from a front-end database 前置库, and every row answered there.

A batch is put on disk, worked off like a batch file, and then answered row by row: at every moment the
ledger, the folder and the table can be held against each other, and a run that died is gone on with. Which
batches came, the ledger knows; that a row has no answer only says where to look. The folder of a batch holds
what its rows say and is gone once they are answered; while rows wait for others, it stays.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ledger import (
    collection,
    collection_run,
    errors,
    front_file,
    reading,
    stock_results,
    stock_row,
    stock_run,
    store,
)
from ledger.command import Actor
from ledger.front_database import Database, Session
from ledger.state_collection import BatchRow
from ledger.vault import Vault

INCOMPLETE_MAX = 100
"""So many batches of which rows are missing are told one by one."""
BACK_OFF_S = 300.0
_DIGITS = re.compile("([0-9]+)")
_LOCK = ".lock"
"""No batch has such a name: a number begins with a letter or a digit."""


@dataclass(kw_only=True)
class Summary:
    """What one pass over the table came to."""

    done: dict[str, stock_results.State] = field(default_factory=dict)
    """Batches that were worked off, or answered again."""
    refused: dict[str, str] = field(default_factory=dict)
    """Batches whose rows were sent back unread, and why."""
    incomplete: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Batches not taken yet: rows that are there, and that should be; None: the rows do not agree on it."""
    incomplete_count: int = 0
    nameless: int = 0
    """Rows sent back because they are of no batch."""

    @property
    def is_good(self) -> bool:
        """Whether every row that could be taken is in the ledger."""
        sent_back = any(state.rejected or state.waiting for state in self.done.values())
        disagree = any(told is None or there > told for there, told in self.incomplete.values())
        return not (sent_back or self.refused or self.nameless or disagree)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.done or self.refused or self.nameless)

    def wait(self, number: str, there: int, told: int | None) -> None:
        """A batch is not complete."""
        self.incomplete_count += 1
        if len(self.incomplete) < INCOMPLETE_MAX:
            self.incomplete[number] = there, told

    def figures(self) -> dict[str, Any]:
        """As JSON has it."""
        states = self.done.values()
        names = ("rows", "issued", *stock_results.BATCH_OUTCOMES, "existing", "rejected")
        return {
            "batches": list(self.done),
            **{name: sum(getattr(state, name) for state in states) for name in names},
            "with_findings": sum(state.doubtful for state in states),
            "refused": self.refused,
            "without_batch": self.nameless,
            "incomplete": [
                {"batch": number, "rows": there, "batch_rows": told}
                for number, (there, told) in self.incomplete.items()
            ],
            "incomplete_batches": self.incomplete_count,
        }


Shown = Callable[[str, stock_results.State], contextlib.AbstractContextManager[stock_run.Progress]]
"""Shows how far the batch of this number has come."""


def _no_submit(asked: object) -> NoReturn:
    raise AssertionError("rows are recorded by an appender")


@dataclass(frozen=True, kw_only=True)
class Sync:
    """One source, its front-end database and the ledger."""

    vault: Vault
    reader: reading.Reader
    newest_index: Callable[[], int]
    actor: Actor
    source: str
    defaults: stock_row.Defaults
    database: Database
    folder: Path
    """Of this source; mode 0700."""
    shown: Shown
    submit: stock_run.Submit = _no_submit
    is_stopping: Callable[[], bool] = lambda: False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else takes from this source meanwhile; raises InUse."""
        stock_results.private_folder(self.folder)
        with stock_results.locked(
            self.folder / _LOCK, "another run takes from this source", field="--source"
        ):
            yield

    def run(self, *, is_first: bool = True) -> Summary:
        """Take every batch that is complete, then again those that waited for what came; raises Stopped.

        Batches some of whose rows wait are tried again in a first run, and once another row was applied.
        """
        summary = Summary()
        self._sweep()
        with self.database.session() as session:
            numbers = sorted({*session.batches(), *self._kept()}, key=_natural)
            self._refuse_nameless(session, summary)
        due = [number for number in numbers if is_first or not self._is_waiting(number)]
        while sum(self._take(number, summary) for number in due):
            due = [number for number in numbers if self._is_waiting(number)]
        return summary

    def _sweep(self) -> None:
        """What an earlier run had not yet put on disk whole, or not yet taken away, is gone."""
        for folder in self.folder.iterdir():
            if folder.is_dir() and not (folder / front_file.ROWS).exists():
                shutil.rmtree(folder)

    def _is_waiting(self, number: str) -> bool:
        """Whether a batch was worked off, but for rows that wait."""
        state = stock_results.read_state(self.folder / number)
        return state is not None and state.is_done and state.waiting > 0

    def _kept(self) -> set[str]:
        """Batches that an earlier run began and did not end."""
        return {rows.parent.name for rows in self.folder.glob(f"*/{front_file.ROWS}")}

    def _take(self, number: str, summary: Summary) -> int:
        """How many rows of a batch were applied now that were not before."""
        if self.is_stopping():
            raise stock_run.Stopped
        batch, folder = collection.Batch(self.actor.organization, self.source, number), self.folder / number
        try:
            batch.check()
        except errors.Invalid:
            # It is not told on: a number that cannot be kept may contain a citizen ID.
            summary.nameless += self._send_back(number, "name")
            return 0
        try:
            if not (folder / front_file.ROWS).exists() and not self._fetch(batch, folder, summary):
                return 0
            before = stock_results.read_state(folder)
            state = self._work(batch, folder)
        except (front_file.SequenceUnfit, errors.BatchDiffers) as error:
            is_other = isinstance(error, errors.BatchDiffers)
            self._refuse(number, error.type if is_other else "sequence", summary)
            _forget(folder)
            return 0
        # From here on the rows are in the ledger: a run that dies answers them next time.
        self._answer(number, folder, state)
        summary.done[number] = state
        if not state.waiting:
            _forget(folder)
        return state.applied - (0 if before is None else before.applied)

    def _fetch(self, batch: collection.Batch, folder: Path, summary: Summary) -> bool:
        """Whether the rows of a batch are on disk now; else it is not complete."""
        with self.database.session() as session:
            there, told = session.counts(batch.number)
            known = self.reader.row(BatchRow, batch.key)
            if known is None and there != told:
                summary.wait(batch.number, there, told)
                return False
            if known is not None and known.rows != there:
                raise errors.BatchDiffers(field="batch")
            stock_results.private_folder(folder)
            rows = (front_file.Row(*one) for one in session.rows(batch.number))
            count = front_file.write(folder, session.table, rows)
        if count != there:
            # Rows came or went between the two looks: the next run finds the batch as it is then.
            _forget(folder)
            summary.wait(batch.number, count, told)
            return False
        return True

    def _work(self, batch: collection.Batch, folder: Path) -> stock_results.State:
        """How a batch came out that is on disk."""
        with contextlib.ExitStack() as stack:
            file = stack.enter_context((folder / front_file.ROWS).open("rb"))
            rows = front_file.Reader(file)
            judge = collection_run.judge(
                batch,
                self.vault,
                self.actor,
                reader=self.reader,
                now=store.wall_clock,
                defaults=self.defaults,
            )
            judge.columns(rows.columns)
            results = stack.enter_context(
                stock_results.opened(
                    folder,
                    form=front_file.FORM,
                    columns=rows.columns,
                    file=batch.key,
                    size=self.newest_index() + 1,
                )
            )
            progress = stack.enter_context(self.shown(batch.number, results.state))
            return collection_run.of(
                batch,
                actor=self.actor,
                file=file,
                rows=rows,
                judge=judge,
                submit=self.submit,
                reader=self.reader,
                results=results,
                progress=progress,
                is_stopping=self.is_stopping,
            ).run()

    # --- what the department is told ---

    def _answer(self, number: str, folder: Path, state: stock_results.State) -> None:
        """Tell what became of each row, its newest result alone."""
        waiting = stock_results.waiting(folder, state)
        with self.database.session() as session, (folder / front_file.SEQUENCES).open("rb") as file:
            sequences = front_file.Sequences(file)
            for said in stock_results.told(folder, state):
                if self.is_stopping():
                    raise stock_run.Stopped
                if said["outcome"] == "waiting" and said["line"] not in waiting:
                    continue
                session.answer(
                    number,
                    sequences[said["line"]],
                    state=said["outcome"],
                    remark=_remark(said.get("faults", ())),
                )

    def _refuse(self, number: str, rule: str, summary: Summary) -> None:
        """Send back the rows of a batch that have no answer."""
        summary.refused[number] = rule
        self._send_back(number, rule)

    def _send_back(self, number: str, rule: str) -> int:
        """How many rows of a batch had no answer, and have one now."""
        count = 0
        with self.database.session() as session:
            for sequence in session.unanswered(number):
                session.answer(number, sequence, state="rejected", remark=f"batch: {rule}")
                count += 1
        return count

    def _refuse_nameless(self, session: Session, summary: Summary) -> None:
        for sequence, is_missing in session.nameless():
            session.answer_nameless(sequence, remark=f"batch: {'missing' if is_missing else 'name'}")
            summary.nameless += 1


def _forget(folder: Path) -> None:
    """A batch is no longer on disk. Its rows go first: without them the rest is not read."""
    if folder.exists():
        (folder / front_file.ROWS).unlink(missing_ok=True)
        stock_results.sync_folder(folder)
        shutil.rmtree(folder)


def _remark(faults: Any) -> str | None:
    """`error_remark` of a row; None: nothing is wrong with it."""
    made = [errors.Fault(one["column"], one["rule"]) for one in faults]
    return stock_results.remark(made) if made else None


def _natural(number: str) -> list[tuple[int, int, str]]:
    """Orders numbers as people do: B-9 before B-10."""
    pieces = [piece for piece in _DIGITS.split(number) if piece]
    return [(0, int(piece), piece) if piece.isdigit() else (1, 0, piece) for piece in pieces]


def watch(
    run: Callable[..., Summary],
    *,
    every_s: float,
    wait: Callable[[float], bool],
    told: Callable[[Summary], None],
    failed: Callable[[errors.LedgerError, float], None],
) -> None:
    """Call a `Sync.run` again and again until `wait`, which waits so many seconds, says that it is to end.

    While the front-end database or the ledger cannot be reached the pauses double, from a second to the
    longer of `every_s` and five minutes. What a person has to put right is raised.
    """
    pause, is_first = 1.0, True
    while True:
        try:
            told(run(is_first=is_first))
            pause, next_s, is_first = 1.0, every_s, False
        except (errors.Unavailable, errors.TooManyRequests) as error:
            failed(error, pause)
            next_s, pause = pause, min(pause * 2, max(every_s, BACK_OFF_S))
        except stock_run.Stopped:
            return
        if wait(next_s):
            return
