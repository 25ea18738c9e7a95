"""A city by the water: towers in rows, each nearer row darker, with windows that are lit in the dark hours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.palette import along, mix, ramp, srgb
from worker.providers.sketch.sky import paint_sky
from worker.providers.sketch.things import dark_hours
from worker.providers.sketch.water import paint_water

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Colour
    from worker.providers.sketch.chance import Chance
    from worker.providers.sketch.easel import Easel

_ROWS = 4
_WARM, _COOL = srgb((0.90, 0.11, 82)), srgb((0.93, 0.03, 230))


def city(easel: Easel) -> tuple[float, float]:
    """A skyline over its river. Returns the top of the middle of the town."""
    height, unit, palette = easel.height, easel.unit, easel.palette
    base = height * 0.72
    paint_sky(easel, base - height * 0.04)
    easel.done()
    easel.canvas.blend(1.0, palette.haze, int(base - height * 0.045))
    centre = easel.width * easel.chance.one("centre", 0.40, 0.60)
    for row in range(_ROWS):
        near = row / (_ROWS - 1)
        _row(
            easel,
            easel.chance.child(f"row{row}"),
            base,
            centre,
            near,
            min(height * 0.46, unit * 0.62) * (1 - 0.22 * near),
        )
        easel.done()
    _quay(easel, base)
    paint_water(easel, base, palette.lit((0.38, 0.05, 240), 0.5), 0.22, clearness=0.8)
    return centre, base - min(height * 0.30, unit * 0.40)


def _row(easel: Easel, chance: Chance, base: float, centre: float, near: float, tallest: float) -> None:
    unit, x, number = easel.unit, -easel.unit * 0.05, 0
    while x < easel.width:
        house = chance.child(str(number))
        wide = unit * house.one("wide", 0.035, 0.085) * (0.8 + 0.35 * near)
        away = (x + wide / 2 - centre) / (0.42 * easel.width + 0.1 * unit)
        bell = 1 / (1 + (1.7 * away) ** 2) ** 1.5
        tall = tallest * (0.16 + 0.84 * bell * house.one("tall", 0.35, 1.0))
        _house(easel, house, x, base, wide, tall, near)
        x += wide * house.one("gap", 0.82, 1.25 + 0.25 * near)
        number += 1


def _house(easel: Easel, house: Chance, x: float, base: float, wide: float, tall: float, near: float) -> None:
    palette = easel.palette
    own = house.pick("own", ((0.50, 0.03, 255), (0.56, 0.035, 40), (0.46, 0.04, 275), (0.60, 0.02, 230)))
    depth = 0.80 * (1 - near) ** 1.2 + 0.06
    sunny = 0.62 - 0.25 * near
    left_lit = easel.sun[0] < x + wide / 2
    lit, shade = palette.lit(own, sunny, depth), palette.lit((own[0] * 0.8, own[1], own[2]), 0.12, depth)
    split = wide * house.one("split", 0.55, 0.75)
    if not left_lit:
        split = wide - split
    for part, (start, end) in enumerate(((0.0, split), (split, wide))):
        _wall(easel, x + start, x + end, base - tall, base, lit if (part == 0) == left_lit else shade)
    crown = house.one("crown")
    if crown < 0.22:
        _wall(easel, x + wide * 0.2, x + wide * 0.8, base - tall - wide * 0.4, base - tall, mix(lit, shade, 0.5))
    elif crown < 0.40:
        _spire(
            easel, x + wide / 2, wide * 0.5, base - tall, tall * house.one("spire", 0.10, 0.26), mix(lit, shade, 0.6)
        )
    elif crown < 0.55:
        _wall(easel, x + wide * 0.48, x + wide * 0.52 + 1, base - tall - wide * 0.7, base - tall, shade)
    _windows(easel, house, (x, base - tall, wide, tall), near)


def _wall(easel: Easel, left: float, right: float, top: float, bottom: float, paint: Colour) -> None:
    """A wall that fades into the haze towards its foot."""
    first, last, start, end = (round(edge) for edge in (left, right, top, bottom))
    if last <= first or end <= start or start >= easel.height:
        return
    run = along(ramp([paint, mix(paint, easel.palette.haze, 0.32)]), end - start)
    easel.canvas.blend(np.ones((end - start, last - first), dtype=np.float32), run, start, first)


def _spire(easel: Easel, x: float, wide: float, foot: float, tall: float, paint: Colour) -> None:
    rows, columns = max(1, math.ceil(tall)), max(1, math.ceil(wide))
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    aside = np.abs(np.linspace(-1, 1, columns, dtype=np.float32))
    body = ((down * down - aside) * (columns / 2) + 0.8).clip(0, 1)
    easel.canvas.blend(body, paint, round(foot) - rows, round(x - wide / 2))


def _windows(easel: Easel, house: Chance, body: tuple[float, float, float, float], near: float) -> None:
    """A grid of windows; by day they only glint, in the dark hours about half of them are lit."""
    left, top, wide, tall = body
    pitch = easel.unit * (0.0075 + 0.0035 * near)
    columns, rows = int(wide / pitch) - 1, int(tall * 0.92 / (pitch * 1.35)) - 1
    if columns < 1 or rows < 1:
        return
    dark = dark_hours(easel)
    draws = house.many("windows", rows * columns).reshape(rows, columns)
    share = house.one("share", 0.15, 0.55) if dark else 0.10
    lamps = np.where(draws < share, 0.35 + (0.65 / share) * draws, 0)
    cell_wide, cell_tall = wide / (columns + 1), pitch * 1.35
    across = (np.arange(int(wide)) - cell_wide * 0.5) / cell_wide
    down = (np.arange(int(tall * 0.92)) - cell_tall * 0.5) / cell_tall
    column, row = across.astype(np.int32).clip(0, columns - 1), down.astype(np.int32).clip(0, rows - 1)
    inside = (np.abs(across - column - 0.5) < 0.30)[None, :] & (np.abs(down - row - 0.5) < 0.28)[:, None]
    strength = lamps[row][:, column] * inside * ((0.85 if dark else 0.30) * (0.30 + 0.70 * near))
    colour = mix(_WARM, _COOL, house.one("lamp") ** 3) if dark else easel.palette.sun
    easel.canvas.shine(strength.astype(np.float32), colour, round(top) + 2, round(left))


def _quay(easel: Easel, base: float) -> None:
    dark = easel.palette.lit((0.34, 0.02, 260), 0.2, 0.05)
    rows = max(2, round(easel.unit * 0.012))
    easel.canvas.blend(np.ones((rows, easel.width), dtype=np.float32), dark, round(base) - rows)
    if dark_hours(easel):
        spacing = easel.unit * 0.045
        at = np.arange(easel.width, dtype=np.float32) / spacing
        lamps = (1 - np.abs(at - np.floor(at) - 0.5) * (spacing / 1.8)).clip(0, 1)
        easel.canvas.shine(np.repeat(lamps[None, :], max(2, rows // 2), axis=0), _WARM, round(base) - rows - 1)
