"""An import as it runs: rows judged, handed to the appender, and answered in the file's order.

Rows go the one append path in a window that is wide while nobody else appends and narrow as soon as somebody
does, so that a use waits behind few of them. What was not yet kept when the process died is judged again: a
row that had been issued is found in the ledger by its source, and told as it would have been. Memory is that
of the window.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from ledger import collection_commands, errors, fact, quality, reading, stock_commands, stock_file
from ledger.command import Command
from ledger.errors import Fault
from ledger.pen import Recorded, Result
from ledger.stock_results import Outcome, Results, State
from ledger.stock_row import Judge
from signing import event, ids

WINDOW_MAX, WINDOW_MIN = 256, 32
QUIET_S = 20.0
"""So long after somebody else appended rows go in small batches."""
KEEP_ROWS, KEEP_S = 4_000, 2.0
JUDGED_ANEW_S = 5.0
TRIES_MAX = 5
Asked = (
    stock_commands.ImportLicense | collection_commands.CollectAmendment | collection_commands.CollectStatus
)
Submit = Callable[[Command], "Future[Result]"]
Progress = Callable[[State], None]
_COLUMNS = {
    "holder.code": "holder_code",
    "holder": "holder_code",
    "license": "license_id",
    "license-text": "license_id",
    "serial": "license_id",
    "type_code": "license_type",
}
"""Members that a refusal names, to our columns."""


class Stopped(Exception):
    """The run was asked to stop; what is kept can be gone on with."""


class Pace:
    """How many rows may wait at once, by whether anybody else appends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: int | None = None
        self._busy_until = clock()

    @property
    def window(self) -> int:
        """Rows that may wait for their answer now."""
        return WINDOW_MIN if self._clock() < self._busy_until else WINDOW_MAX

    def told(self, indexes: tuple[int, ...]) -> None:
        """One of our rows stands at `indexes`: a gap before it is somebody else's."""
        if self._next is not None and indexes[0] != self._next:
            self._busy_until = self._clock() + QUIET_S
        self._next = indexes[-1] + 1


@dataclass
class Pending:
    """A row that waits for its outcome."""

    record: stock_file.Record
    asked: Asked | None = None
    future: Future[Result] | None = None
    told: Outcome | None = None
    """What is known of it without asking the ledger."""
    tries: int = 0


