"""Space: a veil of coloured gas, stars, and a planet lit from one side, with or without rings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import enlarge, smooth
from worker.providers.sketch.noise import cloud_field
from worker.providers.sketch.palette import along, ramp
from worker.providers.sketch.sky import paint_stars

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Colour, Field
    from worker.providers.sketch.chance import Chance
    from worker.providers.sketch.easel import Easel
    from worker.providers.sketch.lights import Lch


def space(easel: Easel) -> tuple[float, float]:
    """A planet among stars. Returns its middle."""
    chance, palette = easel.chance.child("space"), easel.palette
    hue = palette.mood.hue if palette.mood.hue is not None else chance.one("hue", 180, 360)
    _nebula(easel, chance, hue)
    easel.done()
    paint_stars(easel, easel.height, 2.4, 1.15)
    easel.done()
    radius = easel.unit * chance.one("radius", 0.24, 0.30)
    x, y = easel.width * chance.one("x", 0.42, 0.58), easel.height * chance.one("y", 0.44, 0.56)
    own: Lch = chance.pick(
        "own", ((0.74, 0.10, 62.0), (0.68, 0.13, 38.0), (0.66, 0.11, 232.0), (0.72, 0.08, 190.0), (0.66, 0.13, 350.0))
    )
    ringed = "ring" in easel.words or chance.one("rings") < 0.5
    if ringed:
        radius *= 0.82
        _rings(easel, chance, x, y, radius, own, behind=True)
    _planet(easel, chance, x, y, radius, own)
    if ringed:
        _rings(easel, chance, x, y, radius, own, behind=False)
    easel.done()
    moon = radius * chance.one("moon", 0.10, 0.17)
    side = -1 if chance.one("moon side") < 0.5 else 1
    _planet(easel, chance.child("moon"), x + side * easel.unit * 0.36, y - easel.unit * 0.33, moon, (0.78, 0.02, hue))
    return x, y


def _nebula(easel: Easel, chance: Chance, hue: float) -> None:
    height, width = easel.height, easel.width
    rows, columns = height // 2, width // 2
    palette = easel.palette
    night = [palette.of((0.17, 0.055, hue)), palette.of((0.23, 0.075, hue + 12)), palette.of((0.18, 0.06, hue - 25))]
    sky = np.repeat(along(ramp(night), rows), columns, axis=2)
    span = (columns / min(rows, columns), rows / min(rows, columns))
    warp = cloud_field(chance.child("warp"), columns, rows, (2.2 * span[0], 2.2 * span[1]), 3)
    across = np.linspace(-1, 1, columns, dtype=np.float32) * span[0]
    down = np.linspace(-1, 1, rows, dtype=np.float32)[:, None] * span[1]
    tilt = chance.one("tilt", -0.9, 0.9)
    band = smooth(1.0, 0.0, np.abs(down + across * tilt + (warp - 0.5) * 1.9))
    for number, (shift, strength) in enumerate(((0, 0.60), (45, 0.50), (-60, 0.34))):
        gas = cloud_field(chance.child(f"gas{number}"), columns, rows, (3 * span[0], 3 * span[1]), 6, gain=0.58)
        density = smooth(0.40, 0.78, gas) * band * strength
        sky += (1 - sky) * density * palette.of((0.66, 0.16, hue + shift))[:, None, None]
    dust = cloud_field(chance.child("dust"), columns, rows, (4 * span[0], 4 * span[1]), 5)
    sky *= 1 - smooth(0.52, 0.72, dust) * band * 0.55
    for plane, painted in zip(easel.canvas.planes, sky, strict=True):
        plane[:] = enlarge(painted, width, height)


def _disc(radius: float, x: float, y: float) -> tuple[int, int, Field, Field]:
    """Where a disc's square starts, and its columns and rows in radii from the middle."""
    reach = math.ceil(radius * 1.25) + 2
    left, top = int(x) - reach, int(y) - reach
    at = np.arange(2 * reach, dtype=np.float32) + 0.5
    return (
        left,
        top,
        (at + (left - x)) / radius,
        ((at + (top - y)) / radius)[:, None],
    )


def _planet(easel: Easel, chance: Chance, x: float, y: float, radius: float, own: Lch) -> None:
    left, top, across, down = _disc(radius, x, y)
    away = across * across + down * down
    towards = np.sqrt((1 - away).clip(0, 1))
    light = across * -0.62 + down * -0.42 + towards * 0.66
    lit = smooth(-0.08, 0.95, light)
    size = across.size
    storms = cloud_field(chance.child("storms"), size, size, (2.5, 9), 5, gain=0.55)
    lines = down * 5.5 + across * 1.1 + (storms - 0.5) * 3.2
    bands = np.abs(lines * 0.5 - np.floor(lines * 0.5) - 0.5) * 2
    tone = (bands * 0.55 + storms * 0.45).clip(0, 1)
    palette = easel.palette
    dark, bright = (
        palette.of((own[0] * 0.62, own[1], own[2] - 20)),
        palette.of((min(0.95, own[0] * 1.2), own[1] * 0.7, own[2] + 25)),
    )
    paint = dark[:, None, None] + (bright - dark)[:, None, None] * tone
    paint = paint * (0.015 + lit)
    rim = smooth(0.55, 1.0, away) * smooth(-0.05, 0.6, light)
    air = palette.of((0.85, 0.10, own[2] + 40))[:, None, None]
    paint = paint + (air - paint) * (rim * 0.65)
    edge = radius / 2
    easel.canvas.blend(((1 - away) * edge + 0.5).clip(0, 1), paint, top, left)
    halo = smooth(1.25, 1.0, np.sqrt(away)) * smooth(0.98, 1.02, away) * smooth(-0.1, 0.9, light / np.sqrt(away))
    easel.canvas.shine(halo * 0.35, palette.of((0.80, 0.12, own[2] + 40)), top, left)


def _rings(easel: Easel, chance: Chance, x: float, y: float, radius: float, own: Lch, *, behind: bool) -> None:
    reach = radius * 2.3
    left, top, across, down = _disc(reach, x, y)
    tilt = chance.one("ring tilt", -0.35, 0.35)
    seen = np.flatnonzero(np.abs(down[:, 0]) < 0.30 + abs(tilt))
    top, down = top + int(seen[0]), down[seen[0] : seen[-1] + 1]
    flat = (down - across * tilt) * 3.6
    away = np.sqrt(across * across * (1 + tilt * tilt) + flat * flat)
    grooves = chance.many("grooves", 96)
    place = ((away - 0.56) * (95 / 0.44)).clip(0, 95)
    low = place.astype(np.int32)
    density = grooves[low] + (grooves[np.minimum(low + 1, 95)] - grooves[low]) * (place - np.floor(place))
    cover = smooth(0.56, 0.60, away) * smooth(1.0, 0.95, away) * (0.25 + 0.6 * density)
    front = (flat > 0) != behind
    shadow = smooth(0.30, 0.42, np.abs(across * 0.55 - down * 0.83)) if behind else np.ones(1, dtype=np.float32)
    colour: Colour = easel.palette.of((0.82, own[1] * 0.5, own[2] + 30))
    paint = colour[:, None, None] * (0.12 + 0.88 * np.broadcast_to(shadow, away.shape))
    easel.canvas.blend((cover * front).astype(np.float32), paint, top, left)
