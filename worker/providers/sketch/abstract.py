"""Abstract: waves of cut paper, one before the other, with a disc of light behind them. For words without a scene."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import smooth
from worker.providers.sketch.noise import wave_line
from worker.providers.sketch.palette import along, ramp

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Field
    from worker.providers.sketch.easel import Easel

_SHEETS = 7


def abstract(easel: Easel) -> tuple[float, float]:
    """Sheets of paper in neighbouring hues. Returns the middle of the disc."""
    width, height, unit = easel.width, easel.height, easel.unit
    palette, chance = easel.palette, easel.chance.child("abstract")
    hue = palette.mood.hue if palette.mood.hue is not None else chance.one("hue", 0, 360)
    turn = chance.one("turn", 50, 120) * (1 if chance.one("way") < 0.5 else -1)
    if palette.mood.hue is not None:
        turn *= 0.35
    dark = palette.light.name in {"night", "storm", "dusk"}
    ends = (0.24, 0.80) if dark else (0.93, 0.42)
    back = [palette.of((ends[0] + 0.04, 0.05, hue)), palette.of((ends[0] - 0.02, 0.075, hue + turn * 0.25))]
    easel.canvas.planes[:] = along(ramp(back), height)
    focus = width * chance.one("x", 0.34, 0.66), height * chance.one("y", 0.28, 0.40)
    _disc(easel, focus, unit * 0.17, chance.pick("disc", (75.0, 55.0, 30.0, 90.0)), dark)
    easel.done()
    lean = chance.one("lean", -0.28, 0.28)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    for sheet in range(_SHEETS):
        part = sheet / (_SHEETS - 1)
        line = wave_line(chance.child(str(sheet)), width, 1.1 * width / unit + 0.5, 2, gain=0.28) - 0.5
        middle = height * (0.40 + 0.50 * part)
        edge = middle + line * (0.46 * min(height, 1.6 * unit)) + across * (lean * min(height, width))
        level = ends[0] + (ends[1] - ends[0]) * (0.18 + 0.82 * part)
        chroma = 0.07 + 0.10 * math.sin(math.pi * (0.25 + 0.65 * part))
        top = palette.of((min(0.97, level + 0.055), chroma * 0.9, hue + turn * part))
        foot = palette.of((max(0.12, level - 0.10), chroma, hue + turn * (part + 0.18)))
        _cast(easel, edge, unit * (0.035 + 0.02 * part))
        _sheet(easel, edge, ramp([top, foot]), unit * 0.42)
        easel.done()
    return focus


def _disc(easel: Easel, middle: tuple[float, float], radius: float, hue: float, dark: bool) -> None:
    canvas, palette = easel.canvas, easel.palette
    across = np.square((np.arange(canvas.width, dtype=np.float32) - middle[0]) / radius)
    down = np.square((np.arange(canvas.height, dtype=np.float32) - middle[1]) / radius)[:, None]
    away = across + down
    light = palette.of((0.86, 0.13, hue) if dark else (0.88, 0.11, hue))
    canvas.blend(0.45 / np.square(1 + away * 0.16), light)
    edge = radius / 2
    rise = (np.arange(canvas.height, dtype=np.float32)[:, None] - (middle[1] - radius)) / (2 * radius)
    pale, deep = palette.of((0.96, 0.06, hue + 20)), palette.of((0.76, 0.15, hue - 15))
    run = pale[:, None, None] + (deep - pale)[:, None, None] * rise.clip(0, 1)
    canvas.blend(((1 - away) * edge + 0.5).clip(0, 1), run)


def _cast(easel: Easel, edge: Field, reach: float) -> None:
    """The soft shadow that a sheet throws onto what lies behind it, above its edge."""
    top = max(0, int(float(edge.min()) - reach) - 1)
    bottom = min(easel.height, int(float(edge.max())) + 2)
    if top >= bottom:
        return
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    near = (1 - (edge - rows) / reach).clip(0, 1)
    easel.canvas.planes[:, top:bottom] *= 1 - near * near * 0.30


def _sheet(easel: Easel, edge: Field, run: Field, fall: float) -> None:
    """Fill below the edge; the run of colours follows the edge, not the rows, and its rim catches the light."""
    top = max(0, int(float(edge.min())) - 2)
    if top >= easel.height:
        return
    rows = np.arange(top, easel.height, dtype=np.float32)[:, None] + 0.5
    below = rows - edge
    share = (below * (1 / fall)).clip(0, 1)
    first, last = run[:, 0], run[:, -1]
    paint = first[:, :, None] + (last - first)[:, :, None] * (share * (2 - share))
    rim = smooth(easel.unit * 0.006, 0.0, np.abs(below - (easel.unit * 0.002)))
    paint += (1 - paint) * (rim * 0.35)
    easel.canvas.blend((below + 0.5).clip(0, 1), paint, top)
