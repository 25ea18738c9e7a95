"""The last touches: corners a little darker, contrast by style, the grain of paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from worker.providers.sketch.canvas import Canvas
    from worker.providers.sketch.chance import Chance


def develop(
    canvas: Canvas, chance: Chance, contrast: float, vignette: float = 0.20, grain: float = 0.011
) -> Image.Image:
    """The canvas as an 8-bit picture. `contrast`: 0 none, 1 a full S-curve; below 0 flatter."""
    width, height = canvas.width, canvas.height
    across = np.square(np.linspace(-1, 1, width, dtype=np.float32))
    down = np.square(np.linspace(-1, 1, height, dtype=np.float32))[:, None]
    corners = 1 - np.square(across + down) * (vignette / 4)
    speckle = np.frombuffer(chance.bytes("grain", width * height), dtype=np.uint8).reshape(height, width)
    paper = (speckle.astype(np.float32) - 127.5) * (grain * 255 / 127.5) + 0.5
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    for channel, plane in enumerate(canvas.planes):
        tone = plane.clip(0, 1)
        if contrast:
            tone += tone * (1 - tone) * (tone - 0.5) * (2 * contrast)
        tone *= corners
        tone *= 255
        tone += paper
        pixels[:, :, channel] = tone.clip(0, 255)
    return Image.fromarray(pixels)
