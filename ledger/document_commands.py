"""The command behind a document that leaves for its issuer: asked once the file is made."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import document, errors
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft
from ledger.state import LicenseRow, OrganizationRow, StreamRow
from ledger.state_document import SealRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class GiveDocument(Command):
    """The document of a version leaves, signed with a seal that stands at this moment."""

    made: document.DocumentGiven

    def wants(self, vault: Vault) -> Wants:
        return Wants(
            rows={
                (LicenseRow, self.made.license_ref),
                (SealRow, self.made.fingerprint),
                (OrganizationRow, self.made.signer),
            }
        )

    def reads(self, view: View) -> Reads:
        row = view.state.get(LicenseRow, self.made.license_ref)
        return Reads() if row is None else Reads(rows={(StreamRow, row.stream_id)})

    def decide(self, view: View) -> list[Draft]:
        row = view.state.get(LicenseRow, self.made.license_ref)
        if row is None:
            raise errors.LicenseNotFound
        return [Draft(fact=self.made, stream_id=row.stream_id)]
