"""The demonstration authority: it makes seals for trying things out, and every certificate says so, twice.

Subjects and a certificate policy say in Chinese and English that nothing signed has legal effect. Keys come
from the operating system's randomness; times are arguments; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signing import certificate as certificates

TEXT = "仅供演示，不具法律效力。For demonstration only, without legal effect."
_WORD = "演示 DEMONSTRATION"
_SECOND = timedelta(seconds=1)
_NONE: Mapping[int, datetime] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Authority:
    """The demonstration authority: a root whose every certificate says that it is for demonstration."""

    private: bytes = field(repr=False)
    certificate: bytes

    def issue(self, *, name: str, credit_code: str, at: datetime, days: int = 365) -> certificates.Seal:
        """A new key with a certificate for an issuer; called again, the next one."""
        key = ec.generate_private_key(ec.SECP256R1())
        root = _certificate(self.certificate)
        last = min(at + timedelta(days=days), root.not_valid_after_utc)
        builder = _builder(_subject(name, credit_code), root.subject, key.public_key(), at, last)
        usage = x509.ExtendedKeyUsage(
            [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"), ExtendedKeyUsageOID.EMAIL_PROTECTION]
        )
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True, content_commitment=True), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(_key(self.private).public_key()),
                critical=False,
            )
        )
        signed = builder.sign(_key(self.private), hashes.SHA256())
        return certificates.Seal(
            private=certificates.private_bytes(key),
            certificate=signed.public_bytes(serialization.Encoding.DER),
            chain=(self.certificate,),
        )

    def revocation_list(
        self,
        revoked: Mapping[int, datetime],
        *,
        superseded: Mapping[int, datetime] = _NONE,
        at: datetime,
        days: int = 30,
    ) -> bytes:
        """The authority's list of revoked serial numbers with their times (RFC 5280 §5), DER.

        Those that are superseded have only made way for others: what they signed before stands.
        """
        own = _key(self.private)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_certificate(self.certificate).subject)
            .last_update(at)
            .next_update(at + timedelta(days=days))
            .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key()), critical=False
            )
        )
        for serial, moment in {**superseded, **revoked}.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment)
            if serial not in revoked:
                entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def authority(*, at: datetime, days: int = 3650) -> Authority:
    """A new demonstration authority with a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{_WORD} · 无法律效力 NO LEGAL EFFECT"),
            x509.NameAttribute(NameOID.COMMON_NAME, "电子证照演示根证书 License Ledger Demonstration Root"),
        ]
    )
    last = at + timedelta(days=days)
    builder = _builder(name, name, key.public_key(), at, last)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    signed = builder.sign(key, hashes.SHA256())
    return Authority(
        private=certificates.private_bytes(key), certificate=signed.public_bytes(serialization.Encoding.DER)
    )


def _subject(name: str, credit_code: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _cut(name, 64)),
            x509.NameAttribute(
                NameOID.ORGANIZATION_IDENTIFIER, certificates.ORGANIZATION_IDENTIFIER + credit_code
            ),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _WORD),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{_cut(name, 36)}（{_WORD}）"),
        ]
    )


def _cut(name: str, size_bytes: int) -> str:
    """As much of a name as fits into so many bytes of UTF-8, in which attributes are measured."""
    return name.encode()[:size_bytes].decode(errors="ignore")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, first: datetime, last: datetime
) -> x509.CertificateBuilder:
    notice = x509.UserNotice(None, TEXT)
    policy = x509.PolicyInformation(certificates.DEMONSTRATION_POLICY, [notice])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(first - _SECOND)  # certificates have whole seconds: fit to sign at once
        .not_valid_after(last)
        .add_extension(x509.CertificatePolicies([policy]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _key_usage(**said: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: said.get(usage, False) for usage in _USAGES})


def _key(data: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_der_private_key(data, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "the authority's keys are on a curve"
    return key


def _certificate(data: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(data)
