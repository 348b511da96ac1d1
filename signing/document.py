"""Signed documents: PAdES B-B, B-T and B-LTA (ETSI EN 319 142-1); a door to `pyhanko`.

`sign` certifies a page (no changes allowed after it) with a signer's key; `archive` adds revocation
information and a document time-stamp, so that the signature can be judged when its certificate is long gone.
Nothing is fetched but time-stamps, and those by a function that the caller gives. `archive` runs an event
loop of its own: call it from a worker's thread, not from a running loop.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import http.client
import io
import os
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from asn1crypto import algos, cms, core, crl, ocsp, tsp, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import CMSExtractionError, SigningError, extract_certificate_info
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject
from pyhanko.sign.signers.pdf_signer import PdfTimeStamper, TimestampDSSContentSettings
from pyhanko.sign.timestamps import TimeStamper as PyHankoTimeStamper
from pyhanko.sign.timestamps import TimestampRequestError
from pyhanko.sign.timestamps.common_utils import handle_tsp_response
from pyhanko.sign.validation.dss import async_add_validation_info
from pyhanko.sign.validation.errors import ValidationInfoReadingError
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError, PathValidationError, ValidationError

from signing import certificate as certificates
from signing import document_increment, document_parts, revocation

FIELD = "Seal"
TIME_STAMP_FIELD = "TimeStamp"
SIGNATURE_BYTES = 8_192
"""Bytes of the file for the signature and its certificates, as hexadecimal digits; more for a long chain."""
TIME_STAMP_BYTES = 16_384
"""The same where a time-stamp with its certificates must find room."""
_VALUE_BYTES_MAX = 1_024
"""A signature by RSA of 8,192 bits; no other is longer."""
_RESPONSE_BYTES_MAX = 1 << 20
_DIGEST = "sha256"

TimeStamper = Callable[[bytes], bytes]
"""From a DER TimeStampReq to the authority's DER TimeStampResp (RFC 3161)."""
LINKS_MAX = 32
"""Certificates of one document that are asked about."""


class DocumentInvalid(ValueError):
    """A file that cannot be signed, or whose signature cannot be archived."""


class TimeStampFailed(ValueError):
    """An authority that did not answer, refused, or stamped something else."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever is asked answers itself: what an address says of others is not followed."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_STRAIGHT = urllib.request.build_opener(_NoRedirects)


def authority_at(url: str, *, timeout_s: float = 10) -> TimeStamper:
    """The time-stamp authority at an HTTP or HTTPS address (RFC 3161 §3.4)."""
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError("a time-stamp authority has an address with http or https")

    def ask(request: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        asked = urllib.request.Request(url, data=request, headers=headers)  # noqa: S310
        try:
            with _STRAIGHT.open(asked, timeout=timeout_s) as answer:
                said: bytes = answer.read(_RESPONSE_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise TimeStampFailed("the time-stamp authority did not answer") from error
        if len(said) > _RESPONSE_BYTES_MAX:
            raise TimeStampFailed("the time-stamp authority's answer is too long")
        return said

    return ask


def sign(
    pdf: bytes, *, seal: certificates.Signer, at: datetime, time_stamper: TimeStamper | None = None
) -> bytes:
    """The document with its signature: B-B, or with a time-stamper B-T.

    The signature certifies the document and allows no change; `at` is the signing time that it claims. A page
    as `document_page` makes it goes a short way. Raises DocumentInvalid, TimeStampFailed.
    """
    room = _room(seal, is_stamped=time_stamper is not None)
    prepared = document_increment.prepared(pdf, field=FIELD, at=at, room=room)
    if prepared is None:
        return _signed_the_long_way(pdf, seal=seal, at=at, time_stamper=time_stamper, room=room)
    content = _signed_data(prepared.digest, seal=seal, time_stamper=time_stamper)
    if 2 * len(content) > room:
        raise TimeStampFailed("the time-stamp has too many certificates")
    return prepared.filled(content)


def _room(seal: certificates.Signer, *, is_stamped: bool) -> int:
    """Hexadecimal digits that are left for the signature: enough for this seal's certificates."""
    parts = _spliced(seal.certificate, seal.chain, _VALUE_BYTES_MAX)
    needed = 2 * (sum(map(len, parts)) + len(_DIGEST_HERE) + _VALUE_BYTES_MAX)
    return max(SIGNATURE_BYTES, needed) + (TIME_STAMP_BYTES - SIGNATURE_BYTES if is_stamped else 0)


