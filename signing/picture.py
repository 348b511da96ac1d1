"""Pictures of strangers, PNG and JPEG, judged by what they say of themselves before anything decodes them.

`size` gives width and height, `require_fit` refuses what would cost a decoder too much. Nothing is decoded: a
picture may still be damaged or lie. Pure; work and memory are bounded by the bytes at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PIXELS_MAX = 40_000_000
"""Of a picture as it says itself: a decoder takes four bytes for each."""
SIDE_MAX = 20_000
SCANS_MAX = 64
"""Of a progressive JPEG, in each of which a decoder walks through all of it."""
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG frames, which say the size (ITU-T T.81 table B.1)."""
_BARE = frozenset((*range(0xD0, 0xD9), 0x01))
"""Markers without a length."""
_SCAN, _END = 0xDA, 0xD9


class PictureInvalid(ValueError):
    """A picture that is not opened."""


class Size(NamedTuple):
    """What a picture says of itself."""

    width: int
    height: int
    channels: int | None = None
    """Of a JPEG: 1 is gray, 3 are colors, 4 are inks."""


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin as a PNG or JPEG does."""
    return data.startswith((PNG, JPEG))


def require_fit(data: bytes, *, side_max: int = SIDE_MAX, pixels_max: int = PIXELS_MAX) -> Size:
    """The size of a picture that may be decoded; raises PictureInvalid."""
    found = size(data)
    if not 0 < found.width <= side_max or not 0 < found.height <= side_max:
        raise PictureInvalid(f"the picture says it has {found.width} × {found.height} pixels: too many")
    if found.width * found.height > pixels_max:
        raise PictureInvalid(
            f"the picture says it has {found.width} × {found.height} pixels: at most {pixels_max:,}"
        )
    if found.channels is not None and data.count(b"\xff\xda") > SCANS_MAX:
        raise PictureInvalid(f"a JPEG of more than {SCANS_MAX} scans")
    return found


def size(data: bytes) -> Size:
    """What the picture says itself; raises PictureInvalid when it says nothing."""
    if data.startswith(PNG):
        if data[12:16] != b"IHDR" or len(data) < 24:
            raise PictureInvalid("a PNG without its header")
        return Size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
    if data.startswith(JPEG):
        return _jpeg_size(data)
    raise PictureInvalid("not a PNG and not a JPEG")


def _jpeg_size(data: bytes) -> Size:
    """The size in the one frame before the first scan."""
    found: Size | None = None
    for marker, at in _segments(data):
        if marker not in _FRAMES:
            continue
        if found is not None:
            raise PictureInvalid("a JPEG that says its size twice")
        if at + 10 > len(data):
            break
        height, width = (int.from_bytes(data[place : place + 2], "big") for place in (at + 5, at + 7))
        found = Size(width, height, data[at + 9])
    if found is None:
        raise PictureInvalid("a JPEG that does not say its size")
    return found


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, place) of what stands before the first scan."""
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
            return
        yield marker, at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
