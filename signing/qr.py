"""QR codes of tokens: SVG, PNG, modules and terminal text; the only door to `qrcode`.

Version 9, level M and the mask are fixed, so that nothing is searched: version 9 at M holds the 262
alphanumeric characters a token's URL may have, and larger modules scan better than higher levels.
"""

from __future__ import annotations

import io
import re

import qrcode
from qrcode.image.pure import PyPNGImage
from qrcode.image.svg import SvgPathFillImage

VERSION = 9
MASK = 3
QUIET_ZONE = 4
"""Modules of white around the symbol (ISO/IEC 18004 §6.3.8)."""
_TEXT = re.compile(r"[0-9A-Z $%*+./:-]{1,262}")


class QrInvalid(ValueError):
    """Text that does not fit the one kind of symbol that is made here."""


def svg(text: str) -> bytes:
    """An SVG picture of `text`, dark on white whatever lies behind it; raises QrInvalid."""
    return _save(text, SvgPathFillImage)


def png(text: str) -> bytes:
    """A PNG picture of `text`, eight pixels a module; raises QrInvalid."""
    return _save(text, PyPNGImage)


def modules(text: str) -> list[list[bool]]:
    """The symbol of `text` with its quiet zone, row by row, True is dark; raises QrInvalid."""
    return [[bool(module) for module in row] for row in _code(text).get_matrix()]


def terminal(text: str) -> str:
    """`text` as half-block characters for a dark terminal, two modules a character row; raises QrInvalid."""
    matrix = _code(text).get_matrix()
    if len(matrix) % 2:
        matrix.append([False] * len(matrix))
    glyphs = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}
    rows = zip(matrix[::2], matrix[1::2], strict=True)
    return "\n".join(
        "".join(glyphs[bool(above), bool(below)] for above, below in zip(upper, lower, strict=True))
        for upper, lower in rows
    )


def _code(text: str) -> qrcode.QRCode:  # type: ignore[type-arg]
    if not _TEXT.fullmatch(text):
        raise QrInvalid("a QR code holds 1 to 262 characters of 0-9 A-Z space $ % * + - . / :")
    code: qrcode.QRCode = qrcode.QRCode(  # type: ignore[type-arg]
        version=VERSION,
        error_correction=qrcode.ERROR_CORRECT_M,
        mask_pattern=MASK,
        box_size=8,
        border=QUIET_ZONE,
    )
    # Mode 2 is alphanumeric: one segment, 11 bits for two characters (ISO/IEC 18004 §7.4.4).
    code.add_data(qrcode.util.QRData(text.encode("ascii"), mode=2), optimize=0)
    code.make(fit=False)
    return code


def _save(text: str, factory: type) -> bytes:
    out = io.BytesIO()
    _code(text).make_image(image_factory=factory).save(out)
    return out.getvalue()
