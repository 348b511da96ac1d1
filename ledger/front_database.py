"""Sessions on a front-end database 前置库: what came is read, and each row is answered. A door to psycopg.

Whatever speaks PostgreSQL's protocol will do. Rows of a batch come through a cursor of the server, in one
snapshot, as bytes: a value that is no text costs its row and not the batch. Answers are written row by row,
each in a transaction of its own. No message of that database is told on, since it may quote a value.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import conninfo as conninfos
from psycopg import sql as composing
from psycopg.adapt import Loader

from ledger import errors, front, pooling, sql

NUMBER = "^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$"
"""Numbers that a batch can have."""
ROWS_AT_ONCE = 50
"""Rows in memory: they may be large."""
PAGE = 1_000
_SHORT_REMARK = 60
_SEQUENCE_MIN = -(1 << 63)
_CODECS = {
    "UTF8": "utf-8",
    "EUC_CN": "gb2312",
    "GBK": "gb18030",
    "GB18030": "gb18030",
    "LATIN1": "latin-1",
}
"""Encodings of databases, as Python calls them."""
_SETTINGS = (
    "SET timezone = 'Asia/Shanghai'",
    "SET datestyle = 'ISO, YMD'",
    "SET client_min_messages = 'warning'",
    "SET statement_timeout = '300s'",
    # An answer that is lost is written again by the next run.
    "SET synchronous_commit = off",
)


class _Bytes(Loader):
    """Text as it stands in the database."""

    def load(self, data: Any) -> bytes:
        return bytes(data)


def connection(text: str | None, file: Path | None) -> str:
    """A connection string, from a file of mode 0600 or else the environment; raises Invalid."""
    if file is not None:
        try:
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                raise errors.Invalid("others may read the file: chmod 600", field="--connection")
            text = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.Invalid("the file cannot be read", field="--connection") from error
    if not text:
        raise errors.Invalid("name a file, or set LEDGER_FRONT_DATABASE_URL", field="--connection")
    try:
        said = conninfos.conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        # Its message may quote a password.
        raise errors.Invalid("it is no connection string of libpq", field="--connection") from None
    ours: dict[str, Any] = {"application_name": "license-ledger sync", **pooling.KEEPALIVES}
    return conninfos.make_conninfo("", **{**ours, **said, "client_encoding": "UTF8"})


class Database:
    """A front-end database that can be reached again and again."""

    def __init__(self, conninfo: str, asked: front.Asked) -> None:
        self._conninfo, self._asked = conninfo, asked

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A connection, for the time of the block; raises Unavailable, or Invalid for an unfit table."""
        with _translated():
            conn = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        with contextlib.closing(conn):
            with _translated():
                for setting in _SETTINGS:
                    conn.execute(setting)
                values = (self._asked.schema, self._asked.name)
                found = conn.execute(sql.load("front")["columns"], values).fetchall()
            yield Session(conn, front.table(self._asked, (front.Column(*one) for one in found)))