def _signed_the_long_way(
    pdf: bytes, *, seal: certificates.Signer, at: datetime, time_stamper: TimeStamper | None, room: int
) -> bytes:
    """The same for a file of any form, by pyHanko."""
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        embedding = PdfCMSEmbedder(SigFieldSpec(FIELD)).write_cms(FIELD, writer)
        next(embedding)
        placeholder = SignatureObject(
            timestamp=at.replace(microsecond=0),
            subfilter=SigSeedSubFilter.PADES,
            bytes_reserved=room,
        )
        permissions = SigMDPSetup(certify=True, docmdp_perms=MDPPerm.NO_CHANGES, md_algorithm=_DIGEST)
        embedding.send(SigObjSetup(sig_placeholder=placeholder, mdp_setup=permissions))
        prepared, out = embedding.send(SigIOSetup(md_algorithm=_DIGEST, output=io.BytesIO()))
        signed = _signed_data(prepared.document_digest, seal=seal, time_stamper=time_stamper)
        embedding.send(signed)
    except (PdfError, SigningError) as error:
        raise DocumentInvalid("the file cannot be signed") from error
    assert isinstance(out, io.BytesIO)
    return out.getvalue()


def archive(
    pdf: bytes,
    *,
    time_stamper: TimeStamper,
    at: datetime,
    roots: Sequence[bytes],
    time_stamp_roots: Sequence[bytes],
    revocation_lists: Sequence[bytes] = (),
    ocsp_responses: Sequence[bytes] = (),
    evidence: revocation.Evidence | None = None,
) -> bytes:
    """The signed document as B-LTA: revocation information for its chains, and a document time-stamp.

    `evidence` is asked for more of it, once for all certificates of signer and authority.

    1. The certificates of signature and time-stamp lead to the roots, and nobody revoked them.
    2. What says so is written into the file.
    3. The authority stamps the file with it.

    Called again, it renews the protection. Raises DocumentInvalid, TimeStampFailed.
    """
    lists, responses = list(revocation_lists), list(ocsp_responses)
    if evidence is not None:
        links = _links(pdf, time_stamper, roots=(*roots, *time_stamp_roots))
        found = evidence(links)
        lists, responses = [*lists, *found[0]], [*responses, *found[1]]
        _require_known(links, lists, responses, at)
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(root) for root in (*roots, *time_stamp_roots)],
        crls=[crl.CertificateList.load(data) for data in lists],
        ocsps=[ocsp.OCSPResponse.load(data) for data in responses],
        moment=at,
        # pyHanko takes no response for a certificate that names no responder: those were judged above.
        revocation_mode="require" if evidence is None else "soft-fail",
    )
    try:
        return asyncio.run(_archived(pdf, _Authority(time_stamper), context))
    except (PathBuildingError, PathValidationError, ValidationError) as error:
        raise DocumentInvalid(
            "the certificates or what is known of their revocation do not suffice"
        ) from error
    except (PdfError, SigningError, ValidationInfoReadingError) as error:
        raise DocumentInvalid("the file cannot be archived") from error
    except TimestampRequestError as error:
        raise TimeStampFailed("the time-stamp authority refused") from error


def _links(pdf: bytes, ask: TimeStamper, *, roots: Sequence[bytes]) -> list[revocation.Link]:
    """The certificates of a document's signature and stamps, and of the authority that will stamp it."""
    try:
        found = document_parts.signatures(pdf)
    except (document_parts.Altered, document_parts.CutShort, document_parts.NotSigned) as error:
        raise DocumentInvalid("the file is no signed document") from error
    token = _time_stamp(hashlib.sha256(pdf).digest(), ask)
    signed = [*(one.content for one in found), *(one.token for one in found), token["content"]]
    known = [x509.Certificate.load(root) for root in roots]
    known += [link.chosen for one in signed if one is not None for link in one["certificates"]]
    above = {link.subject.dump(): link.dump() for link in reversed(known)}
    links = [
        revocation.Link(link.dump(), above[link.issuer.dump()])
        for link in known
        if link.subject != link.issuer and link.issuer.dump() in above
    ]
    return list(dict.fromkeys(links))[:LINKS_MAX]


