"""The page of a license as PDF/A-3b: layout, seal, QR code, watermarks and attachments; the door to `typst`.

`render` turns a `Page`, which is nothing but values, into the bytes of a file: the same page gives the same
bytes. Values reach the layout (`document_page.typ`) as data and are never markup. The font is embedded; a
character that it lacks is an error, never a blank. Nothing is signed, read or fetched here.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import struct
import threading
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import typst

from signing import document_font, picture, qr

LICENSE_FILE = "license.json"
RECEIPT_FILE = "receipt.txt"
FIELDS_MAX = 1_000
TEXT_LENGTH_MAX = 20_000
"""Characters of one value: some fifteen pages."""
ATTACHMENT_BYTES_MAX = 4 << 20
_LAYOUT = Path(__file__).with_suffix(".typ")
_BEIJING = timezone(timedelta(hours=8))
_WIDTH_PT = 453.0
"""Points between the margins."""
_POINTS_PER_MM = 72 / 25.4
_PHOTO_PT = 36 * _POINTS_PER_MM
"""What a photo and the space beside it take of the width."""
_RUN_MAX = 28
"""Letters and digits without a place to break that fit the column of values at any rate."""
_PIECES = "一二三四五六七八九十"
_PARTS = re.compile(
    rf"[^\s\u2e80-\U0003ffff]{{{_RUN_MAX}}}|(?:(?![^\s\u2e80-\U0003ffff]{{{_RUN_MAX + 1}}}).)+", re.DOTALL
)


class PageInvalid(ValueError):
    """Values of which no page can be made; `field` says which."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class CharacterMissing(PageInvalid):
    """A character that the font of documents cannot show."""

    def __init__(self, field: str, character: str) -> None:
        super().__init__(field, f"the font has no glyph for U+{ord(character):04X}")
        self.character = character


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What makes a copy 加注件 of the page: for whom, what for, and how long."""

    reason: str
    requester: str
    made_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Page:
    """All that a page says."""

    type_zh: str
    type_en: str
    issuer: str
    """Name of the issuer, which also stands in the seal."""
    number: str
    """Printed number 证照编号."""
    identifier: str
    """Identifier of GB/T 36904 证照标识."""
    holders: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    """Label and value, in the order of the catalog; a line break in a value is kept."""
    issued_on: date
    valid_from: date
    valid_to: date | None
    """None: long-term 长期."""
    piece: int
    """0 is the original 正本, 1… a counterpart 副本."""
    qr: str
    """The URL of the piece's token, upper case."""
    license_data: bytes
    """JSON, attached as `license.json`."""
    receipt: bytes
    """Text, attached as `receipt.txt`."""
    made_at: datetime
    """When the version was recorded: the file's creation date."""
    status: str | None = None
    """Across the page, for example `已注销 CANCELLED`."""
    copy: Copy | None = None
    is_demonstration: bool = False
    photo: bytes | None = None
    """Of the holder, PNG or JPEG."""


def render(page: Page) -> bytes:
    """The PDF/A-3b file of a page; raises PageInvalid, of which CharacterMissing is one."""
    inputs = {"page": json.dumps(_values(page), ensure_ascii=False)}
    if page.photo is not None:
        inputs["photo"] = json.dumps(list(page.photo))
    try:
        with _LOCK:
            made = _compiler().compile(
                sys_inputs=inputs, pdf_standards=["a-3b"], timestamp=int(page.made_at.timestamp())
            )
    except typst.TypstError as error:
        if page.photo is None:
            raise
        # Everything else on the page was looked at before; a picture tells only when it is opened.
        raise PageInvalid("photo", "it cannot be drawn") from error
    assert isinstance(made, bytes)
    return made


def content_digest(page: Page) -> bytes:
    """32 bytes that tell one page from another, and one layout from the next: a name to cache by."""
    said = hashlib.sha256(_layout_digest())
    said.update(json.dumps(_values(page), ensure_ascii=False, sort_keys=True).encode())
    said.update(str(int(page.made_at.timestamp())).encode())
    said.update(hashlib.sha256(page.photo or b"").digest())
    return said.digest()


def keywords(page: Page) -> list[str]:
    """What the signed file says of itself to programs: the token, and a digest of each attachment."""
    files = ((LICENSE_FILE, page.license_data), (RECEIPT_FILE, page.receipt))
    return [page.qr, *(f"{name}=sha256:{hashlib.sha256(data).hexdigest()}" for name, data in files)]


