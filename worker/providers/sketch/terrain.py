"""Land with depth: a map of heights, lit and shadowed, seen from the front with the nearer parts over the further.

A map has slices (rows of the array), the nearest first, and as many columns as the canvas. Every point stands at a row
of the canvas that follows from its slice and its height alone, so what is visible is a running minimum over the slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.noise import cloud_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from worker.providers.sketch.canvas import Canvas, Field
    from worker.providers.sketch.chance import Chance


@dataclass(frozen=True, slots=True)
class Stand:
    """Where each slice of a map stands, for `Canvas` rows: its row at height 0, and how many rows a height of 1 is."""

    ground: Field
    scale: Field

    def rows(self, heights: Field) -> Field:
        """The row of every point of a map."""
        return self.ground[:, None] - heights * self.scale[:, None]


def from_afar(slices: int, near: float, far: float, tall: float) -> Stand:
    """As through a long lens: every slice of the same scale, from row `near` up to row `far`."""
    return Stand(np.linspace(near, far, slices, dtype=np.float32), np.full(slices, tall, dtype=np.float32))


@dataclass(frozen=True, slots=True)
class Ground:
    """Land that reaches from the viewer's feet to the horizon.

    Attributes:
        distances: of each slice, 1 for the nearest, growing by an even factor.
        horizon: the row that endless land would end at.
        near: the row of the nearest slice.
        columns: of the canvas.
    """

    distances: Field
    horizon: float
    near: float
    columns: int

    def stand(self, tall: float) -> Stand:
        """`tall`: rows that a height of 1 is in the nearest slice."""
        closeness = 1 / self.distances
        return Stand(self.horizon + (self.near - self.horizon) * closeness, tall * closeness)

    def seen(self, world: Field, across: float, along: float, start: float = 0.0) -> Field:
        """A field of the world (rows lead away from the viewer) as slices x columns.

        `across`: columns of the field that the nearest slice spans; `along`: rows of the field for a distance of 1.
        """
        rows, columns = world.shape
        away = ((self.distances - 1) * along + start) % (rows - 1)
        row = away.astype(np.int32)
        share = (away - np.floor(away))[:, None]
        lines = world[row] * (1 - share) + world[row + 1] * share
        spread = np.linspace(-0.5, 0.5, self.columns, dtype=np.float32) * across
        place = (self.distances[:, None] * spread + (columns / 2)) % (columns - 1)
        left = place.astype(np.int32)
        place -= left
        left += (np.arange(len(lines), dtype=np.int32) * columns)[:, None]
        flat = lines.reshape(-1)
        return flat[left] * (1 - place) + flat[left + 1] * place


def ground(slices: int, horizon: float, near: float, columns: int, furthest: float) -> Ground:
    """Land from row `near` to `furthest` times as far away, under this horizon."""
    factor = furthest ** (1 / (slices - 1))
    distances = np.array([factor**number for number in range(slices)], dtype=np.float32)
    return Ground(distances, horizon, near, columns)


def ridged_field(chance: Chance, columns: int, slices: int, cells: tuple[float, float], octaves: int) -> Field:
    """Heights (0 to about 1) of folded land: sharp ridges that branch, smooth valleys."""
    heights = np.zeros((slices, columns), dtype=np.float32)
    weight = np.ones((slices, columns), dtype=np.float32)
    strength, total = 1.0, 0.0
    for octave in range(octaves):
        scale = 2.0**octave
        bare = cloud_field(chance.child(str(octave)), columns, slices, (cells[0] * scale, cells[1] * scale), 1)
        sharp = 1 - np.abs(2 * bare - 1)
        sharp *= sharp
        sharp *= weight
        heights += sharp * strength
        weight = (sharp * 1.7).clip(0, 1)
        total += strength
        strength *= 0.5
    return heights / total


def brightness_of(heights: Field, across: Field | float, down: Field | float, side: float, shadow: float) -> Field:
    """How much light each point of a map gets, 0 to 1, from a low sun at the side, a little before the land.

    `across`, `down`: how steep a difference of height 1 between neighbouring columns and slices is. `side`: -1 when the
    light comes from the left, 1 from the right. `shadow`: how many columns a height of 1 throws its shadow; 0: none.
    """
    away, aside = np.gradient(heights)
    aside *= across
    away *= down
    lit = aside * (-0.78 * side) + away * 0.34 + 0.52
    lit /= np.sqrt(1 + aside * aside + away * away)
    if shadow:
        lit *= 1 - _cast_shadow(heights, side, shadow)
    return lit.clip(0, 1)


def _cast_shadow(heights: Field, side: float, reach: float) -> Field:
    columns = np.arange(heights.shape[1], dtype=np.float32) * (1 / reach)
    line = (heights if side < 0 else heights[:, ::-1]) + columns
    behind = ((np.maximum.accumulate(line, axis=1) - line) * 14).clip(0, 1)
    return behind if side < 0 else behind[:, ::-1]


def paint_terrain(canvas: Canvas, heights: Field, colours: Field, stand: Stand) -> Field:
    """Lay a map onto the canvas. `colours`: slices x columns x 3. Returns its skyline: a row for each column.

    A pixel shows the nearest slice that reaches above it, mixed with the one before by where between the two it lies.
    """
    columns = heights.shape[1]
    seen = np.minimum.accumulate(stand.rows(heights), axis=0)
    skyline = seen[-1]
    top = max(0, int(skyline.min()) - 2)
    bottom = min(canvas.height, int(seen[0].max()) + 1)
    at = np.arange(columns, dtype=np.int32)
    hit = np.minimum(_nearest(seen, top, bottom - top), seen.argmin(axis=0).astype(np.int32))
    place = hit * columns + at
    before = np.maximum(place - columns, at)
    rows_at, rows_before = seen.reshape(-1)[place], seen.reshape(-1)[before]
    pixel = (np.arange(top, bottom, dtype=np.float32) + 0.5)[:, None]
    share = ((rows_before - pixel) / np.maximum(rows_before - rows_at, 1e-3)).clip(0, 1)
    flat = colours.reshape(-1, 3)
    paint = flat[before]
    paint += (flat[place] - paint) * share[:, :, None]
    slope = np.sqrt(1 + np.square(np.gradient(skyline))).astype(np.float32)
    coverage = ((pixel - skyline) / slope + 0.5).clip(0, 1)
    canvas.blend(coverage, paint.transpose(2, 0, 1), top)
    return skyline


def _nearest(seen: Field, top: int, rows: int) -> NDArray[np.int32]:
    """For each pixel the first slice that reaches its row; the last slice and one where none does."""
    slices, columns = seen.shape
    nearest = np.full((rows + 1) * columns, slices, dtype=np.int32)
    first = np.ceil(seen - (top + 0.5)).clip(0, rows).astype(np.int32)
    place = first * columns + np.arange(columns, dtype=np.int32)
    # Of slices that end in the same pixel the nearest counts: it is written last.
    nearest[place[::-1].reshape(-1)] = np.repeat(np.arange(slices - 1, -1, -1, dtype=np.int32), columns)
    return np.minimum.accumulate(nearest.reshape(rows + 1, columns)[:rows], axis=0)
