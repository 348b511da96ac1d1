"""QR codes in pictures from strangers: read, or refused for a reason in bounded time and memory."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image, ImageFilter

from signing import picture, qr, qr_image
from tests import test_offline

TEXT = test_offline.code()
PNG = qr.png(TEXT)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def black(width: int, height: int, *, raw: bytes | None = None) -> bytes:
    """A PNG of one bit a pixel that says it is so large."""
    rows = (b"\0" + bytes((width + 7) // 8)) * min(height, 2_000) if raw is None else raw
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def photo(kind: str, *, side: int = 600, degrees: float = 8) -> bytes:
    """The code on a gray desk, turned and a little out of focus."""
    symbol = Image.open(io.BytesIO(PNG)).convert("L").resize((400, 400))
    turned = symbol.rotate(degrees, expand=True, fillcolor=180)
    desk = Image.new("L", (side, side), 180)
    desk.paste(turned, (60, 50))
    out = io.BytesIO()
    desk.filter(ImageFilter.GaussianBlur(1)).convert("RGB").save(out, kind)
    return out.getvalue()


JPEG = photo("JPEG")


@pytest.mark.parametrize("data", [PNG, JPEG, photo("PNG", degrees=95)], ids=["ours", "jpeg", "png"])
def test_a_code_is_read_from_a_picture(data: bytes) -> None:
    assert picture.is_picture(data)
    assert qr_image.read(data) == (TEXT,)


def test_the_size_is_what_the_picture_says_of_itself() -> None:
    assert picture.size(JPEG) == (600, 600, 3)
    assert picture.size(PNG)[:2] == Image.open(io.BytesIO(PNG)).size
    assert picture.size(black(3, 70_000)) == (3, 70_000, None)


WRONG: dict[str, tuple[bytes, str]] = {
    "a bomb of pixels": (black(30_000, 30_000), "30000 × 30000"),
    "one side without end": (black(100_000, 2), "100000 × 2"),
    "more than may be opened": (black(8_000, 8_000), "at most 40,000,000"),
    "nothing": (black(0, 0), "0 × 0"),
    "no code": (black(200, 200), "no QR code"),
    "a bomb of bytes": (black(10, 10, raw=bytes(20_000_000)), "no QR code"),
    "a PNG cut short": (PNG[: len(PNG) // 2], "damaged"),
    "a PNG without header": (PNG[:8] + PNG[40:], "without its header"),
    "a JPEG without a size": (JPEG[:20] + b"\xff\xd9", "does not say its size"),
    "a JPEG that says it twice": (
        JPEG[:2] + b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00" + JPEG[2:],
        "twice",
    ),
    "not a picture": (b"GIF89a" + bytes(30), "not a PNG and not a JPEG"),
    "too many bytes": (PNG + bytes(qr_image.BYTES_MAX), "at most 16777216 bytes"),
}


@pytest.mark.parametrize(("data", "why"), WRONG.values(), ids=WRONG)
def test_what_is_no_picture_of_a_code_is_refused_for_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(picture.PictureInvalid, match=why):
        qr_image.read(data)


def spoiled(data: bytes, drawn: random.Random) -> bytes:
    """The picture with some bytes changed, cut or doubled."""
    changed = bytearray(data)
    while changed == data:
        _spoil(changed, drawn)
    return bytes(changed)


def _spoil(changed: bytearray, drawn: random.Random) -> None:
    for _ in range(drawn.randrange(1, 6)):
        place = drawn.randrange(len(changed))
        match drawn.randrange(3):
            case 0:
                changed[place] = drawn.randrange(256)
            case 1:
                del changed[place : place + drawn.randrange(1, 40)]
            case _:
                changed[place:place] = changed[place : place + drawn.randrange(1, 40)]


def require_handled(seed: int, count: int) -> None:
    """Whatever is done to a picture, its codes are read or it is refused."""
    drawn = random.Random(seed)
    small = photo("JPEG", side=480)
    for _ in range(count):
        try:
            qr_image.read(spoiled(drawn.choice((PNG, small)), drawn))
        except picture.PictureInvalid:
            continue


def test_a_spoiled_picture_is_read_or_refused() -> None:
    require_handled(7, 3)
