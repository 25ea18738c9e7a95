"""The visible mark of a simulated picture: a small tag that fills the lower right corner.

It sits in the corner, without a margin, so that a crop which cuts a master's tag in two leaves a rest that the
rendition's own tag covers completely. A master that is fitted in whole has its tag covered where it is.
"""

from __future__ import annotations

import math
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

TEXT = "sketch \N{MIDDLE DOT} simulated"

_INK = (20, 22, 28)
_PAPER = (240, 238, 232)
_SHARE = 0.034
"""Height of the tag as a share of the mean side: small, and still readable in a feed."""
_LEAST = 13
_SUPERSAMPLE = 4


def tag_size(width: int, height: int) -> tuple[int, int]:
    """Width and height in pixels of the tag on a picture of this size, at most three quarters of its width."""
    tall = max(_LEAST, round(math.sqrt(width * height) * _SHARE))
    while True:
        wide = _tag(tall).size[0]
        if wide <= 0.75 * width or tall <= _LEAST:
            return min(wide, width), min(tall, height)
        tall -= 1


def stamp(image: Image.Image, least: tuple[int, int] = (0, 0), corner: tuple[int, int] | None = None) -> None:
    """Draw the tag into an RGB or RGBA image, in place, at least `least` pixels wide and high.

    Its lower right corner lies at `corner`, else in the image's own; where there is no room for the tag to the left of
    that, or above it, it moves in as far as it must to be seen whole.
    """
    width, height = image.size
    wide, tall = tag_size(width, height)
    tall = math.ceil(tall * max(1.0, least[0] / wide, least[1] / tall))
    while (tag := _tag(tall)).width < least[0]:  # letters do not grow quite evenly
        tall += 1
    right, bottom = corner or image.size
    place = (min(width, max(right, tag.width)) - tag.width, min(height, max(bottom, tag.height)) - tag.height)
    image.paste(Image.new("RGB", tag.size, _INK), place, tag.getchannel("A"))
    image.paste(Image.new("RGB", tag.size, _PAPER), place, tag.getchannel("L"))


@lru_cache(maxsize=32)
def _tag(tall: int) -> Image.Image:
    """The tag as coverage: channel L the letters, channel A the ground, rounded at its one free corner."""
    font = ImageFont.load_default(tall * 0.56)
    inset = round(tall * 0.42)
    left, _, right, _ = font.getbbox(TEXT)
    wide = math.ceil(right - left) + 2 * inset
    letters = Image.new("L", (wide, tall), 0)
    ImageDraw.Draw(letters).text((inset - left, tall / 2), TEXT, fill=255, font=font, anchor="lm")
    large = (wide * _SUPERSAMPLE, tall * _SUPERSAMPLE)
    ground = Image.new("L", large, 0)
    ImageDraw.Draw(ground).rounded_rectangle(
        (0, 0, large[0] + 1, large[1] + 1), radius=large[1] * 0.4, fill=255, corners=(True, False, False, False)
    )
    return Image.merge("LA", (letters, ground.reduce(_SUPERSAMPLE)))
