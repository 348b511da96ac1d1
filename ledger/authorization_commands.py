"""Commands that grant, narrow and withdraw authorizations.

A `holder` authorization stands in the holder's stream, made on first sight; standing ones stand in the
requester's. A use code, an unguessable capability, stands for a holder's consent only; it is answered
and sealed, its digest is in clear.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from ledger import authorization, errors, mandate_acting
from ledger.authorization import Scope
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup, holder_stream
from ledger.state import (
    AuthorizationRow,
    LicenseRow,
    OrganizationRow,
    RepresentationRow,
    StreamRow,
    TypeRow,
)
from ledger.vault import Vault
from signing import cbor, ids, suites

EVIDENCE_SALT_BYTES = 16


def use_code_digest(use_code: str, *, suite: suites.Suite) -> bytes:
    """What the ledger keeps of a use code in clear: digest("use-code" ‖ code)."""
    return suite.digest(cbor.encode(["use-code", use_code]))


def evidence_digest(salt: bytes, *, evidence: str, suite: suites.Suite) -> bytes:
    """digest(salt ‖ evidence), the salt sealed; `evidence` is the caller's own digest or reference."""
    return suite.digest(cbor.encode([salt, evidence]))


@dataclass(frozen=True, kw_only=True)
class GrantAuthorization(Command):
    """授权."""

    mode: str
    requester: str
    scope: Scope
    entrusted_by: str | None = None
    lasts_s: int | None = None
    """It ends so long after its recording: a code that is shown 亮证."""
    holder: HolderCode | None = None
    evidence: str | None = None
    """Hexadecimal digest of the evidence of consent, kept by the attesting organization."""
    authorization_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    use_code: str = field(default_factory=lambda: ids.text(secrets.token_bytes(16)))
    """用证码 of a holder's consent; a standing authorization has none."""
    representative: tuple[bytes, HolderCode] | None = None
    """法定代表人 who consents for a body: by which of its licenses, and who it is."""
    acting: mandate_acting.Acting | None = None
    """The guardian or agent who consents for the holder: by which mandate, and who it is."""
    new_requester_stream: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def wants(self, vault: Vault) -> Wants:
        wants = Wants(
            rows={
                (AuthorizationRow, self.authorization_ref),
                (OrganizationRow, self.requester),
                *((TypeRow, code) for code in self.scope.type_codes),
                *((LicenseRow, ids.parse(ref)) for ref in self.scope.license_refs),
            },
            lookups=[holder_lookup(vault, self.holder)] if self.holder is not None else [],
        )
        want_representative(wants, self.representative, vault)
        mandate_acting.want(wants, self.acting, vault)
        return wants

    def reads(self, view: View) -> Reads:
        reads = Reads(rows={(StreamRow, self._requester_stream(view))})
        read_representative(reads, self.representative, view)
        mandate_acting.read(reads, self.acting, view)
        entry = view.entry(holder_lookup(view.vault, self.holder)) if self.holder is not None else None
        stream_id = self._requester_stream(view) if self.holder is None else entry and entry.stream_id
        if stream_id:
            reads.rows.add((StreamRow, stream_id))
            reads.data_keys.add(stream_id)
        return reads

    def decide(self, view: View) -> list[Draft]:
        if self.mode not in authorization.MODES:
            raise errors.Invalid(f"a mode is one of {', '.join(authorization.MODES)}", field="mode")
        if (self.mode == "holder") != (self.holder is not None):
            raise errors.Invalid("a holder is named in mode `holder` and in no other", field="holder")
        requester_stream = self._requester_stream(view)
        self._open_requester(view, requester_stream)
        stream_id = requester_stream if self.holder is None else holder_stream(view, self.holder)
        suite = view.vault.suite
        scope = self.scope
        if self.lasts_s is not None:
            scope = replace(scope, valid_until=view.at + self.lasts_s * 1_000_000)
        spoken = speaks(self.holder, self.representative, self.acting, view)
        if self.acting is not None:
            valid_until = mandate_acting.capped(self.acting[0], scope.valid_until, view)
            scope = replace(scope, valid_until=valid_until)
        salt = secrets.token_bytes(EVIDENCE_SALT_BYTES)
        digest = evidence_digest(salt, evidence=self.evidence, suite=suite) if self.evidence else None
        made = authorization.AuthorizationGranted(
            authorization_ref=self.authorization_ref,
            mode=self.mode,
            requester=self.requester,
            requester_stream=requester_stream,
            evidence_digest=digest,
            use_code_digest=use_code_digest(self.use_code, suite=suite) if self.holder is not None else None,
            entrusted_by=self.entrusted_by,
            **spoken,
            **vars(scope),
        )
        seals: list[tuple[str, bytes, Any]] = []
        if self.holder is not None:
            seals.append(("use-code", stream_id, self.use_code))
        if digest is not None:
            seals.append(("evidence", stream_id, [salt, self.evidence]))
        return [Draft(fact=made, stream_id=stream_id, seals=tuple(seals))]

    def _requester_stream(self, view: View) -> bytes:
        row = view.state.get(OrganizationRow, self.requester)
        return self.new_requester_stream if row is None else row.stream_id

    def _open_requester(self, view: View, stream_id: bytes) -> None:
        """The requester's stream needs its data key when it begins here."""
        if view.state.get(OrganizationRow, self.requester) is None:
            view.effects.keys.append(view.vault.new_data_key(stream_id))


