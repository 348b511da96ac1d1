"""Pictures for attachments: real ones, small, with a remark that may say anything."""

from __future__ import annotations

import functools
import io
import struct
import zlib

from PIL import Image


@functools.cache
def jpeg(*, width: int = 30, height: int = 40, mode: str = "RGB", tone: int = 90) -> bytes:
    """A picture of one tone."""
    return _made("JPEG", mode, width, height, tone)


@functools.cache
def png(*, width: int = 30, height: int = 40, mode: str = "RGB", tone: int = 90) -> bytes:
    """A picture of one tone."""
    return _made("PNG", mode, width, height, tone)


def remarked(data: bytes, remark: bytes) -> bytes:
    """The picture with bytes in it that no decoder looks at."""
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + struct.pack(">H", len(remark) + 2) + remark + data[2:]
    said = b"tEXt" + b"Comment\0" + remark
    chunk = struct.pack(">I", len(said) - 4) + said + struct.pack(">I", zlib.crc32(said))
    return data[:33] + chunk + data[33:]


def _made(kind: str, mode: str, width: int, height: int, tone: int) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), tone if mode == "L" else (tone,) * len(mode)).save(out, kind)
    return out.getvalue()
