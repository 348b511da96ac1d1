"""Seals of issuers 电子印章: under which certificate an issuer signs documents, since when and until when.

The facts say which certificate is whose; the private keys lie in files (`issuer_seal_key`). A seal signs
while its certificate is valid and it is not revoked; the newest such one of an issuer does. What was signed
before stays as good as it was. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ledger import client, days, errors, power
from ledger.fact import Fact, Touched
from ledger.state import GenerationRow, LicenseRow, OrganizationRow, State
from ledger.state_document import SealRow
from signing import event, spelling

REASONS = ("key-compromise", "superseded", "affiliation-changed", "cessation", "withdrawn")
"""Why a seal is revoked; the words of RFC 5280 §5.3.1, in ours."""
HARMLESS = ("superseded", "affiliation-changed", "cessation")
"""Those that put no doubt on the key: what it signed before stands also where its time is only claimed."""
CERTIFICATE_BYTES_MAX = 8_192
HANDOVERS_MAX = 16
"""Organizations that succeeded each other, which are followed."""
CHAIN_MAX = 4
"""Certificates above an issuer's own."""


def fingerprint(certificate: bytes) -> bytes:
    """The SHA-256 of a certificate's DER, by which it is known everywhere."""
    return hashlib.sha256(certificate).digest()


def is_demonstration(origin: str) -> bool:
    """Whether an origin says that its ledger is a demonstration."""
    return origin.partition(".")[0] == "demo" or origin.startswith("demo/")


def active(rows: Iterable[SealRow], *, at: int) -> SealRow:
    """The seal that signs at the instant `at`, of all of one issuer; raises SealUnfit, which says why none.

    That of the newest seal is told, where none is fit.
    """
    newest = sorted(rows, key=lambda row: row.registered_index, reverse=True)
    for row in newest:
        if unfitness(row, at=at) is None:
            return row
    reason = unfitness(newest[0], at=at) if newest else "missing"
    raise errors.SealUnfit(_SAID[reason or "missing"], reason=reason)


def unfitness(row: SealRow, *, at: int) -> str | None:
    """Why a seal does not sign at `at`: `revoked`, `not-yet-valid` or `expired`; None: it does."""
    if row.revoked_at is not None and row.revoked_at <= at:
        return "revoked"
    if at < row.valid_from:
        return "not-yet-valid"
    return "expired" if at > row.valid_until else None


def responsible(
    row: LicenseRow, find: Callable[[type[OrganizationRow], str], OrganizationRow | None], *, at: int
) -> str:
    """The issuer that answers for a license at `at`: who issued it, or who has taken its type over since."""
    issuer, day = row.issuer, days.of_instant(at)
    area = power.area_of(row.area_code, row.issuer)
    for _ in range(HANDOVERS_MAX):
        known = find(OrganizationRow, issuer)
        gone = power.handovers(() if known is None else known.handed_over)
        heirs = [one.organization for one in gone if one.covers(row.type_code, day, area)]
        if not heirs:
            break
        issuer = heirs[-1]
    return issuer


_SAID = {
    "missing": "the issuer has no seal here",
    "revoked": "the issuer's seal is revoked",
    "not-yet-valid": "the certificate of the issuer's seal is not valid yet",
    "expired": "the certificate of the issuer's seal has expired",
}


def require_signer(
    row: SealRow | None, license_row: LicenseRow, *, signer: str, about: event.Event, state: State
) -> None:
    """Nothing when a seal is `signer`'s, fit now, and `signer` the license's issuer or its successor.

    Who has handed the license's type on signs for it no more. Raises SealUnfit or NotTheIssuer. Asked under
    the lock of every document that leaves, and of every copy that is asked for.
    """
    if row is None or row.organization != signer:
        raise errors.SealUnfit(_SAID["missing"], reason="missing")
    reason = unfitness(row, at=about.recorded_at)
    if reason is not None:
        raise errors.SealUnfit(_SAID[reason], reason=reason)
    day, types = days.of_instant(about.recorded_at), (license_row.type_code,)
    own = state.get(OrganizationRow, signer)
    area = power.area_of(license_row.area_code, license_row.issuer)
    if power.handed_over(own, types, day=day, area=area):
        raise errors.NotTheIssuer("another organization has taken the type over")
    if signer != license_row.issuer and not power.has_succeeded(
        own, license_row.issuer, day=day, type_codes=types, area=area
    ):
        raise errors.NotTheIssuer


@dataclass(frozen=True, kw_only=True)
class IssuerSealRegistered(Fact):
    """An issuer signs documents under this certificate, from here on, while it is valid."""

    organization: str
    fingerprint: bytes
    certificate: bytes
    """X.509, DER; public."""
    chain: tuple[bytes, ...]
    """Certificates of the authorities above it, its issuer's first; DER."""
    valid_from: int
    valid_until: int
    """What the certificate says, instants; both included."""
    is_demonstration: bool

    def touches(self, about: event.Event) -> Touched:
        return ((SealRow, self.fingerprint), (GenerationRow, 0))

    def allow(self, about: event.Event, state: State) -> None:
        client.check_organization(self.organization)
        if self.fingerprint != fingerprint(self.certificate):
            raise errors.Invalid("not the digest of the certificate", field="fingerprint")
        if len(self.chain) > CHAIN_MAX:
            raise errors.Invalid(f"at most {CHAIN_MAX} authorities above the certificate", field="chain")
        if any(len(one) > CERTIFICATE_BYTES_MAX for one in (self.certificate, *self.chain)):
            raise errors.Invalid(
                f"a certificate has at most {CERTIFICATE_BYTES_MAX} bytes", field="certificate"
            )
        if self.valid_until < self.valid_from:
            raise errors.Invalid("the certificate ends before it begins", field="certificate")
        if self.valid_until < about.recorded_at:
            raise errors.SealUnfit(_SAID["expired"], reason="expired")
        if self.is_demonstration and not is_demonstration(state.need(GenerationRow, 0).origin):
            raise errors.Forbidden("a demonstration seal is of a demonstration ledger alone")
        if state.get(SealRow, self.fingerprint) is not None:
            raise errors.AlreadyExists("the seal is registered")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(
            SealRow(
                fingerprint=self.fingerprint,
                organization=self.organization,
                certificate=self.certificate,
                chain=tuple(spelling.to_base64(one) for one in self.chain),
                valid_from=self.valid_from,
                valid_until=self.valid_until,
                is_demonstration=self.is_demonstration,
                registered_index=index,
                registered_at=about.recorded_at,
                revoked_at=None,
                revocation=None,
            )
        )


@dataclass(frozen=True, kw_only=True)
class IssuerSealRevoked(Fact):
    """A seal signs no more, since the moment at which this fact holds in law."""

    fingerprint: bytes
    reason: str

    def touches(self, about: event.Event) -> Touched:
        return ((SealRow, self.fingerprint),)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(SealRow, self.fingerprint)
        if row is None:
            raise errors.NotFound("no such seal")
        if row.revoked_at is not None:
            raise errors.Conflict("the seal is revoked")
        if self.reason not in REASONS:
            raise errors.Invalid(f"one of {', '.join(REASONS)}", field="reason")
        if not row.valid_from <= about.effective_at <= about.recorded_at:
            raise errors.Invalid("a seal is revoked since a moment of its life", field="since")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(SealRow, self.fingerprint)
        state.put(replace(row, revoked_at=about.effective_at, revocation=self.reason))
