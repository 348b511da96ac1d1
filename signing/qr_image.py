"""QR codes read from pictures, PNG and JPEG, from strangers: the only door to `zxingcpp`.

`read` gives the texts of the QR codes in a picture. How large the picture says it is decides before anything
is opened whether it is opened at all; it is then drawn, smaller, by the decoders that the
page's typesetter has (memory-safe, no network, no other file), and looked through. A picture that is broken,
lies about its size or holds no code is an error of its own.
"""

from __future__ import annotations

import itertools
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import typst
import zxingcpp

from signing import picture
from signing.picture import PictureInvalid

BYTES_MAX = 16 * 1024 * 1024
DRAWN_SIDES = (400, 900, 1_600)
"""Pixels of the longer side as it is looked through, one after the other until a code is found."""
CODES_MAX = 16
_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
_FILTER_SUB, _FILTER_UP, _FILTER_AVERAGE, _FILTER_PAETH = 1, 2, 3, 4
_CHANNELS, _GREEN = 4, 1
"""Of the typesetter's pictures, one byte each, and which of them is looked at."""


def read(data: bytes) -> tuple[str, ...]:
    """The texts of the QR codes in a picture, each once; raises PictureInvalid.

    1. The picture is not larger than what is opened, in bytes and by its own word in pixels.
    2. It can be drawn.
    3. There is a QR code in it.
    """
    if len(data) > BYTES_MAX:
        raise PictureInvalid(f"a picture has at most {BYTES_MAX} bytes")
    width, height, _ = picture.require_fit(data)  # 1
    scales = dict.fromkeys(min(1.0, side / max(width, height)) for side in DRAWN_SIDES)
    for scale in scales:
        drawn = _drawn(data, max(1, round(width * scale)), max(1, round(height * scale)))  # 2
        found = zxingcpp.read_barcodes(drawn, formats=_QR)[:CODES_MAX]  # 3
        texts = tuple(dict.fromkeys(code.text for code in found if code.valid))
        if texts:
            return texts
    raise PictureInvalid("no QR code is to be found in the picture")


def _drawn(data: bytes, across: int, down: int) -> memoryview:
    """The picture in shades of gray, so large, one byte a pixel, row by row."""
    name = "picture.png" if data.startswith(picture.PNG) else "picture.jpg"
    page = (
        f"#set page(width: {across}pt, height: {down}pt, margin: 0pt, fill: white)\n"
        f'#image("{name}", width: {across}pt, height: {down}pt, fit: "stretch")'
    )
    with tempfile.TemporaryDirectory(prefix="picture-") as folder:
        (Path(folder) / name).write_bytes(data)
        source = Path(folder) / "page.typ"
        source.write_text(page, encoding="ascii")
        try:
            made = typst.compile(str(source), root=folder, format="png", ppi=72.0, ignore_system_fonts=True)
        except typst.TypstError as error:
            raise PictureInvalid("the picture is damaged: it cannot be drawn") from error
    if not isinstance(made, bytes):
        raise PictureInvalid("the picture is damaged: it cannot be drawn")
    return memoryview(_green(made, across, down)).cast("B", (down, across))


def _green(made: bytes, across: int, down: int) -> bytes:
    """One channel of the typesetter's PNG (ISO/IEC 15948 §9): all are alike where it is gray.

    A library that undoes the filters of all four channels takes ten times as long as all the rest.
    """
    head = struct.unpack_from(">IIBBBBB", made, 16)
    assert head == (across, down, 8, 6, 0, 0, 0), (
        "it draws what it is told, in eight bits of red, green, blue, alpha"
    )
    lines = zlib.decompress(b"".join(_image_data(made)))
    length = 1 + _CHANNELS * across
    before, rows = bytes(across), []
    for start in range(0, length * down, length):
        line = lines[start + 1 + _GREEN : start + length : _CHANNELS]
        before = _unfiltered(lines[start], line, before)
        rows.append(before)
    return b"".join(rows)


def _image_data(made: bytes) -> Iterator[bytes]:
    at = len(picture.PNG)
    while at < len(made):
        (length,) = struct.unpack_from(">I", made, at)
        if made[at + 4 : at + 8] == b"IDAT":
            yield made[at + 8 : at + 8 + length]
        at += 12 + length


def _unfiltered(kind: int, line: bytes, before: bytes) -> bytes:
    """A line of one channel; `before` is the one above it."""
    if kind == _FILTER_SUB:
        return bytes([value & 255 for value in itertools.accumulate(line)])
    if kind == _FILTER_UP:
        return bytes([(value + up) & 255 for value, up in zip(line, before, strict=True)])
    if kind == _FILTER_AVERAGE:
        return _from_average(line, before)
    return _from_paeth(line, before) if kind == _FILTER_PAETH else line


def _from_average(line: bytes, before: bytes) -> bytes:
    left, out = 0, bytearray()
    for value, up in zip(line, before, strict=True):
        left = (value + ((left + up) >> 1)) & 255
        out.append(left)
    return bytes(out)


def _from_paeth(line: bytes, before: bytes) -> bytes:
    left = corner = 0
    out = bytearray()
    for value, up in zip(line, before, strict=True):
        near = left if up == corner else up if left == corner else _paeth(left, up, corner)
        left, corner = (value + near) & 255, up
        out.append(left)
    return bytes(out)


def _paeth(left: int, up: int, corner: int) -> int:
    """Whichever of three is next to what their slope says (ISO/IEC 15948 §9.4)."""
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - corner - corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner
