"""QR codes of tokens: SVG, PNG, modules and terminal text; the only door to `qrcode`.

Version 9, level M and the mask are fixed, so that nothing is searched: version 9 at M holds the 262
alphanumeric characters a token's URL may have, and larger modules scan better than higher levels. Modules, of
which every printed page has some, are encoded by `qr_symbol`; pictures by the library.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Sequence

import qrcode
from qrcode.image.pure import PyPNGImage
from qrcode.image.svg import SvgPathFillImage

from signing import qr_symbol

VERSION, MASK = qr_symbol.VERSION, qr_symbol.MASK
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
    _require_fit(text)
    made = qr_symbol.encoded(text, _layout())
    side, margin = qr_symbol.SIDE, [False] * QUIET_ZONE
    blank = [[False] * (side + 2 * QUIET_ZONE)] * QUIET_ZONE
    rows = (made[start : start + side] for start in range(0, side * side, side))
    return [*map(list, blank), *([*margin, *map(bool, row), *margin] for row in rows), *map(list, blank)]


def terminal(text: str) -> str:
    """`text` as half-block characters for a dark terminal, two modules a character row; raises QrInvalid."""
    matrix = modules(text)
    if len(matrix) % 2:
        matrix.append([False] * len(matrix))
    glyphs = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}
    rows = zip(matrix[::2], matrix[1::2], strict=True)
    return "\n".join(
        "".join(glyphs[bool(above), bool(below)] for above, below in zip(upper, lower, strict=True))
        for upper, lower in rows
    )


class _Symbol(qrcode.QRCode):  # type: ignore[type-arg]
    """The library's symbol, which remembers what stood in it before its data."""

    before: tuple[bool | None, ...] = ()

    def map_data(self, data: Sequence[int], mask_pattern: int) -> None:
        """Place the codewords."""
        self.before = tuple(module for row in self.modules for module in row)
        super().map_data(data, mask_pattern)


@functools.cache
def _layout() -> qr_symbol.Layout:
    """What is the same in every symbol, as the library has it; None is where data goes."""
    before = _code("A").before
    held = qr_symbol.places(bytes(module is None for module in before))
    return qr_symbol.Layout(bytes(module is True for module in before), held, qr_symbol.masked(held))


def _require_fit(text: str) -> None:
    if not _TEXT.fullmatch(text):
        raise QrInvalid("a QR code holds 1 to 262 characters of 0-9 A-Z space $ % * + - . / :")


def _code(text: str) -> _Symbol:
    _require_fit(text)
    code = _Symbol(
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