Representative = tuple[bytes, HolderCode]
"""法定代表人 who consents for a body: by which of its licenses, and who it is."""


def want_representative(wants: Wants, said: Representative | None, vault: Vault) -> None:
    """Nothing; `wants` has what a consent by a representative looks up."""
    if said is not None:
        license_ref, person = said
        wants.rows |= {(LicenseRow, license_ref), (RepresentationRow, license_ref)}
        wants.lookups.append(holder_lookup(vault, person))


def read_representative(reads: Reads, said: Representative | None, view: View) -> None:
    """Nothing; `reads` has the representative's own row."""
    person = None if said is None else view.entry(holder_lookup(view.vault, said[1]))
    if person is not None:
        reads.rows.add((StreamRow, person.stream_id))


def speaking(said: Representative | None, view: View) -> bytes | None:
    """The stream of who consents for a body; raises NotTheRepresentative for a code that nobody has."""
    if said is None:
        return None
    entry = view.entry(holder_lookup(view.vault, said[1]))
    if entry is None:
        raise errors.NotTheRepresentative(field="representative")
    return entry.stream_id


def speaks(
    holder: HolderCode | None, said: Representative | None, acting: mandate_acting.Acting | None, view: View
) -> dict[str, Any]:
    """What a fact says of who consents; raises NotTheRepresentative, NoMandate or GuardianNeeded."""
    if acting is None:
        mandate_acting.require_old_enough(holder, at=view.at)
        by = None if said is None else said[0]
        spoken = {"representative": speaking(said, view), "represents_by": by}
        return {**spoken, "acting": None, "acts_by": None}
    if said is not None:
        raise errors.Invalid("a representative, or a guardian or agent", field="acting")
    row = mandate_acting.spoken(acting, view)
    return {
        "representative": row.representative,
        "represents_by": row.represents_by,
        "acting": row.person,
        "acts_by": row.mandate_ref,
    }


@dataclass(frozen=True, kw_only=True)
class _ChangeAuthorization(Command):
    authorization_ref: bytes

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(AuthorizationRow, self.authorization_ref)})

    def reads(self, view: View) -> Reads:
        row = view.state.get(AuthorizationRow, self.authorization_ref)
        return Reads(rows=set() if row is None else {(StreamRow, row.stream_id)})

    def _row(self, view: View) -> AuthorizationRow:
        row = view.state.get(AuthorizationRow, self.authorization_ref)
        if row is None:
            raise errors.AuthorizationNotFound
        return row


@dataclass(frozen=True, kw_only=True)
class NarrowAuthorization(_ChangeAuthorization):
    """缩小授权."""

    changes: dict[str, Any]
    """The members of the scope that change."""

    def decide(self, view: View) -> list[Draft]:
        row = self._row(view)
        scope = vars(authorization.scope_of(row)) | self.changes
        made = authorization.AuthorizationNarrowed(authorization_ref=self.authorization_ref, **scope)
        return [Draft(fact=made, stream_id=row.stream_id)]


@dataclass(frozen=True, kw_only=True)
class WithdrawAuthorization(_ChangeAuthorization):
    """撤回授权."""

    def decide(self, view: View) -> list[Draft]:
        made = authorization.AuthorizationWithdrawn(authorization_ref=self.authorization_ref)
        return [Draft(fact=made, stream_id=self._row(view).stream_id)]
