"""Levels of signature over HTTP and at the console: a trusted time, and what proves a document for long."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils.reader import PdfFileReader

from ledger import config
from tests import api_world, console, tsa_world
from tests.api_world import Caller, Face
from tests.conftest import Cluster
from tests.test_api_document import ISSUER, fetched, issue, path, read, seal

NOW = datetime.now(UTC)
BEGUN, END = NOW - timedelta(days=9), NOW + timedelta(days=900)


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """An application whose documents an authority stamps."""

    face: Face
    caller: Caller
    config: config.Config


def authority(folder: Path) -> tsa_world.Tsa:
    """A time-stamp authority, its root and revocation list in a folder."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = (_named(text) for text in ("synthetic stamp root", "synthetic stamp signer"))
    root = _begun(root_name, root_name, root_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    made = _begun(name, root_name, key).add_extension(usage, critical=True)
    root_certificate = root.sign(root_key, hashes.SHA256())
    revoked = x509.CertificateRevocationListBuilder().issuer_name(root_name).last_update(BEGUN)
    listed = revoked.next_update(END).sign(root_key, hashes.SHA256())
    (folder / "stamp.crl").write_bytes(listed.public_bytes(serialization.Encoding.DER))
    (folder / "stamp.pem").write_bytes(root_certificate.public_bytes(serialization.Encoding.PEM))
    return tsa_world.Tsa(root=root_certificate, signer=made.sign(root_key, hashes.SHA256()), key=key)


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


@pytest.fixture(scope="module")
def stamped(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stamped]:
    folder = tmp_path_factory.mktemp("stamps")
    tsa, cloned = authority(folder), cluster.clone()
    try:
        with tsa_world.answering(tsa.answer) as url:
            configured = replace(
                cloned,
                timestamp_url=url,
                timestamp_roots=folder / "stamp.pem",
                revocation_lists=folder,
            )
            with api_world.running(configured) as face:
                seal(face)
                yield Stamped(face=face, caller=face.register(ISSUER), config=configured)
                api_world.require_whole(face.served.ledger)
    finally:
        cluster.drop(cloned)


def signatures(made: bytes) -> tuple[int, int, bool]:
    """How many signatures and time-stamps of its own a document has, and whether the signature is stamped."""
    reader = PdfFileReader(io.BytesIO(made))
    found = reader.embedded_regular_signatures
    is_stamped = any(bool(one.signer_info["unsigned_attrs"].native) for one in found)
    return len(found), len(reader.embedded_timestamp_signatures), is_stamped


def test_where_an_authority_is_configured_documents_have_its_time(stamped: Stamped) -> None:
    ref = issue(stamped.caller, 1)
    made = fetched(stamped.caller, ref)
    assert signatures(made) == (1, 0, True)
    assert read(stamped.face, made).holds
    plain = stamped.caller.get(path(ref) + "?level=b-b")
    assert signatures(plain.content) == (1, 0, False)
    assert plain.headers["etag"] != stamped.caller.get(path(ref)).headers["etag"]


def test_on_request_a_document_is_made_for_the_archive(stamped: Stamped) -> None:
    made = fetched(stamped.caller, issue(stamped.caller, 2), "?level=b-lta")
    assert signatures(made) == (1, 1, True)
    assert read(stamped.face, made).holds


def test_a_document_is_upgraded_at_the_console(
    stamped: Stamped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "license.pdf"
    file.write_bytes(fetched(stamped.caller, issue(stamped.caller, 3), "?level=b-b"))
    monkeypatch.setattr(config, "load", lambda *, data=None: stamped.config)
    said = console.call_json("documents", "upgrade", file)
    assert (said["level"], said["file"]) == ("b-lta", str(tmp_path / "license-lta.pdf"))
    made = (tmp_path / "license-lta.pdf").read_bytes()
    assert signatures(made)[1] == 1
    assert read(stamped.face, made).holds
    file.write_bytes(b"%PDF-1.7\nno document")
    assert "FILE" in console.call("documents", "upgrade", file, status=2)


def test_an_authority_that_is_silent_is_said_and_documents_without_it_go_on(
    stamped: Stamped, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = stamped.face.served.ledger
    silent = replace(ledger.config, timestamp_url="http://127.0.0.1:1/tsa")
    monkeypatch.setattr(stamped.face.served, "ledger", replace(ledger, config=silent))
    ref = issue(stamped.caller, 4)
    before = stamped.face.events()
    assert api_world.problem(stamped.caller.get(path(ref)))[:2] == (503, "unavailable")
    assert stamped.face.events() == before
    assert fetched(stamped.caller, ref, "?level=b-b")
