"""Rows of decision state about mandates (`ledger/mandate.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.row import Row


@dataclass(frozen=True, kw_only=True)
class MandateRow(Row):
    """A mandate: who may consent for a holder, and what rests on it (`ledger.mandate`)."""

    table = "mandates"
    mandate_ref: bytes
    stream_id: bytes
    """The stream of the ward or of who appointed an agent."""
    person: bytes
    """The stream of the guardian or agent."""
    kind: str
    """`minor`, `adult` or `agent`."""
    since: int
    until: int | None
    """It ends at this instant by itself; None: by a fact alone."""
    type_codes: tuple[str, ...]
    represents_by: bytes | None
    representative: bytes | None
    over_at: int | None
    """When a fact ended it."""
    rooted: tuple[str, ...]
