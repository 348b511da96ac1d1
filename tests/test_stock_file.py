"""Files of the stock are read a record at a time, whatever stands in them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import errors, stock_file
from ledger.errors import Fault
from ledger.stock_file import Form, Reader

CSV, NDJSON = Form(format="csv"), Form(format="ndjson")


def read(data: bytes, form: Form = CSV) -> list[stock_file.Record]:
    return list(Reader(io.BytesIO(data), form).records())


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"", "gb18030"), (b"\x84\x31\x95\x33", "gb18030")],
)
def test_both_encodings_are_read_with_a_byte_order_mark_or_without(mark: bytes, encoding: str) -> None:
    text = "name,number\r\n㐂龘𠮷,一\r\n"
    form = Form(format="csv", encoding=encoding)
    (record,) = read(mark + text.encode(encoding), form)
    assert record.values == {"name": "㐂龘𠮷", "number": "一"}
    assert (record.line, record.lines) == (2, 2)


def test_a_record_says_where_it_begins_and_where_the_next_does() -> None:
    data = b'a,b\n1,"two\nlines"\n\n3,4'
    first, second = read(data)
    assert (first.line, first.lines, first.values) == (2, 3, {"a": "1", "b": "two\nlines"})
    assert data[first.end :] == b"\n3,4"
    assert (second.values["a"], second.end) == ("3", len(data))


@given(
    rows=st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)
    ),
    cut=st.integers(min_value=0, max_value=20),
    encoding=st.sampled_from(["utf-8", "gb18030"]),
)
def test_reading_goes_on_behind_any_record(rows: list[list[str]], cut: int, encoding: str) -> None:
    form = Form(format="csv", encoding=encoding)
    written = io.BytesIO()
    returns = stock_file.Returns(written, form, ("a", "b"))
    for cells in rows:
        returns.add(stock_file.Record(line=0, values={}, end=0, lines=0, cells=tuple(cells)), "because")
    whole = read(written.getvalue(), form)
    assert [list(record.cells) for record in whole] == [[*cells, "because"] for cells in rows]
    if cut < len(whole):
        later = Reader(io.BytesIO(written.getvalue()), form)
        later.go_on(offset=whole[cut].end, lines=whole[cut].lines)
        assert list(later.records()) == whole[cut + 1 :]


def test_a_stream_that_cannot_be_wound_is_read_up_to_where_it_goes_on() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    data = b"a\n1\n2\n3\n"
    first = read(data)[0]
    later = Reader(Pipe(data), CSV)
    later.go_on(offset=first.end, lines=first.lines)
    assert [record.values["a"] for record in later.records()] == ["2", "3"]
    short = Reader(Pipe(data), CSV)
    with pytest.raises(errors.Invalid):
        short.go_on(offset=100, lines=9)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"1,\xff\xfe\n", Fault("b", "encoding")),
        (b"1,\x00\n", Fault("b", "null-character")),
        (b"1\n", Fault("*", "cell-count")),
        (b"1,2,3\n", Fault("*", "cell-count")),
    ],
)
def test_a_line_that_cannot_be_read_costs_itself_alone(line: bytes, fault: Fault) -> None:
    first, second = read(b"a,b\n" + line + b"3,4\n")
    assert first.faults == (fault,)
    assert (second.faults, second.values["a"]) == ((), "3")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("[1]", "json-object"),
        ('{"a": 1, "a": 2}', "json-duplicate-name"),
        ('{"a": NaN}', "json-number"),
        ('{"a": "\\ud800"}', "encoding"),
        ('{"a": "\\u0000"}', "null-character"),
        ('{"a": ', "json-syntax"),
        ("[" * 100_000, "json-depth"),
        ('{"a": ' + "[" * 20 + "]" * 20 + "}", "json-depth"),
    ],
)
def test_a_json_line_that_means_nothing_or_two_things_is_a_fault(line: str, fault: str) -> None:
    first, second = read(f'{line}\n{{"a": 1.50}}\n'.encode(), NDJSON)
    assert first.faults == (Fault("*", fault),)
    assert second.values == {"a": "1.50"}, "numbers stay as they are written"


def test_a_quotation_mark_that_never_ends_stops_the_reading() -> None:
    data = b'a\n1\n"' + b"x\n" * stock_file.RECORD_BYTES_MAX
    records = Reader(io.BytesIO(data), CSV).records()
    assert next(records).values == {"a": "1"}
    with pytest.raises(errors.Invalid):
        next(records)


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"a,a\n", b"a,\n", "a,b\n1,2\n".encode("utf-16"), b"a;b\n1;2\n", b"a\tb\n", b"a,b\r1,2\r"],
)
def test_a_csv_names_its_columns(data: bytes) -> None:
    with pytest.raises(errors.Invalid):
        Reader(io.BytesIO(data), CSV)


def test_a_form_is_one_that_is_known() -> None:
    for form in (Form(format="xls"), Form(format="csv", encoding="big5")):
        with pytest.raises(errors.Invalid):
            Reader(io.BytesIO(b"a\n"), form)


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1.50, "b": "二"}',
        '{"a": 1.50, "error_remark": "before"}',
        "{}",
        "not json",
    ],
)
def test_an_ndjson_row_comes_back_as_it_came_with_a_remark(line: str) -> None:
    written = io.BytesIO()
    returns = stock_file.Returns(written, NDJSON, ())
    (record,) = read(line.encode() + b"\n", NDJSON)
    returns.add(record, 'why "so"')
    text = written.getvalue().decode()
    said: dict[str, Any] = json.loads(text)
    assert said["error_remark"] == 'why "so"'
    assert read(text.encode(), NDJSON)[0].values == record.values or record.faults or line == "{}"


def test_bytes_that_are_no_characters_come_back_as_they_came() -> None:
    written = io.BytesIO()
    reader = Reader(io.BytesIO(b"error_remark,a\nold,\xff\n"), CSV)
    returns = stock_file.Returns(written, CSV, reader.columns)
    for record in reader.records():
        returns.add(record, "encoding")
    assert written.getvalue() == b"a,error_remark\r\n\xff,encoding\r\n"
