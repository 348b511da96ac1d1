"""A connection whose statements go out together and whose answers come back in their order.

libpq's pipeline mode through psycopg's own `pq`, below its cursors: parameters are packed here, a
column of a batch as one array, which costs a tenth of what adapting its values one by one does.
Statements are prepared on first use; `%b::type` in their text says how a parameter is packed. Rows come
back through psycopg's loaders. A wait has a deadline and ends the connection when it passes.
"""

from __future__ import annotations

import functools
import json
import re
import select
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.types import json as json_types

Encoder = Callable[[Any], bytes]
_PARAMETER = re.compile(r"%b::(\w+(?:\[\])?)")
_ARRAY = struct.Struct(">iiIii")
"""Dimensions, whether there are nulls, type of the elements, their number, lowest index."""
_NULL = b"\xff\xff\xff\xff"
_ROWS = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


@functools.lru_cache(maxsize=8_192)
def _read_json(text: str | bytes) -> Any:
    """A value of a row; the same few stand in most rows, and nobody changes them."""
    return json.loads(text)


class TooLate(psycopg.OperationalError):
    """The server did not answer within the deadline; the connection is ended."""


class Answer:
    """What one statement brings, once it was gathered."""

    __slots__ = ("prepares", "rows", "status")

    def __init__(self, *, prepares: str | None = None) -> None:
        self.rows: list[Any] = []
        self.status = b""
        """The command tag, `COMMIT` for one."""
        self.prepares = prepares
        """The statement that this answer says is prepared."""


class Pipeline:
    """Statements of one connection; belongs to one thread."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._pgconn = conn.pgconn
        json_types.set_json_loads(_read_json, conn)
        self._rows = Transformer(conn)
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket)
        self._waiting: list[Answer] = []
        self._names: dict[str, bytes] = {}
        self._broken: psycopg.Error | None = None
        """What went wrong while asking; `gather` raises it."""

    def ask(self, text: str, *params: Any) -> Answer:
        """The answer that `text` will have once it is gathered."""
        statement, encoders = _packed(text)
        values = [
            None if value is None else encode(value) for encode, value in zip(encoders, params, strict=True)
        ]
        answer = Answer()
        try:
            self._put(text, statement, values, answer)
        except psycopg.Error as error:
            self._broken = self._broken or error
        return answer

    def _put(self, text: str, statement: bytes, values: list[bytes | None], answer: Answer) -> None:
        pgconn = self._pgconn
        if not self._waiting:
            pgconn.enter_pipeline_mode()
        name = self._names.get(text)
        if name is None:
            name = self._names[text] = f"s{len(self._names)}".encode()
            self._waiting.append(Answer(prepares=text))
            pgconn.send_prepare(name, statement)
        self._waiting.append(answer)
        pgconn.send_query_prepared(name, values, _ones(len(values)), 1)

    def send(self) -> None:
        """Let the server begin on what was asked; does not wait for it."""
        try:
            self._pgconn.flush()
        except psycopg.Error as error:
            self._broken = self._broken or error

    def gather(self, *, within_s: float) -> None:
        """Fill every answer; raises the first psycopg.Error, after which those behind it stay empty.

        Once a connection is lost it stays so: every further call raises again.
        """
        if self._broken is not None:
            raise self._broken
        if not self._waiting:
            return
        give_up_at = time.monotonic() + within_s
        waiting, self._waiting = self._waiting, []
        fault: psycopg.Error | None = None
        self._pgconn.pipeline_sync()
        for answer in waiting:
            fault = self._finish(answer, give_up_at, fault)
        self._next(give_up_at)  # the synchronization itself
        self._pgconn.exit_pipeline_mode()
        if fault is not None:
            raise fault

    def _finish(self, answer: Answer, give_up_at: float, fault: psycopg.Error | None) -> psycopg.Error | None:
        """The first fault so far, `answer` filled if there is none."""
        result = self._next(give_up_at)
        assert result is not None, "every statement has a result"
        if result.status in _ROWS:
            answer.status = result.command_status or b""
            if result.ntuples:
                self._rows.set_pgresult(result)
                answer.rows = self._rows.load_rows(0, result.ntuples, tuple)
        else:
            if answer.prepares is not None:
                del self._names[answer.prepares]
            if fault is None:
                fault = self._fault(result)
        end = self._next(give_up_at)
        assert end is None, "a statement has one result"
        return fault

    def _fault(self, result: Any) -> psycopg.Error:
        """The error of a result, without the server's text, which may quote a value."""
        state = result.error_field(DiagnosticField.SQLSTATE)
        if state is None or self._pgconn.status != ConnStatus.OK:
            return psycopg.OperationalError()
        try:
            return psycopg.errors.lookup(state.decode())()
        except KeyError:
            return psycopg.DatabaseError()

    def _next(self, give_up_at: float) -> Any:
        """The next result, or None at the end of a statement."""
        pgconn = self._pgconn
        while pgconn.is_busy():
            events = select.POLLIN | (select.POLLOUT if pgconn.flush() else 0)
            left = give_up_at - time.monotonic()
            self._poll.modify(pgconn.socket, events)
            if left <= 0 or not self._poll.poll(left * 1000):
                pgconn.finish()
                raise TooLate("no answer within the deadline")
            pgconn.consume_input()
        return pgconn.get_result()


