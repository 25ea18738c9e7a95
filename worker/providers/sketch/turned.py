"""Things of revolution and what lies under them: turned bodies, balls, ellipses, soft shadows; lit from the upper left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import smooth

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Colour, Field
    from worker.providers.sketch.easel import Easel
    from worker.providers.sketch.lights import Lch

Outline = tuple[tuple[float, float], ...]
"""Height from foot to rim and radius there, both in shares of the whole height."""

BOTTLE: Outline = (
    (0, 0.30),
    (0.02, 0.33),
    (0.60, 0.33),
    (0.70, 0.26),
    (0.76, 0.11),
    (0.88, 0.11),
    (0.885, 0.14),
    (1.0, 0.14),
)
VASE: Outline = ((0, 0.16), (0.05, 0.20), (0.35, 0.36), (0.55, 0.33), (0.80, 0.13), (0.92, 0.11), (1.0, 0.15))
CUP: Outline = ((0, 0.34), (0.06, 0.40), (0.35, 0.52), (1.0, 0.60))
BOWL: Outline = ((0, 0.40), (0.07, 0.38), (0.14, 0.55), (0.50, 1.05), (1.0, 1.35))

_SMOOTHING = 70
"""Passes that round the corners of an outline; more make clay of it."""


def paint_turned(
    easel: Easel, outline: Outline, x: float, foot: float, tall: float, own: Lch, gloss: float = 0.35
) -> None:
    """A thing of revolution, lit from the upper left: `outline` gives its radius by height."""
    palette = easel.palette
    reach = max(radius for _, radius in outline) * tall
    rim = outline[-1][1] * tall * 0.20
    left, top = int(x - reach) - 2, int(foot - tall - rim) - 2
    columns, rows = int(2 * reach) + 5, int(tall + 2 * rim + outline[0][1] * tall * 0.2) + 6
    across = np.arange(columns, dtype=np.float32)[None, :] + (left + 0.5 - x)
    row = np.arange(rows, dtype=np.float32)[:, None] + (top + 0.5)
    ups, radii = zip(*outline, strict=True)
    # The foot and the rim are ellipses seen from a little above: a row's height depends on how far aside one is.
    base = outline[0][1] * tall
    sag = np.sqrt((1 - np.square(across / base)).clip(0, 1)) * base * 0.16
    up = (foot + sag - row) / tall
    radius = _turned_radius(up, ups, radii) * tall
    aside = across / np.maximum(radius, 1e-3)
    cover = (radius - np.abs(across) + 0.5).clip(0, 1) * ((up * tall) + 0.5).clip(0, 1)
    cover *= ((1 - up) * tall + 0.5).clip(0, 1)
    towards = np.sqrt((1 - aside * aside).clip(0, 1))
    light = (aside * -0.62 + towards * 0.66 + 0.18).clip(0, 1)
    dark, lit = palette.lit((own[0] * 0.70, own[1], own[2]), 0.10), palette.lit(own, 1.0)
    paint = dark[:, None, None] + (lit - dark)[:, None, None] * light
    shine = smooth(0.22, 0.0, np.abs(aside + 0.48)) * gloss
    paint += (1 - paint) * shine
    easel.canvas.blend(cover, paint, top, left)


def _turned_radius(up: Field, ups: tuple[float, ...], radii: tuple[float, ...]) -> Field:
    fine = np.linspace(0, 1, 257)
    line = np.interp(fine, ups, radii)
    for _ in range(_SMOOTHING):
        line[1:-1] = (line[:-2] + line[1:-1] * 2 + line[2:]) / 4
    place = (up * 256).clip(0, 255.99)
    low = place.astype(np.int32)
    line = line.astype(np.float32)
    return line[low] + (line[low + 1] - line[low]) * (place - np.floor(place))


def paint_ellipse(
    easel: Easel,
    x: float,
    y: float,
    across: float,
    down: float,
    paint: Colour,
    softness: float = 0.0,
    strength: float = 1.0,
) -> None:
    reach = 1 + softness
    left, top = int(x - across * reach) - 1, int(y - down * reach) - 1
    columns = (np.arange(int(2 * across * reach) + 4, dtype=np.float32) + (left + 0.5 - x)) / across
    rows = ((np.arange(int(2 * down * reach) + 4, dtype=np.float32) + (top + 0.5 - y)) / down)[:, None]
    away = np.sqrt(columns * columns + rows * rows)
    edge = softness or 1.0 / max(1.0, down)
    easel.canvas.blend(smooth(1 + edge, 1 - edge, away) * strength, paint, top, left)


def paint_shadow(easel: Easel, x: float, y: float, across: float) -> None:
    dark = easel.palette.lit((0.35, 0.05, 30), 0.12)
    paint_ellipse(easel, x + across * 0.55, y + across * 0.04, across * 1.35, across * 0.20, dark, 0.55, 0.38)
    paint_ellipse(easel, x + across * 0.06, y, across * 1.04, across * 0.17, dark, 0.35, 0.40)


def paint_ball(easel: Easel, x: float, y: float, radius: float, own: Lch) -> None:
    palette, reach = easel.palette, math.ceil(radius) + 2
    left, top = int(x) - reach, int(y) - reach
    at = np.arange(2 * reach, dtype=np.float32) + 0.5
    across, down = (
        (at + (left - x)) / radius,
        ((at + (top - y)) / radius)[:, None],
    )
    away = across * across + down * down
    towards = np.sqrt((1 - away).clip(0, 1))
    light = (across * -0.50 + down * -0.52 + towards * 0.62 + 0.16).clip(0, 1)
    dark, lit = palette.lit((own[0] * 0.66, own[1], own[2] - 12), 0.10), palette.lit(own, 1.0)
    paint = dark[:, None, None] + (lit - dark)[:, None, None] * light
    spot = smooth(0.10, 0.0, np.square(across + 0.36) + np.square(down + 0.40))
    paint += (1 - paint) * (spot * 0.45)
    easel.canvas.blend(((1 - away) * (radius / 2) + 0.5).clip(0, 1), paint, top, left)
