"""The base of the rows of decision state (`ledger/state.py`)."""

from __future__ import annotations

from dataclasses import fields
from typing import ClassVar, cast

Key = bytes | str | int
_COLUMNS: dict[type[Row], tuple[str, ...]] = {}


class Row:
    """Base of the state rows; subclasses are frozen dataclasses, key first."""

    table: ClassVar[str]

    @property
    def key(self) -> Key:
        """The value of the first field."""
        return cast(Key, getattr(self, self.columns()[0]))

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Column names in order, key first."""
        known = _COLUMNS.get(cls)
        if known is None:
            known = _COLUMNS[cls] = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]
        return known
