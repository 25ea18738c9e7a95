"""Irregular fields and lines: value noise in octaves, each a grid of chance twice as fine and half as strong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Field
    from worker.providers.sketch.chance import Chance


def cloud_field(
    chance: Chance, width: int, height: int, cells: tuple[float, float], octaves: int, gain: float = 0.5
) -> Field:
    """Noise of rows x columns, about 0 to 1 around 0.5, with `cells` (across, down) lumps of the coarsest kind.

    The grid is doubled octave by octave and stretched to the wanted size once, at the end: a third of the work of
    stretching every octave.
    """
    columns, rows = math.ceil(cells[0]) + 3, math.ceil(cells[1]) + 3
    grid = chance.many("0", rows * columns).reshape(rows, columns)
    strength, total = 1.0, 1.0
    for octave in range(1, octaves):
        rows, columns = rows * 2, columns * 2
        grid = np.asarray(Image.fromarray(grid).resize((columns, rows), Image.Resampling.BICUBIC), dtype=np.float32)
        strength *= gain
        total += strength
        grid = grid + chance.many(str(octave), rows * columns).reshape(rows, columns) * strength
    finest = 2.0 ** (octaves - 1)
    box = (1.5 * finest, 1.5 * finest, (1.5 + cells[0]) * finest, (1.5 + cells[1]) * finest)
    stretched = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(stretched, dtype=np.float32) * (1 / total)


def wave_line(chance: Chance, length: int, lumps: float, octaves: int, gain: float = 0.5) -> Field:
    """A smooth line of `length` numbers, about 0 to 1 around 0.5, with `lumps` of the coarsest kind along it."""
    line, strength, total = np.zeros(length, dtype=np.float32), 1.0, 0.0
    for octave in range(octaves):
        line += _octave(chance, str(octave), length, lumps * 2**octave) * strength
        total += strength
        strength *= gain
    return line / total


def _octave(chance: Chance, label: str, length: int, lumps: float) -> Field:
    knots = chance.many(label, math.ceil(lumps) + 3)
    at = np.linspace(0.5, 0.5 + lumps, length, dtype=np.float32)
    left = at.astype(np.int32)
    share = at - np.floor(at)
    share = share * share * share * (share * (share * 6 - 15) + 10)
    return knots[left] * (1 - share) + knots[left + 1] * share
