"""A table of a department's front-end database 前置库: which of its columns are what.

Gives `table`, which holds what was found in the database against what a batch needs, and names every column
that is missing, unknown, of a wrong type, or not to be read or written by our role. Asks no database. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger import collection_row, errors, stock_columns, stock_file, version
from ledger.errors import Fault

ANSWER = ("state", "error_remark", "handled_at")
"""Columns that the ledger writes, and nothing else."""
OWN = ("sequence", "batch", "batch_rows", *ANSWER)
DAYS = ("issued_on", "valid_from", "valid_to", "effective_on")
CELL_LENGTH_MAX = 65_536
"""No event has as much."""
UNREADABLE, TOO_LONG = b"\0encoding", b"\0length"
"""Stand for values that cannot be kept: U+0000, which no text in a database has, and the rule."""
_NAME = re.compile(r"[^\0\"]{1,63}")
_INTEGERS = ("int2", "int4", "int8")
_TEXTS = ("text", "varchar", "bpchar", "nvarchar2")
_INSTANTS = ("timestamptz", "timestamp")
_KINDS = {
    "sequence": (_INTEGERS, "an integer"),
    "batch_rows": (_INTEGERS, "an integer"),
    "state": (_TEXTS, "text"),
    "error_remark": (_TEXTS, "text"),
    "handled_at": (_INSTANTS, "a timestamp"),
}
_LENGTH_HEADER = 4
"""What `atttypmod` has beside the length of a varchar."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a table is to be read."""

    schema: str
    name: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The table's names to ours."""
    skipped: frozenset[str] = frozenset()
    """Columns of the table that nobody reads."""
    is_whole: bool = False
    """Whether the department writes each batch in one transaction, so that what is there is complete."""
    encoding: str = "utf-8"
    """Of text in a database that does not say it (SQL_ASCII)."""


class Column(NamedTuple):
    """A column as it was found."""

    name: str
    kind: str
    """Name of its type."""
    modifier: int
    is_reachable: bool
    """Whether our role may use the schema."""
    is_readable: bool
    is_writable: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that batches can be read from."""

    asked: Asked
    columns: Mapping[str, Column]
    """By our names."""

    @property
    def data(self) -> tuple[str, ...]:
        """What a row says, in our names and the table's order."""
        return tuple(name for name in self.columns if name not in OWN)

    @property
    def remark_length_max(self) -> int | None:
        """Characters of a remark; None: any number."""
        modifier = self.columns["error_remark"].modifier
        return modifier - _LENGTH_HEADER if modifier > _LENGTH_HEADER else None


def asked(name: str, *, renames: Iterable[str] = (), skips: Iterable[str] = (), **members: object) -> Asked:
    """How a table is to be read, as a command line says it; raises Invalid."""
    schema, dot, table_name = name.partition(".")
    if not (dot and _NAME.fullmatch(schema) and _NAME.fullmatch(table_name)):
        raise errors.Invalid("a table is named SCHEMA.TABLE, as it is stored", field="TABLE")
    renamed: dict[str, str] = {}
    for text in renames:
        ours, sign, theirs = text.partition("=")
        if not (sign and _is_known(ours) and _NAME.fullmatch(theirs)):
            raise errors.Invalid("write OURS=THEIRS, with a column of docs/import.md", field="--column")
        if theirs in renamed or ours in renamed.values():
            raise errors.Invalid("a column stands twice", field="--column", column=theirs)
        renamed[theirs] = ours
    made = Asked(schema=schema, name=table_name, renamed=renamed, skipped=frozenset(skips), **members)  # type: ignore[arg-type]
    if made.encoding not in stock_file.ENCODINGS:
        raise errors.Invalid(f"an encoding is one of {', '.join(stock_file.ENCODINGS)}", field="encoding")
    return made


def _is_known(ours: str) -> bool:
    known = {*collection_row.BatchJudge.known, *OWN}
    return ours in known or (
        ours.startswith(stock_columns.FIELD_PREFIX)
        and version.FIELD_NAME.fullmatch(ours.removeprefix(stock_columns.FIELD_PREFIX)) is not None
    )


def table(asked: Asked, found: Iterable[Column]) -> Table:
    """The table; raises Invalid with everything that is wrong with it.

    A column that may not be read is as if it were not there: so a department keeps its own to itself.
    """
    there = list(found)
    if not there:
        raise errors.Invalid("the front-end database has no such table", field="TABLE")
    if not there[0].is_reachable:
        raise errors.Invalid("our role may not use the schema: GRANT USAGE", field="TABLE")
    absent = sorted({*asked.renamed, *asked.skipped} - {one.name for one in there})
    faults = [Fault("TABLE", f"column {name} is missing, and was named") for name in absent]
    columns: dict[str, Column] = {}
    for one in there:
        if one.name in asked.skipped or not one.is_readable:
            continue
        ours = asked.renamed.get(one.name) or collection_row.BatchJudge.aliases.get(one.name, one.name)
        if not _is_known(ours):
            faults.append(
                Fault("TABLE", f"column {one.name} is unknown: --column OURS={one.name}, or --skip")
            )
        elif ours in columns:
            faults.append(Fault("TABLE", f"columns {columns[ours].name} and {one.name} are both {ours}"))
        else:
            columns[ours] = one
    faults += _unfit(asked, columns)
    errors.refuse(faults)
    return Table(asked=asked, columns=columns)


def _unfit(asked: Asked, columns: Mapping[str, Column]) -> Iterable[Fault]:
    """What a batch needs of a table and it does not have."""
    needed = [*OWN, *collection_row.KEY_COLUMNS]
    if asked.is_whole:
        needed.remove("batch_rows")
    for ours in needed:
        if ours not in columns:
            yield Fault("TABLE", f"column {ours} is missing, or our role may not read it: GRANT SELECT")
    for ours, (kinds, told) in _KINDS.items():
        one = columns.get(ours)
        if one is not None and one.kind not in kinds:
            yield Fault("TABLE", f"column {one.name} is {told}, not {one.kind}")
    for ours in ANSWER:
        one = columns.get(ours)
        if one is not None and not one.is_writable:
            yield Fault("TABLE", f"our role may not write column {one.name}: GRANT UPDATE ({one.name})")
