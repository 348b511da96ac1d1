"""Rows of decision state about the monthly bulletin (`ledger/bulletin.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.row import Row


@dataclass(frozen=True, kw_only=True)
class MonthRow(Row):
    """A month whose figures stand."""

    table = "closed_months"
    month: int
    edition: int
    """The newest."""
    closed_index: int
    """Leaf index of the fact that closed it, or corrected it last."""
