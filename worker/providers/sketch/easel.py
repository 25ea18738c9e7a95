"""What every layer is handed: the canvas, the light, the chance, and where the main things stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.providers.sketch.canvas import Canvas
    from worker.providers.sketch.chance import Chance
    from worker.providers.sketch.palette import Palette


@dataclass(slots=True)
class Easel:
    """One picture in the making.

    Attributes:
        done: called after each layer; it may raise to stop the painting.
        sun: where the sun or moon stands, in pixels.
        words: the things that the prompt names, beside its scene.
    """

    canvas: Canvas
    palette: Palette
    chance: Chance
    words: frozenset[str]
    done: Callable[[], None]
    sun: tuple[float, float] = (0.0, 0.0)

    @property
    def width(self) -> int:
        return self.canvas.width

    @property
    def height(self) -> int:
        return self.canvas.height

    @property
    def unit(self) -> float:
        """The shorter side: sizes of things are shares of it."""
        return self.canvas.unit
