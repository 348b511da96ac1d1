"""Commands about mandates: guardianships registered and ended, agents appointed and dismissed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from ledger import authorization_commands, errors, mandate, mandate_acting
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup, holder_stream
from ledger.state import AuthorizationRow, StreamRow, TypeRow
from ledger.state_mandate import MandateRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class _OnEvidence(Command):
    evidence: str
    """Hexadecimal digest of the proof, kept by who attests it."""
    effective_at: int | None = None
    salt: bytes = field(
        default_factory=lambda: secrets.token_bytes(authorization_commands.EVIDENCE_SALT_BYTES)
    )

    def _digest(self, view: View) -> bytes:
        return authorization_commands.evidence_digest(
            self.salt, evidence=self.evidence, suite=view.vault.suite
        )

    def _draft(self, made: Any, stream_id: bytes) -> list[Draft]:
        parts = (("evidence", stream_id, [self.salt, self.evidence]),)
        return [Draft(fact=made, stream_id=stream_id, effective_at=self.effective_at, seals=parts)]


@dataclass(frozen=True, kw_only=True)
class _New(_OnEvidence):
    """Base: somebody may act for a holder; both get a stream with their first mandate."""

    holder: HolderCode
    person: HolderCode
    mandate_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def wants(self, vault: Vault) -> Wants:
        lookups = [holder_lookup(vault, one) for one in (self.holder, self.person)]
        return Wants(rows={(MandateRow, self.mandate_ref)}, lookups=lookups)

    def reads(self, view: View) -> Reads:
        reads = Reads()
        for one in (self.holder, self.person):
            entry = view.entry(holder_lookup(view.vault, one))
            if entry is not None:
                reads.rows.add((StreamRow, entry.stream_id))
                reads.data_keys.add(entry.stream_id)
        return reads

    def _streams(self, view: View, *, field: str) -> tuple[bytes, bytes]:
        """The holder's stream and the person's."""
        if not self.person.is_natural_person:
            raise errors.InvalidHolderCode("a person acts for a holder", field=field)
        return holder_stream(view, self.holder), holder_stream(view, self.person)


@dataclass(frozen=True, kw_only=True)
class RegisterGuardianship(_New):
    """监护登记: of a minor until the 18th birthday, which a citizen ID says."""

    kind: str
    basis: str
    born_on: int | None = None
    """Of a minor whose code is no citizen ID."""
    ends_on: int | None = None
    """Of an adult: the day with whose beginning it ends, where a court said one."""

    def decide(self, view: View) -> list[Draft]:
        if not self.holder.is_natural_person:
            raise errors.InvalidHolderCode("a ward is a person", field="holder")
        stream_id, guardian = self._streams(view, field="guardian")
        made = mandate.GuardianshipRegistered(
            mandate_ref=self.mandate_ref,
            guardian=guardian,
            kind=self.kind,
            basis=self.basis,
            ends_on=self._ends_on(at=view.at),
            evidence_digest=self._digest(view),
        )
        return self._draft(made, stream_id)

    def _ends_on(self, *, at: int) -> int | None:
        told = mandate_acting.born_on(self.holder)
        if self.kind != mandate.MINOR:
            mandate_acting.require_of_age(self.holder, at=at)
            if self.born_on is not None:
                raise errors.Invalid("only of a minor", field="born_on")
            return self.ends_on
        if self.ends_on is not None:
            raise errors.Invalid("a minor's guardianship ends with the 18th birthday", field="ends_on")
        if told is not None and self.born_on not in (None, told):
            raise errors.Invalid("the citizen ID says another day", field="born_on")
        born = self.born_on if told is None else told
        if born is None:
            raise errors.Invalid("this code says no birth date", field="born_on")
        return mandate.birthday(born, mandate.OF_AGE)


@dataclass(frozen=True, kw_only=True)
class AppointAgent(_New):
    """委托代办: by the holder, or for a body by its representative."""

    type_codes: tuple[str, ...]
    valid_until: int
    representative: authorization_commands.Representative | None = None

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= {(TypeRow, type_code) for type_code in self.type_codes}
        authorization_commands.want_representative(wants, self.representative, vault)
        return wants

    def reads(self, view: View) -> Reads:
        reads = super().reads(view)
        authorization_commands.read_representative(reads, self.representative, view)
        return reads

    def decide(self, view: View) -> list[Draft]:
        mandate_acting.require_old_enough(self.holder, at=view.at)
        stream_id, agent = self._streams(view, field="agent")
        made = mandate.AgentAppointed(
            mandate_ref=self.mandate_ref,
            agent=agent,
            type_codes=self.type_codes,
            valid_until=self.valid_until,
            evidence_digest=self._digest(view),
            representative=authorization_commands.speaking(self.representative, view),
            represents_by=None if self.representative is None else self.representative[0],
        )
        return self._draft(made, stream_id)


@dataclass(frozen=True, kw_only=True)
class _End(_OnEvidence):
    """Base: a mandate ends."""

    mandate_ref: bytes

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(MandateRow, self.mandate_ref)})

    def reads(self, view: View) -> Reads:
        row = view.state.get(MandateRow, self.mandate_ref)
        if row is None:
            return Reads()
        reads = Reads(rows={(StreamRow, row.stream_id)}, data_keys={row.stream_id})
        reads.rows |= {(AuthorizationRow, one.authorization_ref) for one in mandate.roots(row, at=view.at)}
        return reads

    def _ending(self, view: View) -> tuple[MandateRow, dict[str, Any]]:
        """The mandate, and the members of the fact that ends it."""
        row = view.state.get(MandateRow, self.mandate_ref)
        if row is None:
            raise errors.NotFound("no such mandate")
        members = {
            "mandate_ref": row.mandate_ref,
            "ended": mandate.ended_with(row, at=view.at),
            "parted": mandate.parted_with(row, at=view.at),
            "evidence_digest": self._digest(view),
        }
        return row, members


@dataclass(frozen=True, kw_only=True)
class EndGuardianship(_End):
    """监护终止."""

    def decide(self, view: View) -> list[Draft]:
        row, members = self._ending(view)
        return self._draft(mandate.GuardianshipEnded(**members), row.stream_id)


@dataclass(frozen=True, kw_only=True)
class DismissAgent(_End):
    """解除委托."""

    def decide(self, view: View) -> list[Draft]:
        row, members = self._ending(view)
        return self._draft(mandate.AgentDismissed(**members), row.stream_id)
