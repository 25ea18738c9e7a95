"""Paper and brush: three planes of light, and the few ways in which layers are laid onto them.

Planes are float32, gamma-coded sRGB from 0 to 1, kept apart (3 x rows x columns) because numpy is twice as fast on them
that way. Rows count from the top. Only additions, products, roots and comparisons touch whole planes: these give the
same bits on every machine, which sines and powers do not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Field = NDArray[np.floating[Any]]
"""Rows x columns of numbers, or a line of them."""

Colour = NDArray[np.floating[Any]]
"""Three numbers: red, green, blue, gamma-coded, 0 to 1."""

Points = list[tuple[float, float]]

_EDGE_SCALE = 2
"""Stencils are drawn this much larger and reduced, which smooths their edges."""


class Canvas:
    """The picture while it is painted."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.unit = float(min(width, height))
        self.planes: Field = np.zeros((3, height, width), dtype=np.float32)

    def blend(self, coverage: Field | float, paint: Field, top: int = 0, left: int = 0) -> None:
        """Lay paint over a part of the canvas, as thick as its coverage (0 to 1); what hangs over the edges is cut.

        `paint` is a colour, or three planes that broadcast to the coverage. A coverage that is one number covers all
        from row `top` down.
        """
        if paint.ndim == 1:
            paint = paint[:, None, None]
        if isinstance(coverage, (int, float)):
            _mix(self.planes[:, top:], paint, coverage)
            return
        rows, columns = coverage.shape
        first_row, first_column = max(0, -top), max(0, -left)
        last_row, last_column = min(rows, self.height - top), min(columns, self.width - left)
        if first_row >= last_row or first_column >= last_column:
            return
        coverage = coverage[first_row:last_row, first_column:last_column]
        if paint.shape[1] == rows:
            paint = paint[:, first_row:last_row]
        if paint.shape[2] == columns:
            paint = paint[:, :, first_column:last_column]
        region = self.planes[:, top + first_row : top + last_row, left + first_column : left + last_column]
        _mix(region, paint, coverage)

    def shine(self, strength: Field, colour: Colour, top: int = 0, left: int = 0) -> None:
        """Add light: the brighter the ground, the less is added, so that nothing burns out."""
        rows, columns = strength.shape
        first_row, first_column = max(0, -top), max(0, -left)
        last_row, last_column = min(rows, self.height - top), min(columns, self.width - left)
        if first_row >= last_row or first_column >= last_column:
            return
        strength = strength[first_row:last_row, first_column:last_column]
        region = self.planes[:, top + first_row : top + last_row, left + first_column : left + last_column]
        for plane, level in zip(region, colour.tolist(), strict=True):
            np.add(plane, (1 - plane) * strength * level, out=plane)

    def fill_below(self, skyline: Field, paint: Field) -> None:
        """Fill everything below a line given as one height (row) for each column, with a smooth edge.

        `paint`: a colour, or three planes (3 x height x 1 or width) of the whole canvas.
        """
        if paint.ndim == 1:
            paint = paint[:, None, None]
        top = max(0, math.floor(float(skyline.min())) - 1)
        solid = min(self.height, max(top, math.ceil(float(skyline.max())) + 2))
        if top >= self.height:
            return
        steepness = np.sqrt(1 + np.square(np.gradient(skyline))).astype(np.float32)
        rows = np.arange(top, solid, dtype=np.float32)[:, None] + 0.5
        coverage = ((rows - skyline) / steepness + 0.5).clip(0, 1)
        band = paint if paint.shape[1] == 1 else paint[:, top:solid]
        _mix(self.planes[:, top:solid], band, coverage)
        self.planes[:, solid:] = paint if paint.shape[1] == 1 else paint[:, solid:]


def _mix(planes: Field, paint: Field, coverage: Field | float) -> None:
    """Plane by plane, so that what is computed in between stays small and near."""
    for plane, colour in zip(planes, paint, strict=True):
        np.add(plane, (colour - plane) * coverage, out=plane)


class Stencil:
    """Shapes drawn with smooth edges, to be laid onto a canvas as coverage."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._image = Image.new("L", (width * _EDGE_SCALE, height * _EDGE_SCALE), 0)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Points, level: int = 255) -> None:
        if len(points) > 2:
            self._draw.polygon([(x * _EDGE_SCALE, y * _EDGE_SCALE) for x, y in points], fill=level)

    def ellipse(self, x: float, y: float, across: float, down: float, level: int = 255) -> None:
        """An ellipse around (x, y) with these half axes."""
        scale = _EDGE_SCALE
        self._draw.ellipse(
            ((x - across) * scale, (y - down) * scale, (x + across) * scale, (y + down) * scale), fill=level
        )

    def box(self, left: float, top: float, right: float, bottom: float, level: int = 255) -> None:
        scale = _EDGE_SCALE
        if right > left and bottom > top:
            self._draw.rectangle((left * scale, top * scale, right * scale - 1, bottom * scale - 1), fill=level)

    def line(self, points: Points, thickness: float, level: int = 255) -> None:
        self._draw.line(
            [(x * _EDGE_SCALE, y * _EDGE_SCALE) for x, y in points],
            fill=level,
            width=max(1, round(thickness * _EDGE_SCALE)),
            joint="curve",
        )

    def coverage(self) -> Field:
        return np.asarray(self._image.reduce(_EDGE_SCALE), dtype=np.float32) / 255


def smooth(low: float, high: float, values: Field) -> Field:
    """0 below `low`, 1 above `high`, an S between; `low` may be the larger, then it falls."""
    share = ((values - low) * (1 / (high - low))).clip(0, 1)
    return share * share * (3 - 2 * share)


def enlarge(field: Field, width: int, height: int) -> Field:
    """A field stretched smoothly to more columns and rows."""
    if field.shape == (height, width):
        return field
    stretched = Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(stretched, dtype=np.float32)
