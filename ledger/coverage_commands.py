"""Commands that declare and withdraw coverage, and say whether a type's source answers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ledger import coverage
from ledger.command import Command, View, Wants
from ledger.fact import Draft, Fact
from ledger.state import StreamRow, TypeRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class _OfType(Command):
    """A fact about one type, in the registry."""

    type_code: str

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(TypeRow, self.type_code), (StreamRow, vault.ring.registry)})

    def decide(self, view: View) -> list[Draft]:
        return [Draft(fact=self._fact(), stream_id=view.vault.ring.registry)]

    def _fact(self) -> Fact:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class DeclareCoverage(_OfType):
    """归集声明; None: any issuer, any area, without beginning or end."""

    issuer: str | None = None
    area: str | None = None
    issued_from: int | None = None
    issued_to: int | None = None
    holds: str
    coverage_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def _fact(self) -> Fact:
        return coverage.CoverageDeclared(
            coverage_ref=self.coverage_ref,
            type_code=self.type_code,
            issuer=self.issuer,
            area=self.area,
            issued_from=self.issued_from,
            issued_to=self.issued_to,
            holds=self.holds,
        )


@dataclass(frozen=True, kw_only=True)
class WithdrawCoverage(_OfType):
    """A declaration counts no more."""

    coverage_ref: bytes

    def _fact(self) -> Fact:
        return coverage.CoverageWithdrawn(type_code=self.type_code, coverage_ref=self.coverage_ref)


@dataclass(frozen=True, kw_only=True)
class DeclareSource(_OfType):
    """A type's source answers, does not, or is the ledger itself again."""

    source: str

    def _fact(self) -> Fact:
        return coverage.SourceDeclared(type_code=self.type_code, source=self.source)
