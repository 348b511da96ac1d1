"""Judging documents of strangers, offline: who signed, when, whether it still is what was signed.

`judge` never raises for a bad file and never fetches anything: it says why a document does not hold. It rests
on `document_parts` (signatures found in the bytes), pyHanko (paths, time-stamps, changes after signing) and
`revocation`. The file's structure is read only after a key with a trusted certificate is known to have signed
the bytes; size is bounded before anything.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from asn1crypto import cms, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import async_validate_cms_signature, validate_tst_signed_data
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureStatus, TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext

from signing import certificate as certificates
from signing import document_parts, revocation

FILE_BYTES_MAX = 20 << 20
ATTACHMENTS_MAX = 16
CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much a signer's clock may be ahead of another's."""


class Reason(StrEnum):
    """Why a document does not hold."""

    NOT_A_PDF = "not-a-pdf"
    TOO_LARGE = "too-large"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    NOT_SIGNED = "not-signed"
    ALTERED = "altered"
    APPENDED = "appended-after-signing"
    ATTACHMENT_SWAPPED = "attachment-swapped"
    UNTRUSTED = "untrusted-authority"
    WRONG_USAGE = "certificate-not-for-documents"
    EXPIRED = "certificate-expired-at-signing"
    NOT_YET_VALID = "certificate-not-yet-valid-at-signing"
    REVOKED = "certificate-revoked"
    TIME_STAMP_UNTRUSTED = "time-stamp-untrusted"
    TIME_STAMP_BROKEN = "time-stamp-broken"
    SIGNED_LATER = "signed-in-the-future"


class Remark(StrEnum):
    """What a reader should know of a document that holds."""

    TIME_CLAIMED = "signing-time-only-claimed"
    TIME_STAMP_EXPIRED = "time-stamp-expired"
    EXPIRED_SINCE = "certificate-expired-since"
    REVOKED_SINCE = "certificate-revoked-since"
    REVOCATION_UNKNOWN = "revocation-not-known"
    DEMONSTRATION = "demonstration-certificate"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge says of a file."""

    reasons: tuple[Reason, ...] = ()
    """Why it does not hold, the most telling first; none: it holds."""
    remarks: tuple[Remark, ...] = ()
    level: str | None = None
    """B-B, B-T or B-LTA."""
    signer: certificates.Described | None = None
    """Whose certificate it says; believe it only when the document holds."""
    signed_at: datetime | None = None
    is_time_proven: bool = False
    """Whether a trusted authority stamped the time, or the signer alone claims it."""
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    """Of what was signed; empty unless one who is trusted signed."""
    qr: str | None = None
    """The token's URL, as the signed bytes say it."""

    @property
    def holds(self) -> bool:
        """Whether the document is what a trusted signer signed."""
        return not self.reasons


@dataclass(frozen=True, kw_only=True)
class _Trust:
    """What the judge was given."""

    roots: tuple[x509.Certificate, ...]
    time_stamp_roots: tuple[x509.Certificate, ...]
    lists: tuple[bytes, ...]
    responses: tuple[bytes, ...]
    at: datetime


