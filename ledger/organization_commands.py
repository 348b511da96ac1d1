"""Commands about organizations: one succeeds another, and what it used is passed on or ended."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import organization
from ledger.command import Command, Reads, RowKey, View, Wants
from ledger.fact import Draft
from ledger.state import AuthorizationRow, OrganizationRow, StreamRow, TypeRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class _Settling(Command):
    """What succession and the rest of its authorizations share."""

    predecessor: str
    successor: str
    authorizations: str

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {(OrganizationRow, code) for code in (self.predecessor, self.successor)}
        return Wants(rows=rows | {(StreamRow, vault.ring.registry)})

    def reads(self, view: View) -> Reads:
        reads = Reads()
        for code in (self.predecessor, self.successor):
            row = view.state.get(OrganizationRow, code)
            if row is not None:
                reads.rows.add((StreamRow, row.stream_id))
        row = view.state.get(OrganizationRow, self.predecessor)
        if row is not None and self.authorizations != "keep":
            reads.candidates.add((row.stream_id, self.predecessor, None))
        return reads

    def _settled(self, view: View) -> list[Draft]:
        """The next hundred standing authorizations, each with the fact that settles it."""
        former = view.state.get(OrganizationRow, self.predecessor)
        heir = view.state.get(OrganizationRow, self.successor)
        if former is None or heir is None or self.authorizations == "keep":
            return []
        known = view.candidates(former.stream_id, self.predecessor, None)
        found = {row.authorization_ref: row for row in known}.values()
        is_passed = self.authorizations == "pass"
        return [
            Draft(fact=self._settle(row), stream_id=heir.stream_id if is_passed else row.stream_id)
            for row in found
            if row.mode != "holder" and not row.is_withdrawn
        ]

    def _settle(self, row: AuthorizationRow) -> organization.Settled:
        return organization.settled(
            row, former=self.predecessor, heir=self.successor, authorizations=self.authorizations
        )


@dataclass(frozen=True, kw_only=True)
class SucceedOrganization(_Settling):
    """The succession, and what becomes of the first hundred standing authorizations."""

    type_codes: tuple[str, ...]
    since: int
    areas: tuple[str, ...] = ()

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= {(TypeRow, type_code) for type_code in self.type_codes}
        return wants

    def decide(self, view: View) -> list[Draft]:
        made = organization.OrganizationSucceeded(
            predecessor=self.predecessor,
            successor=self.successor,
            type_codes=tuple(sorted(set(self.type_codes))),
            since=self.since,
            authorizations=self.authorizations,
            areas=tuple(sorted(set(self.areas))),
        )
        return [Draft(fact=made, stream_id=view.vault.ring.registry), *self._settled(view)]


@dataclass(frozen=True, kw_only=True)
class SettleAuthorizations(_Settling):
    """The next hundred standing authorizations of a predecessor; no fact when none is left."""

    def decide(self, view: View) -> list[Draft]:
        return self._settled(view)
