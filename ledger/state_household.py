"""Rows of decision state about households 户 (`ledger/household.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.row import Row


@dataclass(frozen=True, kw_only=True)
class HouseholdRow(Row):
    """A household and its history: references and instants, nothing of what its pages say."""

    table = "households"
    household_ref: bytes
    type_code: str
    """The type of persons' pages."""
    first_type: str
    """The type of the first page 首页."""
    pages: tuple[str, ...]
    """Every page that is or was in it, each as `ledger.booklet.Page.text`."""
    heads: tuple[str, ...]
    """Who was its head 户主, and by which first page, each as `ledger.booklet.Head.text`."""
    seats: tuple[str, ...]
    """Who kept it, and for which division, each as `ledger.booklet.Seat.text`."""


@dataclass(frozen=True, kw_only=True)
class HouseholdPlaceRow(Row):
    """Where a page, or a person by their stream, is registered: in one household at a time."""

    table = "household_places"
    place_key: bytes
    """A license's reference, or the stream of the holder of a page."""
    household_ref: bytes | None
    """None: in none now."""
    free_from: int | None
    """From when on it is in none, in law."""
    former: tuple[str, ...]
    """Households in which it was, as text, the newest last."""
