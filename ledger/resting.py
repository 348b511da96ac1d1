"""Consents that rest on somebody else's word: what a fact does to them that ends the mandate, or the office.

An authorization that a guardian, an agent or a representative granted is over; what one of them joined for a
holder is parted from the authorization of another.
"""

from __future__ import annotations

from typing import Literal

from ledger import joined
from ledger.fact import Touched
from ledger.state import AuthorizationRow, State, altered

Why = Literal["is_unmandated", "is_unrepresented"]
"""The column by which uses are told why the authorization is over."""
Parted = tuple[tuple[bytes, bytes], ...]
"""(authorization, stream that had joined it)."""


def touched(ended: tuple[bytes, ...], parted: Parted) -> Touched:
    """The authorizations of both."""
    for authorization_ref in (*ended, *(ref for ref, _ in parted)):
        yield AuthorizationRow, authorization_ref


def end(ended: tuple[bytes, ...], parted: Parted, state: State, *, why: Why | None) -> None:
    """They are over from here on; what was withdrawn before, and all without `why`, is told as withdrawn."""
    for authorization_ref in ended:
        row = state.need(AuthorizationRow, authorization_ref)
        told = {} if why is None or row.is_withdrawn else {why: True}
        state.put(altered(row, is_withdrawn=True, **told))
    for authorization_ref, stream_id in parted:
        row = state.need(AuthorizationRow, authorization_ref)
        state.put(altered(row, joined=joined.without(row.joined, stream_id)))
