"""The place for a signature in a file that our page's maker wrote, made without reading the whole file.

A signature is an update appended to a file (ISO 32000-2 §7.5.6). A library that writes updates to any file
parses it first, which takes longer than all the rest of signing. Here four objects are appended to a file
whose form is known: catalog, first page, field and signature. A file of any other form goes the long way.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_END = re.compile(
    rb"trailer\n<</Size (\d+)/Root (\d+) 0 R/Info (\d+) 0 R/ID\[\(([\w+/=]+)\)\([\w+/=]+\)\]>>\n"
    rb"startxref\n(\d+)\n%%EOF\s?"
)
_END_BYTES = 512
_ENTRY_BYTES = 20
_TABLE = re.compile(rb"xref\n0 (\d+)\n")
_ENTRY = re.compile(rb"(\d{10}) 00000 n\r\n")
_FIRST_PAGE = re.compile(rb"<</Type/Pages/Count \d+/Kids\[(\d+) 0 R[^\]]*\]")
_RANGE_BYTES = 60


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A file with a gap for its signature."""

    head: bytes
    tail: bytes
    room: int
    """Hexadecimal digits that the gap holds."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of all but the gap: what is signed."""
        taken = hashlib.sha256(self.head)
        taken.update(self.tail)
        return taken.digest()

    def filled(self, content: bytes) -> bytes:
        """The file with a CMS in its gap."""
        digits = content.hex().upper().encode()
        assert len(digits) <= self.room, "the gap has room for the signature"
        return b"".join((self.head, b"<", digits.ljust(self.room, b"0"), b">", self.tail))


def prepared(pdf: bytes, *, field: str, at: datetime, room: int) -> Prepared | None:
    """The file with a certifying signature's gap in an invisible field; None for a form that is not known."""
    end = _END.fullmatch(pdf[-_END_BYTES:], max(0, pdf[-_END_BYTES:].rfind(b"trailer\n")))
    if end is None:
        return None
    size, root, info, start = (int(end[group]) for group in (1, 2, 3, 5))
    catalog = _object(pdf, start, root)
    pages = re.match(rb"<</Type/Catalog/Pages (\d+) 0 R/", catalog or b"")
    tree = _FIRST_PAGE.match(_object(pdf, start, int(pages[1])) or b"") if pages else None
    page = _object(pdf, start, int(tree[1])) if tree else None
    if catalog is None or tree is None or page is None or not page.startswith(b"<</Type/Page/"):
        return None
    if b"/Annots" in page or b"/AcroForm" in catalog or b"/Perms" in catalog:
        return None
    first, widget, signature = int(tree[1]), size, size + 1
    objects = {
        first: page[:-2] + b"/Annots[%d 0 R]>>" % widget,
        root: catalog[:-2]
        + b"/AcroForm<</Fields[%d 0 R]/SigFlags 3>>/Perms<</DocMDP %d 0 R>>>>" % (widget, signature),
        widget: b"<</Type/Annot/Subtype/Widget/FT/Sig/T(%b)/F 132/Rect[0 0 0 0]/P %d 0 R/V %d 0 R>>"
        % (field.encode("ascii"), first, signature),
        signature: _signature(at),
    }
    trailer = b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[(%b)(%b)]/Prev %d>>\n" % (
        size + 2,
        root,
        info,
        end[4],
        hashlib.sha256(pdf).hexdigest()[:32].encode(),
        start,
    )
    return _laid(pdf, objects, signature=signature, trailer=trailer, room=room)


def _object(pdf: bytes, table: int, number: int) -> bytes | None:
    """The dictionary that is object `number` by the table of the file."""
    head = _TABLE.match(pdf, table)
    if head is None or number >= int(head[1]):
        return None
    entry = _ENTRY.match(pdf, head.end() + _ENTRY_BYTES * number)
    if entry is None:
        return None
    opening = b"%d 0 obj\n" % number
    begin = int(entry[1])
    stop = pdf.find(b"\nendobj\n", begin)
    body = pdf[begin + len(opening) : stop]
    is_dictionary = pdf.startswith(opening, begin) and body[:2] == b"<<" and body[-2:] == b">>"
    return body if stop > 0 and is_dictionary and b"stream\n" not in body else None


def _signature(at: datetime) -> bytes:
    """The signature's dictionary up to its gap (ISO 32000-2 §12.8.1, §12.8.2.2: no changes allowed)."""
    return (
        b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/M(D:%b)"
        b"/Reference[<</Type/SigRef/TransformMethod/DocMDP"
        b"/TransformParams<</Type/TransformParams/V/1.2/P 1>>>>]/Contents"
    ) % at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode()


def _laid(pdf: bytes, objects: dict[int, bytes], *, signature: int, trailer: bytes, room: int) -> Prepared:
    """The update appended: objects, the signature last, then the table that names their places."""
    parts, place, places = [pdf, b"\n"], len(pdf) + 1, {}
    for number, body in objects.items():
        places[number] = place
        closing = b"" if number == signature else b"\nendobj\n"
        part = b"%d 0 obj\n%b%b" % (number, body, closing)
        parts.append(part)
        place += len(part)
    gap, resumed = place, place + room + 2
    behind = b"\n/ByteRange [0 %d %d "
    table_at = resumed + _RANGE_BYTES + len(b">>\nendobj\n")
    sections = b"".join(b"%d 1\n%010d 00000 n \n" % (number, places[number]) for number in sorted(places))
    close = b"xref\n" + sections + trailer + b"startxref\n%d\n%%%%EOF\n" % table_at
    rest = _RANGE_BYTES + len(b">>\nendobj\n") + len(close)
    array = (behind % (gap, resumed) + b"%d]" % rest).ljust(_RANGE_BYTES)
    return Prepared(head=b"".join(parts), tail=array + b">>\nendobj\n" + close, room=room)
