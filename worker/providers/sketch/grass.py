"""The foreground of a meadow: blades of grass along the lower edge, with flowers on their stems."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import Stencil

if TYPE_CHECKING:
    from worker.providers.sketch.easel import Easel
    from worker.providers.sketch.lights import Lch

_ROWS = 4


def paint_tall_grass(easel: Easel, own: Lch, flower: Lch) -> None:
    """Rows of blades, the further ones low and pale, the nearest high and dark; flowers rise above each row."""
    palette, unit = easel.palette, easel.unit
    for row in range(_ROWS):
        near = row / (_ROWS - 1)
        chance = easel.chance.child(f"blades{row}")
        foot = easel.height * (0.915 + 0.10 * near)
        tall = unit * (0.030 + 0.065 * near)
        top = int(foot - tall * 2.1)
        blades = Stencil(easel.width, max(2, min(easel.height, int(foot)) - top))
        heads, middles = (Stencil(easel.width, max(2, easel.height - top)) for _ in range(2))
        gap = unit * (0.0042 + 0.0050 * near)
        count = math.ceil(easel.width / gap) + 2
        rise = np.sin(np.linspace(0, 9 + row, count) + chance.one("rise", 0, 6)) * 0.22
        for number, (aside, size, lean, bloom) in enumerate(
            chance.many("blades", 4 * count).reshape(count, 4).tolist()
        ):
            x, base = (number + aside) * gap, foot - top
            high = tall * (0.45 + 0.75 * size) * (1 + float(rise[number]))
            bend = (lean - 0.5) * high * 0.9
            thick = gap * 0.42
            blades.polygon(
                [
                    (x - thick, base),
                    (x + bend * 0.30, base - high * 0.62),
                    (x + bend, base - high),
                    (x + bend * 0.42 + thick, base - high * 0.55),
                    (x + thick, base),
                ]
            )
            if bloom < 0.085:
                _flower(
                    blades,
                    heads,
                    middles,
                    (x, base - high * 1.25 - tall * 0.35 * bloom * 10),
                    bend,
                    (tall * (0.10 + 0.07 * size), base),
                )
        depth = 0.22 * (1 - near)
        cover = blades.coverage()
        if row < _ROWS - 1:
            cover *= (1 - np.linspace(-1.2, 1, len(cover), dtype=np.float32).clip(0, 1))[:, None]
        easel.canvas.blend(
            cover, palette.lit((own[0] - 0.22 * near, own[1], own[2] + 6), 0.62 - 0.30 * near, depth), top
        )
        easel.canvas.blend(heads.coverage(), palette.lit(flower, 0.95 - 0.15 * near, depth), top)
        easel.canvas.blend(middles.coverage(), palette.lit((0.84, 0.15, 88), 0.9, depth), top)


def _flower(
    stems: Stencil,
    heads: Stencil,
    middles: Stencil,
    head: tuple[float, float],
    bend: float,
    size_and_base: tuple[float, float],
) -> None:
    size, base = size_and_base
    x, y = head
    stems.line([(x - bend * 0.4, base), (x, y)], size * 0.22)
    for petal in range(6):
        turn = petal * math.pi / 3 + bend
        heads.ellipse(x + math.cos(turn) * size * 0.62, y + math.sin(turn) * size * 0.46, size * 0.42, size * 0.36)
    middles.ellipse(x, y, size * 0.30, size * 0.25)
