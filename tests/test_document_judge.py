"""The judge of documents: each way in which a file is not what it seems has a reason of its own.

Nothing is ever fetched: every test runs with sockets that refuse.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.sign import PdfSignatureMetadata, signers
from pyhanko.sign.fields import SigSeedSubFilter

from signing import certificate, document, document_judge, document_page
from signing.document_judge import Reason, Remark
from tests import document_services as services
from tests import documents
from tests.document_services import LATER, TWO_DAYS, judge
from tests.documents import AT, PAGE, der, flipped, key, made, rendered, root, sealed, signed

CODE_SIGNING = "1.3.6.1.5.5.7.3.3"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    services.refuse_network(monkeypatch)


def by_others(pdf: bytes, **options: object) -> document_judge.Verdict:
    """Judged with the root of `documents.root`."""
    return judge(pdf, roots=[der(root())], **options)


def issued(page: document_page.Page = PAGE, **options: object) -> bytes:
    """The license signed with a certificate that has whatever it should not have."""
    found = made("颁证机关", key(), issuer="示例根", by=key("示例根"), **options)  # type: ignore[arg-type]
    return document.sign(rendered(page), seal=sealed(found, key(), root()), at=AT)


# --- what holds ---


def test_a_signed_license_holds_and_says_who_signed_it_and_what_is_in_it() -> None:
    verdict = judge(signed(), revocation_lists=[documents.authority().revocation_list({}, at=LATER)])
    assert (verdict.reasons, verdict.level) == ((), "B-B")
    assert verdict.remarks == (Remark.TIME_CLAIMED, Remark.DEMONSTRATION)
    assert verdict.holds
    assert verdict.signer is not None
    assert verdict.signer.credit_code == documents.CREDIT_CODE
    assert (verdict.signed_at, verdict.is_time_proven) == (AT, False)
    assert verdict.attachments == {"license.json": PAGE.license_data, "receipt.txt": PAGE.receipt}
    assert verdict.qr == PAGE.qr


def test_a_license_by_rsa_and_a_chain_holds() -> None:
    own = documents.rsa_key(2048)
    above = {"usages": ("key_cert_sign",), "is_authority": True}
    middle = made("示例中间", key("示例中间"), issuer="示例根", by=key("示例根"), **above)  # type: ignore[arg-type]
    seal = sealed(made("颁证机关", own, issuer="示例中间", by=key("示例中间")), own, middle, root())
    verdict = by_others(document.sign(rendered(), seal=seal, at=AT))
    assert verdict.reasons == ()
    assert verdict.remarks == (Remark.TIME_CLAIMED, Remark.REVOCATION_UNKNOWN)


def test_a_stamped_license_has_a_proven_time() -> None:
    verdict = judge(services.stamped())
    assert (verdict.reasons, verdict.level) == ((), "B-T")
    assert (verdict.signed_at, verdict.is_time_proven) == (AT + timedelta(seconds=2), True)


@pytest.mark.parametrize("before", [signed, services.stamped], ids=["B-B", "B-T"])
def test_an_archived_license_holds_when_its_certificate_is_long_gone(before: Callable[[], bytes]) -> None:
    archived = services.archived(before())
    assert judge(archived, at=TWO_DAYS).remarks == (Remark.DEMONSTRATION,)
    verdict = judge(archived, at=AT + timedelta(days=380))
    assert (verdict.reasons, verdict.level, verdict.is_time_proven) == ((), "B-LTA", True)
    assert verdict.remarks == (Remark.EXPIRED_SINCE, Remark.DEMONSTRATION)
    assert verdict.attachments["license.json"] == PAGE.license_data


def test_an_archive_is_renewed_before_its_time_stamp_expires() -> None:
    archived = services.archived(services.stamped())
    late = AT + timedelta(days=300)
    lists = [
        documents.authority().revocation_list({}, at=late),
        services.revocation_list("新时间戳根", at=late),
    ]
    renewed = document.archive(
        archived,
        time_stamper=services.time_stamper(late, above="新时间戳根"),
        at=late,
        roots=[documents.authority().certificate],
        time_stamp_roots=[services.authority_root(), services.authority_root("新时间戳根")],
        revocation_lists=[*lists, services.revocation_list(services.STAMP_ROOT, at=late)],
    )
    roots = [services.authority_root(), services.authority_root("新时间戳根")]
    verdict = judge(renewed, at=AT + timedelta(days=390), time_stamp_roots=roots)
    assert (verdict.reasons, verdict.is_time_proven) == ((), True)
    assert verdict.signed_at == AT + timedelta(seconds=2)


def test_old_licenses_hold_as_of_their_signing_time_and_say_what_ended_since() -> None:
    verdict = judge(signed(), at=AT + timedelta(days=500))
    assert verdict.reasons == ()
    assert {Remark.EXPIRED_SINCE, Remark.TIME_CLAIMED} <= set(verdict.remarks)
    stamped = judge(services.stamped(), at=AT + timedelta(days=500))
    assert stamped.reasons == ()
    assert {Remark.TIME_STAMP_EXPIRED, Remark.TIME_CLAIMED} <= set(stamped.remarks)
    assert not stamped.is_time_proven


# --- revocation ---


def serial() -> int:
    return certificate.describe(documents.seal().certificate).serial


def test_a_revoked_certificate_is_believed_only_for_a_time_that_is_proven() -> None:
    lists = [documents.authority().revocation_list({serial(): AT + timedelta(minutes=30)}, at=LATER)]
    assert judge(signed(), revocation_lists=lists).reasons == (Reason.REVOKED,)
    stamped = judge(services.stamped(), revocation_lists=lists)
    assert stamped.reasons == ()
    assert Remark.REVOKED_SINCE in stamped.remarks
    before = [documents.authority().revocation_list({serial(): AT - timedelta(minutes=1)}, at=LATER)]
    assert judge(services.stamped(), revocation_lists=before).reasons == (Reason.REVOKED,)


def test_what_a_certificate_signed_before_it_made_way_for_another_stands() -> None:
    moment = AT + timedelta(minutes=30)
    lists = [documents.authority().revocation_list({}, superseded={serial(): moment}, at=LATER)]
    verdict = judge(signed(), revocation_lists=lists)
    assert verdict.reasons == ()
    assert {Remark.REVOKED_SINCE, Remark.TIME_CLAIMED} <= set(verdict.remarks)


def test_a_list_of_a_stranger_says_nothing() -> None:
    stranger = documents.demonstration.authority(at=AT - timedelta(days=30))
    lists = [stranger.revocation_list({serial(): AT}, at=LATER), b"no list", b""]
    verdict = judge(signed(), revocation_lists=lists, ocsp_responses=[b"no response", b""])
    assert verdict.reasons == ()
    assert Remark.REVOCATION_UNKNOWN in verdict.remarks


def test_an_old_list_does_not_speak_for_what_was_signed_after_it() -> None:
    lists = [documents.authority().revocation_list({}, at=AT - timedelta(days=2))]
    assert Remark.REVOCATION_UNKNOWN in judge(signed(), revocation_lists=lists).remarks


def test_ocsp_responses_are_believed_from_appointed_responders_only() -> None:
    found = made("颁证机关", key(), issuer="示例根", by=key("示例根"))
    pdf = document.sign(rendered(), seal=sealed(found, key(), root()), at=AT)

    def told(**options: object) -> document_judge.Verdict:
        answer = services.ocsp_response(der(found), **options)  # type: ignore[arg-type]
        return by_others(pdf, ocsp_responses=[answer])

    assert Remark.REVOCATION_UNKNOWN not in told(at=LATER).remarks
    assert told(revoked_at=AT).reasons == (Reason.REVOKED,)
    assert Remark.REVOCATION_UNKNOWN in told(revoked_at=AT, by="另一根").remarks
    assert Remark.REVOCATION_UNKNOWN in told(revoked_at=AT, extended=(CODE_SIGNING,)).remarks


def test_an_archive_is_not_made_of_what_is_revoked_or_not_known() -> None:
    roots = {
        "roots": [documents.authority().certificate],
        "time_stamp_roots": [services.authority_root()],
        "time_stamper": services.time_stamper(LATER),
        "at": LATER,
    }
    stamps = services.revocation_list(services.STAMP_ROOT, at=LATER)
    revoked = documents.authority().revocation_list({serial(): AT}, at=LATER)
    for lists in ([], [stamps], [documents.authority().revocation_list({}, at=LATER)], [stamps, revoked]):
        with pytest.raises(document.DocumentInvalid):
            document.archive(services.stamped(), revocation_lists=lists, **roots)  # type: ignore[arg-type]


# --- what does not hold ---


def appended(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def a_mark(writer: IncrementalPdfFileWriter) -> None:
    stream = RawContent(b"0 0 600 800 re f", box=BoxConstraints(600, 800))
    writer.add_stream_to_page(0, writer.add_object(generic.StreamObject(stream_data=stream.render())))


def another_attachment(writer: IncrementalPdfFileWriter) -> None:
    names = writer.root["/Names"]["/EmbeddedFiles"]["/Names"]
    stream = generic.StreamObject(stream_data=b'{"number": "another"}')
    stream["/Type"] = generic.pdf_name("/EmbeddedFile")
    file = names[1]["/EF"]
    file["/F"] = writer.add_object(stream)
    writer.update_container(file)


def in_place(pdf: bytes) -> bytes:
    """The file with an attachment replaced by a tool that knows no signature."""
    assert pdf.count(PAGE.license_data) == 1
    return pdf.replace(PAGE.license_data, SWAPPED)


def undeclared(pdf: bytes) -> bytes:
    """The page without the digests of what is attached."""
    assert pdf.count(b"=sha256:") >= 2
    return pdf.replace(b"=sha256:", b"=SHA256:")


def stranger_signs_again(pdf: bytes) -> bytes:
    """The license with a second signature, by somebody else."""
    other = documents.seal()
    found = made("他人", key("b"), issuer="示例根", by=key("示例根"))
    assert other.certificate != der(found)
    signer = signers.SimpleSigner(
        signing_cert=services._loaded(der(found)),
        signing_key=services._private("b"),
        cert_registry=signers.pdf_cms.SimpleCertificateStore(),
    )
    meta = PdfSignatureMetadata(field_name="Other", subfilter=SigSeedSubFilter.PADES, md_algorithm="sha256")
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    signer = signers.PdfSigner(meta, signer)
    signer._enforce_certification_constraints = lambda reader: None  # type: ignore[method-assign]
    return signer.sign_pdf(writer).getvalue()


SWAPPED = PAGE.license_data.replace(b"91350100MA0000007A", b"91350100MA0000008X")
HOSTILE: dict[str, tuple[tuple[Reason, ...], Callable[[], document_judge.Verdict]]] = {
    "no PDF": ((Reason.NOT_A_PDF,), lambda: judge(b"MZ" + bytes(99))),
    "nothing": ((Reason.NOT_A_PDF,), lambda: judge(b"")),
    "100 MB": ((Reason.TOO_LARGE,), lambda: judge(signed() + bytes(100 << 20))),
    "cut in half": ((Reason.TRUNCATED,), lambda: judge(signed()[: len(signed()) // 2])),
    "cut in its signature": ((Reason.TRUNCATED,), lambda: judge(signed()[:-900])),
    "cut by a byte": ((Reason.TRUNCATED,), lambda: judge(signed()[:-1])),
    "never signed": ((Reason.NOT_SIGNED,), lambda: judge(rendered())),
    "signature taken away": ((Reason.NOT_SIGNED,), lambda: judge(signed()[: len(rendered())])),
    "a byte of the page": ((Reason.ALTERED,), lambda: judge(flipped(signed(), 9_000))),
    "array spoiled": ((Reason.ALTERED,), lambda: judge(signed().replace(b"/ByteRange [0", b"/ByteRange [1"))),
    "array renamed": ((Reason.ALTERED,), lambda: judge(signed().replace(b"/ByteRange", b"/Byterange"))),
    "attachment in place": (
        (Reason.ATTACHMENT_SWAPPED, Reason.ALTERED),
        lambda: judge(in_place(signed())),
    ),
    "attachment by an update": (
        (Reason.ATTACHMENT_SWAPPED, Reason.APPENDED),
        lambda: judge(appended(signed(), another_attachment)),
    ),
    "attachment in an archive": (
        (Reason.ATTACHMENT_SWAPPED, Reason.APPENDED),
        lambda: judge(appended(services.archived(signed()), another_attachment), at=TWO_DAYS),
    ),
    "attachment before signing": (
        (Reason.ATTACHMENT_SWAPPED,),
        lambda: judge(
            document.sign(
                in_place(rendered()), seal=documents.seal(), at=AT
            )
        ),
    ),
    "attachments of which nothing is declared": (
        (Reason.ATTACHMENT_SWAPPED,),
        lambda: judge(document.sign(undeclared(rendered()), seal=documents.seal(), at=AT)),
    ),
    "a mark over the page": ((Reason.APPENDED,), lambda: judge(appended(signed(), a_mark))),
    "a mark, then stamped": (
        (Reason.APPENDED,),
        lambda: judge(services.archived(appended(signed(), a_mark)), at=TWO_DAYS),
    ),
    "white space": ((Reason.APPENDED,), lambda: judge(signed() + b"\n")),
    "signed again": ((Reason.APPENDED,), lambda: judge(stranger_signs_again(signed()))),
    "another authority": ((Reason.UNTRUSTED,), lambda: by_others(signed())),
    "no authority": ((Reason.UNTRUSTED,), lambda: judge(signed(), roots=[])),
    "the time-stamp's authority": (
        (Reason.UNTRUSTED,),
        lambda: judge(signed(), roots=[services.authority_root()]),
    ),
    "not for documents": ((Reason.WRONG_USAGE,), lambda: by_others(issued(extended=(CODE_SIGNING,)))),
    "no signing at all": ((Reason.WRONG_USAGE,), lambda: by_others(issued(usages=("key_agreement",)))),
    "an authority's own": (
        (Reason.WRONG_USAGE,),
        lambda: by_others(issued(is_authority=True, usages=("digital_signature", "key_cert_sign"))),
    ),
    "expired before": ((Reason.EXPIRED,), lambda: by_others(issued(last=AT - timedelta(days=1)))),
    "not valid yet": ((Reason.NOT_YET_VALID,), lambda: by_others(issued(first=AT + timedelta(days=1)))),
    "from the future": ((Reason.SIGNED_LATER,), lambda: judge(signed(), at=AT - timedelta(minutes=6))),
    "a stranger's time-stamp": (
        (Reason.TIME_STAMP_UNTRUSTED,),
        lambda: judge(
            document.sign(
                rendered(), seal=documents.seal(), at=AT,
                time_stamper=services.time_stamper(AT, above="他人根"),
            )
        ),
    ),
    "a time-stamp by who may not": (
        (Reason.TIME_STAMP_UNTRUSTED,),
        lambda: judge(
            document.sign(
                rendered(), seal=documents.seal(), at=AT,
                time_stamper=services.time_stamper(AT, extended=(CODE_SIGNING,)),
            )
        ),
    ),
    "a time-stamp of something else": (
        (Reason.TIME_STAMP_BROKEN,),
        lambda: judge(with_token_of_another()),
    ),
    "stamped before it was signed": (
        (Reason.SIGNED_LATER,),
        lambda: judge(
            document.sign(
                rendered(), seal=documents.seal(), at=AT,
                time_stamper=services.time_stamper(AT - timedelta(hours=2)),
            )
        ),
    ),
}  # fmt: skip


def with_token_of_another() -> bytes:
    """A license whose time-stamp is over another's signature."""
    ask = services.time_stamper(AT)

    def about_something_else(request: bytes) -> bytes:
        parsed = services.tsp.TimeStampReq.load(request)
        parsed["message_imprint"]["hashed_message"] = bytes(32)
        return ask(parsed.dump())

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(document, "_is_over", lambda token, digest: True)
        return document.sign(rendered(), seal=documents.seal(), at=AT, time_stamper=about_something_else)


@pytest.mark.parametrize("name", HOSTILE)
def test_each_way_of_not_holding_has_its_reason(name: str) -> None:
    reasons, judged = HOSTILE[name]
    verdict = judged()
    assert verdict.reasons == reasons
    assert not verdict.holds
    if reasons != (Reason.ATTACHMENT_SWAPPED,):
        assert verdict.attachments == {}, "nothing is handed out of a file that does not hold"


def test_an_authority_that_stamps_something_else_is_noticed_when_signing() -> None:
    ask = services.time_stamper(AT)

    def about_something_else(request: bytes) -> bytes:
        parsed = services.tsp.TimeStampReq.load(request)
        parsed["message_imprint"]["hashed_message"] = bytes(32)
        return ask(parsed.dump())

    def without_nonce(request: bytes) -> bytes:
        parsed = services.tsp.TimeStampReq.load(request)
        parsed["nonce"] = 7
        return ask(parsed.dump())

    for stamper in (about_something_else, without_nonce):
        with pytest.raises(document.TimeStampFailed):
            document.sign(rendered(), seal=documents.seal(), at=AT, time_stamper=stamper)
