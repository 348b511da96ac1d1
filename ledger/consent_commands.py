"""The command by which a further party of a license joins another's authorization."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ledger import consent, errors, mandate_acting
from ledger.authorization_commands import (
    EVIDENCE_SALT_BYTES,
    Representative,
    evidence_digest,
    read_representative,
    speaks,
    want_representative,
)
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import AuthorizationRow, StreamRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class JoinConsent(Command):
    """共同授权: on an operator's attestation; makes no holder."""

    authorization_ref: bytes
    holder: HolderCode
    evidence: str
    representative: Representative | None = None
    acting: mandate_acting.Acting | None = None
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(EVIDENCE_SALT_BYTES))

    def wants(self, vault: Vault) -> Wants:
        wants = Wants(
            rows={(AuthorizationRow, self.authorization_ref)}, lookups=[holder_lookup(vault, self.holder)]
        )
        want_representative(wants, self.representative, vault)
        mandate_acting.want(wants, self.acting, vault)
        return wants

    def reads(self, view: View) -> Reads:
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if entry is None:
            return Reads()
        reads = Reads(rows={(StreamRow, entry.stream_id)}, data_keys={entry.stream_id})
        read_representative(reads, self.representative, view)
        mandate_acting.read(reads, self.acting, view)
        return reads

    def decide(self, view: View) -> list[Draft]:
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if entry is None:
            raise errors.NotFound("no holder under this code")
        digest = evidence_digest(self.salt, evidence=self.evidence, suite=view.vault.suite)
        made = consent.ConsentJoined(
            authorization_ref=self.authorization_ref,
            evidence_digest=digest,
            **speaks(self.holder, self.representative, self.acting, view),
        )
        seals = (("evidence", entry.stream_id, [self.salt, self.evidence]),)
        return [Draft(fact=made, stream_id=entry.stream_id, seals=seals)]
