"""QR codes: what other programs read from the pictures is the text that was put in."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import png
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import keys, qr, suites, token
from tests import judges
from tests.test_token import TOKEN

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
URL = token.url(
    token.sign(TOKEN, key=keys.SigningKey(bytes([6]) * 32), suite=suites.INTL), host="ledger.example"
)
TEXTS = {
    "a token": URL,
    "the longest text": ALPHABET * 5 + "A" * 37,
    "one character": "A",
    "digits alone": "0123456789",
}
MODULES = 4 * qr.VERSION + 17 + 2 * qr.QUIET_ZONE
Pixels = list[list[bool]]
"""True is dark."""

BAD_TEXTS = ["", "a", "A\n", "A\u00c4", "\uff21", "\u0661", "A" * 263, "1" * 300, "A?B", "\ud800"]


def picture(data: bytes) -> Pixels:
    """The modules of a PNG picture."""
    width, height, rows, info = png.Reader(bytes=data).read()
    assert (info["planes"], info["bitdepth"]) == (1, 1)
    scale = width // MODULES
    assert (width, height) == (MODULES * scale, MODULES * scale)
    return [[not value for value in list(row)[::scale]] for row in list(rows)[::scale]]


def drawing(data: bytes) -> Pixels:
    """The modules of an SVG picture: a white ground, and a path of dark squares."""
    text = data.decode()
    assert re.search(r'<rect fill="white" x="0" y="0" width="100%" height="100%" ?/>.*<path ', text)
    side = float(re.search(r'viewBox="0 0 ([\d.]+) ', text)[1]) / MODULES  # type: ignore[index]
    pixels = [[False] * MODULES for _ in range(MODULES)]
    squares = re.findall(r"M([\d.]+),([\d.]+)H([\d.]+)V([\d.]+)H([\d.]+)z", text)
    assert "".join("M{},{}H{}V{}H{}z".format(*square) for square in squares) in text
    for x, y, right, bottom, left in squares:
        column, row = round(float(x) / side), round(float(y) / side)
        assert (x, round(float(right) / side), round(float(bottom) / side)) == (left, column + 1, row + 1)
        pixels[row][column] = True
    return pixels


def screen(text: str) -> Pixels:
    """The modules of half-block characters on a dark terminal."""
    light = {" ": (False, False), "▄": (False, True), "▀": (True, False), "█": (True, True)}
    rows: Pixels = []
    for line in text.split("\n"):
        for half in (0, 1):
            rows.append([not light[glyph][half] for glyph in line])
    return rows[:MODULES]


def as_png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    scale = 4
    rows = [[0 if dark else 1 for dark in row for _ in range(scale)] for row in pixels for _ in range(scale)]
    png.Writer(len(rows[0]), len(rows), greyscale=True, bitdepth=1).write(out, rows)
    return out.getvalue()


KINDS: dict[str, Callable[[str], bytes]] = {
    "png": qr.png,
    "svg": lambda text: as_png(drawing(qr.svg(text))),
    "terminal": lambda text: as_png(screen(qr.terminal(text))),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_zxing_reads_the_same_text(text: str, kind: str) -> None:
    judges.need("zxingcpp")
    import numpy as np
    import zxingcpp

    rows = png.Reader(bytes=KINDS[kind](text)).asDirect()[2]
    grey = np.vstack([np.asarray(row, dtype=np.uint8) * 255 for row in rows])
    read: list[Any] = zxingcpp.read_barcodes(grey)
    assert [(str(found.format), found.text) for found in read] == [("QR Code", text)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_zbar_reads_the_same_text(text: str, kind: str, tmp_path: Path) -> None:
    zbarimg = judges.need("zbarimg")
    path = tmp_path / "code.png"
    path.write_bytes(KINDS[kind](text))
    command = [zbarimg, "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(path)]
    read = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert read.stdout.decode() == text + "\n"


@pytest.mark.parametrize("length", [1, 2, 3, 4, 256, 257, 258, 259, 260, 261, 262])
def test_modules_are_those_of_the_library_whatever_padding_a_text_leaves(length: int) -> None:
    text = (ALPHABET * 6)[-length:]
    assert qr.modules(text) == picture(qr.png(text))


@settings(max_examples=20, deadline=None)
@given(st.text(ALPHABET, min_size=1, max_size=262))
def test_all_pictures_of_a_text_have_the_same_modules(text: str) -> None:
    modules = picture(qr.png(text))
    assert modules == drawing(qr.svg(text)) == screen(qr.terminal(text))
    assert not any(any(row) for row in (modules[: qr.QUIET_ZONE] + modules[-qr.QUIET_ZONE :]))
    assert not any(any(row[: qr.QUIET_ZONE] + row[-qr.QUIET_ZONE :]) for row in modules)


@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_a_text_that_does_not_fit_is_refused(text: str) -> None:
    for draw in (qr.png, qr.svg, qr.modules, qr.terminal):
        with pytest.raises(qr.QrInvalid):
            draw(text)
