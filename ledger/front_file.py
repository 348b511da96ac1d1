"""The rows of a batch of a front-end database as a file that a batch run reads, and the way back.

Gives `write`, which puts a batch on disk, whole or not at all, and `Reader` and `Sequences`, which read it:
a CSV in our columns, and beside it for every line the sequence of the row that begins there. A batch is
written once: what the table says later does not change what is being taken. Flat memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ledger import errors, front, stock_file, stock_results
from ledger.errors import Fault

ROWS, SEQUENCES = "rows.csv", "sequences"
RECORD_BYTES_MAX = 1_000_000
"""Of the values of a row; a file takes little more with its quotation marks."""
LONG_BYTES = (8_192, 500)
"""Longer values are left out of a row that has more; a table has at most 1,600 columns."""
FORM = stock_file.Form(format="csv")
_WIDTH = 8
_RULES = {front.UNREADABLE.decode(): "encoding", front.TOO_LONG.decode(): "length"}
_MIDNIGHT = b" 00:00:00"
_DAY_LENGTH = 10


class Row(NamedTuple):
    """A row of a table: what orders it, and its values."""

    sequence: int | None
    values: list[bytes | None]


class SequenceUnfit(errors.Invalid):
    """Rows of a batch that cannot be told apart."""


def write(folder: Path, table: front.Table, rows: Iterable[Row]) -> int:
    """How many rows were put into a folder; raises SequenceUnfit, and puts nothing."""
    names, count, last = table.data, 0, None
    days = [name in front.DAYS for name in names]
    with (
        _fresh(folder / SEQUENCES) as sequences,
        _fresh(folder / ROWS) as file,
    ):
        _put(file, sequences, [name.encode() for name in names], 0)
        for row in rows:
            if row.sequence is None or (last is not None and row.sequence <= last):
                raise SequenceUnfit("each row of a batch has a sequence of its own", field="sequence")
            last, count = row.sequence, count + 1
            cells = [
                _day(value) if is_day else value or b""
                for value, is_day in zip(row.values, days, strict=True)
            ]
            _put(file, sequences, _bounded(cells), row.sequence)
        for one in (sequences, file):
            one.flush()
            os.fsync(one.fileno())
    # The rows come last: where they are, all is.
    for name in (SEQUENCES, ROWS):
        (folder / f"{name}.new").replace(folder / name)
    stock_results.sync_folder(folder)
    return count


def _fresh(path: Path) -> BinaryIO:
    return stock_results.open_private(path.with_name(f"{path.name}.new"), os.O_WRONLY | os.O_TRUNC)


def _put(file: BinaryIO, sequences: BinaryIO, cells: Sequence[bytes], sequence: int) -> None:
    """One record, and its sequence for each of its lines."""
    line = b",".join(b'"' + cell.replace(b'"', b'""') + b'"' for cell in cells) + b"\n"
    file.write(line)
    sequences.write(sequence.to_bytes(_WIDTH, "big", signed=True) * line.count(b"\n"))


def _bounded(cells: Sequence[bytes]) -> Sequence[bytes]:
    """The cells; of a row that is too long, a mark for each long one."""
    for long in LONG_BYTES:
        if sum(map(_size, cells)) <= RECORD_BYTES_MAX:
            break
        cells = [front.TOO_LONG if _size(cell) > long else cell for cell in cells]
    return cells


def _size(cell: bytes) -> int:
    return len(cell) + cell.count(b'"') + len('"",')


def _day(value: bytes | None) -> bytes:
    """A day, also of a column that has the time of day to it."""
    if value is None:
        return b""
    is_instant = len(value) == _DAY_LENGTH + len(_MIDNIGHT) and value.endswith(_MIDNIGHT)
    return value[:_DAY_LENGTH] if is_instant else value


class Reader(stock_file.Reader):
    """Reads the rows that `write` put; a value that could not be kept has its rule."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, FORM)

    def _csv_record(self, cells: list[str], line: int) -> stock_file.Record:
        record = super()._csv_record(cells, line)
        if not record.faults:
            return record
        rules = {name: _RULES[cell] for name, cell in record.values.items() if cell in _RULES}
        faults = tuple(Fault(one.field, rules.get(one.field, one.message)) for one in record.faults)
        return stock_file.Record(
            line=record.line,
            values={name: value for name, value in record.values.items() if name not in rules},
            end=record.end,
            lines=record.lines,
            faults=faults,
            cells=record.cells,
        )


class Sequences:
    """The sequence of the row that begins in a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __getitem__(self, line: int) -> int:
        self._file.seek((line - 1) * _WIDTH)
        return int.from_bytes(self._file.read(_WIDTH), "big", signed=True)
