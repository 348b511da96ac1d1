"""The command behind a verification 核验: what is said of a license, and of the piece in hand."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import verification
from ledger.command import Command, Reads, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.state import LicenseRow, PieceRow, StreamRow, TypeRulesRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class VerifyLicense(Command):
    """核验, by reference or with what a verified token says."""

    license_ref: bytes
    version: int | None = None
    piece: int | None = None
    piece_key: int | None = None

    def wants(self, vault: Vault) -> Wants:
        wants = Wants(rows={(LicenseRow, self.license_ref)})
        if self.piece_key is not None:
            wants.rows.add((PieceRow, self.piece_key))
        return wants

    def reads(self, view: View) -> Reads:
        row = view.state.get(LicenseRow, self.license_ref)
        if row is None:
            return Reads()
        return Reads(rows={(StreamRow, row.stream_id), (TypeRulesRow, row.type_code)})

    def decide(self, view: View) -> list[Draft]:
        row = view.state.get(LicenseRow, self.license_ref)
        if row is None or view.state.need(StreamRow, row.stream_id).is_erased or not self._known(view, row):
            own = actor_stream(self.actor, view)
            assert own is not None, "a client's organization has a stream"
            made = verification.LicenseVerified(license_ref=None, version=None, piece=None, result="unknown")
            return [Draft(fact=made, stream_id=own)]
        version = row.version if self.version is None else self.version
        result = verification.result(row, version=version, at=view.at, place=self._place(view))
        home, rules = view.state.need(StreamRow, row.stream_id), view.state.get(TypeRulesRow, row.type_code)
        made = verification.LicenseVerified(
            license_ref=row.license_ref,
            version=version,
            piece=self.piece,
            piece_key=self.piece_key,
            result=verification.of_holder(result, home, rules),
            type_code=row.type_code,
        )
        return [Draft(fact=made, stream_id=row.stream_id)]

    def _place(self, view: View) -> PieceRow | None:
        return None if self.piece_key is None else view.state.get(PieceRow, self.piece_key)

    def _known(self, view: View, row: LicenseRow) -> bool:
        if self.piece_key is None:
            return True
        assert self.version is not None, "a token names its version"
        assert self.piece is not None, "a token names its piece"
        return verification.piece_is_known(
            self._place(view),
            license_ref=row.license_ref,
            version=self.version,
            piece=self.piece,
        )
