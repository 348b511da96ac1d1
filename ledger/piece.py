"""Counterparts 副本: printed beside the original 正本 of a version, each with its own place and QR code.

A counterpart dies alone when it is cancelled; a next version ends them all. The original is not
cancelled: it is reported lost and replaced. Rests on `license` for whose license it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import errors, license, place
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, PieceRow, State, altered
from signing import event

CAUSES = ("lost", "damaged", "returned")


@dataclass(frozen=True, kw_only=True)
class CounterpartIssued(Fact):
    """More counterparts of the present version."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    version: int
    version_index: int
    """Leaf index of the event that holds the version's fields."""
    pieces: tuple[tuple[int, int, int], ...]

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        for piece in self.pieces:
            yield PieceRow, place.Piece(*piece).key

    def allow(self, about: event.Event, state: State) -> None:
        row = license.own_license(self.license_ref, about, state)
        if row.status not in license.LIVE:
            raise errors.StatusConflict(license_status=row.status)
        if (self.version, self.version_index) != (row.version, row.version_index):
            raise errors.Conflict("the license has another version")
        if not self.pieces:
            raise errors.Invalid("at least one counterpart is printed", field="count")
        place.check_pieces(self.pieces, state, first=row.counterparts + 1)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(LicenseRow, self.license_ref)
        state.put(altered(row, counterparts=row.counterparts + len(self.pieces)))
        place.put_pieces(self.pieces, state, license_ref=self.license_ref, version=self.version)


@dataclass(frozen=True, kw_only=True)
class CounterpartCancelled(Fact):
    """One counterpart is lost, damaged or given back: its QR code is dead, the others live."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    piece: int
    piece_key: int
    """Status list × 2^20 + place."""
    cause: str

    def touches(self, about: event.Event) -> Touched:
        return ((LicenseRow, self.license_ref), (PieceRow, self.piece_key))

    def allow(self, about: event.Event, state: State) -> None:
        row = license.own_license(self.license_ref, about, state)
        found = state.get(PieceRow, self.piece_key)
        named = (self.license_ref, row.version, self.piece)
        if found is None or (found.license_ref, found.version, found.piece) != named or self.piece < 1:
            raise errors.PieceNotFound
        if found.is_cancelled:
            raise errors.Conflict("the counterpart is cancelled")
        if self.cause not in CAUSES:
            raise errors.Invalid(f"a cause is one of {', '.join(CAUSES)}", field="cause")
        if about.effective_at > about.recorded_at:
            raise errors.Invalid("a counterpart is not cancelled later", field="effective_at")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(altered(state.need(PieceRow, self.piece_key), is_cancelled=True))
