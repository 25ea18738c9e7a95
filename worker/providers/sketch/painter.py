"""From an order to a finished painting: reads the words, chooses the scene and the light, lays the layers.

Deterministic: the same order gives the same pixels on every run. `VERSION` is part of every key and is raised whenever
the painter learns to paint otherwise, so that a stored version says what a picture can be painted again with.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from worker.providers import ImageType
from worker.providers.sketch import landscapes
from worker.providers.sketch.abstract import abstract
from worker.providers.sketch.canvas import Canvas
from worker.providers.sketch.chance import Chance
from worker.providers.sketch.city import city
from worker.providers.sketch.easel import Easel
from worker.providers.sketch.finish import develop
from worker.providers.sketch.lights import LIGHTS
from worker.providers.sketch.palette import Palette
from worker.providers.sketch.space import space
from worker.providers.sketch.still import still_life
from worker.providers.sketch.words import normalised, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from worker.providers import ImageRequest

VERSION = "sketch-1"


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene.

    Attributes:
        paint: lays its layers onto an easel and returns the point, in pixels, that the picture is about.
        layers: how many there are.
        lights: those to choose from when the words name none.
        things: what it can show of the things that words name.
    """

    paint: Callable[[Easel], tuple[float, float]]
    layers: int
    lights: tuple[str, ...]
    things: frozenset[str] = frozenset()


SCENES = {
    "mountains": Scene(landscapes.mountains, 4, ("golden hour", "dawn", "dusk", "day"), frozenset({"lake", "cabin"})),
    "sea": Scene(landscapes.sea, 4, ("golden hour", "dusk", "day", "dawn"), frozenset({"boat", "lighthouse"})),
    "city": Scene(city, 5, ("dusk", "night", "golden hour")),
    "forest": Scene(landscapes.forest, 6, ("dawn", "golden hour", "mist"), frozenset({"autumn"})),
    "desert": Scene(landscapes.desert, 2, ("golden hour", "dusk"), frozenset({"cactus", "balloon"})),
    "space": Scene(space, 3, ("night",), frozenset({"ring"})),
    "meadow": Scene(landscapes.meadow, 4, ("day", "golden hour", "dawn"), frozenset({"autumn", "balloon", "cabin"})),
    "snow": Scene(landscapes.snow, 4, ("winter light", "dawn", "golden hour"), frozenset({"cabin"})),
    "still life": Scene(still_life, 4, ("day", "golden hour", "dawn"), frozenset({"cup", "bottle", "fruit", "flower"})),
    "abstract": Scene(abstract, 8, ("day", "dusk", "dawn")),
}


@dataclass(frozen=True, slots=True)
class _Style:
    chroma: float
    contrast: float
    vignette: float


_STYLES = {
    ImageType.VIVID: _Style(chroma=1.12, contrast=0.42, vignette=0.20),
    ImageType.NATURAL: _Style(chroma=0.72, contrast=0.06, vignette=0.12),
}


@dataclass(frozen=True, slots=True)
class Painting:
    """What was painted. `focal`: the point (0 to 1) that it is about; `understood`: what the words said."""

    image: Image.Image
    focal: tuple[float, float]
    understood: str


def paint(request: ImageRequest, report: Callable[[float], None]) -> Painting:
    """Paint a picture. `report` is told the share that is done after each layer; what it raises ends the painting."""
    reading = read(request.prompt)
    key = f"{VERSION}\n{request.width}x{request.height}\n{request.seed}\n{normalised(request.prompt)}"
    chance = Chance(hashlib.sha256(key.encode("utf-8", "replace")).digest())
    scene = SCENES[reading.scene or "abstract"]
    reading = replace(reading, things=tuple(thing for thing in reading.things if thing in scene.things))
    light = LIGHTS[reading.light or chance.pick("light", scene.lights)]
    style = _STYLES[request.image_type]
    laid = 0

    def done() -> None:
        nonlocal laid
        laid += 1
        report(min(1.0, laid / (scene.layers + 1)))

    easel = Easel(
        canvas=Canvas(request.width, request.height),
        palette=Palette(light, reading.mood(style.chroma)),
        chance=chance,
        words=frozenset(reading.things),
        done=done,
    )
    x, y = scene.paint(easel)
    image = develop(easel.canvas, chance, style.contrast, style.vignette)
    report(1.0)
    focal = (min(1.0, max(0.0, x / request.width)), min(1.0, max(0.0, y / request.height)))
    return Painting(image, focal, reading.understood)
