"""Issuer seals: a private key with its certificate and chain; a door to `cryptography.x509`.

Every fault of a seal is an error with a reason of its own. Times are arguments; nothing is made, stored or
fetched. A `Seal` signs digests by ECDSA on P-256 or by RSA; whatever else does what `Signer` says (a hardware
module, say) serves as well. The demonstration authority, which makes seals, is in `demonstration.py`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

RSA_BITS_MIN = 2048
PKCS12_BYTES_MAX = 1 << 20
DEMONSTRATION_POLICY = x509.ObjectIdentifier("2.25.277096437061842193245120573690284113877")
"""The certificate policy of the demonstration authority, an arc of our own (ITU-T X.667)."""
ORGANIZATION_IDENTIFIER = "NTRCN-"
"""ETSI EN 319 412-1 §5.1.4: an identifier of the national trade register, here the credit code."""
_CREDIT_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}")
_FOR_DOCUMENTS = {
    "1.3.6.1.5.5.7.3.36",  # document signing, RFC 9336
    "1.3.6.1.4.1.311.10.3.12",  # document signing, Microsoft
    "1.2.840.113583.1.1.5",  # authentic documents, Adobe
    ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string,
}
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Fault(StrEnum):
    """What is wrong with a seal."""

    UNREADABLE = "unreadable"
    PASSPHRASE = "passphrase"  # noqa: S105
    KEY_MISSING = "key-missing"
    CERTIFICATE_MISSING = "certificate-missing"
    KEY_MISMATCH = "key-mismatch"
    KEY_UNSUITABLE = "key-unsuitable"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    USAGE = "usage"
    AUTHORITY = "authority"
    CHAIN = "chain"


_TEXTS = {
    Fault.UNREADABLE: "not the bytes of a key or certificate",
    Fault.PASSPHRASE: "the passphrase does not open it",
    Fault.KEY_MISSING: "there is no private key in it",
    Fault.CERTIFICATE_MISSING: "there is no certificate for the private key in it",
    Fault.KEY_MISMATCH: "the certificate is for another key",
    Fault.KEY_UNSUITABLE: f"the key is neither ECDSA on P-256 nor RSA of at least {RSA_BITS_MIN} bits",
    Fault.NOT_YET_VALID: "the certificate, or one of its chain, is not valid yet",
    Fault.EXPIRED: "the certificate, or one of its chain, has expired",
    Fault.USAGE: "the certificate is not for signing documents",
    Fault.AUTHORITY: "the certificate is that of an authority, which signs certificates",
    Fault.CHAIN: "the other certificates are not the chain of the certificate",
}


class SealInvalid(ValueError):
    """A seal that must not sign; `reason` says why."""

    def __init__(self, reason: Fault) -> None:
        super().__init__(_TEXTS[reason])
        self.reason = reason


class Signer(Protocol):
    """What signs documents."""

    @property
    def certificate(self) -> bytes:
        """DER."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER, the certificate's issuer first; the root may be left out."""

    def sign(self, digest: bytes) -> bytes:
        """A signature over a SHA-256 digest: ECDSA in DER, or RSA PKCS#1 v1.5."""


@dataclass(frozen=True, kw_only=True)
class Seal:
    """A private key in memory, with its certificate and chain; all three are DER."""

    private: bytes = field(repr=False)
    """PKCS#8, in clear: seal it before it is stored."""
    certificate: bytes
    chain: tuple[bytes, ...] = ()

    def sign(self, digest: bytes) -> bytes:
        """A signature over a SHA-256 digest."""
        prehashed = utils.Prehashed(hashes.SHA256())
        key = _private_key(self.private)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(digest, padding.PKCS1v15(), prehashed)
        return key.sign(digest, ec.ECDSA(prehashed))


@dataclass(frozen=True, kw_only=True)
class Described:
    """What people want to know of a certificate."""

    subject: str
    """The distinguished name (RFC 4514)."""
    name: str
    credit_code: str | None
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime
    fingerprint: bytes
    """SHA-256."""
    is_demonstration: bool


def from_pkcs12(data: bytes, *, passphrase: bytes | None, at: datetime) -> Seal:
    """The seal in a PKCS#12 file (RFC 7292), fit to sign at `at`; raises SealInvalid."""
    if len(data) > PKCS12_BYTES_MAX or data[:1] != b"\x30":
        raise SealInvalid(Fault.UNREADABLE)
    try:
        held = pkcs12.load_pkcs12(data, passphrase)
    except UnsupportedAlgorithm as error:
        # A curve that no reader of documents knows, as SM2's.
        raise SealInvalid(Fault.KEY_UNSUITABLE) from error
    except ValueError as error:
        is_closed = "password" in str(error).lower()
        raise SealInvalid(Fault.PASSPHRASE if is_closed else Fault.UNREADABLE) from error
    if held.key is None:
        raise SealInvalid(Fault.KEY_MISSING)
    others = [found.certificate for found in held.additional_certs]
    if held.cert is None:
        raise SealInvalid(Fault.KEY_MISMATCH if others else Fault.CERTIFICATE_MISSING)
    if not isinstance(held.key, Key):
        raise SealInvalid(Fault.KEY_UNSUITABLE)
    seal = Seal(
        private=private_bytes(held.key),
        certificate=_der(held.cert.certificate),
        chain=tuple(_der(link) for link in _ordered(held.cert.certificate, others)),
    )
    examine(seal, at=at)
    return seal


