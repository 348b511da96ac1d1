"""The register of seals: taken from PKCS#12 files or the demonstration authority, listed, revoked, trusted.

The private key of a seal is saved before the fact that registers its certificate, so that no seal stands
without its key; a key that no fact came to name is destroyed again. When a seal is revoked its key is
destroyed after the fact. What verifiers need is public: roots, certificates, and since when one is revoked.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger import client, config, errors, issuer_seal, registry_commands, tables
from ledger.appender import Appender
from ledger.command import Command, Wants
from ledger.command import View as LedgerView
from ledger.fact import Draft
from ledger.opening import Ledger, is_demonstration
from ledger.reading import Reader
from ledger.state import StreamRow
from ledger.state_document import SealRow
from ledger.vault import Vault
from signing import certificate, demonstration, keyring, spelling

SEALS_READ_MAX = 10_000
PKCS12_BYTES_MAX = certificate.PKCS12_BYTES_MAX
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class DocumentTrust:
    """What documents of a ledger's issuers are judged by."""

    roots: tuple[bytes, ...]
    """Certificates of trusted authorities, DER."""
    time_stamp_roots: tuple[bytes, ...]
    revocation_lists: tuple[bytes, ...]
    """DER."""
    seals: tuple[SealRow, ...]
    """Every seal that was ever registered, the oldest first."""


def import_file(
    ledger: Ledger, appender: Appender, data: bytes, *, organization: str, passphrase: bytes | None, at: int
) -> SealRow:
    """The seal in a PKCS#12 file, registered for an issuer; raises Invalid with what is wrong with it.

    A certificate that names a credit code is that organization's and no other's.
    """
    client.check_organization(organization)
    try:
        seal = certificate.from_pkcs12(data, passphrase=passphrase, at=moment(at))
    except certificate.SealInvalid as error:
        field = "passphrase" if error.reason is certificate.Fault.PASSPHRASE else "file"
        raise errors.Invalid(str(error), field=field, fault=str(error.reason)) from error
    return register(ledger, appender, seal, organization=organization)


def demonstrate(
    ledger: Ledger, appender: Appender, *, organization: str, name: str, at: int, lasts_days: int = 365
) -> SealRow:
    """A seal of the demonstration authority, for demonstration ledgers alone; raises Forbidden elsewhere."""
    client.check_organization(organization)
    if not is_demonstration(ledger.vault.ring.origin):
        raise errors.Forbidden("a demonstration seal is of a demonstration ledger alone")
    authority = _authority(ledger, at=at)
    seal = authority.issue(name=name, credit_code=organization, at=moment(at), days=lasts_days)
    return register(ledger, appender, seal, organization=organization)


def register(ledger: Ledger, appender: Appender, seal: certificate.Seal, *, organization: str) -> SealRow:
    """A seal that is fit to sign, registered for an issuer; its key is kept, encrypted."""
    said = certificate.describe(seal.certificate)
    if said.credit_code is not None and said.credit_code != organization:
        raise errors.Invalid("the certificate is of another organization", field="organization")
    made = issuer_seal.IssuerSealRegistered(
        organization=organization,
        fingerprint=said.fingerprint,
        certificate=seal.certificate,
        chain=seal.chain,
        valid_from=instant(said.not_before),
        valid_until=instant(said.not_after),
        is_demonstration=said.is_demonstration,
    )
    was_here = ledger.vault.seal_key(said.fingerprint) is not None
    ledger.vault.save_seal_key(said.fingerprint, seal.private)
    try:
        asked = registry_commands.RecordInRegistry(actor=ledger.console, facts=(made,))
        appender.submit(asked).result()
    except errors.Unavailable:
        raise  # whether the fact is there is not known: the key stays, and the command is repeated
    except errors.LedgerError:
        if not was_here:
            ledger.vault.drop_seal_key(said.fingerprint)
        raise
    return _row(ledger, said.fingerprint)


def revoke(
    ledger: Ledger, appender: Appender, fingerprint: bytes, *, reason: str, since: int | None = None
) -> SealRow:
    """A seal signs no more, since an instant or now; its key is destroyed."""
    asked = RevokeSeal(actor=ledger.console, fingerprint=fingerprint, reason=reason, since=since)
    appender.submit(asked).result()
    # From here it signs nothing, even if we crash before its key is gone.
    ledger.vault.drop_seal_key(fingerprint)
    return _row(ledger, fingerprint)


def newest(ledger: Ledger, organization: str) -> SealRow:
    """The seal of an issuer that was registered last; raises SealUnfit when there is none."""
    found = [row for row in known(ledger) if row.organization == organization]
    if not found:
        raise errors.SealUnfit("the issuer has no seal here", reason="missing")
    return found[-1]


def known(ledger: Ledger) -> tuple[SealRow, ...]:
    """Every seal that was ever registered, the oldest first."""
    with contextlib.closing(Reader(ledger.ways.service, ledger.vault)) as reader:
        return _known(reader)


