"""The command that endorses a license 年检签注; a list of licenses is as many commands."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import catalog_rules, days, endorsement
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft
from ledger.license_commands import own_license
from ledger.state import LicenseRow, StreamRow, TypeRulesRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class EndorseLicense(Command):
    """年检, 年审, 签注, 校验."""

    license_ref: bytes
    kind: str
    period: str
    result: str
    next_due: int | None
    effective_at: int | None = None

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(LicenseRow, self.license_ref)})

    def reads(self, view: View) -> Reads:
        row = view.state.get(LicenseRow, self.license_ref)
        if row is None:
            return Reads()
        return Reads(rows={(StreamRow, row.stream_id), (TypeRulesRow, row.type_code)})

    def decide(self, view: View) -> list[Draft]:
        row = own_license(view, self.license_ref, self.actor)
        made = endorsement.LicenseEndorsed(
            license_ref=self.license_ref,
            type_code=row.type_code,
            kind=self.kind,
            period=self.period,
            result=self.result,
            next_due=self._next_due(view, row),
        )
        return [Draft(fact=made, stream_id=row.stream_id, effective_at=self.effective_at)]

    def _next_due(self, view: View, row: LicenseRow) -> int | None:
        """The day that was said, else by the type's cycle."""
        if self.next_due is not None or self.result == "failed":
            return self.next_due
        today = days.of_instant(view.at if self.effective_at is None else self.effective_at)
        return catalog_rules.endorsement_due(view.state.get(TypeRulesRow, row.type_code), today)
