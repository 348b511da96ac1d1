"""Codes as a camera has them: printed small, turned, tilted, blurred, unevenly lit and noisy; seeded.

Gives `Print`, how a code was printed and seen, and `seen`, the grey picture of it. A picture is made by
asking for each of its pixels where on the paper it looks, several times over, so that edges are soft as real
ones are. Knows nothing of decoders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Grey = np.ndarray[Any, np.dtype[np.uint8]]
Real = np.ndarray[Any, np.dtype[np.float64]]
INCH_CM = 2.54
_SAMPLES = 2
"""A pixel is the mean of so many looks in each direction."""
_DOTS = 16
"""Of the printer, a module."""


@dataclass(frozen=True, kw_only=True)
class Print:
    """How a code was printed and how it was seen."""

    size_cm: float = 2.0
    """Of the symbol, its white margin not counted."""
    dpi: int = 600
    """Pixels an inch of paper has in the picture."""
    angle: float = 0.0
    """Degrees by which it is turned."""
    tilt: float = 0.0
    """How much smaller the far edge is, as a part of the near one."""
    ink_spread: float = 0.06
    """By how much of a module ink runs over an edge."""
    blur: float = 0.8
    """Of the lens, in pixels (one standard deviation)."""
    noise: float = 9.0
    """Of the sensor, in levels of 255 (one standard deviation)."""
    shade: float = 0.25
    """By how much of its light the darker side falls short."""


def seen(modules: list[list[bool]], how: Print, rng: np.random.Generator, *, margin: int) -> Grey:
    """The picture of a symbol whose matrix has `margin` white modules around."""
    dark = np.asarray(modules, dtype=np.float64)
    count = dark.shape[0] - 2 * margin
    pixels_a_module = how.size_cm / INCH_CM * how.dpi / count
    side = math.ceil(dark.shape[0] * pixels_a_module * (abs(_cos(how)) + abs(_sin(how))) * 1.05)
    step = np.arange(side * _SAMPLES) / _SAMPLES - side / 2
    across, down = np.meshgrid(step, step)
    # From the picture to the paper: undo the tilt, then the turn, then count in modules.
    reach = dark.shape[0] * pixels_a_module / 2
    depth = 1 + how.tilt / 2 * (across / reach)
    across, down = across * depth, down * depth
    column = (across * _cos(how) + down * _sin(how)) / pixels_a_module + dark.shape[0] / 2
    row = (-across * _sin(how) + down * _cos(how)) / pixels_a_module + dark.shape[0] / 2
    ink = _ink(_printed(dark, spread=how.ink_spread), row, column)
    ink = ink.reshape(side, _SAMPLES, side, _SAMPLES).mean(axis=(1, 3))
    light = 1 - how.shade * np.linspace(0, 1, side)[None, :] * rng.uniform(0.8, 1.0)
    picture = _blurred((235 - 205 * ink) * light, how.blur) + rng.normal(0, how.noise, (side, side))
    return picture.clip(0, 255).astype(np.uint8)


def _cos(how: Print) -> float:
    return math.cos(math.radians(how.angle))


def _sin(how: Print) -> float:
    return math.sin(math.radians(how.angle))


def _printed(dark: Real, *, spread: float) -> Real:
    """The symbol in dots, ink run over the edges of its modules."""
    dots = np.kron(dark, np.ones((_DOTS, _DOTS)))
    reach = round(spread * _DOTS)
    for axis in (0, 1):
        dots = np.maximum.reduce([np.roll(dots, way, axis=axis) for way in range(-reach, reach + 1)])
    return dots


def _ink(dots: Real, row: Real, column: Real) -> Real:
    """1 where a point of the paper, in modules, is inked; the paper around the symbol is not."""
    there = (row * _DOTS).astype(int), (column * _DOTS).astype(int)
    inside = (row >= 0) & (row < len(dots) / _DOTS) & (column >= 0) & (column < len(dots) / _DOTS)
    return np.where(inside, dots[there[0].clip(0, len(dots) - 1), there[1].clip(0, len(dots) - 1)], 0.0)


def _blurred(picture: Real, sigma: float) -> Real:
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(picture, [(reach, reach) if axis == one else (0, 0) for one in (0, 1)], mode="edge")
        length = picture.shape[axis]
        picture = sum(  # type: ignore[assignment]
            weight * np.take(padded, range(place, place + length), axis=axis)
            for place, weight in enumerate(kernel)
        )
    return picture
