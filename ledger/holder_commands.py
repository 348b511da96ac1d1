"""The command behind a page of a holder's file 一人一档: that it is shown, to whom and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import authorization_commands, holder
from ledger.command import Command, Reads, RowKey, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import LicenseRow, StreamRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class ReadHolderFile(Command):
    """一人一档: record that a page of the file is shown."""

    holder: HolderCode
    evidence: str
    license_refs: tuple[bytes, ...]
    salt: bytes
    through: int
    """The index that the file had come to."""

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {(LicenseRow, ref) for ref in self.license_refs}
        return Wants(rows=rows, lookups=[holder_lookup(vault, self.holder)])

    def reads(self, view: View) -> Reads:
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if entry is None:
            return Reads()
        return Reads(rows={(StreamRow, entry.stream_id)}, data_keys={entry.stream_id})

    def decide(self, view: View) -> list[Draft]:
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if entry is None:
            return [self._refusal(view)]
        digest = authorization_commands.evidence_digest(
            self.salt, evidence=self.evidence, suite=view.vault.suite
        )
        made = holder.HolderFileRead(
            license_refs=self.license_refs, evidence_digest=digest, through=self.through
        )
        seals = (("evidence", entry.stream_id, [self.salt, self.evidence]),)
        return [Draft(fact=made, stream_id=entry.stream_id, seals=seals)]

    def _refusal(self, view: View) -> Draft:
        """Nobody has this code: who asks at random leaves a trail."""
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        seals = (("asked", own, [self.holder.code_type, self.holder.code, None]),)
        return Draft(fact=holder.HolderFileRefused(reason="unknown-holder"), stream_id=own, seals=seals)
