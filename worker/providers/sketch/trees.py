"""Trees: rows of conifers, far and near, and a broad tree that stands alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import Stencil

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Colour, Field, Points
    from worker.providers.sketch.chance import Chance
    from worker.providers.sketch.easel import Easel
    from worker.providers.sketch.lights import Lch

_TUFTS = 22
_FOLIAGE = ((1.22, 0.0, 0.08, 0.70), (0.98, 0.020, 0.34, 0.86), (0.72, 0.042, 0.66, 1.0), (0.46, 0.062, 1.0, 1.10))
"""Depths of foliage, from the shade to the light: how wide, how far towards the light, how bright, how light a green."""


def conifer(stencil: Stencil, chance: Chance, x: float, foot: float, tall: float) -> None:
    """One fir: layered branches that hang, wider towards the foot."""
    tiers = max(5, min(13, int(tall / 9)))
    wide = tall * chance.one("wide", 0.17, 0.25)
    jitter = chance.many("branches", 4 * tiers).tolist()
    right: Points = [(x, foot - tall)]
    left: Points = []
    for tier in range(tiers):
        down = (tier + 1) / tiers
        reach = wide * (down**0.85) * (0.78 + 0.44 * jitter[4 * tier])
        tip = foot - tall * (1 - down * 0.93)
        drop = tall / tiers * 0.32
        right += [(x + reach, tip + drop * jitter[4 * tier + 1]), (x + reach * 0.42, tip - tall / tiers * 0.10)]
        reach = wide * (down**0.85) * (0.78 + 0.44 * jitter[4 * tier + 2])
        left += [(x - reach, tip + drop * jitter[4 * tier + 3]), (x - reach * 0.42, tip - tall / tiers * 0.10)]
    stencil.polygon([*right, (x + wide * 0.1, foot), (x - wide * 0.1, foot), *reversed(left)])
    stencil.box(x - tall * 0.012 - 0.5, foot - tall * 0.1, x + tall * 0.012 + 0.5, foot + 2)


def paint_conifers(
    easel: Easel,
    label: str,
    ground: Field,
    tall: float,
    gap: float,
    paint: Colour,
    foot: Colour | None = None,
    opening: float = 0.0,
    frost: Colour | None = None,
) -> None:
    """A row of firs whose feet stand on `ground` (a row for each column), about `tall` pixels high, `gap` apart.

    With `foot` the row fades into that colour downwards, as it does when mist lies between it and the next. `opening`:
    the share of the width in the middle where they stay small and few. `frost`: the colour of snow on the branches.
    """
    chance = easel.chance.child(label)
    count = math.ceil(easel.width / gap) + 2
    draws = chance.many("row", 3 * count).reshape(count, 3).tolist()
    top = max(0, int(float(ground.min()) - tall * 1.5))
    bottom = min(easel.height, int(float(ground.max()) + tall * 0.12) + 4)
    if bottom <= top:
        return
    stencil = Stencil(easel.width, bottom - top)
    for number, (aside, size, there) in enumerate(draws):
        x = (number - 0.5 + 1.3 * aside) * gap
        from_middle = abs(2 * x / easel.width - 1)
        grown = min(1.0, max(0.0, (from_middle - opening) * 2.2 + 0.25)) if opening else 1.0
        if there > 0.25 + 0.75 * grown:
            continue
        column = min(max(int(x), 0), easel.width - 1)
        high = tall * grown * (0.5 + 0.9 * size * size)
        conifer(stencil, chance.child(str(number)), x, float(ground[column]) + high * 0.07 + 2 - top, high)
    coverage = stencil.coverage()
    if foot is None:
        easel.canvas.blend(coverage, paint, top)
        if frost is not None:
            easel.canvas.blend(_upper_edges(coverage, easel.unit * 0.008), frost, top)
        return
    share = np.square(np.linspace(0, 1, bottom - top, dtype=np.float32))
    easel.canvas.blend(coverage, (paint[:, None] + (foot - paint)[:, None] * share)[:, :, None], top)


def _upper_edges(coverage: Field, thickness: float) -> Field:
    """What of a shape looks up: the parts with nothing of the shape a little above them."""
    step = max(1, round(thickness))
    above = np.zeros_like(coverage)
    above[step:] = coverage[:-step]
    return coverage * (1 - above) * 0.9


def paint_broad_tree(easel: Easel, x: float, foot: float, tall: float, leaves: Lch) -> None:
    """A broad tree with its shadow: trunk and boughs, then foliage in three depths, the outermost in the light."""
    palette, chance = easel.palette, easel.chance.child("broad tree")
    side = -1.0 if easel.sun[0] < x else 1.0
    _tree_shadow(easel, x - side * tall * 0.16, foot, tall)
    size = math.ceil(tall * 1.1)
    left, top, middle, ground = int(x - size / 2), int(foot - tall * 1.06), size / 2, tall * 1.06
    wood = Stencil(size, size)
    trunk = tall * 0.034
    wood.polygon(
        [
            (middle - trunk * 2.1, ground),
            (middle - trunk, ground - tall * 0.10),
            (middle - trunk * 0.7, ground - tall * 0.5),
            (middle + trunk * 0.7, ground - tall * 0.5),
            (middle + trunk, ground - tall * 0.10),
            (middle + trunk * 2.1, ground),
        ]
    )
    lumps: list[tuple[float, float, float]] = []
    for number, (turn, out, girth) in enumerate(chance.many("lumps", 102).reshape(34, 3).tolist()):
        angle = 2 * math.pi * (number / 34 + 0.06 * turn)
        away = math.sqrt(0.06 + 0.94 * out)
        place_x = middle + math.cos(angle) * away * tall * 0.33
        place_y = ground - tall * 0.63 + math.sin(angle) * away * tall * 0.25
        lumps.append((place_x, place_y, tall * (0.06 + 0.055 * girth) * (1.35 - 0.55 * away)))
        if number % 5 == 0:
            wood.line([(middle, ground - tall * 0.34), (place_x, place_y)], trunk * 0.45)
    easel.canvas.blend(wood.coverage(), palette.lit((0.36, 0.045, 55), 0.30), top, left)
    tufts = chance.many("tufts", 3 * len(lumps) * _TUFTS).reshape(len(lumps), _TUFTS, 3).tolist()
    for shrink, shift, level, tone in _FOLIAGE:
        foliage = Stencil(size, size)
        for (lump_x, lump_y, radius), own in zip(lumps, tufts, strict=True):
            at_x, at_y = lump_x + side * shift * tall, lump_y - shift * tall * 0.9
            foliage.ellipse(at_x, at_y, radius * shrink * 0.62, radius * shrink * 0.55)
            for turn, out, girth in own:
                away = radius * shrink * math.sqrt(out) * 1.12
                leaf = tall * (0.009 + 0.013 * girth)
                foliage.ellipse(
                    at_x + math.cos(turn * 6.2832) * away * 1.1, at_y + math.sin(turn * 6.2832) * away, leaf * 1.3, leaf
                )
        easel.canvas.blend(foliage.coverage(), palette.lit((leaves[0] * tone, leaves[1], leaves[2]), level), top, left)


def _tree_shadow(easel: Easel, x: float, foot: float, tall: float) -> None:
    shadow = Stencil(math.ceil(tall * 1.6), math.ceil(tall * 0.24))
    shadow.ellipse(tall * 0.8, tall * 0.11, tall * 0.50, tall * 0.055)
    soft = _softened(shadow.coverage(), max(1, round(tall * 0.03)))
    easel.canvas.blend(
        soft * 0.55, easel.palette.lit((0.28, 0.05, 150), 0.1), int(foot - tall * 0.11), int(x - tall * 0.8)
    )


def _softened(coverage: Field, reach: int) -> Field:
    """A coverage with its edges spread over `reach` pixels to either side."""
    size = 2 * reach + 1
    for axis in (0, 1):
        pad = [(reach + 1, reach), (0, 0)] if axis == 0 else [(0, 0), (reach + 1, reach)]
        sums = np.cumsum(np.pad(coverage, pad), axis=axis)
        upper = sums[size:] if axis == 0 else sums[:, size:]
        lower = sums[:-size] if axis == 0 else sums[:, :-size]
        coverage = (upper - lower) / size
    return coverage
