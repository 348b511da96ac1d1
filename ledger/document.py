"""Documents 电子证照文件: a license as a signed file, and the fact that one left for its issuer.

What stands on the page is put together in `document_content`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import errors, issuer_seal, license
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, OrganizationRow, State
from ledger.state_document import SealRow
from signing import event

LEVELS = ("b-b", "b-t", "b-lta")
"""PAdES baseline levels: signed; with a trusted time; with all that proves it for long."""


@dataclass(frozen=True, kw_only=True)
class DocumentGiven(Fact):
    """The signed document of a license's present version left for its issuer, or who acts for it."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    version: int
    license_index: int
    """Leaf index of the event that holds the version."""
    piece: int
    level: str
    signer: str
    """The organization whose seal it is."""
    fingerprint: bytes

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        yield SealRow, self.fingerprint
        yield OrganizationRow, self.signer

    def allow(self, about: event.Event, state: State) -> None:
        row = license.own_license(self.license_ref, about, state)
        if (self.version, self.license_index) != (row.version, row.version_index):
            raise errors.VersionMoved
        if self.level not in LEVELS:
            raise errors.Invalid(f"a level is one of {', '.join(LEVELS)}", field="level")
        if not 0 <= self.piece <= row.counterparts:
            raise errors.PieceNotFound
        seal = state.get(SealRow, self.fingerprint)
        issuer_seal.require_signer(seal, row, signer=self.signer, about=about, state=state)