def _require_known(
    links: Sequence[revocation.Link], lists: Sequence[bytes], responses: Sequence[bytes], at: datetime
) -> None:
    """Nothing when each certificate is known not to be revoked now; raises DocumentInvalid."""
    for link in links:
        said = revocation.current(link, lists=lists, responses=responses, at=at)
        if said is None:
            raise DocumentInvalid("what is known of the certificates' revocation does not suffice")
        if said.revoked_at is not None and said.revoked_at <= at:
            raise DocumentInvalid("a certificate of the document or its time-stamps is revoked")


async def _archived(pdf: bytes, authority: _Authority, context: ValidationContext) -> bytes:
    reader = PdfFileReader(io.BytesIO(pdf))
    signatures = reader.embedded_regular_signatures
    if len(signatures) != 1:
        raise DocumentInvalid("a document has one signature before it is archived")
    known = io.BytesIO()
    await async_add_validation_info(
        signatures[0], context, output=known, add_vri_entry=False, embed_roots=False
    )  # 1, 2
    writer = IncrementalPdfFileWriter(known)
    stamped = len(reader.embedded_timestamp_signatures)
    field = TIME_STAMP_FIELD + (str(stamped) if stamped else "")
    out = io.BytesIO()
    # What is known of the authority's own certificates goes in before it stamps: nothing follows a stamp.
    before = TimestampDSSContentSettings(include_vri=False, update_before_ts=True)
    await PdfTimeStamper(authority, field_name=field).async_timestamp_pdf(  # 3
        writer,
        _DIGEST,
        validation_context=context,
        bytes_reserved=TIME_STAMP_BYTES,
        output=out,
        dss_settings=before,
        embed_roots=False,
    )
    return out.getvalue()


class _Authority(PyHankoTimeStamper):
    """A time-stamper of ours, as pyHanko asks one."""

    def __init__(self, ask: TimeStamper) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ask = ask

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return _response(await asyncio.to_thread(self._ask, req.dump()))


# --- the signature itself (RFC 5652, RFC 5035) ---

_DIGEST_HERE = bytes.fromhex("5f" * 32)
_SIGNATURE_HERE = 0xA7


def _signed_data(digest: bytes, *, seal: certificates.Signer, time_stamper: TimeStamper | None) -> bytes:
    """The CMS of a document's digest.

    All but digest and signature is the same for all documents of a seal: it is encoded once, for each length
    that a signature may have, and spliced.
    """
    head, tail = _attributes(seal.certificate)
    attributes = head + digest + tail
    signature = seal.sign(hashlib.sha256(attributes).digest())
    if time_stamper is None:
        first, second, third = _spliced(seal.certificate, seal.chain, len(signature))
        return first + digest + second + signature + third
    token = _time_stamp(hashlib.sha256(signature).digest(), time_stamper)
    unsigned = cms.CMSAttributes(
        [cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})]
    )
    return _content(
        seal.certificate, seal.chain, attributes=attributes, signature=signature, unsigned=unsigned
    )


