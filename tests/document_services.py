"""A time-stamp authority, revocation lists and an OCSP responder by certomancer, in this process.

They sign with certificates of `tests/documents.py`, and answer at the time they are told.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from asn1crypto import algos, core, crl, keys, ocsp, tsp, x509
from certomancer import services

from signing import document, document_judge
from tests import documents
from tests.documents import AT, der, key, made, private, root

TIME_STAMPING, OCSP_SIGNING = "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"
STAMP_ROOT = "时间戳示例根"
_ALGORITHM = algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})
YEARS = timedelta(days=3_650)
LATER = AT + timedelta(hours=1)
TWO_DAYS = AT + timedelta(days=2)


def _private(name: str) -> keys.PrivateKeyInfo:
    return keys.PrivateKeyInfo.load(private(key(name)))


def _loaded(data: bytes) -> x509.Certificate:
    return x509.Certificate.load(data)


@functools.cache
def authority_root(name: str = STAMP_ROOT) -> bytes:
    """A root that lives twenty years."""
    return der(
        made(
            name, key(name), issuer=name, by=key(name), usages=("key_cert_sign", "crl_sign"),
            is_authority=True, first=AT - YEARS, last=AT + YEARS,
        )
    )  # fmt: skip


@functools.cache
def stamper_certificate(above: str = STAMP_ROOT, extended: tuple[str, ...] = (TIME_STAMPING,)) -> bytes:
    found = made(
        f"{above}的时间戳", key(f"{above}的时间戳"), issuer=above, by=key(above),
        extended=extended, first=AT - YEARS, last=AT + timedelta(days=400),
    )  # fmt: skip
    return der(found)


def time_stamper(
    at: datetime = AT, *, above: str = STAMP_ROOT, extended: tuple[str, ...] = (TIME_STAMPING,)
) -> document.TimeStamper:
    """A time-stamp authority at an instant."""
    own = _loaded(stamper_certificate(above, extended))
    authority = services.TimeStamper(
        own, _private(f"{above}的时间戳"), certs_to_embed=[_loaded(authority_root(above))], fixed_dt=at
    )

    def ask(request: bytes) -> bytes:
        answer: bytes = authority.request_tsa_response(tsp.TimeStampReq.load(request)).dump()
        return answer

    return ask


def revocation_list(issuer: str, revoked: dict[int, datetime] | None = None, *, at: datetime = AT) -> bytes:
    """The list of an authority by name."""
    above = _loaded(authority_root(issuer) if issuer == STAMP_ROOT else der(root(issuer)))
    builder = services.CRLBuilder(above.subject, _private(issuer), _ALGORITHM, core.OctetString(b"key"))
    entries = [
        builder.format_revoked_cert(serial, crl.CRLReason("key_compromise"), moment)
        for serial, moment in (revoked or {}).items()
    ]
    listed: bytes = builder.build_crl(1, at, at + timedelta(days=30), entries).dump()
    return listed


def responder(
    issuer: str, *, revoked_at: datetime | None = None, at: datetime = LATER
) -> Callable[[bytes], bytes]:
    """The responder of an authority by name, from a request to its answer; it is itself asked of no other."""
    above = _loaded(authority_root(issuer) if issuer == STAMP_ROOT else der(root(issuer)))
    own = der(
        made(
            f"{issuer}的响应者",
            key("响应者"),
            issuer=issuer,
            by=key(issuer),
            extended=(OCSP_SIGNING,),
            no_check=True,
        )
    )
    answering = services.SimpleOCSPResponder(
        _loaded(own), _private("响应者"), _ALGORITHM, at, _Known(above, revoked_at)
    )

    def answer(request: bytes) -> bytes:
        said: bytes = answering.build_ocsp_response(ocsp.OCSPRequest.load(request)).dump()
        return said

    return answer


def ocsp_response(
    certificate: bytes,
    *,
    issuer: str = "示例根",
    by: str = "示例根",
    revoked_at: datetime | None = None,
    at: datetime = AT,
    extended: tuple[str, ...] = (OCSP_SIGNING,),
) -> bytes:
    """A responder's answer about a certificate; `by` is the authority that made the responder's own."""
    above = _loaded(der(root(issuer)))
    answering = _loaded(der(made("响应者", key("响应者"), issuer=by, by=key(by), extended=extended)))
    responder = services.SimpleOCSPResponder(
        answering, _private("响应者"), _ALGORITHM, at, _Known(above, revoked_at)
    )
    own = _loaded(certificate)
    asked = {
        "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha1"}),
        "issuer_name_hash": above.subject.sha1,
        "issuer_key_hash": above.public_key.sha1,
        "serial_number": own.serial_number,
    }
    request = ocsp.OCSPRequest({"tbs_request": {"request_list": [{"req_cert": ocsp.CertId(asked)}]}})
    answer: bytes = responder.build_ocsp_response(request).dump()
    return answer


class _Known(services.RevocationInfoInterface):
    def __init__(self, issuer: x509.Certificate, revoked_at: datetime | None) -> None:
        self._issuer = issuer
        self._revoked_at = revoked_at

    def get_issuer_cert(self) -> x509.Certificate:
        return self._issuer

    def check_revocation_status(
        self, cid: ocsp.CertId, at_time: datetime
    ) -> tuple[ocsp.CertStatus, list[ocsp.SingleResponseExtension]]:
        if self._revoked_at is None:
            return ocsp.CertStatus(name="good", value=core.Null()), []
        info = {"revocation_time": self._revoked_at, "revocation_reason": "key_compromise"}
        return ocsp.CertStatus(name="revoked", value=ocsp.RevokedInfo(info)), []


@functools.cache
def stamped() -> bytes:
    """The short license, B-T."""
    return document.sign(
        documents.rendered(),
        seal=documents.seal(),
        at=AT,
        time_stamper=time_stamper(AT + timedelta(seconds=2)),
    )


@functools.cache
def archived(pdf: bytes) -> bytes:
    """A signed license as B-LTA, a day later."""
    later = AT + timedelta(days=1)
    return document.archive(
        pdf,
        time_stamper=time_stamper(later),
        at=later,
        roots=[documents.authority().certificate],
        time_stamp_roots=[authority_root()],
        revocation_lists=[
            documents.authority().revocation_list({}, at=later),
            revocation_list(STAMP_ROOT, at=later),
        ],
    )


def judge(pdf: bytes, **options: object) -> document_judge.Verdict:
    """Judged an hour later by who trusts the demonstration authority and the time-stamp authority."""
    said = {
        "roots": [documents.authority().certificate],
        "at": LATER,
        "time_stamp_roots": [authority_root()],
    } | options
    return document_judge.judge(pdf, **said)  # type: ignore[arg-type]


def refuse_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here to the end of the test, asking the network is an error."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the judge asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