def packed(kind: str, value: Any) -> bytes:
    """PostgreSQL's binary form of a value or, for `bigint[]` and the like, of a column of them."""
    return _ENCODERS[kind](value)


@functools.cache
def _packed(text: str) -> tuple[bytes, tuple[Encoder, ...]]:
    """The statement as the server takes it, and how its parameters are packed."""
    kinds: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        kinds.append(found[1])
        return f"${len(kinds)}::{found[1]}"

    statement = _PARAMETER.sub(numbered, text)
    assert "%" not in statement, "every parameter says its type"
    return statement.encode(), tuple(_ENCODERS[kind] for kind in kinds)


@functools.cache
def _ones(count: int) -> list[int]:
    """Format 1, binary, for each parameter."""
    return [1] * count


def _array(oid: int, items: Sequence[bytes | None]) -> bytes:
    """PostgreSQL's binary form of a one-dimensional array."""
    if not items:
        return _ARRAY.pack(0, 0, oid, 0, 1)[:12]
    pieces = [_ARRAY.pack(1, None in items, oid, len(items), 1)]
    for item in items:
        if item is None:
            pieces.append(_NULL)
        else:
            pieces.append(len(item).to_bytes(4, "big"))
            pieces.append(item)
    return b"".join(pieces)


def _bytes_array(items: Sequence[bytes | None]) -> bytes:
    return _array(17, items)


def _uuid_array(items: Sequence[Any]) -> bytes:
    return _array(2950, [item.bytes for item in items])


def _text_array(items: Sequence[str | None]) -> bytes:
    return _array(25, [None if item is None else item.encode() for item in items])


def _integers(oid: int, width: int, code: str) -> Encoder:
    """The packer of arrays of whole numbers of `width` bytes."""

    def pack(items: Sequence[int | None]) -> bytes:
        if None in items:
            return _array(
                oid, [None if one is None else one.to_bytes(width, "big", signed=True) for one in items]
            )
        if not items:
            return _array(oid, ())
        flat: list[int] = [width] * (2 * len(items))
        flat[1::2] = items  # type: ignore[assignment]
        return _ARRAY.pack(1, 0, oid, len(items), 1) + struct.pack(">" + f"i{code}" * len(items), *flat)

    return pack


def _booleans(items: Sequence[bool | None]) -> bytes:
    return _array(16, [None if item is None else bytes((item,)) for item in items])


_ENCODERS: dict[str, Encoder] = {
    "bigint": struct.Struct(">q").pack,
    "integer": struct.Struct(">i").pack,
    "text": str.encode,
    "bytea": bytes,
    "boolean": lambda value: bytes((value,)),
    "bigint[]": _integers(20, 8, "q"),
    "integer[]": _integers(23, 4, "i"),
    "text[]": _text_array,
    "bytea[]": _bytes_array,
    "uuid[]": _uuid_array,
    "boolean[]": _booleans,
}
