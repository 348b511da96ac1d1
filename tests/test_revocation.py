"""Lists and responses about a certificate: what is not whole, malformed or of another says nothing more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from signing import revocation
from tests import document_services as services
from tests.document_services import LATER
from tests.documents import AT, der, key, made, root

ADDRESS = "http://lists.example/1.crl"
OWN = made("颁证机关", key(), issuer="示例根", by=key("示例根"), naming=ADDRESS)
OTHER_AUTHORITY = x509.CertificateIssuer([x509.DirectoryName(root("另一根").subject)])
REMOVED = x509.CRLReason(x509.ReasonFlags.remove_from_crl)
DELTA = x509.DeltaCRLIndicator(1)


def point(address: str | None = None, **said: bool) -> x509.IssuingDistributionPoint:
    flags = (
        "only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs",
    )  # fmt: skip
    return x509.IssuingDistributionPoint(
        full_name=None if address is None else [x509.UniformResourceIdentifier(address)],
        relative_name=None,
        only_some_reasons=None,
        **{flag: said.get(flag, False) for flag in flags},
    )


Marks = tuple[x509.ExtensionType, ...]


def listed(
    *marks: x509.ExtensionType, revoked: bool = False, entry: x509.ExtensionType | None = None
) -> bytes:
    """A list of the authority, with critical extensions, on which the certificate may stand."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root().subject)
        .last_update(LATER)
        .next_update(LATER + timedelta(days=30))
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for mark in marks:
        builder = builder.add_extension(mark, critical=True)
    if revoked:
        line = x509.RevokedCertificateBuilder().serial_number(OWN.serial_number).revocation_date(AT)
        line = line if entry is None else line.add_extension(entry, critical=False)
        builder = builder.add_revoked_certificate(line.build())
    return builder.sign(key("示例根"), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def known(data: bytes) -> revocation.Known | None:
    return revocation.known(der(OWN), issuer=der(root()), lists=[data])


STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
WHOLE = {
    "plain": (),
    "of its kind": (point(only_contains_user_certs=True),),
    "of its place": (point(ADDRESS),),
}
PARTIAL = {
    "of changes": (DELTA,),
    "of authorities": (point(only_contains_ca_certs=True),),
    "of another place": (point("http://lists.example/2.crl"),),
}
FOREIGN = {"of many issuers": (point(indirect_crl=True),), "marked strangely": (STRANGE,)}


@pytest.mark.parametrize("marks", (WHOLE | PARTIAL | FOREIGN).values(), ids=WHOLE | PARTIAL | FOREIGN)
def test_only_a_list_that_is_whole_says_that_a_certificate_stands(marks: Marks) -> None:
    found = known(listed(*marks))
    assert found == (revocation.Known(through=LATER) if marks in WHOLE.values() else None)


@pytest.mark.parametrize("marks", (WHOLE | PARTIAL | FOREIGN).values(), ids=WHOLE | PARTIAL | FOREIGN)
def test_a_revocation_counts_on_every_list_of_the_issuer_alone(marks: Marks) -> None:
    found = known(listed(*marks, revoked=True))
    is_own = marks not in FOREIGN.values()
    assert found == (revocation.Known(through=LATER, revoked_at=AT) if is_own else None)


def test_what_a_list_of_changes_takes_back_is_no_revocation() -> None:
    assert known(listed(DELTA, revoked=True, entry=REMOVED)) is None


def test_a_list_whose_entry_is_malformed_says_nothing() -> None:
    malformed = x509.UnrecognizedExtension(x509.CRLReason.oid, b"\x0a\x01\x63")
    assert known(listed(revoked=True, entry=malformed)) is None


@pytest.mark.parametrize(("days", "is_believed"), [(9, True), (11, False), (-11, False)])
def test_a_responder_answers_while_its_certificate_is_valid(days: int, is_believed: bool) -> None:
    at = AT + timedelta(days=days)
    answer = services.ocsp_response(der(OWN), at=at)
    found = revocation.known(der(OWN), issuer=der(root()), responses=[answer])
    assert (found is not None) is is_believed
