"""Commands about disputes 异议/纠错: raised, decided, withdrawn."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger import days, dispute, errors, party, workdays
from ledger.authorization_commands import EVIDENCE_SALT_BYTES, evidence_digest
from ledger.command import Command, Reads, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import LicenseRow, StreamRow, TypeRow
from ledger.state_dispute import ClaimRow, DisputeRow
from ledger.vault import Vault
from signing import suites


@dataclass(frozen=True, kw_only=True)
class FileDispute(Command):
    """提出异议. Of a missing license nothing is looked up: the answer does not tell whether the ledger knows
    the holder, whose code is sealed with the organization, as whatever it wrote itself.
    """

    kind: str
    raised_by: str
    evidence: str
    """Hexadecimal digest of the proof, kept by who raises or attests it."""
    statement: str
    values: Mapping[str, Any]
    """Name of a field to what is said to be right."""
    working_days: int
    calendar: workdays.Calendar
    field_names: tuple[str, ...] = ()
    license_ref: bytes | None = None
    holder: HolderCode | None = None
    """Who raises it, or whose license is missing."""
    missing: tuple[str, str] | None = None
    """Type and issuer of a license that is missing."""
    dispute_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(EVIDENCE_SALT_BYTES))

    def _claim(self, view: View) -> ClaimRow | None:
        """The newest dispute about the same."""
        return (
            None if self.license_ref is None else view.state.get(ClaimRow, self._claim_key(self.license_ref))
        )

    def _claim_key(self, license_ref: bytes) -> bytes:
        raiser = dispute.HOLDER if self.raised_by == dispute.HOLDER else self.actor.organization
        return dispute.claim_key(license_ref, raiser, self.kind, self.field_names)

    def wants(self, vault: Vault) -> Wants:
        wants = Wants(rows={(DisputeRow, self.dispute_ref)})
        if self.missing is not None:
            wants.rows.add((TypeRow, self.missing[0]))
        elif self.license_ref is not None:
            wants.rows |= {
                (LicenseRow, self.license_ref),
                (ClaimRow, self._claim_key(self.license_ref)),
            }
            if self.holder is not None:
                wants.lookups.append(holder_lookup(vault, self.holder))
        return wants

    def reads(self, view: View) -> Reads:
        reads = Reads()
        claim = self._claim(view)
        if claim is not None:
            reads.rows.add((DisputeRow, claim.dispute_ref))
        held = None if self.license_ref is None else view.state.get(LicenseRow, self.license_ref)
        if held is None:
            return reads
        reads.rows |= {(StreamRow, held.stream_id), (TypeRow, held.type_code)}
        reads.data_keys.add(held.stream_id)
        entry = None if self.holder is None else view.entry(holder_lookup(view.vault, self.holder))
        if entry is not None:
            reads.rows.add((StreamRow, entry.stream_id))
            reads.data_keys.add(entry.stream_id)
        return reads

    def decide(self, view: View) -> list[Draft]:
        held = None if self.license_ref is None else view.state.get(LicenseRow, self.license_ref)
        if self.license_ref is not None and held is None:
            raise errors.LicenseNotFound
        if held is None and self.missing is None:
            raise errors.Invalid(
                "a license is named, or type and issuer of a missing one", field="license_ref"
            )
        who = self._party(held, view)
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        stream_id = own if held is None else held.stream_id
        today = days.of_instant(view.at)
        claim = self._claim(view)
        type_code, issuer = (held.type_code, held.issuer) if held is not None else (self.missing or ("", ""))
        made = dispute.DisputeFiled(
            dispute_ref=self.dispute_ref,
            kind=self.kind,
            raised_by=self.raised_by,
            license_ref=self.license_ref,
            party=who,
            type_code=type_code,
            issuer=issuer,
            area_code=None if held is None else held.area_code,
            field_names=self.field_names,
            working_days=self.working_days,
            due_on=self.calendar.due(today, self.working_days),
            known_until=self.calendar.known_until,
            former=None if claim is None else claim.dispute_ref,
            evidence_digest=_digest(self.salt, self.evidence, view.vault.suite),
        )
        seals = (
            ("claim", who or stream_id, self._said(held)),
            ("evidence", who or own, [self.salt, self.evidence]),
        )
        return [Draft(fact=made, stream_id=stream_id, seals=seals)]

    def _party(self, held: LicenseRow | None, view: View) -> bytes | None:
        """The stream under which who raises it as a holder stands on the license; raises LicenseNotFound."""
        if held is None or self.raised_by != dispute.HOLDER:
            return None
        if self.holder is None:
            raise errors.Invalid("the holder who raises it is named", field="holder")
        entry = view.entry(holder_lookup(view.vault, self.holder))
        own = () if entry is None else view.streams(entry.stream_id)
        found = next((one for one in own if party.holds(held, one)), None)
        if found is None:
            raise errors.LicenseNotFound
        return found

    def _said(self, held: LicenseRow | None) -> dict[str, Any]:
        """What is sealed."""
        said: dict[str, Any] = {"statement": self.statement, "values": dict(self.values)}
        if held is None and self.holder is not None:
            said["holder"] = [self.holder.code_type, self.holder.code]
        return said


@dataclass(frozen=True, kw_only=True)
class _Settle(Command):
    """Base: a dispute is settled."""

    dispute_ref: bytes

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(DisputeRow, self.dispute_ref)})

    def reads(self, view: View) -> Reads:
        row = view.state.get(DisputeRow, self.dispute_ref)
        if row is None:
            return Reads()
        streams = {row.stream_id} | ({row.party} if row.party is not None else set())
        reads = Reads(rows={(StreamRow, one) for one in streams}, data_keys=streams)
        if row.license_ref is not None:
            reads.rows.add((LicenseRow, row.license_ref))
        return reads

    def _row(self, view: View) -> DisputeRow:
        row = view.state.get(DisputeRow, self.dispute_ref)
        if row is None:
            raise errors.NotFound("no such dispute")
        return row


@dataclass(frozen=True, kw_only=True)
class DecideDispute(_Settle):
    """异议处理, by the responsible issuer. What mended the license is found under the lock."""

    outcome: str
    feedback: str
    """What who raised it is told; sealed as the claim is."""
    license_ref: bytes | None = None
    """The license that was missing, where that was so."""

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        if self.license_ref is not None:
            wants.rows.add((LicenseRow, self.license_ref))
        return wants

    def decide(self, view: View) -> list[Draft]:
        row = self._row(view)
        named = row.license_ref if self.license_ref is None else self.license_ref
        held = None if named is None else view.state.get(LicenseRow, named)
        mends = [] if held is None else dispute.mends(held, since=row.filed_index)
        is_upheld = self.outcome == dispute.UPHELD
        made = dispute.DisputeDecided(
            dispute_ref=row.dispute_ref,
            license_ref=named,
            outcome=self.outcome,
            mended_index=mends[-1] if mends and is_upheld else None,
        )
        seals = (("feedback", _listener(row, view), self.feedback),)
        return [Draft(fact=made, stream_id=dispute.home(row, view.state), seals=seals)]


@dataclass(frozen=True, kw_only=True)
class WithdrawDispute(_Settle):
    """撤回异议: by the holder, on evidence, or by the organization that raised it."""

    holder: HolderCode | None = None
    evidence: str | None = None
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(EVIDENCE_SALT_BYTES))

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        if self.holder is not None:
            wants.lookups.append(holder_lookup(vault, self.holder))
        return wants

    def reads(self, view: View) -> Reads:
        reads = super().reads(view)
        entry = None if self.holder is None else view.entry(holder_lookup(view.vault, self.holder))
        if entry is not None:
            reads.rows.add((StreamRow, entry.stream_id))
        return reads

    def decide(self, view: View) -> list[Draft]:
        row = self._row(view)
        who, digest = None, None
        seals: tuple[tuple[str, bytes, Any], ...] = ()
        if self.holder is not None or self.evidence is not None:
            if self.holder is None or self.evidence is None:
                raise errors.Invalid("a holder withdraws on evidence", field="evidence")
            entry = view.entry(holder_lookup(view.vault, self.holder))
            if row.party is None or entry is None or row.party not in view.streams(entry.stream_id):
                raise errors.NotFound("no such dispute of this holder")
            who, digest = row.party, _digest(self.salt, self.evidence, view.vault.suite)
            seals = (("evidence", row.party, [self.salt, self.evidence]),)
        made = dispute.DisputeWithdrawn(
            dispute_ref=row.dispute_ref, license_ref=row.license_ref, party=who, evidence_digest=digest
        )
        return [Draft(fact=made, stream_id=dispute.home(row, view.state), seals=seals)]


def _listener(row: DisputeRow, view: View) -> bytes:
    """Under whose key it stands what was decided: the party's who raised it, while there is one."""
    if row.party is None or view.state.need(StreamRow, row.party).is_erased:
        return dispute.home(row, view.state)
    return row.party


def _digest(salt: bytes, evidence: str, suite: suites.Suite) -> bytes:
    return evidence_digest(salt, evidence=evidence, suite=suite)
