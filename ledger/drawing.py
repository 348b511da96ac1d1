"""Drawing the places of printed pieces: which may be taken by an event, and which of them are free."""

from __future__ import annotations

from ledger import errors, place
from ledger.command import RowKey, View
from ledger.state import PieceRow

EVENTS_PER_LIST = 1 << 18
"""A status list of 2^20 places takes the pieces of so many events: at most a quarter full of originals."""
_NEAR = 1 << 16
"""More events than a batch has: so near to its end, one may go on into the next list."""


def place_keys(places: tuple[int, ...], size: int) -> set[RowKey]:
    """Keys of the pieces that may have been drawn, in the lists that an event at `size` may take."""
    lists = {size // EVENTS_PER_LIST, (size + _NEAR) // EVENTS_PER_LIST}
    return {(PieceRow, place.Piece(0, listed, drawn).key) for listed in lists for drawn in places}


def free_pieces(
    places: tuple[int, ...], view: View, *, first: int, count: int
) -> tuple[tuple[int, int, int], ...]:
    """Pieces numbered from `first` on the first free places that were drawn; raises Unavailable."""
    list_number = view.size // EVENTS_PER_LIST
    all_drawn = (place.Piece(0, list_number, drawn) for drawn in dict.fromkeys(places))
    free = [piece for piece in all_drawn if view.state.get(PieceRow, piece.key) is None]
    if len(free) < count:
        raise errors.Unavailable("no free place was drawn in the status list")
    return tuple(
        (piece, spot.status_list, spot.status_index)
        for piece, spot in zip(range(first, first + count), free, strict=False)
    )
