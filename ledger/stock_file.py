"""Files of old licenses, read as a stream: CSV or NDJSON, in UTF-8 or GB 18030, a record at a time.

Gives `records`, each with its line, its values and the offset behind it, from which reading can go on after
a crash. A record that cannot be read says so and costs only itself; a quotation mark that never ends stops
the reading, since nobody knows where the next record begins. Memory does not grow with the file.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ledger import errors
from ledger.errors import Fault

ENCODINGS = {"utf-8": "utf-8", "gb18030": "gb18030"}
FORMATS = ("csv", "ndjson")
RECORD_BYTES_MAX = 1_048_576
DEPTH_MAX = 16
REMARK = "error_remark"
_MARKS = {"utf-8": b"\xef\xbb\xbf", "gb18030": b"\x84\x31\x95\x33"}
"""Byte order marks, which are skipped."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_KEPT = "surrogateescape"
"""Bytes that are no text survive until the record is returned to its sender."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a file is written."""

    format: str
    encoding: str = "utf-8"

    def check(self) -> None:
        """Nothing when it can be read; raises Invalid."""
        if self.format not in FORMATS:
            raise errors.Invalid(f"a format is one of {', '.join(FORMATS)}", field="format")
        if self.encoding not in ENCODINGS:
            raise errors.Invalid(f"an encoding is one of {', '.join(ENCODINGS)}", field="encoding")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of a file."""

    line: int
    """Where it begins, from 1."""
    values: dict[str, Any] = field(repr=False)
    """Column to value; empty cells of a CSV are left out."""
    end: int
    """Offset in bytes behind it."""
    lines: int
    """Lines of the file up to its end."""
    faults: tuple[Fault, ...] = ()
    """Why it cannot be read."""
    cells: tuple[str, ...] = field(default=(), repr=False)
    """As it came, to be returned: the cells of a CSV, or the line of an NDJSON."""


class Reader:
    """Reads one file; the columns of a CSV are known once it is made."""

    def __init__(self, file: BinaryIO, form: Form) -> None:
        form.check()
        self._file, self._form = file, form
        self._lines = 0
        self._offset = 0
        self._line_error: int | None = None
        self._record_bytes = 0
        mark = _MARKS[form.encoding]
        self._pending: bytes | None = self._next_line()
        if self._pending is not None and self._pending.startswith(mark):
            self._pending = self._pending[len(mark) :]
        self.columns: tuple[str, ...] = ()
        if form.format == "csv":
            self.columns = self._header()
            self.begun = (self._offset, self._lines)
        else:
            had_mark = self._pending is not None and len(self._pending) < self._offset
            self.begun = (len(mark) if had_mark else 0, 0)
        """Offset and lines before the first record."""

    def go_on(self, *, offset: int, lines: int) -> None:
        """Read on behind `offset`, where so many lines have been read; raises Invalid at a shorter file."""
        if offset < self._offset or (offset == self._offset and lines == self._lines):
            return
        self._pending = None
        left = offset - self._offset
        if self._file.seekable():
            self._file.seek(offset)
            left = 0
        while left:
            skipped = len(self._file.read(min(left, RECORD_BYTES_MAX)))
            if not skipped:
                raise errors.Invalid("the file is shorter than it was", field="FILE")
            left -= skipped
        self._offset, self._lines = offset, lines

    def record_at(self, *, offset: int, lines: int) -> Record:
        """The record behind `offset`, where so many lines have been read, of a file that can be sought in."""
        self._pending = None
        self._file.seek(offset)
        self._offset, self._lines = offset, lines
        record = next(self.records(), None)
        if record is None:
            raise errors.Invalid("the file is shorter than it was", field="FILE")
        return record

    def records(self) -> Iterator[Record]:
        """Every record from here on; raises Invalid where nobody can tell where a record ends."""
        return self._of_csv() if self._form.format == "csv" else self._of_ndjson()

    def _next_line(self) -> bytes | None:
        line = self._file.readline(RECORD_BYTES_MAX + 1)
        if not line:
            return None
        self._lines += 1
        self._offset += len(line)
        self._record_bytes += len(line)
        if self._record_bytes > RECORD_BYTES_MAX:
            raise errors.Invalid(
                f"a record ends within {RECORD_BYTES_MAX} bytes; is a quotation mark left open?",
                field="FILE",
                line=self._lines,
            )
        return line

    def _raw(self) -> Iterator[bytes]:
        while True:
            line = self._pending if self._pending is not None else self._next_line()
            self._pending = None
            if line is None:
                return
            yield line

    def _text(self) -> Iterator[str]:
        encoding = ENCODINGS[self._form.encoding]
        for line in self._raw():
            yield line.decode(encoding, _KEPT)

    def _header(self) -> tuple[str, ...]:
        if self._pending is not None and self._pending.startswith(_UTF_16):
            raise errors.Invalid("the file is in UTF-16: save it in UTF-8 or GB 18030", field="FILE")
        try:
            cells = next(csv.reader(self._text(), strict=True), None) if self._pending is not None else None
        except csv.Error as error:
            raise errors.Invalid("the first line is no CSV in this encoding", field="FILE") from error
        self._record_bytes = 0
        if not cells:
            raise errors.Invalid("the file names its columns in the first line", field="FILE")
        columns = tuple(cell.strip() for cell in cells)
        if len(columns) == 1 and any(sign in columns[0] for sign in ";\t|"):
            raise errors.Invalid(
                "cells stand between commas (RFC 4180), not semicolons or tabs", field="FILE"
            )
        if len(set(columns)) != len(columns) or "" in columns:
            raise errors.Invalid("each column has a name of its own", field="FILE")
        return columns

    def _of_csv(self) -> Iterator[Record]:
        reader = csv.reader(self._text(), strict=True)
        while True:
            line, self._record_bytes = self._lines + 1, 0
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise errors.Invalid("the CSV cannot be read on", field="FILE", line=line) from error
            if cells is None:
                return
            if cells:
                yield self._csv_record(cells, line)

    def _csv_record(self, cells: list[str], line: int) -> Record:
        faults = []
        if len(cells) != len(self.columns):
            faults.append(Fault("*", "cell-count"))
        values = {name: cell for name, cell in zip(self.columns, cells, strict=False) if cell != ""}
        faults += [Fault(name, flaw) for name, cell in values.items() if (flaw := flaw_of(cell)) is not None]
        return Record(
            line=line,
            values={name: cell for name, cell in values.items() if name != REMARK},
            end=self._offset,
            lines=self._lines,
            faults=tuple(faults),
            cells=tuple(cells),
        )

    def _of_ndjson(self) -> Iterator[Record]:
        self._record_bytes = 0 if self._pending is None else len(self._pending)
        for text in self._text():
            self._record_bytes = 0
            if text.strip():
                yield self._json_record(text.rstrip("\r\n"))

    def _json_record(self, text: str) -> Record:
        values: dict[str, Any] = {}
        faults: tuple[Fault, ...] = ()
        if flaw_of(text) is not None:
            faults = (Fault("*", "encoding"),)
        else:
            try:
                values = parse_object(text)
            except ValueError as error:
                faults = (Fault("*", str(error)),)
        values.pop(REMARK, None)
        return Record(
            line=self._lines, values=values, end=self._offset, lines=self._lines, faults=faults, cells=(text,)
        )


def flaw_of(text: str) -> str | None:
    """Why a text cannot be kept: bytes that are no characters, or U+0000."""
    if text.isascii():
        return "null-character" if "\0" in text else None
    if _SURROGATE.search(text):
        return "encoding"
    return "null-character" if "\0" in text else None


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object in `text`, numbers as they are written; raises ValueError with a fault."""
    made = parse_json(text)
    if not isinstance(made, dict):
        raise ValueError("json-object")
    return made


