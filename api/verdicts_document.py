"""Verdicts on signed documents: the signature, what is attached, and the status of the license, offline.

Whether the file is what an issuer signed says `signing/document_judge.py`; what its data prove of the
license, `ledger/bundle.py`; whether the license stands, the QR code on the page and the status lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from api.verdicts import DEMONSTRATION, Verdict, refused
from ledger import bundle, copy, days, offline, power
from ledger import paper as papers
from signing import certificate, document_judge, ids, trust

_WHY = {
    document_judge.Reason.NOT_A_PDF: "not a PDF",
    document_judge.Reason.TOO_LARGE: "larger than any document of a license",
    document_judge.Reason.TRUNCATED: "the PDF is cut short",
    document_judge.Reason.UNREADABLE: "the PDF cannot be read",
    document_judge.Reason.NOT_SIGNED: "the PDF is not signed",
    document_judge.Reason.ALTERED: "the PDF was altered after it was signed",
    document_judge.Reason.APPENDED: "something was added to the PDF after it was signed",
    document_judge.Reason.ATTACHMENT_SWAPPED: "an attachment is not the one that was signed",
    document_judge.Reason.UNTRUSTED: "its certificate is of an authority that is not trusted here",
    document_judge.Reason.WRONG_USAGE: "its certificate is not for signing documents",
    document_judge.Reason.EXPIRED: "its certificate had expired when it was signed",
    document_judge.Reason.NOT_YET_VALID: "its certificate was not yet valid when it was signed",
    document_judge.Reason.REVOKED: "its certificate was revoked when it was signed, as far as can be said",
    document_judge.Reason.TIME_STAMP_UNTRUSTED: "its time-stamp is of an authority that is not trusted here",
    document_judge.Reason.TIME_STAMP_BROKEN: "its time-stamp does not hold",
    document_judge.Reason.SIGNED_LATER: "it says it was signed in the future",
}
_LICENSE, _RECEIPT = "license.json", "receipt.txt"
ANOTHER = "signed by another organization"
HANDED_ON = "signed by who had handed it on"


class _Refused(ValueError):
    """The document proves nothing."""


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What a document shows, proven."""

    license_ref: bytes
    version: int
    issued: bundle.Issued
    """As its event says; only the issuer's seal signs, or that of who took over from it."""
    piece: int | None
    """None: a copy, which is of the original."""
    paper: offline.Paper | None
    lines: tuple[str, ...]
    details: dict[str, Any]
    expires_at: datetime | None = None


def of_pdf(data: bytes, file: trust.TrustFile, verifier: offline.Verifier, *, at: datetime) -> Verdict:
    """The verdict on a signed document.

    1. An issuer's key signed the file, under an authority of the trust file, and nothing was changed since.
    2. The certificate is one that the ledger knows of an issuer, and stood when it signed.
    3. What is attached is proven by the ledger's log.
    4. The QR code is of this license and version, and says what stands against it.
    5. The certificate is that of the issuer which the proven event names, or of who took over from it, and
       its organization had not handed the license on when it signed.
    """
    found = document_judge.judge(  # 1
        data,
        roots=[root for ledger in file.ledgers for root in ledger.documents.roots],
        at=at,
        time_stamp_roots=[one for ledger in file.ledgers for one in ledger.documents.time_stamp_roots],
        revocation_lists=[one for ledger in file.ledgers for one in ledger.documents.revocation_lists],
    )
    if not found.holds:
        return refused(
            "; ".join(_WHY.get(reason, str(reason)) for reason in found.reasons),
            reasons=[reason.value for reason in found.reasons],
        )
    assert found.signer is not None, "what holds was signed"
    held = _known(file, found.signer.fingerprint)
    if held is None:  # 2
        return refused("its certificate is not one that the ledger knows of an issuer")
    doubt = _doubt(held, found, at)
    if doubt is not None:
        return doubt
    try:
        shown = _shown(found, file)  # 3
        judged = _status(found, shown, verifier, at)  # 4
    except (_Refused, bundle.BundleInvalid) as error:
        is_doubt = isinstance(error.__cause__, trust.KeyCompromised)
        return replace(refused(str(error)), word="needs a fresh receipt" if is_doubt else "refused")
    assert found.signed_at is not None, "what holds has a time"
    if not _may_sign(held.issuer, shown.issued, file, found.signed_at):  # 5
        return _of_another(held, shown)
    if _has_handed_on(held.issuer, shown.issued, file, found.signed_at):
        return _of_former(held, shown)
    is_over = shown.expires_at is not None and at > shown.expires_at
    verdict = _told(judged, shown, found, held)
    if is_over and verdict.is_good:
        return replace(verdict, is_good=False, word="copy expired")
    return verdict


