"""Colours of an hour: each light is a sky, a lamp, a shade and a haze, and every thing is painted in that light.

Colours are given in OKLCH (lightness 0 to 1, chroma 0 to about 0.3, hue in degrees; Björn Ottosson, "A perceptual color
space for image processing", 2020), where a change of hue keeps the lightness. Things have a colour of their own, which
is multiplied with the light that falls on it: so whatever stands in a picture belongs to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Colour, Field
    from worker.providers.sketch.lights import Lch, Light

_STOPS = 256
_BESIDE_GAMUT = 3e-3
"""How far outside sRGB a colour may lie to be clipped, which nobody sees, in place of losing chroma."""


@dataclass(frozen=True, slots=True)
class Mood:
    """What the words add to a light: a hue to lean to and how strongly, and factors for chroma and lightness."""

    hue: float | None = None
    lean: float = 0.0
    chroma: float = 1.0
    lightness: float = 1.0


class Palette:
    """The colours of one picture."""

    def __init__(self, light: Light, mood: Mood) -> None:
        self.light = light
        self.mood = mood
        self.haze = self.of(light.haze)
        self.sun = self.of(light.body)
        self.glow = self.of(light.glow)
        self.cloud_lit = self.of(light.cloud_lit)
        self.cloud_dark = self.of(light.cloud_dark)
        self._key = _linear(light.key)
        self._shade = _linear(light.shade)

    def of(self, colour: Lch) -> Colour:
        """A colour of light itself (sky, sun, lamp), as the mood bends it."""
        return srgb(_bent(colour, self.mood))

    def lit(self, own: Lch, brightness: float = 1.0, depth: float = 0.0) -> Colour:
        """A thing of this colour of its own, in this light.

        `brightness`: 0 in the shade, 1 in full light. `depth`: 0 near, 1 so far away that only haze is left.
        """
        falling = self._shade + self._key * brightness
        near = _gamma(_linear(_bent(own, self.mood, lean=0.5)) * falling)
        return near + (self.haze - near) * depth

    def sky(self) -> Field:
        """The sky from its top to the horizon: three planes of one column."""
        light = self.light
        return ramp([self.of(stop) for stop in (light.zenith, light.upper, light.lower, light.horizon)])


def ramp(colours: list[Colour], places: tuple[float, ...] | None = None) -> Field:
    """A smooth run through colours, from top to bottom: three planes of one column with 256 rows."""
    at = np.linspace(0, 1, _STOPS)
    stops = places or tuple(np.linspace(0, 1, len(colours)).tolist())
    planes = [np.interp(at, stops, [float(colour[channel]) for colour in colours]) for channel in range(3)]
    run = np.array(planes, dtype=np.float32)
    for _ in range(24):
        run[:, 1:-1] = (run[:, :-2] + run[:, 1:-1] * 2 + run[:, 2:]) / 4
    return run[:, :, None]


def along(run: Field, rows: int) -> Field:
    """A run of colours stretched to so many rows."""
    at = np.linspace(0, _STOPS - 1, rows)
    known = np.arange(_STOPS)
    return np.array([np.interp(at, known, plane[:, 0]) for plane in run], dtype=np.float32)[:, :, None]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    return one + (other - one) * share


def srgb(colour: Lch) -> Colour:
    """OKLCH as gamma-coded sRGB. Colours outside sRGB lose chroma until they fit."""
    return _gamma(_linear(colour))


def _bent(colour: Lch, mood: Mood, lean: float = 1.0) -> Lch:
    lightness, chroma, hue = colour
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    if mood.hue is not None:
        strength = max(chroma, 0.05 * min(1.0, 4 * lightness * (1 - lightness) + 0.2))
        share = mood.lean * lean
        a += (strength * math.cos(math.radians(mood.hue)) - a) * share
        b += (strength * math.sin(math.radians(mood.hue)) - b) * share
    return (
        min(0.995, lightness ** (1 / mood.lightness)),
        math.hypot(a, b) * mood.chroma,
        math.degrees(math.atan2(b, a)),
    )


def _linear(colour: Lch) -> Colour:
    """OKLCH as linear sRGB inside its gamut."""
    lightness, chroma, hue = colour
    red, green, blue = 0.0, 0.0, 0.0
    for _ in range(24):
        red, green, blue = _oklab_to_linear(
            lightness, chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
        )
        if min(red, green, blue) >= -_BESIDE_GAMUT and max(red, green, blue) <= 1 + _BESIDE_GAMUT:
            break
        chroma *= 0.92
    return np.array([red, green, blue], dtype=np.float32).clip(0, 1)


def _oklab_to_linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(linear: Colour) -> Colour:
    """Linear sRGB as gamma-coded (IEC 61966-2-1)."""
    return np.array(
        [
            12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
            for value in linear.clip(0, 1).tolist()
        ],
        dtype=np.float32,
    )