class _Refused(Exception):
    """Ends a judgment with its reasons."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


def judge(
    pdf: bytes,
    *,
    roots: Sequence[bytes],
    at: datetime,
    time_stamp_roots: Sequence[bytes] = (),
    revocation_lists: Sequence[bytes] = (),
    ocsp_responses: Sequence[bytes] = (),
) -> Verdict:
    """What holds of a file at `at`, by certificates of trusted authorities, and what is known of revocations.

    1. It is a PDF of an acceptable size with a signature in its one form.
    2. The signer's key signed these bytes, and its certificate leads to a trusted root and is for documents.
    3. Nothing follows but time-stamps of trusted authorities and what is known of revocations.
    4. The certificate was valid, and not revoked, when the document was signed.
    5. The attachments are those that the page declares.
    """
    _quiet()
    trust = _Trust(
        roots=tuple(x509.Certificate.load(root) for root in roots),
        time_stamp_roots=tuple(x509.Certificate.load(root) for root in time_stamp_roots),
        lists=tuple(revocation_lists),
        responses=tuple(ocsp_responses),
        at=at,
    )
    try:
        found = _found(pdf)  # 1
    except _Refused as refused:
        return Verdict(reasons=refused.reasons)
    try:
        return asyncio.run(_judged(pdf, found, trust))
    except _Refused as refused:
        return Verdict(reasons=_telling(pdf, refused.reasons), signer=_signer(found[0]))
    except Exception:  # noqa: BLE001
        # A stranger's file breaks a parser in any way there is; whatever it raised, the file is none of ours.
        return Verdict(reasons=(Reason.UNREADABLE,))


@functools.cache
def _quiet() -> None:
    """What pyHanko has to say of bad files is in the verdict."""
    for name in ("pyhanko", "pyhanko_certvalidator"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _found(pdf: bytes) -> list[document_parts.Signature]:
    if len(pdf) > FILE_BYTES_MAX:
        raise _Refused(Reason.TOO_LARGE)
    if not pdf.startswith(b"%PDF-"):
        raise _Refused(Reason.NOT_A_PDF)
    try:
        return document_parts.signatures(pdf)
    except document_parts.CutShort as error:
        raise _Refused(Reason.TRUNCATED) from error
    except document_parts.NotSigned as error:
        raise _Refused(Reason.NOT_SIGNED) from error
    except document_parts.Altered as error:
        raise _Refused(*_telling(pdf, (Reason.ALTERED,))) from error


def _telling(pdf: bytes, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """The reasons; for a changed file, first that an attachment was swapped, if one was."""
    is_changed = bool({Reason.ALTERED, Reason.APPENDED} & set(reasons))
    if is_changed and document_parts.has_foreign_attachment(pdf):
        return (Reason.ATTACHMENT_SWAPPED, *reasons)
    return reasons


def _signer(signature: document_parts.Signature) -> certificates.Described | None:
    """Who a signature says made it."""
    try:
        return certificates.describe(extract_certificate_info(signature.content).signer_cert.dump())
    except Exception:  # noqa: BLE001
        return None  # a certificate of a stranger that cannot be read


async def _judged(pdf: bytes, found: list[document_parts.Signature], trust: _Trust) -> Verdict:
    first, *rest = found
    if first.is_time_stamp:
        raise _Refused(Reason.ALTERED if b"/ETSI.CAdES.detached" in pdf else Reason.NOT_SIGNED)
    path = await _path(
        pdf, first, trust
    )  # 2: from here the bytes are known to be those of one who is trusted
    reader = PdfFileReader(io.BytesIO(pdf[: first.end]))
    claimed = reader.embedded_regular_signatures[0].self_reported_timestamp
    if claimed is None:
        raise _Refused(Reason.UNREADABLE)
    times, is_expired = await _stamps(pdf, first, rest, trust)  # 3
    evidence = _nothing_else(pdf, first, rest, trust)
    signing = _Signing(claimed=claimed, at=min(times, default=claimed), is_proven=bool(times))
    told = _good(path, signing, trust, evidence)  # 4
    attachments, qr, reasons = _contents(reader)  # 5
    signer = certificates.describe(path[-1])
    remarks = [
        *([] if times else [Remark.TIME_CLAIMED]),
        *([Remark.TIME_STAMP_EXPIRED] if is_expired else []),
        *told,
        *([Remark.DEMONSTRATION] if signer.is_demonstration else []),
    ]
    return Verdict(
        reasons=reasons,
        remarks=tuple(remarks),
        level=_level(first, rest),
        signer=signer,
        signed_at=signing.at,
        is_time_proven=signing.is_proven,
        attachments=attachments,
        qr=qr,
    )


def _level(first: document_parts.Signature, rest: list[document_parts.Signature]) -> str:
    if rest:
        return "B-LTA"
    return "B-B" if first.token is None else "B-T"


# --- 2: who signed ---

_ANY_USAGE = KeyUsageConstraints(key_usage=set(), match_all_key_usages=True)


async def _path(pdf: bytes, first: document_parts.Signature, trust: _Trust) -> list[bytes]:
    """The path from a trusted root to the signer's certificate, DER; raises _Refused.

    Times are not asked yet, so the path is judged at an instant at which the signer's certificate was valid.
    """
    digest = first.digest(pdf, first.algorithm)
    if first.signed_digest != digest:
        raise _Refused(Reason.ALTERED)
    own = extract_certificate_info(first.content).signer_cert
    try:
        status = await async_validate_cms_signature(
            first.content,
            status_cls=SignatureStatus,
            raw_digest=digest,
            validation_context=_context(trust.roots, own.not_valid_before + timedelta(seconds=1)),
            key_usage_settings=_ANY_USAGE,
        )
    except Exception as error:
        # Whatever breaks here is in the signature, and none was made so.
        raise _Refused(Reason.ALTERED) from error
    if not (status.intact and status.valid):
        raise _Refused(Reason.ALTERED)
    if status.trust_problem_indic is not None or status.validation_path is None:
        raise _Refused(Reason.UNTRUSTED)
    path = [link.dump() for link in status.validation_path.iter_certs(include_root=True)]
    if certificates.is_authority(path[-1]) or not certificates.is_for_documents(path[-1]):
        raise _Refused(Reason.WRONG_USAGE)
    _nothing_spare(first.content, path)
    return path


def _nothing_spare(content: cms.SignedData, path: list[bytes]) -> None:
    """Each certificate that a signature encloses serves; a changed one that does not would go unnoticed."""
    enclosed = [one.chosen.dump() for one in content["certificates"]]
    if len(set(enclosed)) != len(enclosed) or not set(enclosed) <= set(path):
        raise _Refused(Reason.ALTERED)


def _context(
    roots: Sequence[x509.Certificate], moment: datetime, others: Sequence[x509.Certificate] = ()
) -> ValidationContext:
    return ValidationContext(
        trust_roots=list(roots), other_certs=list(others), moment=moment, allow_fetching=False
    )


# --- 3: what came after the signature ---


async def _stamps(
    pdf: bytes, first: document_parts.Signature, rest: list[document_parts.Signature], trust: _Trust
) -> tuple[list[datetime], bool]:
    """The times that trusted authorities stamped, and whether a stamp has expired without another over it."""
    if not all(stamp.is_time_stamp for stamp in rest):
        raise _Refused(Reason.APPENDED)
    held = [(stamp.content, functools.partial(stamp.digest, pdf)) for stamp in reversed(rest)]
    if first.token is not None:
        held.append((first.token, functools.partial(_digest_of, first.value)))
    times: list[datetime] = []
    is_expired, when = False, trust.at
    for token, imprint in held:  # the newest first: it protects those before it
        time = await _stamped(token, imprint, trust, when)
        if time is None:
            is_expired = True
        else:
            times.append(time)
            when = time
    return times, is_expired


def _digest_of(data: bytes, algorithm: str) -> bytes:
    return hashlib.new(algorithm, data).digest()


async def _stamped(
    token: cms.SignedData, imprint: Callable[[str], bytes], trust: _Trust, when: datetime
) -> datetime | None:
    """The time of a time-stamp that is known to have been there at `when`; None when it expired before."""
    try:
        document_parts.check_form(token)
        said = await validate_tst_signed_data(token, _context(trust.time_stamp_roots, when), imprint)
        status = TimestampSignatureStatus(**said)
        if not (status.intact and status.valid):
            raise _Refused(Reason.TIME_STAMP_BROKEN)
        is_expired = status.trust_problem_indic is not None
        if is_expired:
            said = await validate_tst_signed_data(
                token, _context(trust.time_stamp_roots, status.timestamp), imprint
            )
            status = TimestampSignatureStatus(**said)
    except (SignatureValidationError, document_parts.Altered, ValueError) as error:
        raise _Refused(Reason.TIME_STAMP_BROKEN) from error
    if status.trust_problem_indic is not None or status.validation_path is None:
        raise _Refused(Reason.TIME_STAMP_UNTRUSTED)
    path = [link.dump() for link in status.validation_path.iter_certs(include_root=True)]
    _nothing_spare(token, path)
    for issuer, link in itertools.pairwise(path):
        known = revocation.known(link, issuer=issuer, lists=trust.lists, responses=trust.responses)
        if known is not None and known.forbids(status.timestamp, is_proven=True):
            raise _Refused(Reason.TIME_STAMP_UNTRUSTED)
    return None if is_expired else status.timestamp


def _nothing_else(
    pdf: bytes, first: document_parts.Signature, rest: list[document_parts.Signature], trust: _Trust
) -> tuple[list[bytes], list[bytes]]:
    """Revocation lists and OCSP responses, the file's own too; raises _Refused for any other update."""
    if [first, *rest][-1].end != len(pdf):
        raise _Refused(Reason.APPENDED)
    lists, responses = list(trust.lists), list(trust.responses)
    if not rest:
        return lists, responses
    reader = PdfFileReader(io.BytesIO(pdf))
    signatures, stamps = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
    if len(signatures) != 1 or len(stamps) != len(rest):
        raise _Refused(Reason.APPENDED)
    signatures[0].compute_integrity_info()
    changed = signatures[0].diff_result
    if not isinstance(changed, DiffResult) or changed.modification_level > ModificationLevel.LTA_UPDATES:
        raise _Refused(Reason.APPENDED)
    if "/DSS" in reader.root:
        store = DocumentSecurityStore.read_dss(reader)
        lists += [one.get_object().data for one in store.crls]
        responses += [one.get_object().data for one in store.ocsps]
    return lists, responses


