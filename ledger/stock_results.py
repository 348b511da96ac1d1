"""What became of the rows of an import, in a folder of its own that survives a crash.

`results.ndjson` has a line a row in the file's order: line, outcome, reference, index, findings or faults,
and never a code or a name. `rejected.csv` (or `.ndjson`) returns the rejected rows in the columns that they
came in, with `error_remark`. `state.json` says how far all of it is true; what stands behind that after a
crash is cut off and written again. The folder is of mode 0700, its files of 0600; one process works in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ledger import errors, stock_file
from ledger.errors import Fault

STATE, RESULTS, LOCK = "state.json", "results.ndjson", "lock"
FAULTS_MAX = 500
REMARK_LENGTH_MAX = 512
"""Characters of `error_remark` 异常说明 in the national exchange."""


class InUse(errors.Conflict):
    """Another process, or another request, has it."""


@dataclass(kw_only=True)
class State:
    """How far an import has come, as it is on disk."""

    file: str
    """What tells the imported file from another."""
    offset: int = 0
    lines: int = 0
    issued: int = 0
    existing: int = 0
    rejected: int = 0
    doubtful: int = 0
    """Issued with findings."""
    results_bytes: int = 0
    rejected_bytes: int = 0
    next_index: int = 0
    """Behind the newest event that the results name."""
    is_done: bool = False
    amended: int = 0
    """From here on of a batch: rows that amended a license, changed its status, or ended it."""
    changed: int = 0
    ended: int = 0
    outdated: int = 0
    """Rows that came behind a newer one of their license."""
    waiting: int = 0
    """Rows whose license has not come yet."""
    counted: int = 0
    """Rows of the file; 0: nobody counted them."""
    faults: dict[str, int] = field(default_factory=dict)
    """Rejected rows by what is wrong with them, `column: rule`; of at most so many kinds as `FAULTS_MAX`."""

    @property
    def rows(self) -> int:
        """Rows with a result."""
        return self.applied + self.known + self.rejected + self.waiting

    @property
    def applied(self) -> int:
        """Rows that changed something."""
        return self.issued + self.amended + self.changed + self.ended

    @property
    def known(self) -> int:
        """Rows that the ledger had, or had a newer one of."""
        return self.existing + self.outdated


_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
BATCH_OUTCOMES = ("amended", "changed", "ended", "outdated", "waiting")
_COUNTERS = {"exists": "existing"}
"""Outcomes that the state counts under another name."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one row."""

    line: int
    outcome: str
    """`issued`, `exists` or `rejected`; in a batch also a name of `BATCH_OUTCOMES`."""
    license_ref: str | None = None
    index: int | None = None
    findings: Sequence[str] = ()
    faults: Sequence[Fault] = ()

    def text(self) -> str:
        """The line in the results."""
        said: dict[str, Any] = {"line": self.line, "outcome": self.outcome}
        if self.license_ref is not None:
            said |= {"license_ref": self.license_ref, "index": self.index}
        if self.findings:
            said["findings"] = list(self.findings)
        if self.faults:
            said["faults"] = [{"column": fault.field, "rule": fault.message} for fault in self.faults]
        return _WRITER.encode(said)


@dataclass(kw_only=True)
class Results:
    """The folder of one import, open for writing."""

    folder: Path
    form: stock_file.Form
    state: State
    _results: BinaryIO = field(repr=False)
    _rejected: BinaryIO = field(repr=False)
    _returns: stock_file.Returns = field(repr=False)

    def add(self, outcome: Outcome, record: stock_file.Record) -> None:
        """The next row's outcome; on disk for good at the next `keep`."""
        self._results.write(outcome.text().encode() + b"\n")
        state = self.state
        if outcome.outcome == "rejected":
            self._returns.add(record, remark(outcome.faults))
            self._count(outcome.faults)
        state.doubtful += bool(outcome.findings)
        counter = _COUNTERS.get(outcome.outcome, outcome.outcome)
        setattr(state, counter, getattr(state, counter) + 1)
        state.offset, state.lines = max(state.offset, record.end), max(state.lines, record.lines)
        if outcome.index is not None:
            state.next_index = max(state.next_index, outcome.index + 1 + len(outcome.findings))

    def _count(self, faults: Sequence[Fault]) -> None:
        counts = self.state.faults
        for name in {f"{fault.field}: {fault.message}" for fault in faults}:
            if name in counts or len(counts) < FAULTS_MAX:
                counts[name] = counts.get(name, 0) + 1

    def keep(self, *, is_done: bool = False) -> None:
        """Everything up to here is on disk; a crash from here on loses nothing of it."""
        for file in (self._results, self._rejected):
            file.flush()
            os.fsync(file.fileno())
        self.state.results_bytes, self.state.rejected_bytes = self._results.tell(), self._rejected.tell()
        self.state.is_done = is_done
        write_state(self.folder, self.state)

    def waiting(self) -> set[int]:
        """Lines of the rows that wait."""
        return waiting(self.folder, self.state)