_LOCK = threading.Lock()
"""A compiler works on one page at a time."""


@functools.cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[document_font.folder()]
    )
    return typst.Compiler(_LAYOUT, root=_LAYOUT.parent, font_paths=fonts)


@functools.cache
def _layout_digest() -> bytes:
    parts = [Path(__file__), _LAYOUT, *sorted(_LAYOUT.parent.glob("document_*.svg"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).digest()


# --- from a page to the values of the layout ---


def _values(page: Page) -> dict[str, Any]:
    _examine(page)
    copy = None if page.copy is None else _copy(page.copy)
    rows = list(_rows(page))
    width = _WIDTH_PT if page.photo is None else _WIDTH_PT - _PHOTO_PT
    size, inset = _fitted(rows, width, room_pt=400 if copy is None else 390 - 12 * copy["height"])
    tracking = 0.28 if len(page.type_zh) <= 8 else 0.08
    title_width = _width(page.type_zh) + tracking * len(page.type_zh)
    return {
        "font": document_font.FAMILY,
        "title": page.type_zh,
        "title_en": page.type_en,
        "title_size": min(31.0, _WIDTH_PT / title_width),
        "title_tracking": tracking,
        "piece": _piece(page.piece),
        "issuer": page.issuer,
        "issuer_size": min(13.0, 262 / _width(page.issuer)),
        "issued_on": _day(page.issued_on),
        "keywords": keywords(page),
        "photo": _photo(page),
        "rows": [[label, [_breakable(line) for line in value.split("\n")]] for label, value in rows],
        "size": size,
        "inset": inset,
        "label_width": min(48.0, max(24.0, *(_width(label) * size * 0.358 for label, _ in rows))),
        "code": list(_bitmap(page.qr)),
        "status": page.status,
        "status_size": min(64.0, 500 / _width(page.status)) if page.status else 0,
        "copy": copy,
        "demonstration": page.is_demonstration,
        "seal": _seal(page),
        "bottom": 31.0 if copy is None else 35.0 + 4.2 * copy["height"],
        "header": [page.type_zh, f"证照编号 {page.number}"],
        "foot": [f"证照标识 {page.identifier}", f"有效期限 {_validity(page)}"],
        "files": _files(page),
    }


def _photo(page: Page) -> str | None:
    """The format of the photo; raises PageInvalid for one that is not opened."""
    if page.photo is None:
        return None
    try:
        picture.require_fit(page.photo)
    except picture.PictureInvalid as error:
        raise PageInvalid("photo", str(error)) from error
    return "png" if page.photo.startswith(picture.PNG) else "jpg"


def _fitted(rows: Sequence[tuple[str, str]], width_pt: float, *, room_pt: float) -> tuple[float, float]:
    """Points of the letters and millimeters around a row: large where the rows fit the first page so."""
    for size, inset in ((13.0, 2.9), (12.0, 2.4), (11.0, 1.9)):
        line = width_pt * 0.7 / size
        lines = sum(1 + int(_width(part) / line) for _, value in rows for part in value.split("\n"))
        if lines * size * 1.5 + len(rows) * inset * 2 * _POINTS_PER_MM < room_pt:
            return size, inset
    return 10.5, 1.75


def _rows(page: Page) -> Iterator[tuple[str, str]]:
    """The rows in the order of a paper license; what the fields say is not said twice."""
    said = {value for _, value in page.fields}
    if page.number not in said:
        yield "证照编号", page.number
    if not said.issuperset(page.holders):
        yield "持证主体", "\n".join(page.holders)
    yield from ((label, value) for label, value in page.fields if value)
    if not any(label.startswith("有效期") for label, _ in page.fields):
        yield "有效期限", _validity(page)


def _validity(page: Page) -> str:
    return f"{_day(page.valid_from)} 至 {'长期' if page.valid_to is None else _day(page.valid_to)}"


def _day(day: date) -> str:
    return f"{day.year} 年 {day.month:02} 月 {day.day:02} 日"


def _piece(piece: int) -> str:
    if piece == 0:
        return "（正 本  Original）"
    spelled = _PIECES[piece - 1] if piece <= len(_PIECES) else str(piece)
    return f"（副 本 之 {spelled}  Counterpart {piece}）"


def _seal(page: Page) -> dict[str, Any]:
    name = page.issuer
    return {
        "name": name,
        "size": max(3.6, min(13.0, 190 / max(len(name), 1))),
        "kind": "演示专用章" if page.is_demonstration else "电子证照专用章",
    }


def _copy(copy: Copy) -> dict[str, Any]:
    """GB/T 36903's four elements of a copy, and the text across the page."""
    made, expires = (moment.astimezone(_BEIJING) for moment in (copy.made_at, copy.expires_at))
    text = f"仅供 {copy.requester} 用于 {copy.reason} · {made:%Y-%m-%d}"
    lines = [
        ("加注件制作事由", copy.reason),
        ("加注件制作者", copy.requester),
        ("制作时间", f"{made:%Y-%m-%d %H:%M:%S} · 有效期截止时间 {expires:%Y-%m-%d %H:%M:%S}（北京时间）"),
    ]
    height = sum(1 + int(_width(f"{name}  {value}") * 8 / (_WIDTH_PT - 20)) for name, value in lines)
    size = max(9.0, min(26.0, 26 * (44 / _width(text)) ** 0.5))
    return {
        "text": _breakable(text),
        "size": size,
        "lines": [[name, _breakable(value)] for name, value in lines],
        "height": height,
    }


def _files(page: Page) -> list[dict[str, str]]:
    return [
        {
            "name": LICENSE_FILE,
            "text": page.license_data.decode(),
            "relationship": "data",
            "type": "application/json",
            "description": "证照数据 License data",
        },
        {
            "name": RECEIPT_FILE,
            "text": page.receipt.decode(),
            "relationship": "supplement",
            "type": "text/plain",
            "description": "入账回执 Receipt",
        },
    ]


def _breakable(text: str) -> list[str]:
    """Text in parts between which a line may break: several where no line could hold a run of letters."""
    return _PARTS.findall(text)


def _width(text: str) -> float:
    """About how wide, in ems."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.56 for letter in text) or 1.0


def _bitmap(text: str) -> bytes:
    """The QR code as a PNG of four dots a module, one bit each (ISO/IEC 15948)."""
    try:
        modules = qr.modules(text)
    except qr.QrInvalid as error:
        raise PageInvalid("qr", str(error)) from error
    scale, side = 4, len(modules)
    rows = []
    for row in modules:
        digits = bytes(row).replace(b"\0", b"1" * scale).replace(b"\1", b"0" * scale)
        rows.append(_line(int(digits, 2), side * scale))
    pixels = b"".join(row for row in rows for _ in range(scale))
    head = struct.pack(">IIBBBBB", side * scale, side * scale, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(pixels, 6)), (b"IEND", b""))
    )


def _line(bits: int, length: int) -> bytes:
    spare = -length % 8
    return b"\0" + (bits << spare).to_bytes((length + spare) // 8, "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# --- what can be shown ---


def _examine(page: Page) -> None:
    for field, text, breaks in _texts(page):
        if len(text) > TEXT_LENGTH_MAX:
            raise PageInvalid(field, f"longer than {TEXT_LENGTH_MAX} characters")
        missing = document_font.lacks(text.replace("\n", "") if breaks else text)
        if missing is not None:
            raise CharacterMissing(field, missing)
    for field in ("type_zh", "issuer", "number", "identifier"):
        if not getattr(page, field).strip():
            raise PageInvalid(field, "empty")
    if not page.holders:
        raise PageInvalid("holders", "none")
    if len(page.fields) > FIELDS_MAX:
        raise PageInvalid("fields", f"more than {FIELDS_MAX}")
    for field in ("license_data", "receipt"):
        _examine_file(field, getattr(page, field))


def _examine_file(field: str, data: bytes) -> None:
    if not 0 < len(data) <= ATTACHMENT_BYTES_MAX:
        raise PageInvalid(field, f"empty, or more than {ATTACHMENT_BYTES_MAX} bytes")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise PageInvalid(field, "not UTF-8") from error


def _texts(page: Page) -> Iterator[tuple[str, str, bool]]:
    """Every text that is printed: where it comes from, the text, and whether it may have line breaks."""
    for field in ("type_zh", "type_en", "issuer", "number", "identifier"):
        yield field, getattr(page, field), False
    yield from (("holders", name, False) for name in page.holders)
    for label, value in page.fields:
        yield "fields", label, False
        yield label, value, True
    yield "status", page.status or "", False
    if page.copy is not None:
        yield "reason", page.copy.reason, False
        yield "requester", page.copy.requester, False