# --- 4: whether the certificate was good when the document was signed ---


@dataclass(frozen=True, kw_only=True)
class _Signing:
    """When a document was signed."""

    claimed: datetime
    at: datetime
    """The stamped time, or the claimed one."""
    is_proven: bool


def _good(
    path: list[bytes], signing: _Signing, trust: _Trust, evidence: tuple[list[bytes], list[bytes]]
) -> list[Remark]:
    """What is to be said of the certificates of a path, root first; raises _Refused."""
    described = certificates.describe(path[-1])
    latest = min(trust.at, signing.at) if signing.is_proven else trust.at
    if signing.claimed > latest + CLOCK_TOLERANCE:
        raise _Refused(Reason.SIGNED_LATER)
    if signing.claimed < described.not_before - CLOCK_TOLERANCE:
        raise _Refused(Reason.NOT_YET_VALID)
    if signing.at > described.not_after:
        raise _Refused(Reason.EXPIRED)
    for link in path[:-1]:
        above = certificates.describe(link)
        if not above.not_before - CLOCK_TOLERANCE <= signing.at <= above.not_after:
            raise _Refused(Reason.UNTRUSTED)
    remarks = [Remark.EXPIRED_SINCE] if described.not_after < trust.at else []
    return remarks + _revocations(path, signing, evidence)