def _known(file: trust.TrustFile, fingerprint: bytes) -> trust.IssuerCertificate | None:
    """The issuer's certificate in the trust file that signed."""
    for ledger in file.ledgers:
        for one in ledger.documents.certificates:
            if certificate.describe(one.certificate).fingerprint == fingerprint:
                return one
    return None


def _doubt(held: trust.IssuerCertificate, found: document_judge.Verdict, at: datetime) -> Verdict | None:
    """The verdict on what a revoked certificate signed, unless it is proven to be of before."""
    if held.revoked_at is None or held.revoked_at > at:
        return None
    assert found.signed_at is not None, "what holds has a time"
    if found.signed_at >= held.revoked_at:
        return refused(_WHY[document_judge.Reason.REVOKED], reasons=[document_judge.Reason.REVOKED.value])
    if found.is_time_proven or not held.is_in_doubt:
        return None
    why = "its certificate was revoked since, and no authority says that it was signed before: ask the ledger"
    return Verdict(is_good=False, word="check online", lines=(why,))


def _may_sign(signer: str, issued: bundle.Issued, file: trust.TrustFile, signed_at: datetime) -> bool:
    """Whether an organization signs for who issued a version: that one itself, or who had taken over."""
    return signer == issued.issuer or any(
        _covers(one, issued, signed_at)
        for one in _successions(file)
        if (one.successor, one.predecessor) == (signer, issued.issuer)
    )


def _has_handed_on(signer: str, issued: bundle.Issued, file: trust.TrustFile, signed_at: datetime) -> bool:
    """Whether another had taken over from an organization what it signed for, when it signed."""
    return any(_covers(one, issued, signed_at) for one in _successions(file) if one.predecessor == signer)


def _successions(file: trust.TrustFile) -> Iterator[trust.Succession]:
    return (one for ledger in file.ledgers for one in ledger.documents.successions)


def _covers(one: trust.Succession, issued: bundle.Issued, signed_at: datetime) -> bool:
    """Whether a succession had begun, and is of the license's type and division."""
    day = days.of_instant(int(signed_at.timestamp()) * 1_000_000)
    since = days.parse(one.since.isoformat())
    handover = power.Handover(one.predecessor, since, one.type_codes, one.areas)
    return handover.covers(issued.type_code, day, issued.area)


def _of_another(held: trust.IssuerCertificate, shown: _Shown) -> Verdict:
    """The verdict on a genuine license in a document of somebody who need not answer for it."""
    return _not_its_signer(
        ANOTHER,
        held,
        shown,
        f"signed by {held.issuer}; the license was issued by {shown.issued.issuer}",
        "who took over since the trust file was made may sign for it: ask the ledger",
    )


def _of_former(held: trust.IssuerCertificate, shown: _Shown) -> Verdict:
    """The verdict on a genuine license in a document that its issuer made when it was no more its issuer."""
    return _not_its_signer(
        HANDED_ON,
        held,
        shown,
        f"signed by {held.issuer}, from which another organization had taken the license over by then",
        "ask who answers for it now for a document",
    )


def _not_its_signer(word: str, held: trust.IssuerCertificate, shown: _Shown, *told: str) -> Verdict:
    """The license is genuine, and the document is not of who signs for it."""
    ref = ids.text(shown.license_ref)
    details = {
        "signer": held.issuer,
        "issuer": shown.issued.issuer,
        "license_ref": ref,
        "version": shown.version,
    }
    lines = (*told, f"license {ref}, version {shown.version}")
    return Verdict(is_good=False, word=word, lines=lines, details=details)