def parse_json(text: str) -> Any:
    """The JSON in `text`, numbers as they are written; raises ValueError with a fault."""
    try:
        made = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError("json-syntax") from error
    except RecursionError as error:
        raise ValueError("json-depth") from error
    _refuse_flaws(made, DEPTH_MAX)
    return made


def _refuse_flaws(item: Any, depth: int) -> None:
    if depth < 0:
        raise ValueError("json-depth")
    if isinstance(item, str):
        if (flaw := flaw_of(item)) is not None:
            raise ValueError(flaw)
    elif isinstance(item, dict):
        for name, value in item.items():
            _refuse_flaws(name, depth - 1)
            _refuse_flaws(value, depth - 1)
    elif isinstance(item, list):
        for value in item:
            _refuse_flaws(value, depth - 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("json-duplicate-name")
    return made


def _no_number(_: str) -> Any:
    raise ValueError("json-number")


_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_no_number, object_pairs_hook=_object
)


_SURROGATE = re.compile("[\ud800-\udfff]")
_OLD_REMARK = re.compile(r',\s*"error_remark":\s*"(?:[^"\\]|\\.)*"\s*\}$')
"""Behind a row that was returned before."""


class Returns:
    """Writes rejected records in the columns that they came in, with why in one more."""

    def __init__(self, file: BinaryIO, form: Form, columns: tuple[str, ...]) -> None:
        self._file, self._form = file, form
        self._columns = tuple(name for name in columns if name != REMARK)
        self._width = len(columns)
        self._places = [number for number, name in enumerate(columns) if name != REMARK]
        if form.format == "csv" and not file.tell():
            self._write_csv([*self._columns, REMARK])

    def add(self, record: Record, remark: str) -> None:
        """Return one record."""
        if self._form.format == "csv":
            kept = [record.cells[at] if at < len(record.cells) else "" for at in self._places]
            self._write_csv([*kept, *record.cells[self._width :], remark])
            return
        told, text = json.dumps(remark, ensure_ascii=False), _OLD_REMARK.sub("}", record.cells[0].strip())
        if not record.values:
            made = json.dumps({"line": text}, ensure_ascii=False)
            self._put(f'{made[:-1]}, "{REMARK}": {told}}}\n')
        elif f'"{REMARK}"' in text:
            self._put(json.dumps({**json.loads(text), REMARK: remark}, ensure_ascii=False) + "\n")
        else:
            # As it came: nothing is written anew, numbers least of all.
            self._put(f'{text[:-1]}, "{REMARK}": {told}}}\n')

    def _write_csv(self, cells: list[str]) -> None:
        self._put(",".join(_quoted(cell) for cell in cells) + "\r\n")

    def _put(self, text: str) -> None:
        self._file.write(text.encode(ENCODINGS[self._form.encoding], _KEPT))


def _quoted(cell: str) -> str:
    """A cell as RFC 4180 §2 writes it."""
    if any(character in cell for character in '",\r\n') or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell
