"""Verifications 核验: an authenticated verifier's check of a license or a QR token, with a receipt.

The result says what the ledger knew at the moment of recording; nothing sealed leaves here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import endorsement, errors, license, use
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, OrganizationRow, PieceRow, State, StreamRow, TypeRulesRow
from signing import event

NATIONAL_RESULTS: dict[str, str] = {
    "effective": "0",
    "endorsement-overdue": "0",
    "not-yet-effective": "1",
    "frozen": "2",
    "lost": "2",
    "suspended": "2",
    "restricted": "2",
    "holder-ended": "2",
    "expired": "3",
    "superseded": "3",
    "piece-cancelled": "3",
    "annulled": "3",
    "recalled": "3",
    "revoked": "3",
    "cancelled": "3",
    "void": "3",
    "transferred-out": "3",
    "unknown": "5",
}
"""Our result to the national verify result (standards in practice)."""
VERDICTS: dict[str, str] = {
    **dict.fromkeys(NATIONAL_RESULTS, "not-valid"),
    "effective": "valid",
    "endorsement-overdue": "endorsement-overdue",
    "superseded": "changed",
    "holder-ended": "holder-ended",
    "unknown": "unknown",
}
"""Our result to what is said of it in one glance, on the page behind a QR code as in a recorded check."""
_VALID = ("effective", "endorsement-overdue", "not-yet-effective")
"""Results of a license that nothing stands in the way of but, perhaps, its holder's end."""


@dataclass(frozen=True, kw_only=True)
class LicenseVerified(Fact):
    """Somebody checked a license; an unknown one is recorded in the verifier's own stream."""

    scope: ClassVar[str | None] = "license:verify"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes | None
    version: int | None
    """The version that the token names, or the present one."""
    piece: int | None
    result: str
    piece_key: int | None = None
    """Status list × 2^20 + place of the piece that the token names."""
    type_code: str | None = None
    """The license's type, by which the end of its holder counts; None: as it was recorded before that did."""

    def touches(self, about: event.Event) -> Touched:
        yield OrganizationRow, about.organization
        if self.license_ref is not None:
            yield LicenseRow, self.license_ref
        if self.piece_key is not None:
            yield PieceRow, self.piece_key
        if self.type_code is not None:
            yield TypeRulesRow, self.type_code

    def allow(self, about: event.Event, state: State) -> None:
        if self.license_ref is None:
            own = state.get(OrganizationRow, about.organization)
            if self.result != "unknown" or (self.version, self.piece, self.type_code) != (None, None, None):
                raise errors.Conflict("an unknown license has no status")
            if own is None or own.stream_id != about.stream_id:
                raise errors.Conflict("an unknown license is recorded with the verifier")
            return
        row = state.get(LicenseRow, self.license_ref)
        if row is None or self.version is None or row.stream_id != about.stream_id:
            raise errors.LicenseNotFound
        place = None if self.piece_key is None else state.get(PieceRow, self.piece_key)
        if self.piece_key is not None and not (
            self.piece is not None
            and piece_is_known(place, license_ref=self.license_ref, version=self.version, piece=self.piece)
        ):
            raise errors.LicenseNotFound
        said = result(row, version=self.version, at=about.recorded_at, place=place)
        if self.type_code is not None:
            if self.type_code != row.type_code:
                raise errors.Conflict("the license is of another type")
            said = of_holder(
                said, state.need(StreamRow, row.stream_id), state.get(TypeRulesRow, row.type_code)
            )
        if self.result != said:
            raise errors.Conflict("not the result that stood")


def result(row: LicenseRow, *, version: int, at: int, place: PieceRow | None = None) -> str:
    """The status of `row` at `at`, unless what is shown has a reason of its own.

    `superseded` when a later version replaced the one shown, `piece-cancelled` when the counterpart shown
    is dead. What is effective and was not endorsed in time is `endorsement-overdue`: valid, and told so.
    """
    said = license.status(row, at)
    if said in ("effective", "not-yet-effective", "expired") and version != row.version:
        return "superseded"
    if place is not None and place.is_cancelled and row.status in license.LIVE:
        return "piece-cancelled"
    return "endorsement-overdue" if said == "effective" and endorsement.is_overdue(row, at) else said


def of_holder(said: str, home: StreamRow, rules: TypeRulesRow | None) -> str:
    """A result; of a valid license whose holder has ended and whose type is not kept, `holder-ended`."""
    if said not in _VALID or home.ended_at is None or use.outlives(rules):
        return said
    return "holder-ended"


def piece_is_known(row: PieceRow | None, *, license_ref: bytes, version: int, piece: int) -> bool:
    """Whether a token's place in the status list belongs to the piece that it names."""
    return row is not None and (row.license_ref, row.version, row.piece) == (license_ref, version, piece)
