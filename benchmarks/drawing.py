"""Pictures as SVG text: bars with the spread of their rounds and a mark for what is wanted, and columns.

Plain shapes and system fonts, readable on light and dark pages; the same figures give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH = 720
_BARS = 390
"""Of the longest bar."""
_CHARACTER = 7.6
"""The widest that system fonts have on average at this size: no label is cut."""
_ROW = 34
_INK, _BAR, _BELOW, _MARK = "#57606a", "#2f6f9f", "#b0603a", "#1a7f37"
_FONT = 'font-family="system-ui, sans-serif" font-size="13"'


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One value with the spread of its rounds."""

    label: str
    value: float
    least: float
    greatest: float
    wanted: float | None = None
    """Drawn as a mark; a value below it has another color."""


def bars(title: str, rows: Sequence[Bar], *, digits: int = 3) -> str:
    """Horizontal bars from zero, each with a line from its least to its greatest round."""
    most = max([*(row.greatest for row in rows), *(row.wanted or 0 for row in rows)])
    scale, height = _BARS / (most or 1), 40 + _ROW * len(rows)
    label = math.ceil(max((len(row.label) for row in rows), default=0) * _CHARACTER) + 16
    parts = [_text(8, 22, title, weight="600")]
    for number, row in enumerate(rows):
        y = 40 + _ROW * number
        color = _BELOW if row.wanted is not None and row.value < row.wanted else _BAR
        end, low, high = (label + scale * value for value in (row.value, row.least, row.greatest))
        parts += [
            _text(label - 8, y + 16, row.label, anchor="end"),
            f'<rect x="{label}" y="{y + 3}" width="{_n(end - label)}" height="18" fill="{color}"/>',
            _line(low, y + 12, high, y + 12, _INK),
            _line(low, y + 8, low, y + 16, _INK),
            _line(high, y + 8, high, y + 16, _INK),
        ]
        at = end if row.wanted is None else label + scale * row.wanted
        if row.wanted is not None:
            parts.append(_line(at, y, at, y + 24, _MARK, width=2))
        parts.append(_text(max(end, high, at) + 6, y + 16, f"{row.value:.{digits}g}"))
    return _svg(height, title, parts, width=label + _BARS + 80)


def columns(title: str, values: Sequence[tuple[str, float]]) -> str:
    """One column for each name, in the order given, with its value above it."""
    most = max((value for _, value in values), default=0) or 1
    step = (_WIDTH - 40) / max(1, len(values))
    parts = [_text(8, 22, title, weight="600")]
    for number, (name, value) in enumerate(values):
        x, tall = 20 + step * number, 150 * value / most
        box = f'x="{_n(x + 4)}" y="{_n(200 - tall)}" width="{_n(step - 8)}" height="{_n(tall)}"'
        parts += [
            f'<rect {box} fill="{_BAR}"/>',
            _text(x + step / 2, 194 - tall, f"{value:g}", anchor="middle"),
            _text(x + step / 2, 218, name, anchor="middle"),
        ]
    return _svg(230, title, parts)


def _svg(height: int, title: str, parts: Sequence[str], *, width: int = _WIDTH) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    style = f'{_FONT} font-weight="{weight}" text-anchor="{anchor}" fill="{_INK}"'
    return f'<text x="{_n(x)}" y="{_n(y)}" {style}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, *, width: float = 1.5) -> str:
    ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width:g}"/>'


def _n(value: float) -> str:
    assert math.isfinite(value), "a picture is of finite figures"
    return f"{value:.1f}"