@functools.lru_cache(maxsize=1024)
def _attributes(certificate: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the digest in the attributes that are signed."""
    named = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(certificate).digest()})
    own = x509.Certificate.load(certificate)
    protection = cms.CMSAlgorithmProtection(
        {"digest_algorithm": _digest_algorithm(), "signature_algorithm": _signature_algorithm(own)}
    )
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [_DIGEST_HERE]}),
            cms.CMSAttribute(
                {"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [named]})]}
            ),
            cms.CMSAttribute({"type": "cms_algorithm_protection", "values": [protection]}),
        ]
    )
    head, _, tail = attributes.dump().partition(_DIGEST_HERE)
    return head, tail


@functools.lru_cache(maxsize=1024)
def _spliced(certificate: bytes, chain: tuple[bytes, ...], length: int) -> tuple[bytes, bytes, bytes]:
    """What stands around digest and signature, for a signature of a length."""
    head, tail = _attributes(certificate)
    here = bytes([_SIGNATURE_HERE]) * length
    whole = _content(certificate, chain, attributes=head + _DIGEST_HERE + tail, signature=here)
    first, _, rest = whole.partition(_DIGEST_HERE)
    second, _, third = rest.partition(here)
    return first, second, third


def _content(
    certificate: bytes,
    chain: tuple[bytes, ...],
    *,
    attributes: bytes,
    signature: bytes,
    unsigned: cms.CMSAttributes | None = None,
) -> bytes:
    own = x509.Certificate.load(certificate)
    said = {"issuer": own.issuer, "serial_number": own.serial_number}
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": cms.IssuerAndSerialNumber(said)}),
            "digest_algorithm": _digest_algorithm(),
            "signed_attrs": cms.CMSAttributes.load(attributes),
            "signature_algorithm": _signature_algorithm(own),
            "signature": signature,
        }
    )
    if unsigned is not None:
        signer["unsigned_attrs"] = unsigned
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [_digest_algorithm()],
            "encap_content_info": {"content_type": "data"},
            "certificates": list(_enclosed(own, chain)),
            "signer_infos": [signer],
        }
    )
    encoded: bytes = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    return encoded


def _enclosed(own: x509.Certificate, chain: tuple[bytes, ...]) -> Iterator[cms.CertificateChoices]:
    """The certificate and its chain without the root, which a reader has or does not trust."""
    for link in (own, *map(x509.Certificate.load, chain)):
        if link.subject != link.issuer:
            yield cms.CertificateChoices(name="certificate", value=link)


def _digest_algorithm() -> algos.DigestAlgorithm:
    return algos.DigestAlgorithm({"algorithm": _DIGEST})


def _signature_algorithm(own: x509.Certificate) -> algos.SignedDigestAlgorithm:
    kind = "rsa" if own.public_key.algorithm == "rsa" else "ecdsa"
    return algos.SignedDigestAlgorithm({"algorithm": f"{_DIGEST}_{kind}"})


# --- time-stamps (RFC 3161) ---


def _time_stamp(digest: bytes, ask: TimeStamper) -> cms.ContentInfo:
    """The token over a digest; raises TimeStampFailed."""
    nonce = int.from_bytes(os.urandom(8), "big")
    imprint = {"hash_algorithm": _digest_algorithm(), "hashed_message": digest}
    request = tsp.TimeStampReq(
        {"version": 1, "message_imprint": imprint, "cert_req": True, "nonce": core.Integer(nonce)}
    )
    response = _response(ask(request.dump()))
    try:
        token = handle_tsp_response(response, nonce)  # type: ignore[arg-type]
        is_ours = _is_over(token, digest)
    except (TimestampRequestError, AttributeError, ValueError, TypeError, KeyError) as error:
        raise TimeStampFailed("the time-stamp authority refused, or its answer is not one to us") from error
    if not is_ours:
        raise TimeStampFailed("the time-stamp is over something else")
    return token


def _is_over(token: cms.ContentInfo, digest: bytes) -> bool:
    stamped = token["content"]["encap_content_info"]["content"].parsed["message_imprint"]
    return bool(stamped["hashed_message"].native == digest)


def _pruned(token: cms.ContentInfo) -> cms.ContentInfo:
    """The token with those of its certificates that its signer's path needs, and no root.

    No signature covers what else an authority may enclose, so a change of it would go unnoticed.
    """
    found = extract_certificate_info(token["content"])
    needed, last = [found.signer_cert], found.signer_cert
    left = list(found.other_certs)
    while above := next((link for link in left if link.subject == last.issuer), None):
        left.remove(above)
        if above.subject == above.issuer:
            break
        needed.append(above)
        last = above
    token["content"]["certificates"] = [
        cms.CertificateChoices(name="certificate", value=link) for link in needed
    ]
    return cms.ContentInfo.load(token.dump())


def _response(data: bytes) -> tsp.TimeStampResp:
    try:
        response = tsp.TimeStampResp.load(data, strict=True)
        _ = response.native
        if response["status"]["status"].native == "granted":
            response["time_stamp_token"] = _pruned(response["time_stamp_token"])
    except (ValueError, TypeError, KeyError, AttributeError, CMSExtractionError) as error:
        raise TimeStampFailed("the time-stamp authority's answer is not a response") from error
    return response
