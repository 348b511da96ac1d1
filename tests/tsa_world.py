"""A time-stamp authority for tests: synthetic roots and signers, answers of certomancer's own service."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from certomancer import services
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger import attestations, reading
from signing import note, timestamp

POLICY = "1.3.6.1.4.1.4146.2.3"
_BEGUN = datetime(2024, 1, 1, tzinfo=UTC)
_DER = serialization.Encoding.DER


@dataclass(frozen=True, kw_only=True)
class Tsa:
    """A root and a signer under it."""

    root: x509.Certificate
    signer: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def authority(self) -> timestamp.Authority:
        """Whom a verifier believes that trusts the root."""
        return timestamp.Authority(roots=(self.root.public_bytes(_DER),))

    @property
    def roots_pem(self) -> bytes:
        """The root as a file has it."""
        return self.root.public_bytes(serialization.Encoding.PEM)

    def answer(self, request: bytes, *, at: datetime | None = None, embed: bool = True) -> bytes:
        """The answer of the authority to a request, by its clock."""
        stamper = services.TimeStamper(
            asn1_x509.Certificate.load(self.signer.public_bytes(_DER)),
            asn1_keys.PrivateKeyInfo.load(
                self.key.private_bytes(_DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            ),
            certs_to_embed=[asn1_x509.Certificate.load(self.root.public_bytes(_DER))] if embed else [],
            fixed_dt=at,
            policy=tsp.ObjectIdentifier(POLICY),
        )
        said = stamper.request_tsa_response(tsp.TimeStampReq.load(request))
        return bytes(said.dump())


def made(
    *,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING,
    is_critical: bool = True,
    until: datetime = _BEGUN + timedelta(days=20 * 365),
    name: str = "synthetic time-stamp root",
) -> Tsa:
    """A new authority."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "synthetic time-stamp signer")])

    def begun(subject: x509.Name, public: Any, end: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_BEGUN)
            .not_valid_after(end)
        )

    root = (
        begun(root_name, root_key.public_key(), _BEGUN + timedelta(days=30 * 365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    signer = (
        begun(signer_name, key.public_key(), until)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=is_critical)
        .sign(root_key, hashes.SHA256())
    )
    return Tsa(root=root, signer=signer, key=key)


def stamp(reader: reading.Reader, tsa: Tsa) -> None:
    """The ledger's newest checkpoint is stamped, as if it had asked."""
    head = reader.head()
    asked = timestamp.Asked(note.taken_apart(head.note)[0], nonce=1)
    attestations.Attestations(reader=reader).save_stamp(
        generation=head.generation,
        size=head.size,
        root=head.root,
        stamped=timestamp.Stamped(checkpoint=head.note, response=tsa.answer(asked.body)),
        stamped_at=0,
        at=0,
    )


@contextlib.contextmanager
def answering(
    answer: Callable[[bytes], bytes], *, media_type: str = "application/timestamp-reply"
) -> Iterator[str]:
    """The URL of an authority over HTTP; to GET it answers as to an empty body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answered(b"")

        def do_POST(self) -> None:
            self._answered(self.rfile.read(int(self.headers["Content-Length"])))

        def _answered(self, body: bytes) -> None:
            data = answer(body)
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *said: Any) -> None:
            """Nothing is printed."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