class Run:
    """One import, from where its results end."""

    def __init__(
        self,
        *,
        rows: stock_file.Reader,
        judge: Judge,
        submit: Submit,
        reader: reading.Reader,
        results: Results,
        pace: Pace | None = None,
        progress: Progress = lambda state: None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._rows, self._judge, self._submit, self._reader = rows, judge, submit, reader
        self._results = results
        self._pace = pace or Pace()
        self._progress, self._is_stopping = progress, is_stopping
        self._waiting: deque[Pending] = deque()
        self._kept_at = self._judged_at = time.monotonic()
        self._kept_rows = results.state.rows

    def run(self) -> State:
        """How it came out; raises Stopped, or what stops every row alike. What is done by then is kept."""
        state = self._results.state
        if state.is_done:
            return state
        self.go_on()
        try:
            for record in self.records():
                while len(self._waiting) >= self._pace.window:
                    self._settle()
                if self._is_stopping():
                    raise Stopped
                self._begin(record)
            self.drain()
        except BaseException:
            self.keep()
            raise
        self.keep(is_done=True)
        self._progress(state)
        return state

    def go_on(self) -> None:
        """Be behind the last row that has its result."""
        state = self._results.state
        self._rows.go_on(offset=state.offset, lines=state.lines)

    def records(self) -> Iterator[stock_file.Record]:
        """The rows that have no result, in the order in which they are worked off."""
        return self._rows.records()

    def judged(self, record: stock_file.Record) -> Asked | list[Fault] | Outcome:
        """The command behind a row, everything that is wrong with it, or what else is told of it."""
        return self._judge.judge(record)

    def keep(self, *, is_done: bool = False) -> None:
        """What was told is on disk."""
        self._results.keep(is_done=is_done)

    def drain(self) -> None:
        """Every row handed in has its result."""
        while self._waiting:
            self._settle()

    def _begin(self, record: stock_file.Record) -> None:
        now = time.monotonic()
        if now > self._judged_at + JUDGED_ANEW_S:
            self._judge.forget()
            self._judged_at = now
        pending = self._pending(record)
        while pending.asked is not None and pending.future is None:
            try:
                pending.future = self._submit(pending.asked)
            except errors.QueueFull:
                if self._waiting:
                    self._settle()
                else:
                    time.sleep(0.05)
        self._waiting.append(pending)

    def _pending(self, record: stock_file.Record) -> Pending:
        judged = self.judged(record)
        if isinstance(judged, list):
            return Pending(record, told=Outcome(line=record.line, outcome="rejected", faults=judged))
        if isinstance(judged, Outcome):
            return Pending(record, told=judged)
        return Pending(record, asked=judged)

    def _settle(self) -> None:
        """Tell the outcome of the row that waits longest."""
        pending = self._waiting[0]
        outcome = self._outcome(pending)
        self._waiting.popleft()
        self.tell(outcome, pending)
        now, state = time.monotonic(), self._results.state
        if state.rows - self._kept_rows >= KEEP_ROWS or now > self._kept_at + KEEP_S:
            self.keep()
            self._kept_rows, self._kept_at = state.rows, now
            self._progress(state)

    def tell(self, outcome: Outcome, pending: Pending) -> None:
        """What became of a row, for its results."""
        self._results.add(outcome, pending.record)

    def _outcome(self, pending: Pending) -> Outcome:
        line = pending.record.line
        while pending.future is not None and pending.asked is not None:
            try:
                result = pending.future.result()
            except errors.LedgerError as error:
                if self._is_tried_again(pending, error):
                    continue
                return self._refused(pending, error)
            self._pace.told(result.indexes)
            return Outcome(
                line=line,
                outcome=pending.asked.outcome,
                license_ref=ids.text(pending.asked.license_ref),
                index=result.indexes[0],
                findings=_told(result.recorded),
            )
        assert pending.told is not None, "a row that is not asked about has its outcome"
        return pending.told

    def _is_tried_again(self, pending: Pending, error: errors.LedgerError) -> bool:
        """Whether the row was handed in again: its type was revised, or nobody knows its outcome."""
        is_revised = self.is_judged_again(error)
        if not (is_revised or isinstance(error, errors.OutcomeUnknown | errors.QueueFull)):
            return False
        pending.tries += 1
        if pending.tries > TRIES_MAX:
            if is_revised:
                return False  # the row is refused, and can be sent again
            raise error
        if is_revised:
            self._judge.forget()
            anew = self._pending(pending.record)
            pending.asked, pending.told, pending.future = anew.asked, anew.told, None
            if pending.asked is None:
                return True
        else:
            time.sleep(0.2 * pending.tries)
        assert pending.asked is not None, "a row that was handed in has a command"
        pending.future = self._submit(pending.asked)
        return True

    def _refused(self, pending: Pending, error: errors.LedgerError) -> Outcome:
        """The outcome of a row that the ledger has, or refuses; raises what refuses every row alike."""
        line, known = pending.record.line, error.extra.get("license_ref")
        if isinstance(error, errors.AlreadyExists) and known is not None:
            index = error.extra["index"]
            # Behind everything told so far: a run that died had issued it and not told it.
            is_ours = index is not None and index >= self._results.state.next_index and self.is_own(error)
            assert pending.asked is not None, "a row that was refused was asked about"
            return Outcome(
                line=line,
                outcome=pending.asked.outcome if is_ours else error.extra.get("told", "exists"),
                license_ref=ids.text(known),
                index=index,
                findings=self._findings(known, index) if is_ours and index is not None else (),
            )
        is_general = isinstance(error, errors.Unavailable | errors.Forbidden | errors.Unauthenticated)
        if is_general and not isinstance(error, errors.NotTheIssuer):
            raise error
        other = known if isinstance(error, errors.DoubleSource) and known is not None else None
        return Outcome(
            line=line,
            outcome="rejected",
            license_ref=None if other is None else ids.text(other),
            faults=faults_of(error),
        )

    def is_judged_again(self, error: errors.LedgerError) -> bool:
        """Whether what was known of a row before the lock is so no more."""
        return error.extra.get("reason") == stock_commands.REVISED

    def is_own(self, error: errors.LedgerError) -> bool:
        """Whether a row that is known may be this run's own, which died before it told it."""
        return True

    def _findings(self, license_ref: bytes, index: int) -> list[str]:
        """The findings that were recorded with an issue."""
        found = []
        for following in range(index + 1, index + 1 + len(quality.FINDINGS)):
            try:
                (data,) = self._reader.events([following])
            except errors.EventNotFound:
                break
            made = fact.from_event(event.parse(data))
            if not isinstance(made, quality.QualityFindingRaised) or made.license_ref != license_ref:
                break
            found.append(made.finding)
        return found


def _told(recorded: Sequence[Recorded]) -> list[str]:
    """The findings among the facts of one row."""
    return [item.fact.finding for item in recorded if isinstance(item.fact, quality.QualityFindingRaised)]


def faults_of(error: errors.LedgerError) -> list[Fault]:
    """A refusal of the ledger as faults of a row."""
    told = error.extra.get("errors")
    members = [item["field"] for item in told] if told else [error.field]
    found = []
    for member in members:
        column = "*" if member is None else _COLUMNS.get(member, member)
        if column.startswith("parties["):
            column = "parties"
        found.append(Fault(column, error.type))
    return list(dict.fromkeys(found))
