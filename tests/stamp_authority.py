"""A time-stamp authority whose certificates can be judged for long: it says that none of them is revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests import tsa_world

NOW = datetime.now(UTC)
BEGUN, END = NOW - timedelta(days=9), NOW + timedelta(days=900)


def made(folder: Path) -> tsa_world.Tsa:
    """A time-stamp authority, its root and revocation list in a folder."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = (_named(text) for text in ("synthetic stamp root", "synthetic stamp signer"))
    root = _begun(root_name, root_name, root_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    signer = _begun(name, root_name, key).add_extension(usage, critical=True)
    root_certificate = root.sign(root_key, hashes.SHA256())
    revoked = x509.CertificateRevocationListBuilder().issuer_name(root_name).last_update(BEGUN)
    listed = revoked.next_update(END).sign(root_key, hashes.SHA256())
    (folder / "stamp.crl").write_bytes(listed.public_bytes(serialization.Encoding.DER))
    (folder / "stamp.pem").write_bytes(root_certificate.public_bytes(serialization.Encoding.PEM))
    return tsa_world.Tsa(root=root_certificate, signer=signer.sign(root_key, hashes.SHA256()), key=key)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begun(subject: x509.Name, issuer: x509.Name, key: Any) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGUN)
        .not_valid_after(END)
    )