class Session:
    """One connection, and the table as it is now."""

    def __init__(self, conn: psycopg.Connection[Any], table: front.Table) -> None:
        self._conn, self.table = conn, table
        names: dict[str, composing.Composable] = {
            ours: composing.Identifier(one.name) for ours, one in table.columns.items()
        }
        names["table"] = composing.Identifier(table.asked.schema, table.asked.name)
        names["cells"] = composing.SQL(", ").join(self._cell(name) for name in table.data)
        self._names = names

    def batches(self) -> Iterator[str]:
        """Numbers of batches of which some row has no answer yet, or waits; as the database orders them."""
        after = ""
        while page := self._rows("batches", (NUMBER, after, PAGE)):
            yield from (number for (number,) in page)
            after = page[-1][0]

    def nameless(self) -> Iterator[tuple[int, bool]]:
        """Rows without an answer whose batch has no number (True), or one that none can have."""
        after = _SEQUENCE_MIN
        while page := self._rows("nameless", (NUMBER, after, PAGE)):
            yield from page
            after = page[-1][0]

    def unanswered(self, number: str) -> Iterator[int]:
        """Rows of a batch that have no answer."""
        after = _SEQUENCE_MIN
        while page := self._rows("unanswered", (number, after, PAGE)):
            yield from (sequence for (sequence,) in page)
            after = page[-1][0]

    def counts(self, number: str) -> tuple[int, int | None]:
        """Rows of a batch that are there, and how many it should have; None: its rows do not agree on it."""
        if self.table.asked.is_whole:
            ((count,),) = self._rows("count", (number,))
            return count, count
        ((count, told, least, most),) = self._rows("counts", (number,))
        return count, least if told == count and least == most else None

    def rows(self, number: str) -> Iterator[tuple[int | None, list[bytes | None]]]:
        """The rows of a batch in their order: sequence, and the values of `table.data` in UTF-8.

        A value that cannot be kept is a mark and the rule that it breaks, as `front_file` has it.
        """
        codec = self._codec()
        with _translated(), self._conn.transaction(), self._conn.cursor(name="rows") as cursor:
            self._conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.adapters.register_loader("text", _Bytes)
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(self._statement("rows"), (number,))
            if codec != "utf-8" or not self._is_utf8:
                # From here on values come as they are stored: the server converts and refuses nothing.
                self._conn.execute("SET LOCAL client_encoding = 'SQL_ASCII'")
            for sequence, *values in cursor:
                yield sequence, [_utf8(value, codec) for value in values]

    def answer(self, number: str, sequence: int, *, state: str, remark: str | None) -> None:
        """Tell what became of a row, for good when this returns."""
        said = {"batch": number, "sequence": sequence, "state": state}
        self._write("answer", said, remark)

    def answer_nameless(self, sequence: int, *, remark: str) -> None:
        """Refuse a row whose batch has no number."""
        self._write("answer_nameless", {"sequence": sequence}, remark)

    def _write(self, name: str, said: Mapping[str, Any], remark: str | None) -> None:
        width = self.table.remark_length_max
        if remark is not None and width is not None:
            remark = remark[:width]
        with _translated():
            try:
                self._conn.execute(self._statement(name), {**said, "remark": remark})
            except psycopg.DataError:
                if remark is None:
                    raise
                # Characters that the database does not have, or fewer than it says that it takes.
                plain = remark[:_SHORT_REMARK].encode("ascii", "replace").decode()
                self._conn.execute(self._statement(name), {**said, "remark": plain})

    @property
    def _is_utf8(self) -> bool:
        return self._conn.info.parameter_status("server_encoding") == "UTF8"

    def _codec(self) -> str:
        """How text is written in the database."""
        server = self._conn.info.parameter_status("server_encoding") or ""
        if server == "SQL_ASCII":
            return self.table.asked.encoding
        if server not in _CODECS:
            raise errors.Invalid("the front-end database has an encoding that is not known", field="TABLE")
        return _CODECS[server]

    def _cell(self, name: str) -> composing.Composed:
        column = self.table.columns[name]
        text = "cell_of_instant" if column.kind == "timestamptz" else "cell"
        return _template(text).format(column=composing.Identifier(column.name))

    def _statement(self, name: str) -> composing.Composed:
        return _template(name).format(**self._names)

    def _rows(self, name: str, values: Sequence[Any]) -> list[Any]:
        with _translated():
            return self._conn.execute(self._statement(name), values).fetchall()


def _template(name: str) -> composing.SQL:
    return composing.SQL(cast(Any, sql.load("front")[name]))


def _utf8(value: bytes | None, codec: str) -> bytes | None:
    """A value in UTF-8; one that is no text, or too long, says so."""
    if value is None:
        return None
    try:
        text = value.decode(codec)
    except UnicodeDecodeError:
        return front.UNREADABLE
    if len(text) > front.CELL_LENGTH_MAX:
        return front.TOO_LONG
    return value if codec == "utf-8" else text.encode()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """What the database says, without its words."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise errors.Unavailable("the front-end database: our role lacks a right") from error
    except pooling.GONE as error:
        raise errors.Unavailable("the front-end database cannot be reached") from error
    except psycopg.Error as error:
        raise errors.Unavailable(f"the front-end database refuses: {type(error).__name__}") from error
