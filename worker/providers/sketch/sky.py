"""The sky: its run of colours, the glow, sun or moon, clouds in perspective, stars, birds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import Stencil, enlarge, smooth
from worker.providers.sketch.noise import cloud_field
from worker.providers.sketch.palette import along, mix, srgb

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Field
    from worker.providers.sketch.easel import Easel

_COARSE = 2
"""Clouds are soft: they are painted at half size and stretched."""

_STAR = srgb((0.97, 0.02, 260))


def paint_sky(easel: Easel, horizon: float, clouds: float | None = None) -> None:
    """Paint the sky from the top down to row `horizon`, and set the easel's sun."""
    light, chance = easel.palette.light, easel.chance.child("sky")
    easel.sun = (
        easel.width * chance.one("sun", 0.34, 0.66),
        max(horizon * (1 - light.height), easel.unit * 0.13),
    )
    rows = min(easel.height, math.ceil(horizon) + 2)
    coarse = _coarse_sky(easel, rows, light.clouds if clouds is None else clouds)
    for plane, painted in zip(easel.canvas.planes, coarse, strict=True):
        plane[:rows] = enlarge(painted, easel.width, rows)
        plane[rows:] = plane[rows - 1]
    if light.stars:
        paint_stars(easel, rows, light.stars)
    _paint_body(easel)


def paint_stars(easel: Easel, rows: int, share: float, size: float = 1.0) -> None:
    """Scatter stars over the upper part; most are faint, a few are bright. They show where the sky is dark."""
    chance = easel.chance.child("stars")
    count = int(220 * share * easel.width * rows / easel.unit**2)
    places = chance.many("places", 3 * count).reshape(3, count)
    for x, y, bright in places.T.tolist():
        strength = 0.25 + 0.75 * bright**6
        radius = max(0.7, easel.unit * (0.0009 + 0.0013 * bright**10)) * size
        _dot(easel, x * easel.width, y**1.4 * rows, radius, strength)


def _dot(easel: Easel, x: float, y: float, radius: float, strength: float) -> None:
    reach = math.ceil(radius * 2.5) + 1
    left, top = int(x) - reach, int(y) - reach
    if left < 0 or top < 0 or left + 2 * reach >= easel.width or top + 2 * reach >= easel.height:
        return
    dark = 1 - float(easel.canvas.planes[1, int(y), int(x)])
    at = np.arange(2 * reach + 1, dtype=np.float32)
    distance = np.square(at + (left + 0.5 - x))[None, :] + np.square(at + (top + 0.5 - y))[:, None]
    spot = (strength * dark * dark) / np.square(1 + distance / (radius * radius))
    easel.canvas.shine(spot, _STAR, top, left)


def _coarse_sky(easel: Easel, rows: int, clouds: float) -> Field:
    palette = easel.palette
    height, width = max(2, rows // _COARSE), max(2, easel.width // _COARSE)
    sky = np.repeat(along(palette.sky(), height), width, axis=2)
    sun_x, sun_y = easel.sun[0] / _COARSE, easel.sun[1] / _COARSE
    across = np.square((np.arange(width, dtype=np.float32) - sun_x) / (easel.unit / _COARSE))
    down = np.square((np.arange(height, dtype=np.float32) - sun_y) / (easel.unit / _COARSE))
    near = 1 / np.square(1 + (across + down[:, None]) * 14)
    wide = 1 / np.square(1 + across * 1.1 + down[:, None] * 9)
    glow = near * 0.55 + wide * 0.45
    sky += (palette.glow[:, None, None] - sky) * (glow * (0.42 if palette.light.moon else 0.8))
    sky += (palette.sun[:, None, None] - sky) * (np.square(near) * (0.25 if palette.light.moon else 0.7))
    if clouds > 0:
        _lay_clouds(easel, sky, near + wide, clouds)
    return sky


def _lay_clouds(easel: Easel, sky: Field, glow: Field, share: float) -> None:
    """Clouds get flatter and finer towards the horizon, bright where they face the light and at thin edges near it."""
    palette, chance = easel.palette, easel.chance.child("clouds")
    _, height, width = sky.shape
    span = easel.width / easel.unit
    noise = cloud_field(chance.child("shape"), width, int(height * 1.3), (1.6 * span, 3.6), 6, gain=0.56)
    depth = np.linspace(0, 1, height, dtype=np.float32)
    rows = ((1.25 * depth / (0.55 + 0.70 * depth)) * (noise.shape[0] - 2)).astype(np.int32)
    noise = noise[rows]
    threshold = 0.70 - 0.36 * share
    body = smooth(threshold, threshold + 0.20, noise)
    step = max(1, height // 40)
    above = np.concatenate((noise[:1].repeat(step, axis=0), noise[:-step]))
    relief = ((noise - above) * 3.4 + 0.5).clip(0, 1)
    thin = body * (1 - body) * 4
    brightness = (relief * 0.55 + thin * 0.25 + glow * 0.30).clip(0, 1)
    cover = body * (0.35 + 0.6 * smooth(1.0, 0.75, depth))[:, None]
    dark, lit = palette.cloud_dark[:, None, None], palette.cloud_lit[:, None, None]
    sky += (dark + (lit - dark) * brightness - sky) * cover


def _paint_body(easel: Easel) -> None:
    palette, (x, y) = easel.palette, easel.sun
    radius = easel.unit * palette.light.disc
    if not radius:
        return
    reach = math.ceil(radius * 1.6) + 2
    left, top = int(x) - reach, int(y) - reach
    at = np.arange(2 * reach + 1, dtype=np.float32) + 0.5
    across, down = (at + (left - x)) / radius, (at + (top - y)) / radius
    distance = np.sqrt(np.square(across)[None, :] + np.square(down)[:, None])
    edge = max(0.75 / radius, palette.light.veil)
    disc = smooth(1 + edge, 1 - edge, distance)
    paint = palette.sun[:, None, None]
    if palette.light.moon:
        seas = cloud_field(easel.chance.child("moon"), at.size, at.size, (4.2, 4.2), 5)
        paint = paint * (1 - smooth(0.40, 0.75, seas) * 0.20)
    easel.canvas.blend(disc * 0.96, paint, top, left)


def paint_birds(easel: Easel, x: float, y: float, count: int) -> None:
    """A loose flock around a point."""
    chance = easel.chance.child("birds")
    reach = easel.unit * 0.11
    stencil = Stencil(int(2 * reach), int(2 * reach))
    for number in range(count):
        bird = chance.child(str(number))
        size = easel.unit * bird.one("size", 0.008, 0.017)
        centre_x, centre_y = reach * bird.one("x", 0.15, 1.85), reach * bird.one("y", 0.3, 1.7)
        lift = bird.one("lift", 0.25, 0.6)
        for side in (-1, 1):
            wing = [
                (centre_x + side * size * along_wing, centre_y - size * (lift * rise))
                for along_wing, rise in (
                    (0, 0),
                    (0.3, 0.75),
                    (0.6, 1.0),
                    (1.0, 0.8),
                    (0.62, 0.72),
                    (0.3, 0.4),
                    (0, -0.28),
                )
            ]
            stencil.polygon(wing)
    ink = mix(easel.palette.lit((0.3, 0.02, 270), 0.0), easel.palette.haze, 0.25)
    easel.canvas.blend(stencil.coverage() * 0.85, ink, int(y - reach), int(x - reach))