def examine(seal: Seal, *, at: datetime) -> None:
    """Nothing when the seal may sign a document at `at`; raises SealInvalid with the first fault.

    1. The key is of a kind that readers of documents know.
    2. The certificate is for that key, for signing documents, and no authority's.
    3. Each certificate of the chain issued the one before it.
    4. All of them are valid.
    """
    key = _private_key(seal.private)
    if isinstance(key, rsa.RSAPrivateKey):
        suitable = key.key_size >= RSA_BITS_MIN
    else:
        suitable = isinstance(key.curve, ec.SECP256R1)
    if not suitable:
        raise SealInvalid(Fault.KEY_UNSUITABLE)  # 1
    own, *links = [_parsed(data) for data in (seal.certificate, *seal.chain)]
    if _public_bytes(own) != _spki(key):
        raise SealInvalid(Fault.KEY_MISMATCH)  # 2
    if is_authority(seal.certificate):
        raise SealInvalid(Fault.AUTHORITY)
    if not is_for_documents(seal.certificate):
        raise SealInvalid(Fault.USAGE)
    for issued, issuer in zip([own, *links], links, strict=False):  # 3
        if not _has_issued(issuer, issued) or not is_authority(_der(issuer)):
            raise SealInvalid(Fault.CHAIN)
    for link in (own, *links):  # 4
        if at < link.not_valid_before_utc:
            raise SealInvalid(Fault.NOT_YET_VALID)
        if at > link.not_valid_after_utc:
            raise SealInvalid(Fault.EXPIRED)


def is_authority(certificate: bytes) -> bool:
    """Whether the certificate is for signing certificates (RFC 5280 §4.2.1.9)."""
    try:
        return _parsed(certificate).extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def is_for_documents(certificate: bytes) -> bool:
    """Whether key usage says signature or non-repudiation, and extended key usage, if any, documents."""
    extensions = _parsed(certificate).extensions
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    if not (usage.digital_signature or usage.content_commitment):
        return False
    try:
        extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return any(purpose.dotted_string in _FOR_DOCUMENTS for purpose in extended)


def describe(certificate: bytes) -> Described:
    """What a certificate says; raises SealInvalid when it is none."""
    parsed = _parsed(certificate)
    return Described(
        subject=parsed.subject.rfc4514_string(),
        name=_name(parsed),
        credit_code=_credit_code(parsed),
        issuer=parsed.issuer.rfc4514_string(),
        serial=parsed.serial_number,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        fingerprint=parsed.fingerprint(hashes.SHA256()),
        is_demonstration=_is_demonstration(parsed),
    )


def from_pem(text: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM file, or the one of a DER file; raises SealInvalid."""
    if text[:1] == b"\x30":
        return (_der(_parsed(text)),)
    try:
        return tuple(_der(found) for found in x509.load_pem_x509_certificates(text))
    except ValueError as error:
        raise SealInvalid(Fault.UNREADABLE) from error


# --- bytes and what they mean ---


@functools.lru_cache(maxsize=256)
def _private_key(data: bytes) -> Key:
    """Parsed once: an RSA key takes longer to parse than to sign with."""
    try:
        key = serialization.load_der_private_key(data, None)
    except UnsupportedAlgorithm as error:
        raise SealInvalid(Fault.KEY_UNSUITABLE) from error
    except (ValueError, TypeError) as error:
        raise SealInvalid(Fault.UNREADABLE) from error
    if not isinstance(key, Key):
        raise SealInvalid(Fault.KEY_UNSUITABLE)
    return key


def private_bytes(key: Key) -> bytes:
    """A private key as a seal has it: PKCS#8, DER, in clear."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@functools.lru_cache(maxsize=256)
def _parsed(data: bytes) -> x509.Certificate:
    try:
        parsed = x509.load_der_x509_certificate(data)
        _ = parsed.extensions, parsed.subject, parsed.issuer
    except (ValueError, x509.DuplicateExtension) as error:
        raise SealInvalid(Fault.UNREADABLE) from error
    return parsed


def _der(parsed: x509.Certificate) -> bytes:
    return parsed.public_bytes(serialization.Encoding.DER)


def _public_bytes(parsed: x509.Certificate) -> bytes:
    try:
        key = parsed.public_key()
    except UnsupportedAlgorithm as error:
        raise SealInvalid(Fault.KEY_MISMATCH) from error
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _spki(key: Key) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _ordered(own: x509.Certificate, others: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    """The others in the order of the chain; raises SealInvalid when one is not of it."""
    left = list({_der(link): link for link in others if link != own}.values())
    last = own
    while left:
        found = next((link for link in left if _has_issued(link, last)), None)
        if found is None or found == last:
            raise SealInvalid(Fault.CHAIN)
        left.remove(found)
        yield found
        last = found


def _has_issued(issuer: x509.Certificate, issued: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(parsed: x509.Certificate) -> str:
    for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in parsed.subject.get_attributes_for_oid(kind):
            return str(attribute.value)
    return parsed.subject.rfc4514_string()


def _credit_code(parsed: x509.Certificate) -> str | None:
    """The credit code in the subject: as organization identifier, or as the whole of another attribute."""
    for attribute in parsed.subject:
        value = str(attribute.value).removeprefix(ORGANIZATION_IDENTIFIER)
        if _CREDIT_CODE.fullmatch(value):
            return value
    return None


def _is_demonstration(parsed: x509.Certificate) -> bool:
    try:
        policies = parsed.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return False
    return any(policy.policy_identifier == DEMONSTRATION_POLICY for policy in policies)
