"""Signed documents: other people's programs find the signature sound, and the signer the one who signed."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from signing import certificate, document, document_increment, document_judge
from tests import documents, judges
from tests.documents import AT, asked, key, made, rendered, root, sealed, signed


def by_rsa() -> certificate.Seal:
    own = documents.rsa_key(2048)
    return sealed(made("颁证机关", own, issuer="示例根", by=key("示例根")), own, root())


def with_chain() -> certificate.Seal:
    above = {"usages": ("key_cert_sign",), "is_authority": True}
    middle = made("示例中间", key("示例中间"), issuer="示例根", by=key("示例根"), **above)  # type: ignore[arg-type]
    return sealed(made("颁证机关", key(), issuer="示例中间", by=key("示例中间")), key(), middle, root())


def of_another_form() -> bytes:
    """The page after a tool rewrote its end, as files of other makers have it."""
    writer = IncrementalPdfFileWriter(io.BytesIO(rendered()))
    out = io.BytesIO()
    writer.update_root()
    writer.write(out)
    return out.getvalue()


FILES = {"short": rendered, "long": lambda: rendered(documents.LONG), "another form": of_another_form}
SEALS = {"demonstration": documents.seal, "RSA": by_rsa, "chain": with_chain}


def parts(pdf: bytes) -> tuple[bytes, bytes]:
    """What is signed, and the CMS."""
    found = re.search(rb"/ByteRange ?\[ ?(\d+) (\d+) (\d+) (\d+) *\]", pdf)
    assert found
    start, length, second, rest = map(int, found.groups())
    content = bytes.fromhex(pdf[start + length + 1 : second - 1].decode())
    return pdf[start : start + length] + pdf[second : second + rest], content


@pytest.mark.parametrize(
    ("kind", "file"),
    [*((kind, "short") for kind in SEALS), ("demonstration", "long"), ("demonstration", "another form")],
)
def test_poppler_openssl_qpdf_and_pyhanko_find_the_signature_sound(
    kind: str, file: str, tmp_path: Path
) -> None:
    seal, page = SEALS[kind](), FILES[file]()
    is_known = document_increment.prepared(page, field="Seal", at=AT, room=8_192) is not None
    assert is_known == (file != "another form"), "pages of ours go the short way"
    pdf = document.sign(page, seal=seal, at=AT)
    path = tmp_path / "license.pdf"
    path.write_bytes(pdf)
    said = asked("pdfsig", "-nocert", path)
    assert "Signature is Valid." in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said
    assert "No syntax or stream encoding errors found" in asked("qpdf", "--check", path)
    assert "2 embedded files" in asked("pdfdetach", "-list", path)

    data, content = parts(pdf)
    (tmp_path / "signed.bin").write_bytes(data)
    (tmp_path / "signature.der").write_bytes(cms.ContentInfo.load(content).dump())
    (tmp_path / "root.pem").write_bytes(documents.pem(seal.chain[-1]))
    asked(
        "openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", tmp_path / "signature.der",
        "-content", tmp_path / "signed.bin", "-CAfile", tmp_path / "root.pem", "-purpose", "any",
        "-attime", str(int(AT.timestamp())), "-out", tmp_path / "out.bin",
    )  # fmt: skip

    reader = PdfFileReader(io.BytesIO(pdf))
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(seal.chain[-1])], moment=AT, allow_fetching=False
    )
    status = validate_pdf_signature(reader.embedded_regular_signatures[0], context)
    assert (status.bottom_line, status.coverage) == (True, SignatureCoverageLevel.ENTIRE_FILE)
    assert status.docmdp_ok


def test_the_same_document_is_signed_in_the_same_form_whatever_the_length_of_its_signature() -> None:
    """ECDSA signatures have 70 to 72 bytes: each splices a CMS that reads back as it was written."""
    lengths = set()
    for _ in range(24):
        _, content = parts(document.sign(rendered(), seal=documents.seal(), at=AT))
        parsed = cms.ContentInfo.load(content)
        encoded = parsed.dump()
        assert content == encoded + bytes(len(content) - len(encoded))
        (info,) = parsed["content"]["signer_infos"]
        lengths.add(len(info["signature"].native))
        attributes = {one["type"].native: one["values"][0].native for one in info["signed_attrs"]}
        assert attributes["content_type"] == "data"
        named = attributes["signing_certificate_v2"]["certs"][0]["cert_hash"]
        assert named == hashlib.sha256(documents.seal().certificate).digest()
        assert "signing_time" not in attributes, "PAdES has the time in the dictionary"
    assert lengths <= {68, 69, 70, 71, 72}


@pytest.mark.parametrize("file", ["short", "another form"])
def test_a_chain_of_many_certificates_finds_room(file: str) -> None:
    large = tuple(f"1.3.6.1.4.1.55555.{place}" for place in range(100))
    above = {"usages": ("key_cert_sign",), "is_authority": True, "extended": large}
    names = ["示例根", "一", "二", "三"]
    chain = [
        made(name, key(name), issuer=issuer, by=key(issuer), **above)  # type: ignore[arg-type]
        for issuer, name in itertools.pairwise(names)
    ]
    last = made("颁证机关", key(), issuer="三", by=key("三"))
    seal = sealed(last, key(), *reversed(chain), root())
    pdf = document.sign(FILES[file](), seal=seal, at=AT)
    _, content = parts(pdf)
    enclosed = cms.ContentInfo.load(content)["content"]["certificates"]
    # In a set, of which nobody says the order.
    assert sorted(one.chosen.dump() for one in enclosed) == sorted([seal.certificate, *seal.chain[:-1]])
    assert 2 * sum(len(one.dump()) for one in enclosed) > document.SIGNATURE_BYTES
    assert document_judge.judge(pdf, roots=[seal.chain[-1]], at=AT).holds


def test_the_signing_time_is_the_one_that_was_given() -> None:
    pdf = document.sign(rendered(), seal=documents.seal(), at=AT + timedelta(microseconds=7))
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures
    assert signature.self_reported_timestamp == AT


def test_signing_leaves_every_byte_of_the_page_where_it_was() -> None:
    assert signed().startswith(rendered())


@pytest.mark.parametrize("pdf", [b"", b"%PDF-1.7\n", b"not a document", rendered()[:-200]], ids=len)
def test_what_is_no_document_is_not_signed(pdf: bytes) -> None:
    with pytest.raises(document.DocumentInvalid):
        document.sign(pdf, seal=documents.seal(), at=AT)


@pytest.mark.parametrize("url", ["file:///tmp/x", "ftp://a.example", "a.example"])
def test_an_authority_has_an_address_of_the_web(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        document.authority_at(url)


@pytest.mark.parametrize("answer", [b"", b"\x30\x00", b"no response", b"\x30\x05\x30\x03\x02\x01\x02"])
def test_an_answer_that_is_no_time_stamp_is_refused(answer: bytes) -> None:
    with pytest.raises(document.TimeStampFailed):
        document.sign(rendered(), seal=documents.seal(), at=AT, time_stamper=lambda _: answer)


def test_the_commands_of_its_document_find_a_license_sound(tmp_path: Path) -> None:
    for program in ("pdfsig", "qpdf", "pdfdetach", "pdfinfo", "openssl"):
        judges.need(program)
    text = (Path(__file__).parent.parent / "docs/formats/document.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "license.pdf").write_bytes(signed())
    (tmp_path / "root.pem").write_bytes(documents.pem(documents.authority().certificate))
    run = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "license.pdf").write_bytes(documents.flipped(signed(), 9_000))
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
