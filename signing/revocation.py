"""What is known of a certificate's revocation: lists (RFC 5280 §5) and OCSP responses (RFC 6960).

They are given, never fetched; `request` words a question for a responder. A list or response counts only when
the certificate's issuer signed it, or, for a response, a responder whom the issuer appointed for that. A door
to `cryptography.x509`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

LIST_BYTES_MAX = 8 << 20
CLOCK_TOLERANCE = timedelta(minutes=5)
LASTS = timedelta(days=1)
"""How long a response counts that does not say when there is a newer one."""


class Link(NamedTuple):
    """A certificate, and that of who issued it; DER."""

    certificate: bytes
    issuer: bytes


Evidence = Callable[[Sequence[Link]], tuple[Sequence[bytes], Sequence[bytes]]]
"""From certificates to revocation lists and OCSP responses about them, DER."""


def request(link: Link) -> bytes:
    """The question about a certificate for an OCSP responder (RFC 6960 §4.1), DER."""
    own, above = map(x509.load_der_x509_certificate, link)
    # The digest only names the issuer, and is the one that every responder knows (RFC 5019 §2.1.1).
    builder = ocsp.OCSPRequestBuilder().add_certificate(own, above, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(serialization.Encoding.DER)


def is_current(response: bytes, link: Link, *, at: datetime) -> bool:
    """Whether an OCSP response is genuine, about the certificate, and of now (RFC 6960 §4.2.2.1)."""
    if known(link.certificate, issuer=link.issuer, responses=[response]) is None:
        return False
    said = ocsp.load_der_ocsp_response(response)
    until = said.next_update_utc or said.this_update_utc + LASTS
    return said.this_update_utc <= at + CLOCK_TOLERANCE and at <= until + CLOCK_TOLERANCE


def current(link: Link, *, lists: Iterable[bytes], responses: Iterable[bytes], at: datetime) -> Known | None:
    """What is known of a certificate by lists and responses of `at` alone; None: nothing."""
    return known(
        link.certificate,
        issuer=link.issuer,
        lists=[data for data in lists if _is_list_of(data, at)],
        responses=[data for data in responses if is_current(data, link, at=at)],
    )


def _is_list_of(data: bytes, at: datetime) -> bool:
    """Whether a list was there at a moment, and no newer one was due."""
    if not is_list(data):
        return False
    listed = x509.load_der_x509_crl(data)
    until = listed.next_update_utc or listed.last_update_utc + LASTS
    return listed.last_update_utc <= at + CLOCK_TOLERANCE and at <= until + CLOCK_TOLERANCE


def is_list(data: bytes) -> bool:
    """Whether the bytes are a revocation list of anybody's."""
    try:
        x509.load_der_x509_crl(data)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Known:
    """What lists and responses say of one certificate."""

    through: datetime
    """The newest of them was made then; nothing is known of what came after."""
    revoked_at: datetime | None = None
    is_harmless: bool = False
    """Revoked only because another took its place or its holder is no more, not for doubt of the key."""

    def forbids(self, signed_at: datetime, *, is_proven: bool) -> bool:
        """Whether a signature of that time counts no more.

        A time that the signer alone claims says nothing once the key may be in other hands.
        """
        if self.revoked_at is None:
            return False
        return signed_at >= self.revoked_at or not (is_proven or self.is_harmless)


_HARMLESS = {
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.cessation_of_operation,
    x509.ReasonFlags.affiliation_changed,
}


def known(
    certificate: bytes, *, issuer: bytes, lists: Iterable[bytes] = (), responses: Iterable[bytes] = ()
) -> Known | None:
    """What is known of a certificate; None when nothing given is about it, or none of it is genuine."""
    own, above = x509.load_der_x509_certificate(certificate), x509.load_der_x509_certificate(issuer)
    found = [*_of_lists(own, above, lists), *_of_responses(own, above, responses)]
    if not found:
        return None
    through = max(one.through for one in found)
    revoked = [one for one in found if one.revoked_at is not None]
    if not revoked:
        return Known(through=through)
    return Known(
        through=through,
        revoked_at=min(one.revoked_at for one in revoked if one.revoked_at is not None),
        is_harmless=all(one.is_harmless for one in revoked),
    )


