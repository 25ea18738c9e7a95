"""Still life: turned things (vase, cup, bottle, fruit) on a plinth before an arch, in window light with leaf shadows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import Stencil, enlarge, smooth
from worker.providers.sketch.palette import along, ramp
from worker.providers.sketch.turned import (
    BOTTLE,
    BOWL,
    CUP,
    VASE,
    paint_ball,
    paint_ellipse,
    paint_shadow,
    paint_turned,
)

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Field, Points
    from worker.providers.sketch.chance import Chance
    from worker.providers.sketch.easel import Easel
    from worker.providers.sketch.lights import Lch


def still_life(easel: Easel) -> tuple[float, float]:
    """Returns the middle of the main thing."""
    width, height, unit, palette = easel.width, easel.height, easel.unit, easel.palette
    chance = easel.chance.child("still")
    hue = (
        palette.mood.hue
        if palette.mood.hue is not None
        else chance.pick("hue", (35.0, 60.0, 20.0, 150.0, 230.0, 350.0))
    )
    table = height * 0.74
    middle = width * 0.5
    _wall(easel, hue, table, middle)
    easel.done()
    _window_light(easel, chance, table)
    easel.done()
    _table(easel, hue, table)
    plinth = table + unit * 0.045
    plinth_top = _plinth(easel, hue, middle, plinth, unit * 0.30, unit * 0.09)
    easel.done()
    thing = _named_thing(easel, chance)
    focus = _main_thing(easel, chance, thing, hue, middle, plinth_top)
    easel.done()
    _side_things(easel, chance, hue, middle, table + unit * 0.075)
    return focus


def _named_thing(easel: Easel, chance: Chance) -> str:
    for thing in ("cup", "bottle", "fruit", "flower"):
        if thing in easel.words:
            return thing
    return chance.pick("thing", ("flower", "bottle", "fruit", "cup"))


def _wall(easel: Easel, hue: float, table: float, middle: float) -> None:
    """A plastered wall with an arch that is a little deeper in colour, and lit from the left."""
    palette, unit = easel.palette, easel.unit
    wall = ramp([palette.lit((0.90, 0.045, hue), 0.85), palette.lit((0.86, 0.06, hue), 0.75)])
    easel.canvas.planes[:] = along(wall, easel.height)
    radius = unit * 0.33
    spring = table - unit * 0.34
    across = np.arange(easel.width, dtype=np.float32)[None, :] - middle
    down = np.minimum(np.arange(easel.height, dtype=np.float32)[:, None] - spring, 0)
    away = np.sqrt(across * across + down * down)
    inside = (radius - away + 0.5).clip(0, 1)
    niche = along(ramp([palette.lit((0.70, 0.10, hue), 0.45), palette.lit((0.80, 0.095, hue), 0.75)]), easel.height)
    easel.canvas.blend(inside, niche)
    lip = smooth(unit * 0.10, 0.0, radius - away) * inside * smooth(0.3, -1.0, across / radius)
    easel.canvas.planes *= 1 - lip * 0.30


def _window_light(easel: Easel, chance: Chance, table: float) -> None:
    """Light through a window that we do not see, and the shadow of leaves in it."""
    coarse = 6
    width, height = max(8, easel.width // coarse), max(8, easel.height // coarse)
    unit = easel.unit / coarse
    panes = Stencil(width, height)
    left = width * 0.5 - unit * 0.46
    slant = unit * 0.16
    for column in range(2):
        for row in range(3):
            x, y = left + column * unit * 0.44, unit * (0.02 + 0.27 * row) + (height - unit) * 0.2
            panes.polygon(
                [
                    (x, y + slant * column),
                    (x + unit * 0.41, y + slant * (column + 0.93)),
                    (x + unit * 0.41, y + unit * 0.25 + slant * (column + 0.93)),
                    (x, y + unit * 0.25 + slant * column),
                ]
            )
    leaves = Stencil(width, height)
    root = (width * 0.5 + unit * 0.58, -unit * 0.04)
    for branch in range(5):
        _frond(leaves, chance.child(f"frond{branch}"), root, unit * 0.72, 1.75 + branch * 0.26)
    light = _blur(panes.coverage(), 2) * (1 - _blur(leaves.coverage(), 2) * 0.85)
    glow = enlarge(light, easel.width, easel.height) * 0.55
    easel.canvas.planes *= 0.80
    easel.canvas.shine(glow.clip(0, 1), easel.palette.lit((0.97, 0.04, 80), 1.0))


def _frond(stencil: Stencil, chance: Chance, root: tuple[float, float], length: float, angle: float) -> None:
    draws = chance.many("leaves", 16).tolist()
    for step in range(16):
        along_stem = length * (0.15 + 0.85 * step / 15)
        bend = angle + 0.25 * (step / 15) ** 2
        x, y = root[0] + math.cos(bend) * along_stem, root[1] + math.sin(bend) * along_stem
        size = length * 0.20 * (1.05 - 0.6 * step / 15) * (0.8 + 0.4 * draws[step])
        for side in (-1, 1):
            tip = bend + side * 0.85
            end = (x + math.cos(tip) * size, y + math.sin(tip) * size)
            nx, ny = -math.sin(tip) * size * 0.13, math.cos(tip) * size * 0.13
            stencil.polygon(
                [
                    (x, y),
                    ((x + end[0]) / 2 + nx, (y + end[1]) / 2 + ny),
                    end,
                    ((x + end[0]) / 2 - nx, (y + end[1]) / 2 - ny),
                ]
            )


def _blur(field: Field, times: int) -> Field:
    for _ in range(times):
        padded = np.pad(field, 1, mode="edge")
        field = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + padded[1:-1, 1:-1]) / 5
    return field


def _table(easel: Easel, hue: float, table: float) -> None:
    palette = easel.palette
    rows = easel.height - int(table)
    run = along(ramp([palette.lit((0.80, 0.065, hue), 0.75), palette.lit((0.90, 0.045, hue), 0.95)]), rows)
    easel.canvas.planes[:, int(table) :] = run
    seam = np.square(1 - np.linspace(0, 1, max(2, rows // 5), dtype=np.float32))[:, None] * 0.22
    easel.canvas.planes[:, int(table) : int(table) + len(seam)] *= 1 - seam


def _plinth(easel: Easel, hue: float, x: float, foot: float, radius: float, tall: float) -> float:
    """A low round plinth. Returns the row on which things stand."""
    palette = easel.palette
    paint_shadow(easel, x, foot + radius * 0.01, radius)
    own: Lch = (0.93, 0.03, hue)
    share = radius / tall
    paint_turned(easel, ((0, share), (1, share)), x, foot, tall, own, 0.0)
    paint_ellipse(easel, x, foot - tall, radius, radius * 0.16, palette.lit((0.96, 0.025, hue), 1.0))
    return foot - tall + radius * 0.05


def _main_thing(easel: Easel, chance: Chance, thing: str, hue: float, x: float, foot: float) -> tuple[float, float]:
    unit, palette = easel.unit, easel.palette
    accent: Lch = (0.58, 0.12, hue + chance.pick("accent", (0.0, 165.0, -60.0)))
    paint_shadow(easel, x, foot, unit * 0.11)
    if thing == "cup":
        tall = unit * 0.17
        paint_ellipse(easel, x, foot + tall * 0.06, tall * 0.95, tall * 0.16, palette.lit((0.95, 0.02, hue), 0.9))
        _handle(easel, x + tall * 0.60, foot - tall * 0.52, tall * 0.27, accent)
        paint_turned(easel, CUP, x, foot, tall, accent)
        paint_ellipse(
            easel, x, foot - tall, tall * 0.60, tall * 0.115, palette.lit((accent[0] * 0.8, accent[1], accent[2]), 0.5)
        )
        paint_ellipse(easel, x, foot - tall * 0.975, tall * 0.53, tall * 0.085, palette.lit((0.36, 0.07, 50), 0.6))
        _steam(easel, chance, x, foot - tall * 1.1, tall * 1.5)
        return x, foot - tall * 0.6
    if thing == "bottle":
        tall = unit * 0.40
        paint_turned(easel, BOTTLE, x, foot, tall, accent, 0.55)
        _label(easel, x, foot, tall, hue)
        return x, foot - tall * 0.5
    if thing == "fruit":
        tall = unit * 0.13
        fruits: tuple[tuple[float, float, float, Lch], ...] = (
            (-0.95, 1.05, 0.62, (0.66, 0.19, 35)),
            (0.95, 1.05, 0.60, (0.62, 0.18, 25)),
            (0.05, 1.15, 0.68, (0.80, 0.15, 85)),
            (-0.45, 1.72, 0.58, (0.74, 0.15, 120)),
            (0.50, 1.70, 0.60, (0.72, 0.17, 60)),
        )
        for aside, up, size, own in fruits:
            paint_ball(easel, x + aside * tall, foot - up * tall, size * tall, own)
        paint_turned(easel, BOWL, x, foot, tall, (0.92, 0.02, hue + 180), 0.25)
        return x, foot - tall
    tall = unit * 0.25
    _branches(easel, chance, x, foot - tall * 0.95, unit * 0.36, hue)
    paint_turned(easel, VASE, x, foot, tall, accent)
    return x, foot - tall * 1.1


def _handle(easel: Easel, x: float, y: float, radius: float, own: Lch) -> None:
    stencil = Stencil(int(radius * 3) + 4, int(radius * 3) + 4)
    middle = radius * 1.5 + 2
    stencil.ellipse(middle, middle, radius, radius * 1.12)
    stencil.ellipse(middle, middle, radius * 0.62, radius * 0.74, 0)
    easel.canvas.blend(
        stencil.coverage(), easel.palette.lit((own[0] * 0.85, own[1], own[2]), 0.55), int(y - middle), int(x - middle)
    )


def _steam(easel: Easel, chance: Chance, x: float, y: float, tall: float) -> None:
    rows, columns = int(tall), int(tall * 0.7)
    up = np.linspace(1, 0, rows, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, columns, dtype=np.float32)
    drift = chance.many("steam", 24)
    knots = np.convolve(drift, np.ones(5) / 5, mode="valid").astype(np.float32)
    sway = (np.interp(np.linspace(0, len(knots) - 1, rows), np.arange(len(knots)), knots) - 0.5).astype(np.float32)[
        :, None
    ]
    veil = np.zeros((rows, columns), dtype=np.float32)
    for offset in (-0.22, 0.24):
        line = np.abs(across - offset - sway * (0.6 + up)) / (0.05 + 0.16 * up)
        veil += smooth(1, 0, line.clip(0, 1)) * (1 - up) * smooth(0, 0.15, up)
    easel.canvas.shine(
        (veil * 0.55).clip(0, 1),
        easel.palette.lit((0.98, 0.01, 80), 1.0),
        int(y - tall),
        int(x - columns / 2),
    )


def _label(easel: Easel, x: float, foot: float, tall: float, hue: float) -> None:
    columns, rows = int(tall * 0.40), int(tall * 0.26)
    left, top = int(x - columns / 2), int(foot - tall * 0.44)
    aside = np.linspace(-0.62, 0.62, columns, dtype=np.float32)
    light = (aside * -0.45 + 0.75).clip(0, 1)
    pale, dark = easel.palette.lit((0.96, 0.02, hue), 1.0), easel.palette.lit((0.80, 0.03, hue), 0.3)
    paint = dark[:, None, None] + (pale - dark)[:, None, None] * light
    easel.canvas.blend(np.full((rows, columns), 0.96, dtype=np.float32), paint, top, left)
    ink = easel.palette.lit((0.35, 0.05, hue), 0.4)
    for line, share in ((0.30, 0.56), (0.52, 0.34), (0.66, 0.34)):
        wide, thick = int(columns * share), max(1, rows // (14 if line < 0.5 else 26))
        easel.canvas.blend(
            np.full((thick, wide), 0.85, dtype=np.float32), ink, top + int(rows * line), int(x - wide / 2)
        )


def _branches(easel: Easel, chance: Chance, x: float, y: float, tall: float, hue: float) -> None:
    """Stems that spread from one point, with leaves and round blossoms."""
    palette = easel.palette
    size = int(tall * 2.3)
    stems, blossoms = Stencil(size, size), Stencil(size, size)
    foot = (size / 2, size - tall * 0.12)
    for branch in range(7):
        draw = chance.child(f"branch{branch}")
        angle = -math.pi / 2 + (branch - 3) * 0.20 + draw.one("angle", -0.08, 0.08)
        length = tall * draw.one("length", 0.70, 1.05)
        points: Points = []
        for step in range(9):
            bend = angle + (branch - 3) * 0.05 * step / 8
            points.append((foot[0] + math.cos(bend) * length * step / 8, foot[1] + math.sin(bend) * length * step / 8))
        stems.line(points, tall * 0.010)
        for step in range(3, 9):
            side = 1 if (step + branch) % 2 else -1
            tip = angle + side * draw.one(f"tip{step}", 0.5, 1.0)
            leaf = tall * draw.one(f"leaf{step}", 0.09, 0.16)
            px, py = points[step]
            end = (px + math.cos(tip) * leaf, py + math.sin(tip) * leaf)
            nx, ny = -math.sin(tip) * leaf * 0.24, math.cos(tip) * leaf * 0.24
            stems.polygon(
                [
                    (px, py),
                    ((px + end[0]) / 2 + nx, (py + end[1]) / 2 + ny),
                    end,
                    ((px + end[0]) / 2 - nx, (py + end[1]) / 2 - ny),
                ]
            )
        if branch % 2 == 0:
            px, py = points[-1]
            for petal in range(6):
                turn = petal * math.pi / 3 + draw.one("petal")
                blossoms.ellipse(
                    px + math.cos(turn) * tall * 0.045, py + math.sin(turn) * tall * 0.045, tall * 0.042, tall * 0.042
                )
    left, top = int(x - foot[0]), int(y - foot[1] + tall * 0.06)
    easel.canvas.blend(stems.coverage(), palette.lit((0.48, 0.09, 140), 0.6), top, left)
    easel.canvas.blend(blossoms.coverage(), palette.lit((0.88, 0.10, hue + 330), 0.95), top, left)


def _side_things(easel: Easel, chance: Chance, hue: float, middle: float, foot: float) -> None:
    unit = easel.unit
    side = 1 if chance.one("side") < 0.5 else -1
    for number, (aside, size, turn) in enumerate(((0.38, 0.058, 30.0), (0.27, 0.034, -70.0))):
        x = middle + side * aside * unit
        y = foot + unit * (0.02 + 0.03 * number)
        paint_shadow(easel, x, y + size * unit * 0.9, size * unit * 0.8)
        paint_ball(easel, x, y, size * unit, (0.74, 0.11, hue + turn))
