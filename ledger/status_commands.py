"""The command that changes a license's status or one of its marks, by its verb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import errors, license, mark
from ledger.command import Command, Reads, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.license_commands import own_license, sealed_digest
from ledger.state import LicenseRow, StreamRow
from ledger.vault import Vault

CHANGES: dict[str, type[license.StatusChange] | type[mark.MarkChange]] = {
    **license.STATUS_CHANGES,
    **mark.MARK_CHANGES,
}
"""Verb to fact: every change of a status or a mark."""


@dataclass(frozen=True, kw_only=True)
class ChangeStatus(Command):
    """Any change of a status or a mark, by its verb."""

    license_ref: bytes
    verb: str
    effective_at: int | None = None
    document: str | None = None
    """Number 文号 of the court's order to freeze or to release; sealed under the issuer's key."""
    area_code: str | None = None
    """Where a license is transferred to."""

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(LicenseRow, self.license_ref)})

    def reads(self, view: View) -> Reads:
        row = view.state.get(LicenseRow, self.license_ref)
        return Reads(rows=set() if row is None else {(StreamRow, row.stream_id)})

    def decide(self, view: View) -> list[Draft]:
        row = own_license(view, self.license_ref, self.actor)
        cls = CHANGES[self.verb]
        members: dict[str, Any] = {"license_ref": self.license_ref}
        seals: tuple[tuple[str, bytes, Any], ...] = ()
        if "document_digest" in cls.__dataclass_fields__:
            if self.document is None:
                raise errors.Invalid("a court's order has a number", field="document_number")
            own = actor_stream(self.actor, view)
            assert own is not None, "an issuer has a stream"
            members["document_digest"], content = sealed_digest(self.document, suite=view.vault.suite)
            seals = (("document", own, content),)
        if "area_code" in cls.__dataclass_fields__:
            members["area_code"] = self.area_code or ""
        made = cls(**members)
        return [Draft(fact=made, stream_id=row.stream_id, effective_at=self.effective_at, seals=seals)]