def document_trust(ledger: Ledger, *, at: int | None = None) -> DocumentTrust:
    """What verifiers of this ledger's documents trust: roots of the configuration, and of a demonstration
    its own. Given `at`, the demonstration authority's revocation list of then is among the lists."""
    seals = known(ledger)
    configured = ledger.config
    demonstrated = _demonstration_roots(ledger, seals)
    lists = _files(configured.revocation_lists)
    if at is not None:
        lists += tuple(_revoked(ledger, root, seals, at=at) for root in demonstrated)
    return DocumentTrust(
        roots=(*_pem(configured.document_roots), *demonstrated),
        time_stamp_roots=_pem(configured.timestamp_roots),
        revocation_lists=tuple(one for one in lists if one),
        seals=seals,
    )


def configured_trust(configured: config.Config) -> DocumentTrust:
    """As `document_trust`, of the configuration alone."""
    return DocumentTrust(
        roots=_pem(configured.document_roots),
        time_stamp_roots=_pem(configured.timestamp_roots),
        revocation_lists=_files(configured.revocation_lists),
        seals=(),
    )


def signing_seal(reader: Reader, vault: Vault, organization: str, *, at: int) -> certificate.Seal:
    """The seal with which an issuer signs at `at`, its key at hand; raises SealUnfit."""
    row = issuer_seal.active(reader.seals(organization), at=at)
    try:
        private = vault.seal_key(row.fingerprint)
    except keyring.KeyRingError as error:
        raise errors.SealUnfit("the key of the issuer's seal cannot be read", reason="key-missing") from error
    if private is None:
        raise errors.SealUnfit("the key of the issuer's seal is not here", reason="key-missing")
    chain = tuple(spelling.from_base64(one) for one in row.chain)
    return certificate.Seal(private=private, certificate=row.certificate, chain=chain)


def moment(at: int) -> datetime:
    """An instant as the certificate's floor has it."""
    return _EPOCH + timedelta(microseconds=at)


def instant(at: datetime) -> int:
    """Microseconds UTC."""
    return (at - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class RevokeSeal(Command):
    """A seal signs no more."""

    fingerprint: bytes
    reason: str
    since: int | None = None
    """None: the moment of recording."""

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(SealRow, self.fingerprint), (StreamRow, vault.ring.registry)})

    def decide(self, view: LedgerView) -> list[Draft]:
        made = issuer_seal.IssuerSealRevoked(fingerprint=self.fingerprint, reason=self.reason)
        return [Draft(fact=made, stream_id=view.vault.ring.registry, effective_at=self.since)]


def _row(ledger: Ledger, fingerprint: bytes) -> SealRow:
    with contextlib.closing(Reader(ledger.ways.service, ledger.vault)) as reader:
        row = reader.row(SealRow, fingerprint)
    assert row is not None, "it was recorded"
    return row


def _known(reader: Reader) -> tuple[SealRow, ...]:
    table = tables.table(SealRow)
    found: list[Any] = [table.row(row) for row in reader.run(table.scan_first, (0, SEALS_READ_MAX))]
    return tuple(sorted(found, key=lambda row: row.registered_index))


def _authority(ledger: Ledger, *, at: int) -> demonstration.Authority:
    """The demonstration authority of this ledger: the one whose key is here, or a new one."""
    for root in _demonstration_roots(ledger, known(ledger)):
        held = _held_authority(ledger, root)
        if held is not None and instant(certificate.describe(root).not_after) > at:
            return held
    made = demonstration.authority(at=moment(at))
    ledger.vault.save_seal_key(issuer_seal.fingerprint(made.certificate), made.private)
    return made


def _held_authority(ledger: Ledger, root: bytes) -> demonstration.Authority | None:
    private = ledger.vault.seal_key(issuer_seal.fingerprint(root))
    return None if private is None else demonstration.Authority(private=private, certificate=root)


def _demonstration_roots(ledger: Ledger, seals: tuple[SealRow, ...]) -> tuple[bytes, ...]:
    """Of a demonstration ledger, the roots above its demonstration seals; of any other none."""
    if not is_demonstration(ledger.vault.ring.origin):
        return ()
    above = (row.chain[-1] for row in seals if row.is_demonstration and row.chain)
    return tuple(spelling.from_base64(one) for one in dict.fromkeys(above))


def _revoked(ledger: Ledger, root: bytes, seals: tuple[SealRow, ...], *, at: int) -> bytes:
    """The demonstration authority's list of what it revoked; empty where its key is not here."""
    held = _held_authority(ledger, root)
    if held is None:
        return b""
    spelled = spelling.to_base64(root)
    revoked, superseded = dict[int, datetime](), dict[int, datetime]()
    for row in seals:
        if row.revoked_at is not None and row.is_demonstration and row.chain[-1] == spelled:
            kind = superseded if row.revocation in issuer_seal.HARMLESS else revoked
            kind[certificate.describe(row.certificate).serial] = moment(row.revoked_at)
    return held.revocation_list(revoked, superseded=superseded, at=moment(at))


def _pem(path: Path | None) -> tuple[bytes, ...]:
    if path is None:
        return ()
    try:
        return certificate.from_pem(path.read_bytes())
    except (OSError, certificate.SealInvalid) as error:
        raise errors.Invalid("certificates in PEM are expected here", field=str(path)) from error


def _files(folder: Path | None) -> tuple[bytes, ...]:
    """The revocation lists in a folder."""
    if folder is None:
        return ()
    try:
        return tuple(path.read_bytes() for path in sorted(folder.glob("*.crl")))
    except OSError as error:
        raise errors.Invalid("revocation lists are expected here", field=str(folder)) from error