def _revocations(
    path: list[bytes], signing: _Signing, evidence: tuple[list[bytes], list[bytes]]
) -> list[Remark]:
    lists, responses = evidence
    remarks: list[Remark] = []
    for issuer, link in itertools.pairwise(path):
        known = revocation.known(link, issuer=issuer, lists=lists, responses=responses)
        if known is not None and known.forbids(signing.at, is_proven=signing.is_proven):
            raise _Refused(Reason.REVOKED)
        if known is not None and known.revoked_at is not None:
            remarks.append(Remark.REVOKED_SINCE)
        elif known is None or known.through < signing.at:
            remarks.append(Remark.REVOCATION_UNKNOWN)
    return list(dict.fromkeys(remarks))


# --- 5: what was signed ---


def _contents(reader: PdfFileReader) -> tuple[dict[str, bytes], str | None, tuple[Reason, ...]]:
    """Attachments, the token's URL, and a reason when attachments are not those that the page declares."""
    attachments = _attachments(reader)
    said = str(reader.trailer["/Info"].get("/Keywords", "")).split(", ")
    declared = {name: digest for name, _, digest in (word.partition("=sha256:") for word in said) if digest}
    qr = next((word for word in said if word.startswith("HTTPS://")), None)
    held = {name: hashlib.sha256(data).hexdigest() for name, data in attachments.items()}
    is_swapped = held != declared  # what is not declared is no part of what the signer made
    return attachments, qr, (Reason.ATTACHMENT_SWAPPED,) if is_swapped else ()


def _attachments(reader: PdfFileReader) -> dict[str, bytes]:
    names = reader.root.get("/Names", {}).get("/EmbeddedFiles", {}).get("/Names", [])
    count = min(len(names) // 2, ATTACHMENTS_MAX)
    return {str(names[2 * place]): names[2 * place + 1]["/EF"]["/F"].data for place in range(count)}
