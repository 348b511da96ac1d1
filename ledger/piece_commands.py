"""Commands that print further counterparts 副本 of a license and cancel one of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger import drawing, license_commands, piece
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft
from ledger.license_commands import own_license
from ledger.state import LicenseRow, PieceRow, StreamRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class IssueCounterparts(Command):
    """So many more counterparts of the present version; `places` are drawn for as many."""

    license_ref: bytes
    count: int
    places: tuple[int, ...] = field(default_factory=license_commands.draw_places)
    effective_at: int | None = None

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(LicenseRow, self.license_ref)})

    def reads(self, view: View) -> Reads:
        reads = Reads(rows=drawing.place_keys(self.places, view.size))
        row = view.state.get(LicenseRow, self.license_ref)
        if row is not None:
            reads.rows.add((StreamRow, row.stream_id))
        return reads

    def decide(self, view: View) -> list[Draft]:
        row = own_license(view, self.license_ref, self.actor)
        made = piece.CounterpartIssued(
            license_ref=self.license_ref,
            version=row.version,
            version_index=row.version_index,
            pieces=drawing.free_pieces(self.places, view, first=row.counterparts + 1, count=self.count),
        )
        return [Draft(fact=made, stream_id=row.stream_id, effective_at=self.effective_at)]


@dataclass(frozen=True, kw_only=True)
class CancelCounterpart(Command):
    """One counterpart dies alone."""

    license_ref: bytes
    piece: int
    piece_key: int
    """Where the piece was found before the lock."""
    cause: str
    effective_at: int | None = None

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(LicenseRow, self.license_ref), (PieceRow, self.piece_key)})

    def reads(self, view: View) -> Reads:
        row = view.state.get(LicenseRow, self.license_ref)
        return Reads(rows=set() if row is None else {(StreamRow, row.stream_id)})

    def decide(self, view: View) -> list[Draft]:
        row = own_license(view, self.license_ref, self.actor)
        made = piece.CounterpartCancelled(
            license_ref=self.license_ref, piece=self.piece, piece_key=self.piece_key, cause=self.cause
        )
        return [Draft(fact=made, stream_id=row.stream_id, effective_at=self.effective_at)]
