"""Issuer seals: what may sign signs, and every fault of a seal has a name of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import pkcs12

from signing import certificate, demonstration
from signing.certificate import Fault
from tests import documents
from tests.documents import AT, key, made, root, sealed

PASSPHRASE = b"passphrase"
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"


def packed(
    own: Any, leaf: x509.Certificate | None, *others: x509.Certificate, passphrase: bytes = PASSPHRASE
) -> bytes:
    encryption = serialization.BestAvailableEncryption(passphrase)
    return pkcs12.serialize_key_and_certificates(None, own, leaf, others or None, encryption)


def leaf(own: Any = None, **options: Any) -> x509.Certificate:
    options = {"issuer": "示例根", "by": key("示例根")} | options
    return made("颁证机关", own or key(), **options)


def middle(**options: Any) -> x509.Certificate:
    said = {"usages": ("key_cert_sign",), "is_authority": True} | options
    return made("示例中间", key("示例中间"), issuer="示例根", by=key("示例根"), **said)


LOW = leaf(issuer="示例中间", by=key("示例中间"))
P384 = ec.generate_private_key(ec.SECP384R1())

FAULTY: dict[str, tuple[Fault, Callable[[], bytes]]] = {
    "no ASN.1": (Fault.UNREADABLE, lambda: b"not a file of keys"),
    "cut short": (Fault.UNREADABLE, lambda: packed(key(), leaf(), root())[:-40]),
    "a certificate alone": (Fault.UNREADABLE, lambda: documents.der(leaf())),
    "another passphrase": (Fault.PASSPHRASE, lambda: packed(key(), leaf(), passphrase=b"another")),
    "no key": (Fault.KEY_MISSING, lambda: packed(None, leaf(), root())),
    "no certificate": (Fault.CERTIFICATE_MISSING, lambda: packed(key(), None)),
    "certificates of others": (Fault.KEY_MISMATCH, lambda: packed(key("b"), None, leaf(), root())),
    "P-384": (Fault.KEY_UNSUITABLE, lambda: packed(P384, leaf(P384))),
    "RSA of 1,024 bits": (
        Fault.KEY_UNSUITABLE,
        lambda: packed(documents.rsa_key(1024), leaf(documents.rsa_key(1024))),
    ),
    "not valid yet": (Fault.NOT_YET_VALID, lambda: packed(key(), leaf(first=AT + timedelta(days=1)))),
    "expired": (Fault.EXPIRED, lambda: packed(key(), leaf(last=AT - timedelta(days=1)))),
    "chain expired": (
        Fault.EXPIRED,
        lambda: packed(key(), LOW, middle(last=AT - timedelta(days=1)), root()),
    ),
    "no key usage": (Fault.USAGE, lambda: packed(key(), leaf(usages=()))),
    "key agreement only": (Fault.USAGE, lambda: packed(key(), leaf(usages=("key_agreement",)))),
    "for code only": (Fault.USAGE, lambda: packed(key(), leaf(extended=(CODE_SIGNING,)))),
    "an authority": (Fault.AUTHORITY, lambda: packed(key("示例根"), root())),
    "a stranger in the chain": (Fault.CHAIN, lambda: packed(key(), leaf(), root(), root("另一根"))),
    "chain of no authority": (Fault.CHAIN, lambda: packed(key(), LOW, middle(is_authority=False), root())),
}


@pytest.mark.parametrize("name", FAULTY)
def test_every_fault_of_a_file_has_a_reason_of_its_own(name: str) -> None:
    reason, data = FAULTY[name]
    with pytest.raises(certificate.SealInvalid) as caught:
        certificate.from_pkcs12(data(), passphrase=PASSPHRASE, at=AT)
    assert caught.value.reason == reason


def test_a_key_that_is_not_the_certificates_is_noticed() -> None:
    with pytest.raises(certificate.SealInvalid) as caught:
        certificate.examine(sealed(leaf(), key("b"), root()), at=AT)
    assert caught.value.reason == Fault.KEY_MISMATCH


def test_the_chain_is_put_in_order_and_must_be_one() -> None:
    seal = certificate.from_pkcs12(packed(key(), LOW, root(), middle()), passphrase=PASSPHRASE, at=AT)
    assert [certificate.describe(link).name for link in seal.chain] == ["示例中间", "示例根"]
    certificate.examine(seal, at=AT)
    turned = certificate.Seal(
        private=seal.private, certificate=seal.certificate, chain=tuple(reversed(seal.chain))
    )
    with pytest.raises(certificate.SealInvalid) as caught:
        certificate.examine(turned, at=AT)
    assert caught.value.reason == Fault.CHAIN


@pytest.mark.parametrize("own", [key(), documents.rsa_key(2048)], ids=["P-256", "RSA"])
def test_a_seal_signs_digests(own: documents.Key) -> None:
    seal = certificate.from_pkcs12(packed(own, leaf(own), root()), passphrase=PASSPHRASE, at=AT)
    digest = hashlib.sha256(b"document").digest()
    signature = seal.sign(digest)
    prehashed = utils.Prehashed(hashes.SHA256())
    if isinstance(own, ec.EllipticCurvePrivateKey):
        own.public_key().verify(signature, digest, ec.ECDSA(prehashed))
    else:
        own.public_key().verify(signature, digest, padding.PKCS1v15(), prehashed)


def test_a_key_is_in_no_text_of_a_seal() -> None:
    assert "private" not in repr(documents.seal())
    assert "private" not in repr(documents.authority())


def test_openssl_makes_a_file_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(
        key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "leaf.pem").write_bytes(documents.pem(documents.der(leaf())))
    (tmp_path / "root.pem").write_bytes(documents.pem(documents.der(root())))
    documents.asked(
        "openssl", "pkcs12", "-export", "-inkey", tmp_path / "own.pem", "-in", tmp_path / "leaf.pem",
        "-certfile", tmp_path / "root.pem", "-passout", "pass:passphrase", "-out", tmp_path / "seal.p12",
    )  # fmt: skip
    seal = certificate.from_pkcs12((tmp_path / "seal.p12").read_bytes(), passphrase=PASSPHRASE, at=AT)
    assert certificate.describe(seal.certificate).name == "颁证机关"


def test_a_seal_whose_curve_no_reader_of_documents_knows_is_unsuitable(tmp_path: Path) -> None:
    """As most seals of SM2 that authorities give out; openssl makes one, `cryptography` does not read it."""
    own, leaf_, held = (str(tmp_path / name) for name in ("own.pem", "leaf.pem", "seal.p12"))
    asked = documents.asked
    asked("openssl", "ecparam", "-name", "SM2", "-genkey", "-noout", "-out", own)
    asked("openssl", "req", "-x509", "-new", "-key", own, "-subj", "/CN=SM2", "-sm3", "-out", leaf_)
    asked(
        "openssl",
        "pkcs12",
        "-export",
        "-inkey",
        own,
        "-in",
        leaf_,
        "-passout",
        "pass:passphrase",
        "-out",
        held,
    )
    with pytest.raises(certificate.SealInvalid) as caught:
        certificate.from_pkcs12(Path(held).read_bytes(), passphrase=PASSPHRASE, at=AT)
    assert caught.value.reason == Fault.KEY_UNSUITABLE
    (above,) = certificate.from_pem(Path(leaf_).read_bytes())
    with pytest.raises(certificate.SealInvalid) as caught:
        certificate.from_pkcs12(
            packed(key(), leaf(), x509.load_der_x509_certificate(above)), passphrase=PASSPHRASE, at=AT
        )
    assert caught.value.reason == Fault.CHAIN
    with pytest.raises(certificate.SealInvalid) as caught:
        certificate.examine(certificate.Seal(private=documents.private(key()), certificate=above), at=AT)
    assert caught.value.reason == Fault.KEY_MISMATCH


# --- the demonstration authority ---


def test_the_demonstration_authority_says_loudly_what_it_is(tmp_path: Path) -> None:
    authority, seal = documents.authority(), documents.seal()
    certificate.examine(seal, at=AT)
    said = certificate.describe(seal.certificate)
    assert (said.name, said.credit_code) == (documents.ISSUER, documents.CREDIT_CODE)
    assert said.is_demonstration
    for text in (said.subject, said.issuer):
        assert "演示" in text
        assert "DEMONSTRATION" in text.upper()
    (tmp_path / "root.pem").write_bytes(documents.pem(authority.certificate))
    (tmp_path / "own.pem").write_bytes(documents.pem(seal.certificate))
    documents.asked(
        "openssl",
        "verify",
        "-x509_strict",
        "-attime",
        str(int(AT.timestamp())),
        "-CAfile",
        tmp_path / "root.pem",
        tmp_path / "own.pem",
    )
    told = documents.asked(
        "openssl", "x509", "-in", tmp_path / "own.pem", "-noout", "-text", "-nameopt", "utf8"
    )
    assert demonstration.TEXT in told


def test_other_certificates_are_no_demonstration() -> None:
    said = certificate.describe(documents.der(leaf()))
    assert (said.is_demonstration, said.credit_code) == (False, None)


def test_a_demonstration_certificate_is_renewed_and_never_outlives_its_root() -> None:
    authority = documents.authority()
    first = documents.seal()
    later = AT + timedelta(days=3_600)
    second = authority.issue(name=documents.ISSUER, credit_code=documents.CREDIT_CODE, at=later)
    certificate.examine(second, at=later)
    assert second.private != first.private
    root_said = certificate.describe(authority.certificate)
    assert certificate.describe(second.certificate).not_after == root_said.not_after


def test_openssl_finds_a_revoked_certificate_on_the_list(tmp_path: Path) -> None:
    authority, seal = documents.authority(), documents.seal()
    serial = certificate.describe(seal.certificate).serial
    listed = authority.revocation_list({serial: AT}, at=AT)
    parsed = x509.load_der_x509_crl(listed)
    (tmp_path / "list.pem").write_bytes(parsed.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "root.pem").write_bytes(documents.pem(authority.certificate))
    (tmp_path / "own.pem").write_bytes(documents.pem(seal.certificate))
    told = documents.asked(
        "openssl", "verify", "-crl_check", "-CAfile", tmp_path / "root.pem",
        "-CRLfile", tmp_path / "list.pem", "-attime", str(int(AT.timestamp()) + 60), tmp_path / "own.pem",
        status=2,
    )  # fmt: skip
    assert "certificate revoked" in told


@pytest.mark.parametrize("data", [b"", b"\x30\x03\x02\x01\x05", b"-----BEGIN CERTIFICATE-----\n", b"x" * 99])
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(certificate.SealInvalid) as caught:
        certificate.from_pem(data)
    assert caught.value.reason == Fault.UNREADABLE
    assert certificate.from_pem(documents.pem(documents.seal().certificate)) == (
        documents.seal().certificate,
    )
