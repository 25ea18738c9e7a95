"""Land: mountains, dunes, meadows and snowfields, and rolling skylines for whatever stands on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from worker.providers.sketch.canvas import smooth
from worker.providers.sketch.noise import cloud_field, wave_line
from worker.providers.sketch.terrain import brightness_of, from_afar, ground, paint_terrain, ridged_field

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Colour, Field
    from worker.providers.sketch.easel import Easel
    from worker.providers.sketch.lights import Lch

_SLICES = 256


def side_of_sun(easel: Easel) -> float:
    """-1 when the light comes from the left, 1 from the right."""
    return -1.0 if easel.sun[0] < easel.width * 0.5 else 1.0


def layered(dark: Colour, lit: Colour, brightness: Field) -> Field:
    """Paint from dark to lit by brightness: slices x columns x 3."""
    return dark + (lit - dark) * brightness[:, :, None]


def paint_massif(easel: Easel, base: float, tall: float, snow: float, woods: Lch | None = None) -> tuple[float, float]:
    """One great mountain group whose feet are at row `base`. Returns its summit, in pixels.

    `snow`: the height, 0 to 1, above which snow lies. `woods`: what covers the lower slopes.
    """
    palette, chance, width = easel.palette, easel.chance.child("massif"), easel.width
    span = width / easel.unit
    heights = ridged_field(chance, width, _SLICES, (2.0 * span, 1.6), 8)
    across = np.linspace(0, 1, width, dtype=np.float32)
    away = np.linspace(0, 1, _SLICES, dtype=np.float32)[:, None]
    middle = chance.one("summit", 0.38, 0.62)
    from_summit = np.square((across - middle) * (span / 0.42)) + np.square((away - 0.55) / 0.55)
    tent = 1 / (1 + from_summit * 1.2)
    heights = heights * (0.22 + 0.78 * tent) + tent * 0.36
    heights *= smooth(-0.10, 0.62, away)
    heights /= heights.max()
    brightness = brightness_of(heights, tall * 0.62, tall * 0.62, side_of_sun(easel), tall * 1.5)
    patches = cloud_field(chance.child("patches"), width, _SLICES, (18 * span, 18), 3) - 0.5
    drop, aside = np.gradient(heights)
    steep = (np.abs(drop) + np.abs(aside)) * (width / 5)
    stone = layered(palette.lit((0.40, 0.03, 265), 0.05), palette.lit((0.60, 0.035, 60), 0.95), brightness)
    if woods:
        slope = smooth(0.27, 0.19, heights + patches * 0.22)[:, :, None]
        stone += (layered(palette.lit(woods, 0.08), palette.lit(woods, 0.8), brightness) - stone) * slope
    white = layered(palette.lit((0.88, 0.03, 250), 0.25), palette.lit((0.985, 0.008, 90), 1.0), brightness)
    whiteness = smooth(snow, snow + 0.12, heights + patches * 0.26 - steep * 0.09)
    stone += (white - stone) * whiteness[:, :, None]
    air = 0.06 + away * 0.40 + smooth(0.30, 0.0, heights) * (0.35 + 0.4 * palette.light.mist)
    air += smooth(0.09, 0.0, heights)
    stone += (palette.haze - stone) * air.clip(0, 1)[:, :, None]
    easel.canvas.blend(1.0, palette.haze, max(0, int(base - tall * 0.12)))
    skyline = paint_terrain(easel.canvas, heights, stone, from_afar(_SLICES, base, base - tall * 0.22, tall * 0.80))
    peak = int(skyline.argmin())
    return float(peak), float(skyline[peak])


def paint_dunes(easel: Easel, horizon: float, sand: Lch) -> None:
    """A sea of sand from the viewer to the horizon: soft windward slopes, sharp crests, shaded lee sides."""
    palette, chance = easel.palette, easel.chance.child("dunes")
    land = ground(_SLICES, horizon, easel.height * 1.22, easel.width, 9)
    span = easel.width / easel.unit
    bend = land.seen(cloud_field(chance.child("bend"), 512, 512, (7, 7), 3, gain=0.4), 74 * span, 38)
    swell = land.seen(cloud_field(chance.child("swell"), 512, 512, (6, 6), 1), 60 * span, 40)
    side = side_of_sun(easel)
    aside = np.linspace(-0.5, 0.5, easel.width, dtype=np.float32) * land.distances[:, None] * span
    phase = land.distances[:, None] * 0.62 + aside * (0.55 * side) + bend * 3.6
    phase -= np.floor(phase)
    windward, lee = phase * (1 / 0.72), (1 - phase) * (1 / 0.28)
    rise = np.minimum(windward, lee).clip(0, 1)
    heights = rise * rise * (3 - 2 * rise) * 0.62 + swell * 0.75
    heights *= smooth(0.9, 1.7, land.distances)[:, None]
    tall = easel.height * 0.30
    steep = (tall * 0.9) / land.distances[:, None]
    brightness = brightness_of(heights, steep, steep * 0.25, side, 0)
    ripple = land.seen(cloud_field(chance.child("ripple"), 512, 512, (46, 150), 2), 200 * span, 90)
    brightness = (brightness * 1.2 + (ripple - 0.5) * 0.16 - 0.05).clip(0, 1)
    paint = layered(
        palette.lit(sand, 0.05), palette.lit((min(0.97, sand[0] + 0.10), sand[1], sand[2] + 8), 1.0), brightness
    )
    air = smooth(1.0, 9.5, land.distances)[:, None, None] * 0.86
    paint += (palette.haze - paint) * air
    paint_terrain(easel.canvas, heights, paint, land.stand(tall))


def paint_grassland(easel: Easel, horizon: float, fresh: Lch, dry: Lch) -> Field:
    """Rolling grass in two colours, from the viewer to the horizon. Returns its skyline."""
    palette, chance = easel.palette, easel.chance.child("grass")
    land = ground(_SLICES, horizon, easel.height * 1.10, easel.width, 10)
    span = easel.width / easel.unit
    rolls = land.seen(cloud_field(chance.child("rolls"), 512, 512, (12, 12), 2, gain=0.3), 46 * span, 40)
    rolls = rolls * smooth(0.9, 3.2, land.distances)[:, None]
    patches = land.seen(cloud_field(chance.child("patches"), 512, 512, (26, 26), 5, gain=0.6), 60 * span, 44)
    tall = easel.height * 0.42
    steep = (tall * 1.3) / land.distances[:, None]
    brightness = brightness_of(rolls, steep, steep * 0.5, side_of_sun(easel), tall * 1.4)
    blades = land.seen(cloud_field(chance.child("blades"), 1024, 512, (330, 200), 2, gain=0.8), 210 * span, 110)
    near = smooth(3.0, 1.0, land.distances)[:, None]
    brightness = brightness * 1.15 + (blades - 0.5) * (0.06 + near * 0.12)
    brightness = brightness.clip(0, 1)
    paint = layered(palette.lit((fresh[0] - 0.06, fresh[1], fresh[2] + 8), 0.10), palette.lit(fresh, 1.0), brightness)
    bleached = layered(palette.lit((dry[0] - 0.06, dry[1], dry[2] + 8), 0.12), palette.lit(dry, 1.0), brightness)
    paint += (bleached - paint) * smooth(0.38, 0.66, patches)[:, :, None]
    paint += (palette.haze - paint) * (smooth(1.2, 10, land.distances)[:, None, None] * 0.78)
    return paint_terrain(easel.canvas, rolls, paint, land.stand(tall))


def paint_snowfield(easel: Easel, horizon: float) -> None:
    """Drifts of snow from the viewer to the horizon, blue in the shade."""
    palette, chance = easel.palette, easel.chance.child("drifts")
    land = ground(_SLICES, horizon, easel.height * 1.12, easel.width, 8)
    span = easel.width / easel.unit
    drifts = land.seen(cloud_field(chance.child("drifts"), 512, 512, (12, 12), 3, gain=0.34), 46 * span, 40)
    drifts = drifts * smooth(0.9, 2.6, land.distances)[:, None]
    tall = easel.height * 0.30
    steep = (tall * 1.7) / land.distances[:, None]
    brightness = brightness_of(drifts, steep, steep * 0.5, side_of_sun(easel), tall * 1.6)
    wind = land.seen(cloud_field(chance.child("wind"), 512, 512, (24, 120), 2), 90 * span, 60)
    brightness = (brightness * 1.3 + (wind - 0.5) * 0.14).clip(0, 1)
    paint = layered(palette.lit((0.88, 0.035, 250), 0.30), palette.lit((0.985, 0.008, 90), 1.0), brightness)
    paint += (palette.haze - paint) * (smooth(1.5, 9, land.distances)[:, None, None] * 0.7)
    paint_terrain(easel.canvas, drifts, paint, land.stand(tall))


def hill_line(easel: Easel, label: str, middle: float, swing: float, lumps: float = 1.2, octaves: int = 3) -> Field:
    """A rolling skyline around row `middle`, that leaves it by at most half of `swing`."""
    line = wave_line(easel.chance.child(label), easel.width, lumps * easel.width / easel.unit, octaves, gain=0.35)
    return middle + (line - 0.5) * swing


def paint_hills(easel: Easel, skyline: Field, crest: Colour, foot: Colour, fall: float) -> None:
    """Fill below a skyline with a run from `crest` at its highest point to `foot` so many pixels (`fall`) below."""
    rows = np.arange(easel.height, dtype=np.float32)
    share = smooth(0, 1, ((rows - skyline.min()) / fall).clip(0, 1))
    easel.canvas.fill_below(skyline, (crest[:, None] + (foot - crest)[:, None] * share)[:, :, None])
