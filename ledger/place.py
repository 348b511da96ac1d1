"""Places of printed pieces in status lists: each piece of each version has its own, drawn at random."""

from __future__ import annotations

from typing import NamedTuple

from ledger import errors
from ledger.state import STATUS_LIST_SIZE, PieceRow, State

PIECES_MAX = 100
"""Original and counterparts of one version."""


class Piece(NamedTuple):
    """A printed piece: 0 the original 正本, 1… counterparts 副本, and its place in a status list."""

    piece: int
    status_list: int
    status_index: int

    @property
    def key(self) -> int:
        """The piece's key in decision state."""
        return self.status_list * STATUS_LIST_SIZE + self.status_index


def check_pieces(pieces: tuple[tuple[int, int, int], ...], state: State, *, first: int) -> None:
    """Nothing when pieces are numbered from `first` and each has a free place of its own; raises Conflict."""
    numbers = [piece[0] for piece in pieces]
    if numbers != list(range(first, first + len(pieces))) or first + len(pieces) > PIECES_MAX:
        raise errors.Conflict(f"pieces are numbered in order, at most {PIECES_MAX} of a version")
    keys = [Piece(*piece).key for piece in pieces]
    if len(set(keys)) != len(keys) or any(state.get(PieceRow, key) is not None for key in keys):
        raise errors.Conflict("the place in the status list is taken")


def put_pieces(
    pieces: tuple[tuple[int, int, int], ...], state: State, *, license_ref: bytes, version: int
) -> None:
    """The pieces are this version's from here on."""
    for piece in pieces:
        key = Piece(*piece).key
        state.put(PieceRow(piece_key=key, license_ref=license_ref, version=version, piece=piece[0]))
