"""Scenes out of doors, each a function that lays its layers from far to near and returns what the picture is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch import land, things, trees
from worker.providers.sketch.canvas import smooth
from worker.providers.sketch.grass import paint_tall_grass
from worker.providers.sketch.palette import mix
from worker.providers.sketch.sky import paint_birds, paint_sky
from worker.providers.sketch.water import paint_water

if TYPE_CHECKING:
    from worker.providers.sketch.easel import Easel

Focus = tuple[float, float]
"""The point that the picture is about, in pixels."""


def mountains(easel: Easel) -> Focus:
    """A massif over a lake or over wooded hills in the mist."""
    height, palette = easel.height, easel.palette
    base = height * 0.66
    paint_sky(easel, base - height * 0.06)
    easel.done()
    peak = land.paint_massif(easel, base + height * 0.02, height * 0.40, snow=0.30, woods=(0.44, 0.045, 155))
    easel.done()
    if "lake" in easel.words or easel.chance.one("lake") < 0.6:
        _lake(easel, base)
    else:
        for number in range(3):
            ground = land.hill_line(easel, f"wood{number}", height * (0.70 + 0.085 * number), height * 0.07, 1.6)
            own = palette.lit((0.40 - 0.05 * number, 0.055, 152), 0.35, 0.55 - 0.24 * number)
            foot = mix(own, palette.haze, 0.75 - 0.2 * number)
            trees.paint_conifers(
                easel,
                f"row{number}",
                ground,
                height * (0.035 + 0.022 * number),
                easel.unit * (0.011 + 0.008 * number),
                own,
            )
            land.paint_hills(easel, ground, own, foot, height * 0.10)
    easel.done()
    _frame_of_firs(easel)
    easel.done()
    if "cabin" in easel.words:
        things.paint_cabin(easel, easel.width * 0.70, base + height * 0.005, easel.unit * 0.06)
    paint_birds(easel, peak[0] + easel.unit * 0.22, peak[1] - easel.unit * 0.02, 5)
    return peak


def _lake(easel: Easel, base: float) -> None:
    height, palette = easel.height, easel.palette
    shore = base + height * 0.035
    bank = land.hill_line(easel, "bank", base + height * 0.018, height * 0.022, 2.0)
    wood = palette.lit((0.38, 0.055, 152), 0.35, 0.42)
    trees.paint_conifers(easel, "bank", bank, height * 0.040, easel.unit * 0.010, wood)
    land.paint_hills(easel, bank, wood, mix(wood, palette.haze, 0.3), height * 0.03)
    paint_water(easel, shore, palette.lit((0.42, 0.06, 232), 0.6), 0.10)


def _frame_of_firs(easel: Easel) -> None:
    """Great dark firs on a rise at both sides, with the middle left open."""
    width, height = easel.width, easel.height
    across = np.linspace(-1, 1, width, dtype=np.float32)
    rise = np.square(np.square(across)) * 0.10 + np.square(across) * 0.03
    ground = height * (1.005 - rise) + land.hill_line(easel, "rise", 0, height * 0.03, 2.2)
    dark = easel.palette.lit((0.30, 0.045, 158), 0.16, 0.03)
    easel.canvas.fill_below(ground.astype(np.float32), dark)
    trees.paint_conifers(easel, "frame", ground, height * 0.23, easel.unit * 0.052, dark, opening=0.34)


def sea(easel: Easel) -> Focus:
    """The open sea with far islands, and a boat or a lighthouse on its rock."""
    width, height, unit, palette = easel.width, easel.height, easel.unit, easel.palette
    horizon = height * 0.56
    paint_sky(easel, horizon)
    easel.done()
    for number in range(2):
        isle = land.hill_line(easel, f"isle{number}", horizon + height * 0.028, height * (0.14 - 0.03 * number), 1.1, 5)
        colour = palette.lit((0.42, 0.04, 230), 0.4, 0.78 - 0.22 * number)
        land.paint_hills(easel, isle, colour, mix(colour, palette.haze, 0.6), height * 0.07)
    easel.done()
    paint_water(easel, horizon, palette.lit((0.46, 0.085, 225), 0.75), 0.55 if palette.light.name != "storm" else 1.0)
    easel.done()
    side = 0.28 if easel.chance.one("side") < 0.5 else 0.72
    if "lighthouse" in easel.words or ("boat" not in easel.words and easel.chance.one("tower") < 0.45):
        x, foot = width * side, height * 0.70
        _rock(easel, x, foot)
        things.paint_lighthouse(easel, x, foot - unit * 0.045, unit * 0.36)
        focus = (x, foot - unit * 0.2)
    else:
        x, foot = width * (0.36 + 0.28 * easel.chance.one("boat")), height * 0.70
        things.paint_boat(easel, x, foot, unit * 0.22)
        focus = (x, foot - unit * 0.1)
    easel.done()
    paint_birds(easel, width * (1 - side), horizon - unit * 0.20, 6)
    return focus


def _rock(easel: Easel, x: float, foot: float) -> None:
    """A rock in the sea, its top lit, its foot wet, with foam around it."""
    unit, palette = easel.unit, easel.palette
    across = np.abs(np.arange(easel.width, dtype=np.float32) - x) / (unit * 0.19)
    bump = smooth(1.0, 0.15, across)
    rough = land.hill_line(easel, "rock", 0, 1.0, 16, 4)
    line = foot + unit * 0.03 - bump * ((unit * 0.082) + rough * (unit * 0.03))
    bottom = int(foot + unit * 0.028)
    below = easel.canvas.planes[:, bottom:].copy()
    crest, wet = palette.lit((0.70, 0.03, 75), 0.9), palette.lit((0.42, 0.03, 250), 0.35)
    land.paint_hills(easel, line.astype(np.float32), crest, wet, bottom - float(line.min()))
    easel.canvas.planes[:, bottom:] = below
    foam = smooth(1.12, 0.72, across + rough * 0.25) * 0.7
    depth = np.square(np.linspace(-1, 1, max(3, round(unit * 0.014)), dtype=np.float32))[:, None]
    easel.canvas.blend(foam * (1 - depth), palette.lit((0.97, 0.01, 230), 0.8), bottom - len(depth) // 2)


def forest(easel: Easel) -> Focus:
    """Conifers in the mist, row behind row, with light falling into a clearing."""
    height, unit, palette = easel.height, easel.unit, easel.palette
    paint_sky(easel, height * 0.62, clouds=0.2)
    easel.done()
    rows = 5
    leaf = (0.14, 0.11, 62.0) if "autumn" in easel.words else (0.0, 0.045, 155.0)
    for number in range(rows):
        near = number / (rows - 1)
        ground = land.hill_line(
            easel, f"floor{number}", height * (0.60 + 0.33 * near), height * (0.10 - 0.03 * near), 1.3
        )
        own = palette.lit((0.44 - 0.15 * near + leaf[0], *leaf[1:]), 0.42 - 0.3 * near, 0.88 * (1 - near) ** 1.3 + 0.04)
        foot = mix(own, palette.haze, 0.72 * (1 - near) + 0.10)
        tall = height * (0.15 + 0.30 * near * near)
        gap = unit * (0.018 + 0.07 * near * near)
        trees.paint_conifers(easel, f"row{number}", ground, tall, gap, own, foot, opening=0.42 * near)
        land.paint_hills(
            easel, ground, own if near > 0.9 else foot, mix(foot, palette.haze, 0.5 * (1 - near)), height * 0.08
        )
        easel.done()
    _frame_of_firs(easel)
    return easel.width / 2, height * 0.56


def desert(easel: Easel) -> Focus:
    """Dunes up to the horizon, and a cactus or balloons where they were asked for or chance will have it."""
    width, height, unit = easel.width, easel.height, easel.unit
    horizon = height * 0.54
    paint_sky(easel, horizon, clouds=0.20)
    easel.done()
    land.paint_dunes(easel, horizon, (0.74, 0.09, 66))
    easel.done()
    side = 0.24 if easel.sun[0] > width / 2 else 0.76
    if "cactus" in easel.words:
        things.paint_cactus(easel, width * side, height * 0.86, unit * 0.34)
        return width * side, height * 0.70
    if "balloon" in easel.words or easel.chance.one("balloons") < 0.35:
        return balloons(easel, side, height * 0.34)
    paint_birds(easel, width * side, height * 0.26, 5)
    return easel.sun[0], horizon


def balloons(easel: Easel, side: float, up: float) -> Focus:
    """Three hot-air balloons, one of them near. Returns the middle of the near one."""
    unit, chance = easel.unit, easel.chance.child("balloons")
    x, hue = easel.width * side, chance.one("hue", 0, 360)
    far = 1 - side
    things.paint_balloon(easel, easel.width * far, up - unit * 0.10, unit * 0.075, hue + 80)
    things.paint_balloon(easel, easel.width * (far * 0.6 + 0.2), up + unit * 0.08, unit * 0.055, hue + 190)
    things.paint_balloon(easel, x, up + unit * 0.12, unit * 0.27, hue)
    return x, up


_FLOWERS = ((0.62, 0.20, 25.0), (0.96, 0.02, 95.0), (0.64, 0.15, 300.0), (0.86, 0.15, 92.0), (0.72, 0.15, 350.0))


def meadow(easel: Easel) -> Focus:
    """Rolling grassland before far hills, with a tree, and flowers near by."""
    width, height, unit, palette = easel.width, easel.height, easel.unit, easel.palette
    horizon = height * 0.54
    autumn = "autumn" in easel.words
    paint_sky(easel, horizon)
    easel.done()
    for number in range(2):
        line = land.hill_line(easel, f"far{number}", horizon - height * (0.065 - 0.03 * number), height * 0.09, 1.4, 4)
        colour = palette.lit((0.45, 0.06, 160), 0.5, 0.74 - 0.20 * number)
        land.paint_hills(easel, line, colour, mix(colour, palette.haze, 0.5), height * 0.08)
    easel.done()
    fresh, dry = ((0.60, 0.11, 85), (0.70, 0.11, 70)) if autumn else ((0.60, 0.135, 132), (0.72, 0.125, 112))
    skyline = land.paint_grassland(easel, horizon, fresh, dry)
    easel.done()
    side = 0.30 if easel.sun[0] > width / 2 else 0.70
    if "balloon" in easel.words:
        focus = balloons(easel, side, height * 0.30)
    else:
        leaves = (0.62, 0.15, 55) if autumn else (0.56, 0.12, 135)
        foot = min(height * 0.74, float(skyline[int(width * side)]) + height * 0.085)
        trees.paint_broad_tree(easel, width * side, foot, unit * 0.34, leaves)
        focus = (width * side, foot - unit * 0.17)
    if "cabin" in easel.words:
        things.paint_cabin(easel, width * (1 - side), height * 0.66, unit * 0.085)
    paint_tall_grass(easel, fresh, easel.chance.pick("flower", _FLOWERS))
    easel.done()
    paint_birds(easel, width * (1 - side), horizon - unit * 0.24, 5)
    return focus


def snow(easel: Easel) -> Focus:
    """A snowfield under mountains, with firs, and snow in the air."""
    width, height, unit, palette = easel.width, easel.height, easel.unit, easel.palette
    base = height * 0.60
    paint_sky(easel, base - height * 0.05)
    easel.done()
    peak = land.paint_massif(easel, base + height * 0.03, height * 0.33, snow=0.06)
    easel.done()
    wood = palette.lit((0.46, 0.04, 190), 0.35, 0.50)
    line = land.hill_line(easel, "edge", base + height * 0.020, height * 0.03, 2)
    trees.paint_conifers(easel, "edge", line, height * 0.045, unit * 0.011, wood)
    land.paint_hills(easel, line, wood, palette.haze, height * 0.02)
    land.paint_snowfield(easel, base + height * 0.005)
    easel.done()
    middle = land.hill_line(easel, "stand", height * 0.76, height * 0.05, 1.6)
    dark = palette.lit((0.42, 0.05, 170), 0.28, 0.14)
    trees.paint_conifers(
        easel,
        "stand",
        middle,
        height * 0.15,
        unit * 0.06,
        dark,
        opening=0.40,
        frost=palette.lit((0.97, 0.01, 240), 0.8),
    )
    if "cabin" in easel.words or easel.chance.one("cabin") < 0.4:
        x = width * easel.chance.pick("cabin side", (0.36, 0.64))
        things.paint_cabin(easel, x, height * 0.755, unit * 0.10)
        peak = (x, height * 0.70)
    near = land.hill_line(easel, "near", height * 0.99, height * 0.05, 1.6)
    deep = palette.lit((0.34, 0.045, 165), 0.2, 0.03)
    trees.paint_conifers(
        easel, "near", near, height * 0.30, unit * 0.10, deep, opening=0.52, frost=palette.lit((0.97, 0.01, 240), 0.6)
    )
    easel.done()
    things.paint_flakes(easel)
    return peak
