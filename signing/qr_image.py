"""QR codes read from pictures, PNG and JPEG, from strangers: the only door to `zxingcpp`.

`read` gives the texts of the QR codes in a picture. How large the picture says it is decides before anything
is opened whether it is opened at all; it is then drawn, smaller, by the decoders that the
page's typesetter has (memory-safe, no network, no other file), and looked through. A picture that is broken,
lies about its size or holds no code is an error of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import png
import typst
import zxingcpp

BYTES_MAX = 16 * 1024 * 1024
PIXELS_MAX = 40_000_000
"""Of a picture as it says itself: a decoder takes four bytes for each."""
SIDE_MAX = 20_000
DRAWN_SIDES = (640, 1_600)
"""Pixels of the longer side as it is looked through, one after the other until a code is found."""
CODES_MAX = 16
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG frames, which say the size (ITU-T T.81 table B.1)."""
_BARE = frozenset((*range(0xD0, 0xD9), 0x01))
"""Markers without a length."""
_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
_SCAN, _END = 0xDA, 0xD9


class PictureInvalid(ValueError):
    """A picture that is not opened, or that has no QR code."""


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin as a PNG or JPEG does."""
    return data.startswith((_PNG, _JPEG))


def read(data: bytes) -> tuple[str, ...]:
    """The texts of the QR codes in a picture, each once; raises PictureInvalid.

    1. The picture is not larger than what is opened, in bytes and by its own word in pixels.
    2. It can be drawn.
    3. There is a QR code in it.
    """
    if len(data) > BYTES_MAX:
        raise PictureInvalid(f"a picture has at most {BYTES_MAX} bytes")
    width, height = size(data)  # 1
    if not 0 < width <= SIDE_MAX or not 0 < height <= SIDE_MAX or width * height > PIXELS_MAX:
        raise PictureInvalid(f"the picture says it has {width} × {height} pixels: at most {PIXELS_MAX:,}")
    scales = dict.fromkeys(min(1.0, side / max(width, height)) for side in DRAWN_SIDES)
    for scale in scales:
        drawn = _drawn(data, max(1, round(width * scale)), max(1, round(height * scale)))  # 2
        found = zxingcpp.read_barcodes(drawn, formats=_QR)[:CODES_MAX]  # 3
        texts = tuple(dict.fromkeys(code.text for code in found if code.valid))
        if texts:
            return texts
    raise PictureInvalid("no QR code is to be found in the picture")


def size(data: bytes) -> tuple[int, int]:
    """Width and height as the picture says itself; raises PictureInvalid when it says none."""
    if data.startswith(_PNG):
        if data[12:16] != b"IHDR" or len(data) < 24:
            raise PictureInvalid("a PNG without its header")
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(_JPEG):
        return _jpeg_size(data)
    raise PictureInvalid("not a PNG and not a JPEG")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """The size in the one frame before the first scan."""
    found: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        if marker in (_SCAN, _END):
            break
        if marker in _FRAMES:
            if found is not None:
                raise PictureInvalid("a JPEG that says its size twice")
            found = int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if found is None:
        raise PictureInvalid("a JPEG that does not say its size")
    return found


def _drawn(data: bytes, across: int, down: int) -> memoryview:
    """The picture in shades of gray, so large, one byte a pixel, row by row."""
    name = "picture.png" if data.startswith(_PNG) else "picture.jpg"
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
    columns, rows, pixels, about = png.Reader(bytes=made).read_flat()
    gray = bytes(pixels[1 :: about["planes"]])
    return memoryview(gray).cast("B", (rows, columns))
