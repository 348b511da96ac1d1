"""How state rows lie in their tables: one `Table` a row class, its statements made from two templates.

Columns are the row's fields. Tuples of text are jsonb, everything else is what it is. Does no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from ledger import sql
from ledger.state import Row, row_values

_TYPES = {
    "bytes": "bytea",
    "str": "text",
    "int": "bigint",
    "bool": "boolean",
    "tuple[str, ...]": "text",
}


class Table:
    """The table of one class of rows."""

    def __init__(self, cls: type[Row]) -> None:
        self.cls = cls
        names = cls.columns()
        kinds = [str(field.type).removesuffix(" | None") for field in fields(cls)]  # type: ignore[arg-type]
        self._is_json = [kind.startswith("tuple") for kind in kinds]
        self._listed = [name for name, is_json in zip(names, self._is_json, strict=True) if is_json]
        texts = sql.load("append")
        self._names = names
        self.columns = ", ".join(names)
        self.rows = texts["rows"].format(
            columns=self.columns, table=cls.table, key=names[0], key_type=_TYPES[kinds[0]]
        )
        scans = sql.load("check")
        order = f'({names[0]} COLLATE "C")' if kinds[0] == "str" else names[0]
        self.scan_first = scans["scan_rows_first"].format(columns=self.columns, table=cls.table, order=order)
        self.scan = scans["scan_rows"].format(columns=self.columns, table=cls.table, order=order)
        selected = (
            f"u.{name}::jsonb" if is_json else f"u.{name}"
            for name, is_json in zip(names, self._is_json, strict=True)
        )
        self.save = texts["save_rows"].format(
            table=cls.table,
            columns=self.columns,
            key=names[0],
            selected=", ".join(selected),
            arrays=", ".join(f"%b::{_TYPES[kind]}[]" for kind in kinds),
            assignments=", ".join(f"{name} = excluded.{name}" for name in names[1:]),
        )

    def row(self, values: Sequence[Any]) -> Row:
        """The row that a result holds, columns in order."""
        made = object.__new__(self.cls)
        members = made.__dict__
        members.update(zip(self._names, values, strict=True))
        for name in self._listed:
            if members[name] is not None:
                members[name] = tuple(members[name])
        return made

    def by_key(self, found: Iterable[Sequence[Any]]) -> dict[Any, Any]:
        """The rows that a result holds, by key."""
        return {values[0]: self.row(values) for values in found}

    def arrays(self, rows: Iterable[Row]) -> list[list[Any]]:
        """The rows as one array a column, for `save`."""
        columns = [list(column) for column in zip(*map(row_values, rows), strict=True)]
        return [
            [None if value is None else json.dumps(value, ensure_ascii=False) for value in column]
            if is_json
            else column
            for column, is_json in zip(columns, self._is_json, strict=True)
        ]


_TABLES: dict[type[Row], Table] = {}


def table(cls: type[Row]) -> Table:
    """The table of `cls`, made on first use."""
    if cls not in _TABLES:
        _TABLES[cls] = Table(cls)
    return _TABLES[cls]
