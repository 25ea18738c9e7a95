"""What there is to see in a picture: a small map of it, without a model, the same on every run.

Two cues, worth the same on every picture because each is measured by its own mean: colours unlike those just around
them, and colours unlike those of the picture's borders, which mostly show the ground that a subject stands before. And a
habit of who makes pictures: what they are about lies near the middle and above it, as a head does over its body.

Edges alone are no cue, as grass and hair have the most. Nor is skin: wood, sand and fur have its colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]

_SIDE = 96
"""Longest side of the map; finer ones choose no better."""
_NEAR, _AROUND = 1, 5
"""How far in pixels of the map a colour is spread before it is compared: itself without its grain, and around it."""
_STANDING_OUT = 2.0
"""What standing out from the surroundings is worth, where being unlike the borders is worth 1."""
_SHARPNESS = 1.5
"""The power that lets a little of what is striking outweigh much of what is nearly so."""
_BORDER = 0.08
"""How deep a border is, of the shorter side."""
_GRAIN = 36.0
"""Variance of colour that every border is given: without it, a shadow on an even ground would be a wonder."""
_MIDDLE = (0.5, 0.3)
_REACH = (0.35, 0.4)
"""Where subjects are expected, from the left and from the top, and how far about it, as shares of the sides."""


def energy_of(image: Image.Image) -> Field:
    """How much there is to see at each place of a picture (RGB or RGBA), row by row, in no unit.

    What is transparent counts nothing, nor does a picture of one colour.
    """
    longest = max(image.size)
    columns, rows = (max(2, round(side * _SIDE / longest)) for side in image.size)
    small, seen = _opaque(image.resize((columns, rows), Image.Resampling.BOX, reducing_gap=2.0))
    near = _spread(small, _NEAR)
    standing_out = _length(near - _spread(small, _AROUND))
    energy = _levelled(_STANDING_OUT * _levelled(standing_out * seen) + _levelled(_unlike_borders(near) * seen))
    return energy**_SHARPNESS * np.outer(_expected(rows, 1), _expected(columns, 0))


def _opaque(image: Image.Image) -> tuple[Image.Image, Field]:
    """The picture on its own mean colour, from which nothing stands out, and how much of each pixel is seen."""
    if image.mode != "RGBA":
        return image, np.ones((image.height, image.width), dtype=np.float32)
    alpha = image.getchannel("A")
    seen = np.asarray(alpha, dtype=np.float32) / np.float32(255)
    if not seen.any():
        return Image.new("RGB", image.size), seen
    red, green, blue = np.average(np.asarray(image)[:, :, :3], axis=(0, 1), weights=np.dstack([seen] * 3)).round()
    ground = Image.new("RGB", image.size, (int(red), int(green), int(blue)))
    ground.paste(image, mask=alpha)
    return ground, seen


def _spread(image: Image.Image, radius: int) -> Field:
    return np.asarray(image.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32)


def _unlike_borders(colours: Field) -> Field:
    """How far each colour is from those of the border it is most like, in that border's own spread.

    The nearest border counts and not all four, so that a horizon, or a subject which touches one, disturbs nothing.
    """
    deep = max(2, round(_BORDER * min(colours.shape[:2])))
    borders = (colours[:deep], colours[-deep:], colours[:, :deep], colours[:, -deep:])
    return np.minimum.reduce([_unlike(colours, border.reshape(-1, 3).astype(np.float64)) for border in borders])


def _unlike(colours: Field, border: NDArray[np.float64]) -> Field:
    mean = border.mean(axis=0)
    spread = np.cov(border.T) + _GRAIN * np.eye(3)
    scale = np.linalg.cholesky(np.linalg.inv(spread))
    return _length((colours - mean.astype(np.float32)) @ scale.astype(np.float32))


def _expected(length: int, axis: int) -> Field:
    """How much subjects are expected along an axis: 1 at most, falling off as a bell does."""
    places = (np.arange(length, dtype=np.float32) + 0.5) / length
    return np.exp(-(((places - _MIDDLE[axis]) / _REACH[axis]) ** 2) / 2)


def _length(vectors: Field) -> Field:
    return np.sqrt((vectors * vectors).sum(axis=2))


def _levelled(values: Field) -> Field:
    mean = float(values.mean())
    return values / mean if mean > 0 else values