def _shown(found: document_judge.Verdict, file: trust.TrustFile) -> _Shown:
    """What is attached, proven; raises _Refused or BundleInvalid."""
    data, receipt = (found.attachments.get(name) for name in (_LICENSE, _RECEIPT))
    if data is None or receipt is None:
        raise _Refused(f"the document lacks {_LICENSE} or {_RECEIPT}: it proves nothing of a license")
    if data.startswith(b'{"index"'):
        return _copied(data, file)
    try:
        text = receipt.decode()
    except UnicodeDecodeError as error:
        raise _Refused(f"{_RECEIPT} is not text") from error
    proven = bundle.judge_license(data, proven_by=text, trusted=file)
    number, name = (proven.values.get(key) for key in ("@license_number", "@holder_name"))
    is_named = isinstance(number, str) and isinstance(name, str)
    return _Shown(
        license_ref=proven.license_ref,
        version=proven.version,
        issued=proven.issued,
        piece=proven.piece,
        paper=offline.Paper(number=str(number), name=str(name)) if is_named else None,
        lines=(
            f"license of type {proven.issued.type_code}, issued by {proven.issued.issuer}",
            f"proven at index {proven.index} of {proven.origin}",
            f"recorded {days.instant_text(proven.recorded_at)}",
        ),
        details={
            "kind": "document",
            "index": proven.index,
            "origin": proven.origin,
            "issuer": proven.issued.issuer,
        },
    )


def _copied(data: bytes, file: trust.TrustFile) -> _Shown:
    """What a copy 加注件 shows: the one use that it was made for."""
    uses = bundle.judge(data, trusted=file)
    if len(uses) != 1 or not isinstance(made := uses[0].made, copy.LicenseCopied):
        raise _Refused("what is attached is not the one use that asked for a copy")
    (used,) = uses
    assert used.issued is not None, "what was granted has an issuer"
    expires_at = offline.time(made.expires_at // 1_000_000)
    return _Shown(
        license_ref=made.license_ref,
        version=made.version,
        issued=used.issued,
        piece=None,
        paper=None,
        lines=(
            f"copy for {used.requester}, good until {offline.time_text(expires_at)}",
            f"proven at index {used.index} of {used.origin}, recorded {days.instant_text(used.recorded_at)}",
        ),
        details={"kind": "copy", "index": used.index, "origin": used.origin, "requester": used.requester},
        expires_at=expires_at,
    )


def _status(
    found: document_judge.Verdict, shown: _Shown, verifier: offline.Verifier, at: datetime
) -> offline.Judged:
    """What the QR code on the page and its status list say; raises _Refused when it is not this license's."""
    if found.qr is None:
        raise _Refused("the document has no QR code of a license")
    judged = verifier.code(found.qr, at=at)
    said = judged.said
    if said is None:
        raise _Refused(f"its QR code: {judged.why}")
    is_same = (said.license_ref, said.version) == (shown.license_ref, shown.version)
    if not is_same or (shown.piece is not None and said.piece != shown.piece):
        raise _Refused("its QR code is of another license, version or piece")
    assert judged.ledger is not None, "who signed it is known"
    paper = shown.paper
    if paper is not None and not papers.matches(
        said, number=paper.number, name=paper.name, suite=judged.ledger.suite
    ):
        raise _Refused("its QR code was made for another number or name")
    if judged.outcome is not offline.Outcome.NOT_COMPARED:
        return judged
    # Nothing was printed: the signed file is what the code was made for.
    outcome = offline.Outcome.STATUS_NOT_KNOWN if judged.as_of is None else offline.Outcome.VALID
    return replace(judged, outcome=outcome, why="nothing stands against it")


def _told(
    judged: offline.Judged,
    shown: _Shown,
    found: document_judge.Verdict,
    held: trust.IssuerCertificate,
) -> Verdict:
    assert judged.ledger is not None, "who signed the code is known"
    assert found.signer is not None, "who signed the document is known"
    assert found.signed_at is not None, "when it was signed is known"
    word, is_good = judged.word, judged.is_good
    signed_at = offline.time_text(found.signed_at)
    proof = "as a time-stamp proves" if found.is_time_proven else "as the signer says"
    lines = (
        judged.why,
        f"signed by {found.signer.name} ({held.issuer}), {signed_at}, {proof}: {found.level}",
        *shown.lines,
        f"license {ids.text(shown.license_ref)}, version {shown.version}",
        *(remark.value.replace("-", " ") for remark in found.remarks),
        *((DEMONSTRATION,) if judged.ledger.is_demonstration else ()),
    )
    details = {
        "outcome": judged.outcome.value,
        "as_of": None if judged.as_of is None else offline.time_text(judged.as_of),
        "license_ref": ids.text(shown.license_ref),
        "version": shown.version,
        "signer": held.issuer,
        "signed_at": signed_at,
        "is_time_proven": found.is_time_proven,
        "level": found.level,
        "remarks": [remark.value for remark in found.remarks],
        "is_demonstration": judged.ledger.is_demonstration,
        **shown.details,
    }
    return Verdict(is_good=is_good, word=word, lines=lines, details=details)
