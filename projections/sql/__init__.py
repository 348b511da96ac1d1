"""SQL of this floor by name: the same files and the same reading of them as in `ledger.sql`."""

from __future__ import annotations

from ledger import sql

Statements = sql.Statements


def load(name: str) -> Statements:
    """The statements of `<name>.sql`, in their order."""
    return sql.load(name, package=__name__)