def waiting(folder: Path, state: State) -> set[int]:
    """Lines of the rows that wait, by what the results say: those of which nothing else was told since."""
    found: set[int] = set()
    for said in told(folder, state):
        (found.add if said["outcome"] == "waiting" else found.discard)(said["line"])
    return found


def told(folder: Path, state: State) -> Iterator[dict[str, Any]]:
    """What the results say, as far as the state says that they are true."""
    with (folder / RESULTS).open("rb") as file:
        while file.tell() < state.results_bytes:
            yield json.loads(file.readline())


def remark(faults: Sequence[Fault]) -> str:
    """`error_remark`: column and rule of every fault."""
    text = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
    return text if len(text) <= REMARK_LENGTH_MAX else f"{text[: REMARK_LENGTH_MAX - 1]}…"


def read_state(folder: Path) -> State | None:
    """How far the import in a folder has come; None: nothing is there."""
    try:
        return State(**json.loads((folder / STATE).read_bytes()))
    except FileNotFoundError:
        return None


def write_state(folder: Path, state: State) -> None:
    """Put the state on disk in one step."""
    write_private(folder / STATE, json.dumps(asdict(state)).encode())


def write_private(path: Path, data: bytes) -> None:
    """A file of mode 0600 with these bytes, whole or not at all, also after a crash."""
    fresh = path.with_name(path.name + ".new")
    with open_private(fresh, os.O_WRONLY | os.O_TRUNC) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_private(path: Path, flags: int) -> BinaryIO:
    """A file that its owner alone may read, made when it is not there."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "wb")


def private_folder(folder: Path) -> None:
    """The folder, made with mode 0700; raises Invalid when others may enter the one that is there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        raise errors.Invalid("others may enter the folder: chmod 700", field="--results")


@contextlib.contextmanager
def locked(path: Path, text: str, *, field: str | None = None) -> Iterator[None]:
    """Nobody else has the lock of this name meanwhile; raises InUse, with the text, when somebody has it."""
    with open_private(path, os.O_RDWR) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InUse(text, field=field) from error
        yield


@contextlib.contextmanager
def opened(
    folder: Path, *, form: stock_file.Form, columns: tuple[str, ...], file: str, size: int
) -> Iterator[Results]:
    """The results of an import, new or gone on with; raises Invalid for another file's, or InUse.

    `size` is that of the ledger now: what a new import finds before it had been there.
    """
    private_folder(folder)
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(folder / LOCK, "another process works on this import", field="--results"))
        state = read_state(folder)
        if state is not None and state.file != file:
            raise errors.Invalid("the folder has the results of another file", field="--results")
        state = state or State(file=file, next_index=size)
        results = stack.enter_context(open_private(folder / RESULTS, os.O_RDWR))
        rejected = stack.enter_context(open_private(folder / f"rejected.{form.format}", os.O_RDWR))
        for one, size in ((results, state.results_bytes), (rejected, state.rejected_bytes)):
            one.truncate(size)
            one.seek(size)
        returns = stock_file.Returns(rejected, form, columns)
        made = Results(
            folder=folder, form=form, state=state, _results=results, _rejected=rejected, _returns=returns
        )
        write_state(folder, state)
        yield made