def _of_lists(own: x509.Certificate, issuer: x509.Certificate, lists: Iterable[bytes]) -> Iterator[Known]:
    for data in lists:
        try:
            listed = x509.load_der_x509_crl(data)
            if listed.issuer != own.issuer or not listed.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                continue
            entry = listed.get_revoked_certificate_by_serial_number(own.serial_number)
            is_told = _is_whole(listed, own) or (entry is not None and _adds(listed, entry))
            revoked = None if entry is None else entry.revocation_date_utc
            is_harmless = entry is not None and _reason(entry) in _HARMLESS
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
            continue  # not a list: it says nothing
        if is_told:
            yield Known(through=listed.last_update_utc, revoked_at=revoked, is_harmless=is_harmless)


def _is_whole(listed: x509.CertificateRevocationList, own: x509.Certificate) -> bool:
    """Whether every revocation of the certificate would stand in it (RFC 5280 §5.2.4, §5.2.5).

    A list of changes, or of some certificates, is marked by an extension that is critical.
    """
    marks = [found.value for found in listed.extensions if found.critical]
    return all(isinstance(mark, x509.IssuingDistributionPoint) and _covers(mark, own) for mark in marks)


def _covers(point: x509.IssuingDistributionPoint, own: x509.Certificate) -> bool:
    """Whether a list of some certificates is of this one, for every reason (RFC 5280 §6.3.3 (b))."""
    try:
        is_authority = own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        return False
    if point.only_contains_user_certs if is_authority else point.only_contains_ca_certs:
        return False
    if point.full_name is None and point.relative_name is None:
        return True
    try:
        places = own.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return False
    return any(name in (point.full_name or ()) for place in places for name in place.full_name or ())


def _adds(listed: x509.CertificateRevocationList, entry: x509.RevokedCertificate) -> bool:
    """Whether what stands in a list that is not whole is a revocation by its issuer."""
    known = (x509.DeltaCRLIndicator, x509.IssuingDistributionPoint)
    marks = [found.value for found in listed.extensions if found.critical]
    is_indirect = any(isinstance(mark, x509.IssuingDistributionPoint) and mark.indirect_crl for mark in marks)
    is_understood = all(isinstance(mark, known) for mark in marks)
    return is_understood and not is_indirect and _reason(entry) != x509.ReasonFlags.remove_from_crl


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None


def _of_responses(
    own: x509.Certificate, issuer: x509.Certificate, responses: Iterable[bytes]
) -> Iterator[Known]:
    for data in responses:
        try:
            answered = ocsp.load_der_ocsp_response(data)
            if answered.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
                continue
            if not _is_about(answered, own, issuer) or not _is_signed(answered, issuer):
                continue
            revoked, reason = answered.revocation_time_utc, answered.revocation_reason
            is_told = answered.certificate_status != ocsp.OCSPCertStatus.UNKNOWN
            through = answered.this_update_utc
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
            continue  # not a response: it says nothing
        if is_told:
            yield Known(through=through, revoked_at=revoked, is_harmless=reason in _HARMLESS)


def _is_about(answered: ocsp.OCSPResponse, own: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether serial number and issuer are the certificate's (RFC 6960 §4.1.1)."""
    if answered.serial_number != own.serial_number:
        return False
    builder = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, answered.hash_algorithm)
    asked = builder.build()
    return (asked.issuer_key_hash, asked.issuer_name_hash) == (
        answered.issuer_key_hash,
        answered.issuer_name_hash,
    )


def _is_signed(answered: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """By the issuer, or by one whose certificate the issuer made for answering (RFC 6960 §4.2.2.2)."""
    at = answered.produced_at_utc
    appointed = (link for link in answered.certificates if _is_responder(link, issuer, at))
    return any(_verifies(key, answered) for key in (issuer, *appointed))


def _is_responder(link: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    if not link.not_valid_before_utc <= at <= link.not_valid_after_utc:
        return False
    try:
        link.verify_directly_issued_by(issuer)
        purposes = link.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in purposes


def _verifies(signer: x509.Certificate, answered: ocsp.OCSPResponse) -> bool:
    key, algorithm = signer.public_key(), answered.signature_hash_algorithm or hashes.SHA256()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(answered.signature, answered.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answered.signature, answered.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
