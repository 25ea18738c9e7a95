"""Things that stand in a landscape: boat, lighthouse, cabin, balloon, cactus, a lone tree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import Stencil, enlarge
from worker.providers.sketch.palette import mix, srgb

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Colour, Field, Points
    from worker.providers.sketch.easel import Easel
    from worker.providers.sketch.lights import Lch

_LAMP = srgb((0.90, 0.12, 80))


class Piece:
    """A thing in its own coordinates: x from -1 to 1 across, y from 0 (its foot) to 1 (`tall` pixels up)."""

    def __init__(self, easel: Easel, x: float, foot: float, tall: float, wide: float = 1.0) -> None:
        self._easel = easel
        self._tall = tall
        self._half = tall * wide
        self._left = math.floor(x - self._half) - 1
        self._top = math.floor(foot - tall * 1.05) - 1
        self._x, self._foot = x - self._left, foot - self._top
        self._shape = (math.ceil(2 * self._half) + 3, math.ceil(tall * 1.15) + 3)

    def polygon(self, points: Points, paint: Colour | Field) -> None:
        stencil = Stencil(*self._shape)
        stencil.polygon([(self._x + x * self._tall, self._foot - y * self._tall) for x, y in points])
        self._lay(stencil, paint)

    def ellipse(self, x: float, y: float, across: float, down: float, paint: Colour | Field) -> None:
        stencil = Stencil(*self._shape)
        stencil.ellipse(self._x + x * self._tall, self._foot - y * self._tall, across * self._tall, down * self._tall)
        self._lay(stencil, paint)

    def line(self, points: Points, thickness: float, paint: Colour) -> None:
        stencil = Stencil(*self._shape)
        stencil.line(
            [(self._x + x * self._tall, self._foot - y * self._tall) for x, y in points], thickness * self._tall
        )
        self._lay(stencil, paint)

    def glow(self, x: float, y: float, reach: float, colour: Colour, strength: float) -> None:
        """A soft light around a point; it may reach beyond the piece."""
        radius = reach * self._tall
        size = math.ceil(radius * 3)
        centre_x, centre_y = self._left + self._x + x * self._tall, self._top + self._foot - y * self._tall
        left, top = int(centre_x) - size, int(centre_y) - size
        at = np.arange(2 * size + 1, dtype=np.float32)
        away = np.square(at + (left - centre_x))[None, :] + np.square(at + (top - centre_y))[:, None]
        light = (1 / np.square(1 + away * (1 / radius**2)) - 0.01).clip(0, 1)
        self._easel.canvas.shine(light * strength, colour, top, left)

    def _lay(self, stencil: Stencil, paint: Colour | Field) -> None:
        self._easel.canvas.blend(stencil.coverage(), paint, self._top, self._left)


def dark_hours(easel: Easel) -> bool:
    """Whether lamps are lit."""
    return easel.palette.light.name in {"dusk", "night", "storm"}


def paint_boat(easel: Easel, x: float, waterline: float, tall: float) -> None:
    """A sailing boat and its reflection."""
    palette = easel.palette
    toward = -1.0 if easel.sun[0] < x else 1.0
    hull, sail = palette.lit((0.42, 0.09, 30), 0.5), palette.lit((0.97, 0.015, 85), 1.0)
    shaded = palette.lit((0.88, 0.02, 85), 0.35)
    mirror = Piece(easel, x, waterline, tall * 0.9)
    ghost = mix(sail, palette.lit((0.4, 0.05, 235), 0.4), 0.55)
    for row in range(12):
        level = -0.012 - row * 0.011
        reach = 0.30 * (1 - row / 13) * (0.8 if row % 2 else 1.0)
        mirror.line([(-reach, level), (reach, level)], 0.006, ghost)
    piece = Piece(easel, x, waterline, tall)
    piece.polygon(
        [(0.02, 0.99), (0.05, 0.6), (0.16, 0.3), (0.34, 0.135), (0.02, 0.135)], sail if toward > 0 else shaded
    )
    piece.polygon(
        [(-0.01, 0.90), (-0.04, 0.5), (-0.14, 0.27), (-0.28, 0.145), (-0.01, 0.145)], shaded if toward > 0 else sail
    )
    piece.line([(0.005, 0.06), (0.005, 1.0)], 0.012, hull)
    piece.polygon([(-0.34, 0.105), (0.40, 0.115), (0.30, 0.0), (-0.26, 0.0)], hull)
    piece.polygon([(-0.34, 0.105), (0.40, 0.115), (0.392, 0.098), (-0.335, 0.088)], sail)


def paint_lighthouse(easel: Easel, x: float, foot: float, tall: float) -> None:
    """A white tower with red bands; its lamp burns in the dark hours."""
    palette = easel.palette
    light_side = 1.0 if easel.sun[0] > x else -1.0
    white, shade = palette.lit((0.96, 0.01, 90), 0.95), palette.lit((0.90, 0.02, 260), 0.30)
    red, dark = palette.lit((0.55, 0.19, 28), 0.85), palette.lit((0.28, 0.03, 260), 0.3)
    piece = Piece(easel, x, foot, tall, 0.4)
    piece.polygon([(-0.105, 0), (-0.062, 0.78), (0.062, 0.78), (0.105, 0)], white)
    for low in (0.10, 0.34, 0.58):
        widths = [0.105 - 0.043 * (low + rise) / 0.78 for rise in (0.0, 0.11)]
        piece.polygon([(-widths[0], low), (-widths[1], low + 0.11), (widths[1], low + 0.11), (widths[0], low)], red)
    far = -light_side
    stencil_shade = mix(shade, dark, 0.25)
    piece.polygon([(far * 0.105, 0), (far * 0.062, 0.78), (far * 0.018, 0.78), (far * 0.03, 0)], stencil_shade)
    piece.polygon([(-0.088, 0.78), (0.088, 0.78), (0.078, 0.805), (-0.078, 0.805)], dark)
    piece.polygon(
        [(-0.045, 0.805), (-0.045, 0.885), (0.045, 0.885), (0.045, 0.805)], _LAMP if dark_hours(easel) else shade
    )
    piece.polygon([(-0.06, 0.885), (0, 0.955), (0.06, 0.885)], red)
    piece.line([(0, 0.95), (0, 1.0)], 0.008, dark)
    if dark_hours(easel):
        piece.glow(0, 0.845, 0.16, _LAMP, 0.9)
        piece.glow(0, 0.845, 0.55, _LAMP, 0.25)


def paint_cabin(easel: Easel, x: float, foot: float, tall: float) -> None:
    """A wooden cabin with a pitched roof and a lit window."""
    palette = easel.palette
    wall, roof = palette.lit((0.42, 0.06, 50), 0.45), palette.lit((0.30, 0.03, 280), 0.35)
    snowy = palette.light.name == "winter light"
    if snowy:
        roof = palette.lit((0.96, 0.01, 250), 0.85)
    piece = Piece(easel, x, foot, tall, 1.2)
    piece.polygon([(0.30, 0.70), (0.30, 1.0), (0.42, 1.0), (0.42, 0.6)], palette.lit((0.36, 0.02, 40), 0.3))
    piece.polygon([(-0.62, -0.05), (-0.62, 0.42), (0, 0.86), (0.62, 0.42), (0.62, -0.05)], wall)
    piece.polygon([(-0.78, 0.36), (0, 0.93), (0.78, 0.36), (0.70, 0.31), (0, 0.80), (-0.70, 0.31)], roof)
    window = _LAMP if dark_hours(easel) or snowy else palette.lit((0.55, 0.05, 230), 0.7)
    for left in (-0.34, 0.10):
        piece.polygon([(left, 0.14), (left, 0.36), (left + 0.24, 0.36), (left + 0.24, 0.14)], window)
        piece.line([(left + 0.12, 0.14), (left + 0.12, 0.36)], 0.02, wall)
    if dark_hours(easel) or snowy:
        piece.glow(-0.22, 0.25, 0.30, _LAMP, 0.5)
        piece.glow(0.22, 0.25, 0.30, _LAMP, 0.5)


def paint_balloon(easel: Easel, x: float, foot: float, tall: float, hue: float) -> None:
    """A hot-air balloon with gores in two colours, lit from the sun's side."""
    palette = easel.palette
    toward = 1.0 if easel.sun[0] > x else -1.0
    piece = Piece(easel, x, foot, tall, 0.6)
    basket = palette.lit((0.40, 0.06, 55), 0.5)
    for side in (-1, 1):
        piece.line([(side * 0.16, 0.32), (side * 0.05, 0.10)], 0.008, basket)
    piece.polygon([(-0.055, 0.0), (-0.06, 0.10), (0.06, 0.10), (0.055, 0.0)], basket)
    for gore in range(7):
        edges = (-1 + 2 * gore / 7, -1 + 2 * (gore + 1) / 7)
        middle = math.sin((edges[0] + edges[1]) / 2 * math.pi / 2)
        own: Lch = (0.62, 0.19, hue) if gore % 2 else (0.93, 0.05, hue + 45)
        paint = palette.lit(own, 0.30 + 0.70 * max(0.0, min(1.0, 0.5 + 0.55 * middle * toward)))
        left, right = (math.sin(edge * math.pi / 2) for edge in edges)
        rim = [(left * _bulge(step / 16), 0.28 + 0.72 * step / 16) for step in range(17)]
        rim += [(right * _bulge(step / 16), 0.28 + 0.72 * step / 16) for step in range(16, -1, -1)]
        piece.polygon(rim, paint)


