"""What PDF/A-3b (ISO 19005-3) asks of a file's structure, of pages and of what signatures append to them.

The typesetter checks itself when it writes; nobody checks what is appended but this.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from signing import document
from tests import document_services as services
from tests import documents, pictures
from tests.documents import AT, PAGE, rendered

PICTURED = replace(PAGE, photo=pictures.jpeg(), copy=documents.COPY, status="已暂扣 SUSPENDED")
FILES = {
    "page": lambda: rendered(PICTURED),
    "signed": lambda: document.sign(rendered(PICTURED), seal=documents.seal(), at=AT),
    "stamped": services.stamped,
    "archived": lambda: services.archived(services.stamped()),
}
XMP = "{http://www.aiim.org/pdfa/ns/id/}"


@pytest.fixture(scope="module", params=FILES)
def pdf(request: pytest.FixtureRequest) -> bytes:
    return FILES[request.param]()


@pytest.fixture(scope="module")
def reader(pdf: bytes) -> PdfFileReader:
    return PdfFileReader(io.BytesIO(pdf), strict=False)


def objects(reader: PdfFileReader) -> Iterator[Any]:
    """Every object of the file that counts; numbers that are free are null."""
    for number in range(1, int(reader.trailer["/Size"])):
        yield reader.get_object(generic.Reference(number, 0, reader), never_decrypt=True)


def test_the_file_says_that_it_is_binary_and_who_it_is_and_is_not_encrypted(
    pdf: bytes, reader: PdfFileReader
) -> None:
    assert re.match(rb"%PDF-1\.[0-7]\r?\n%[\x80-\xff]{4}", pdf)  # 6.1.2
    assert len(reader.trailer["/ID"]) == 2  # 6.1.3
    assert "/Encrypt" not in reader.trailer
    assert pdf.rstrip(b"\r\n").endswith(b"%%EOF")


def test_its_metadata_says_part_three_conformance_b(reader: PdfFileReader) -> None:
    stream = reader.root["/Metadata"]
    assert (str(stream["/Type"]), str(stream["/Subtype"])) == ("/Metadata", "/XML")
    assert "/Filter" not in stream  # 6.6.2.1
    said = ET.fromstring(stream.data.decode())  # noqa: S314
    pairs = [pair for one in said.iter() for pair in ((one.tag, one.text), *one.attrib.items())]
    found = {name.removeprefix(XMP): value for name, value in pairs if name.startswith(XMP)}
    assert found == {"part": "3", "conformance": "B"}


def test_its_colors_are_defined(reader: PdfFileReader) -> None:
    (intent,) = (one.get_object() for one in reader.root["/OutputIntents"])
    assert str(intent["/S"]) == "/GTS_PDFA1"  # 6.2.3
    profile = intent["/DestOutputProfile"]
    assert int(profile["/N"]) == 3
    assert (profile.data[12:20], profile.data[36:40]) == (b"mntrRGB ", b"acsp")


def test_what_is_attached_says_what_it_is_to_the_license(reader: PdfFileReader) -> None:
    names = reader.root["/Names"]["/EmbeddedFiles"]["/Names"]
    found = {str(names[place]): names[place + 1] for place in range(0, len(names), 2)}
    assert set(found) == {"license.json", "receipt.txt"}
    associated = {str(one.get_object()["/UF"]) for one in reader.root["/AF"]}
    assert associated == set(found)  # 6.8
    for name, file in found.items():
        assert (str(file["/Type"]), str(file["/F"]), str(file["/UF"])) == ("/Filespec", name, name)
        assert str(file["/AFRelationship"]) in ("/Data", "/Supplement")
        stream = file["/EF"]["/F"]
        assert str(stream["/Type"]) == "/EmbeddedFile"
        assert str(stream["/Subtype"]).replace("#2F", "/") in ("/application/json", "/text/plain")
        assert "/ModDate" in stream["/Params"]


def test_nothing_in_it_acts_or_is_hidden_or_leads_elsewhere(reader: PdfFileReader) -> None:
    forbidden = {"/AA", "/OpenAction", "/JavaScript", "/JS", "/Launch", "/XFA", "/Alternates", "/OPI", "/PS"}
    for one in objects(reader):
        if not isinstance(one, generic.DictionaryObject):
            continue
        assert not forbidden & set(one), set(one)
        assert str(one.get("/Filter", "")) not in ("/LZWDecode", "/Crypt")
        assert not one.get("/Interpolate", False)
        if isinstance(one, generic.StreamObject):
            assert "/F" not in one, "no stream lies in another file (6.1.7.1)"
        if str(one.get("/Type", "")) == "/Annot":
            assert str(one["/Subtype"]) == "/Widget"
            assert int(one["/F"]) & 0b111 == 0b100, "printed, neither hidden nor invisible (6.3.2)"
            assert [int(side) for side in one["/Rect"]] == [0] * 4, "without size, and so without appearance"
    form = reader.root.get("/AcroForm", {})
    assert not form.get("/NeedAppearances", False)  # 6.4.1


def test_what_a_signature_covers_is_all_but_itself(pdf: bytes, reader: PdfFileReader) -> None:
    for one in (*reader.embedded_regular_signatures, *reader.embedded_timestamp_signatures):
        start, before, after, rest = (int(value) for value in one.sig_object["/ByteRange"])  # 6.4.3
        assert start == 0
        assert pdf[before : before + 1] == b"<"
        assert pdf[after - 1 : after] == b">"
        assert after + rest <= len(pdf)
