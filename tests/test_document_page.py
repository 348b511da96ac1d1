"""The page of a license: what others read from it is what was put in, and nothing is a blank."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from signing import document_font, document_page
from tests import documents, judges, pictures
from tests.documents import LONG, PAGE, asked, rendered

CANCELLED = replace(PAGE, status="已注销 CANCELLED")
COPIED = replace(PAGE, copy=documents.COPY, is_demonstration=True)
SYMBOL_MM_MIN = 20


def text(page: document_page.Page, folder: Path, *, first: int = 1) -> str:
    """The words of a page as poppler reads them, without white space."""
    (folder / "page.pdf").write_bytes(rendered(page))
    said = asked("pdftotext", "-f", str(first), "-raw", folder / "page.pdf", "-")
    return re.sub(r"\s", "", said)


def test_everything_that_was_put_in_comes_out_as_text(tmp_path: Path) -> None:
    said = text(PAGE, tmp_path)
    values = [part for _, value in PAGE.fields for part in value.split("\n")]
    labels = [label for label, _ in PAGE.fields]
    for word in (PAGE.type_zh, PAGE.type_en, PAGE.issuer, PAGE.number, PAGE.identifier, *labels, *values):
        assert re.sub(r"\s", "", word) in said
    assert "2026年11月26日至长期" in said
    assert "正本Original" in said


def test_watermarks_and_the_elements_of_a_copy_stand_on_the_page(tmp_path: Path) -> None:
    assert "已注销" in text(CANCELLED, tmp_path)
    said = text(COPIED, tmp_path)
    for word in (
        "加注件制作事由",
        "加注件制作者",
        "制作时间2026-11-2610:03:04",
        "有效期截止时间2026-11-2610:13:04",
    ):
        assert word in said
    for word in (documents.COPY.reason, documents.COPY.requester, "演示专用章", "无法律效力"):
        assert word in said
    assert "加注件" not in text(PAGE, tmp_path)


def test_many_fields_flow_to_pages_with_header_and_number(tmp_path: Path) -> None:
    said = text(LONG, tmp_path)
    pages = re.findall(r"第(\d)页共(\d)页", said)
    assert len(pages) > 2
    assert pages == [(str(number), str(len(pages))) for number in range(1, len(pages) + 1)]
    assert said.count("延续记录") == 60
    second = text(LONG, tmp_path, first=2)
    assert second.startswith(LONG.type_zh)
    assert "副本之二" in said


@pytest.mark.parametrize("page", [PAGE, LONG, CANCELLED, COPIED], ids=["short", "long", "status", "copy"])
def test_other_programs_find_a_sound_file_with_its_font_embedded(
    page: document_page.Page, tmp_path: Path
) -> None:
    path = tmp_path / "page.pdf"
    path.write_bytes(rendered(page))
    assert "No syntax or stream encoding errors found" in asked("qpdf", "--check", path)
    fonts = asked("pdffonts", path).splitlines()[2:]
    assert fonts
    assert all(re.search(r"[A-Z]{6}\+NotoSansCJK.* yes yes yes ", line) for line in fonts), fonts
    assert b'pdfaid:part="3"' in rendered(page) or b"<pdfaid:part>3<" in rendered(page)


def test_attachments_come_out_as_they_were_put_in(tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_bytes(rendered(PAGE))
    asked("pdfdetach", "-saveall", "-o", tmp_path, tmp_path / "page.pdf")
    assert (tmp_path / "license.json").read_bytes() == PAGE.license_data
    assert (tmp_path / "receipt.txt").read_bytes() == PAGE.receipt
    for relationship in (b"/AFRelationship /Data", b"/AFRelationship /Supplement"):
        assert relationship in asked("qpdf", "--qdf", tmp_path / "page.pdf", "-").encode()


@pytest.mark.parametrize("page", [PAGE, COPIED], ids=["original", "copy"])
def test_two_decoders_read_the_code_from_the_printed_page(page: document_page.Page, tmp_path: Path) -> None:
    judges.need("zxingcpp")
    import zxingcpp
    from PIL import Image

    (tmp_path / "page.pdf").write_bytes(rendered(page))
    asked("pdftoppm", "-r", "150", "-gray", "-singlefile", tmp_path / "page.pdf", tmp_path / "page")
    with Image.open(tmp_path / "page.pgm") as picture:
        (found,) = zxingcpp.read_barcodes(picture)
    assert found.text == PAGE.qr
    side = found.position.top_right.x - found.position.top_left.x
    assert side / 150 * 25.4 >= SYMBOL_MM_MIN
    read = asked(
        "zbarimg", "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", tmp_path / "page.pgm"
    )
    assert read.strip() == PAGE.qr


def test_the_same_page_has_the_same_bytes_and_name() -> None:
    again = replace(PAGE)
    assert document_page.render(again) == rendered(PAGE)
    assert document_page.content_digest(again) == document_page.content_digest(PAGE)
    for other in (CANCELLED, COPIED, replace(PAGE, receipt=b"another"), replace(PAGE, piece=1)):
        assert document_page.content_digest(other) != document_page.content_digest(PAGE)
    assert document_page.render(replace(PAGE, number="另一")) != rendered(PAGE)


@pytest.mark.parametrize(
    "character", ["\U0001f600", "ก", "\u200b", "\u202e", "\x00", "\t", "\ue000"], ids=ascii
)
def test_a_character_that_the_font_lacks_is_an_error_that_names_it(character: str) -> None:
    spoiled = (("名称", f"榕城{character}示例"),)
    with pytest.raises(document_page.CharacterMissing) as caught:
        document_page.render(replace(PAGE, fields=spoiled))
    assert (caught.value.field, caught.value.character) == ("名称", character)


@pytest.mark.parametrize("field", ["type_zh", "type_en", "issuer", "number", "identifier", "status"])
def test_no_text_of_the_page_escapes_the_look_at_the_font(field: str) -> None:
    with pytest.raises(document_page.CharacterMissing) as caught:
        document_page.render(replace(PAGE, **{field: "a\U0001f600"}))  # type: ignore[arg-type]
    assert caught.value.field == field


def test_the_font_has_the_rare_characters_of_names() -> None:
    assert document_font.lacks("㐂𠮷𬭎㛃䶮𫖯𩽾·〇") is None


INJECTION = '#panic("x") $a$ *b* _c_ `d` <e> @f \\u{41} "]#import "@preview/x:1.0.0"[ https://a.example'


def test_markup_in_a_value_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    page = replace(PAGE, fields=(("#名称[", INJECTION),), holders=('#read("/etc/passwd")',))
    said = text(page, tmp_path)
    assert re.sub(r"\s", "", INJECTION) in said
    assert "#名称[" in said
    assert '#read("/etc/passwd")' in said


def test_a_run_without_spaces_stays_within_the_page(tmp_path: Path) -> None:
    page = replace(PAGE, fields=(("长串", "W" * 300 + "中文" + "0123456789" * 12),))
    assert text(page, tmp_path).count("W") == 300 + PAGE.type_zh.count("W")
    said = asked("pdftotext", "-bbox", tmp_path / "page.pdf", "-")
    rights = [float(right) for right in re.findall(r'xMax="([\d.]+)"[^>]*>W+', said)]
    assert rights
    assert max(rights) <= 595.28 * (1 - 25 / 210) + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("qr", "lower case"),
        ("holders", ()),
        ("issuer", " "),
        ("license_data", b""),
        ("license_data", b"\xff"),
        ("receipt", bytes(5 << 20)),
        ("fields", (("经营范围", "长" * 20_001),)),
        ("fields", (("a", "b"),) * 1_001),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_of_which_no_page_can_be_made_are_named(field: str, value: object) -> None:
    with pytest.raises(document_page.PageInvalid) as caught:
        document_page.render(replace(PAGE, **{field: value}))  # type: ignore[arg-type]
    assert caught.value.field in {field, "经营范围"}


@pytest.mark.parametrize("photo", [pictures.jpeg(), pictures.png(mode="RGBA"), pictures.jpeg(mode="L")])
def test_the_holders_photo_stands_on_the_page(photo: bytes, tmp_path: Path) -> None:
    page = replace(PAGE, photo=photo)
    made = rendered(page)
    assert made == document_page.render(page), "the same bytes"
    assert document_page.content_digest(page) != document_page.content_digest(PAGE)
    path = tmp_path / "page.pdf"
    path.write_bytes(made)
    assert "No syntax or stream encoding errors found" in asked("qpdf", "--check", path)
    assert "30    40" in asked("pdfimages", "-list", path)
    assert "扫码核验" in text(page, tmp_path)


@pytest.mark.parametrize(
    "photo",
    [
        lambda: b"no picture",
        lambda: pictures.png()[:60],
        lambda: pictures.jpeg()[:300],
        lambda: pictures.png(width=9_000, height=5_000, mode="L"),
    ],
    ids=["nothing", "a cut PNG", "a cut JPEG", "too large a one"],
)
def test_a_photo_that_is_none_is_named(photo: Callable[[], bytes]) -> None:
    with pytest.raises(document_page.PageInvalid) as caught:
        document_page.render(replace(PAGE, photo=photo()))
    assert caught.value.field == "photo"