def _bulge(up: float) -> float:
    """Half the width of a balloon at a share of the height of its envelope."""
    if up > 0.58:
        return 0.36 * math.sqrt(max(0.0, 1 - ((up - 0.58) / 0.42) ** 2))
    return 0.36 * (0.26 + 0.74 * math.sin(up / 0.58 * math.pi / 2))


def paint_cactus(easel: Easel, x: float, foot: float, tall: float) -> None:
    """A saguaro with two arms, ribbed, lit from the sun's side, with its shadow."""
    palette = easel.palette
    toward = 1.0 if easel.sun[0] > x else -1.0
    body, rib, lit = (palette.lit((0.50, 0.08, own), level) for own, level in ((150, 0.25), (155, 0.05), (140, 0.95)))
    piece = Piece(easel, x, foot, tall, 0.8)
    piece.ellipse(-toward * 0.28, -0.005, 0.36, 0.022, palette.lit((0.40, 0.07, 50), 0.1))
    stems = [((0.0, -0.01), (0.0, 0.93), 0.14)]
    for side, low, high in ((-1, 0.36, 0.70), (1, 0.48, 0.78)):
        piece.line([(0, low), (side * 0.21, low + 0.02)], 0.095, body)
        stems.append(((side * 0.21, low + 0.02), (side * 0.21, high), 0.095))
    for (left, low), (_, high), thick in stems:
        piece.ellipse(left, high, thick / 2, thick / 2, body)
        piece.ellipse(left, max(low, 0.0), thick / 2, thick / 2 if low > 0 else 0.012, body)
        piece.line([(left, low), (left, high)], thick, body)
        for place, paint in ((-0.26, rib), (0.05, rib), (0.36, lit)):
            piece.line(
                [(left + toward * place * thick, low + 0.01), (left + toward * place * thick, high)],
                thick * 0.13,
                paint,
            )


def paint_flakes(easel: Easel) -> None:
    """Falling snow: many small flakes, a few near and blurred ones."""
    chance, unit = easel.chance.child("flakes"), easel.unit
    count = int(340 * easel.width * easel.height / unit**2)
    sharp, soft = Stencil(easel.width, easel.height), Stencil(easel.width // 4, easel.height // 4)
    for x, y, near in chance.many("places", 3 * count).reshape(count, 3).tolist():
        if near < 0.965:
            size = unit * (0.0009 + 0.0017 * near)
            sharp.ellipse(x * easel.width, y * easel.height, size, size, int(90 + 130 * near))
        else:
            size = unit * 0.0022
            soft.ellipse(x * easel.width / 4, y * easel.height / 4, size, size, 120)
    white = easel.palette.lit((0.99, 0.005, 240), 1.0)
    easel.canvas.blend(sharp.coverage() * 0.8, white)
    easel.canvas.blend(enlarge(soft.coverage(), easel.width, easel.height).clip(0, 1) * 0.8, white)
