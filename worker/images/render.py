"""A master → one file for one platform: crop, scale, flatten, mark, encode under the platform's cap.

The functions are pure; `Renderer` runs them on the pixel pool, so that the event loop never waits for a picture.
"""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from PIL import Image

from snapasset.errors import BadPicture
from worker.images import badge
from worker.images.crop import Box, attention_box, cover_box, place
from worker.images.decode import Master, decode, forbid_bombs
from worker.images.provenance import SourceType, save_options

if TYPE_CHECKING:
    from worker.images.planning import Size, Target
    from worker.images.platforms import Platform
    from worker.images.pool import PixelPool

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}

_QUALITIES = (85, 80, 75, 70, 65, 60, 55, 50, 45, 40)
_AIM_FLOOR = 70
"""A size that is only aimed at is not worth a lower quality than this."""
_SAME_SCALE = 0.015
"""Scaling by less blurs more than it helps: then the pixels are taken as they are."""
_FORMAT_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {},
    "PNG": {"compress_level": 2},
    "WEBP": {"method": 2},
}


@dataclass(frozen=True, slots=True)
class Rendition:
    """One finished file. `box` is what was cut from the master, in its pixels; `quality` is None for PNG."""

    platform: str
    data: bytes
    width: int
    height: int
    format: str
    content_type: str
    quality: int | None
    box: Box


class Renderer:
    """Decodes and renders on the pool it is given; the pool's owner opens and closes that."""

    def __init__(self, pool: PixelPool) -> None:
        self._pool = pool
        forbid_bombs()

    async def decode(self, data: bytes, source: SourceType) -> Master:
        """See `worker.images.decode.decode`. Raises `BadPicture`."""
        return await self._pool.run(decode, data, source)

    async def render(
        self,
        master: Master,
        platform: Platform,
        focal: tuple[float, float] | None = None,
        background: Colour = WHITE,
    ) -> Rendition:
        """See `render`. Raises `BadPicture`."""
        return await self._pool.run(render, master, platform, focal, background)


def render(
    master: Master, platform: Platform, focal: tuple[float, float] | None = None, background: Colour = WHITE
) -> Rendition:
    """Cut, scale and encode a master for a platform.

    The crop covers the platform's size; it is laid around `focal` (0 to 1 from the left and from the top), else where
    there is most to see. Transparent parts lie on `background` when the format has no alpha. Pictures that are not made
    by a model carry the visible badge; every file carries the mark of its source.

    Raises `BadPicture` when even the lowest quality does not get under the platform's cap.
    """
    image, box = _cut(master, platform, focal)
    if image.mode == "RGBA" and platform.format == "JPEG":
        image = flatten(image, background)
    if master.source is SourceType.ALGORITHMIC:
        badge.stamp(image, least=_cut_tag(master.size, box, platform))
    data, quality = _under_cap(image, platform, master.source)
    return Rendition(
        platform=platform.name,
        data=data,
        width=image.width,
        height=image.height,
        format=platform.format,
        content_type=CONTENT_TYPES[platform.format],
        quality=quality,
        box=box,
    )


def encode(image: Image.Image, image_format: str, source: SourceType, quality: int | None = None) -> bytes:
    """The bytes of an image in a format, with the mark of its source. RGBA must have been flattened for JPEG."""
    options = _FORMAT_OPTIONS[image_format] | save_options(image_format, source)
    if quality is not None:
        options["quality"] = quality
    with _scratch_file() as file:
        image.save(file, image_format, **options)
        file.seek(0)
        return file.read()


def flatten(image: Image.Image, background: Colour) -> Image.Image:
    """An RGBA image laid onto a colour: RGB."""
    ground = Image.new("RGB", image.size, background)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _cut(master: Master, target: Target, focal: tuple[float, float] | None) -> tuple[Image.Image, Box]:
    size = master.size
    box = cover_box(size, target, focal) if focal else attention_box(size, target, master.attention)
    wanted = (target.width, target.height)
    enough = size.width >= target.width and size.height >= target.height
    if enough and abs(target.width / box.width - 1) <= _SAME_SCALE:
        centre = focal or ((box.left + box.right) / 2 / size.width, (box.top + box.bottom) / 2 / size.height)
        near = place(size, *wanted, centre)
        left, top = round(near.left), round(near.top)
        box = Box(left, top, left + target.width, top + target.height)
        return master.image.crop((left, top, left + target.width, top + target.height)), box
    return master.image.resize(wanted, Image.Resampling.LANCZOS, box=box), box


def _cut_tag(master: Size, box: Box, target: Target) -> tuple[int, int]:
    """How much of the master's own badge the crop still shows, in pixels of the rendition."""
    wide, tall = badge.tag_size(master.width, master.height)
    right, bottom = box.right - (master.width - wide), box.bottom - (master.height - tall)
    if right <= 0 or bottom <= 0:
        return 0, 0
    scale = target.width / box.width
    return math.ceil(right * scale) + 1, math.ceil(bottom * scale) + 1


def _under_cap(image: Image.Image, platform: Platform, source: SourceType) -> tuple[bytes, int | None]:
    steps: tuple[int | None, ...] = (None,) if platform.format == "PNG" else _QUALITIES
    for quality in steps:
        data = encode(image, platform.format, source, quality)
        aiming = platform.aim_bytes is not None and quality is not None and quality > _AIM_FLOOR
        if len(data) <= (platform.aim_bytes if aiming and platform.aim_bytes else platform.max_bytes):
            return data, quality
    raise BadPicture(f"The picture cannot be made small enough for {platform.name} ({platform.max_bytes:,} bytes).")


def _scratch_file() -> IO[bytes]:
    """A file, in memory where the system has such files.

    Pillow encodes a JPEG to a file descriptor without the interpreter lock, and to a `BytesIO` with it.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("picture"), "w+b")
    return tempfile.TemporaryFile()
