"""Water: the picture above the shore, mirrored, broken by waves that grow towards the viewer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import smooth
from worker.providers.sketch.noise import cloud_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from worker.providers.sketch.canvas import Colour, Field
    from worker.providers.sketch.easel import Easel

_LINES = 640
"""Rows of the wave field, from the far shore to the viewer's feet."""
_FAR = 0.11
"""How much smaller a wave is at the far shore than at the viewer's feet."""


def paint_water(easel: Easel, shore: float, body: Colour, roughness: float, clearness: float = 0.75) -> None:
    """Fill everything below row `shore` with water.

    `body`: the water's own colour. `roughness`: 0 a still lake, 1 the open sea. `clearness`: how much is mirrored far
    away; near the viewer one looks into the water, and less is.
    """
    canvas, top = easel.canvas, math.ceil(shore)
    rows = easel.height - top
    if rows < 2 or top < 2:
        return
    nearness = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    slopes = _slopes(easel, rows)
    source = _mirrored(easel, top, rows, slopes, nearness, roughness)
    mirror = canvas.planes[:, :top].reshape(3, -1)[:, source]
    strength = clearness * (1 - nearness * 0.40) * (1 - 0.30 * roughness)
    strength = (strength - slopes * (0.10 + 0.30 * roughness) * (nearness + 0.35)).clip(0.04, 0.95)
    sun = easel.palette.sun[:, None, None]
    # A sun in the water is as bright as in the sky, however dark the water.
    strength = np.maximum(strength, smooth(0.26, 0.06, np.abs(mirror - sun).max(axis=0)))
    deep = body[:, None, None] * (1 - 0.35 * nearness)
    mirror -= deep
    mirror *= strength
    mirror += deep
    canvas.planes[:, top:] = mirror
    _glitter(easel, top, slopes, nearness, roughness)
    band = max(2, rows // 12)
    veil = np.square(1 - np.linspace(0, 1, band, dtype=np.float32))[:, None]
    veil = np.repeat(veil * (0.35 * easel.palette.light.mist + 0.1), easel.width, axis=1)
    canvas.blend(veil, easel.palette.haze, top)


def _slopes(easel: Easel, rows: int) -> Field:
    """How the water tilts, about -1 to 1, as seen in perspective: dense lines far away, broad swell near by."""
    span = easel.width / easel.unit
    chance = easel.chance.child("waves")
    swell = cloud_field(chance.child("swell"), easel.width, _LINES, (4.5 * span, 70), 2, gain=0.6)
    ripple = cloud_field(chance.child("ripple"), easel.width, _LINES, (16 * span, 190), 2, gain=0.7)
    tilt = (swell[1:] - swell[:-1]) * 5.2 + (ripple[1:] - ripple[:-1]) * 2.1
    place = np.linspace(0, 1, rows)
    depth = (1 / _FAR - 1 / (_FAR + place)) / (1 / _FAR - 1 / (_FAR + 1))
    lines = depth * (len(tilt) - 2) * min(1.0, max(0.45, rows / easel.unit * 2.2))
    low = lines.astype(np.int32)
    share = (lines - low).astype(np.float32)[:, None]
    return (tilt[low] * (1 - share) + tilt[low + 1] * share).clip(-1, 1)


def _mirrored(easel: Easel, top: int, rows: int, slopes: Field, nearness: Field, roughness: float) -> NDArray[np.int32]:
    """For each pixel of the water, which pixel above the shore it mirrors."""
    swing = slopes * ((0.012 + nearness * 0.09) * (easel.unit * (0.16 + 1.1 * roughness)))
    depth = np.arange(rows, dtype=np.float32)[:, None] * min(1.0, 0.96 * top / rows)
    source = np.abs(top - 1 - depth + swing).clip(0, top - 1).astype(np.int32)
    aside = np.arange(easel.width, dtype=np.float32) + swing * 0.3
    source *= easel.width
    source += aside.clip(0, easel.width - 1).astype(np.int32)
    return source


def _glitter(easel: Easel, top: int, slopes: Field, nearness: Field, roughness: float) -> None:
    """The path of light under sun or moon: sparks on the slopes that face it, wider towards the viewer."""
    across = np.abs(np.arange(easel.width, dtype=np.float32) - easel.sun[0]) / easel.unit
    reach = (0.05 + 0.04 * roughness) + nearness * (0.12 + 0.12 * roughness)
    path = np.square((1 - across / reach).clip(0, 1))
    sparks = smooth(0.22, 0.62, slopes + path * 0.22)
    strength = path * sparks * (1 - 0.4 * nearness)
    easel.canvas.shine(strength * (0.7 if easel.palette.light.moon else 1.0), easel.palette.sun, top)
