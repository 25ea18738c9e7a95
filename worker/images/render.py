"""A master → one file for one platform: cut or fitted in, marked, encoded under the platform's cap.

The functions are pure; `Renderer` runs them on the pixel pool, so that the event loop never waits for a picture.
"""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from snapasset.errors import BadPicture
from worker.images import badge
from worker.images.caps import ladder
from worker.images.compose import Colour, Composed, Point, compose, scaled
from worker.images.crop import Box, fitted
from worker.images.decode import Master, decode, forbid_bombs
from worker.images.fit import Fit, fit_done
from worker.images.planning import Size
from worker.images.provenance import SourceType, save_options

if TYPE_CHECKING:
    from PIL import Image

    from worker.images.platforms import Format, Platform
    from worker.images.pool import PixelPool

CONTENT_TYPES: dict[Format, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}

_THUMBNAIL_QUALITY = 60
_FORMAT_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {},
    "PNG": {"compress_level": 2},
    "WEBP": {"method": 2},
    "AVIF": {"speed": 9, "max_threads": 1},  # the pool has a thread for each core already
}


@dataclass(frozen=True, slots=True)
class Rendition:
    """One finished file.

    Attributes:
        platform: the name of whom it is for.
        quality: the encoder's, None for PNG.
        fit: what was really done.
        box: what is seen of the master, in its pixels.
    """

    platform: str
    data: bytes
    width: int
    height: int
    format: Format
    content_type: str
    quality: int | None
    fit: Fit
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
        *,
        fit: Fit = Fit.COVER,
        focal: Point | None = None,
        background: Colour | None = None,
    ) -> Rendition:
        """See `render`. Raises `BadPicture`."""
        return await self._pool.run(render, master, platform, fit=fit, focal=focal, background=background)

    async def thumbnail(self, master: Master, longest: int = 480) -> Rendition:
        """See `thumbnail`."""
        return await self._pool.run(thumbnail, master, longest)


def render(
    master: Master,
    platform: Platform,
    *,
    fit: Fit = Fit.COVER,
    focal: Point | None = None,
    background: Colour | None = None,
) -> Rendition:
    """Bring a master to a platform's size, mark it, and encode it under the platform's cap.

    A crop that covers is laid around `focal` (0 to 1 from the left and from the top), else where there is most to see;
    `Rendition.fit` says when it kept too little and the whole master was fitted in instead. What is fitted in lies on
    `background`, else on a blurred copy of itself. Transparent parts lie on `background` too; without one they stay
    transparent, and white in a JPEG. Pictures that are not made by a model carry the visible badge; every file carries
    the mark of its source.

    Raises `BadPicture` when even the lowest quality does not get under the platform's cap.
    """
    done = fit_done(fit, master.size, platform)
    composed = compose(master, platform, done, focal=focal, background=background, opaque=platform.format == "JPEG")
    if master.source is SourceType.ALGORITHMIC:
        badge.stamp(composed.image, least=_old_tag(master.size, composed), corner=composed.area[2:])
    data, quality = _under_cap(composed.image, platform, master.source)
    return Rendition(
        platform=platform.name,
        data=data,
        width=platform.width,
        height=platform.height,
        format=platform.format,
        content_type=CONTENT_TYPES[platform.format],
        quality=quality,
        fit=done,
        box=composed.box,
    )


def thumbnail(master: Master, longest: int = 480) -> Rendition:
    """The whole master as a small AVIF for the gallery, its longest side at most this many pixels; never enlarged.

    It shows the badge that the master wears already.
    """
    size = master.size
    longest = min(longest, max(size.width, size.height))
    left, top, right, bottom = fitted(size, Size(longest, longest))
    image = scaled(master.image, (right - left, bottom - top))
    return Rendition(
        platform="thumbnail",
        data=encode(image, "AVIF", master.source, _THUMBNAIL_QUALITY),
        width=image.width,
        height=image.height,
        format="AVIF",
        content_type=CONTENT_TYPES["AVIF"],
        quality=_THUMBNAIL_QUALITY,
        fit=Fit.CONTAIN,
        box=Box(0, 0, size.width, size.height),
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


def _old_tag(master: Size, composed: Composed) -> tuple[int, int]:
    """How much of the master's own badge is still to be seen, in pixels of the rendition."""
    wide, tall = badge.tag_size(master.width, master.height)
    box, area = composed.box, composed.area
    right, bottom = box.right - (master.width - wide), box.bottom - (master.height - tall)
    if right <= 0 or bottom <= 0:
        return 0, 0
    across, down = (area[2] - area[0]) / box.width, (area[3] - area[1]) / box.height
    return math.ceil(right * across) + 1, math.ceil(bottom * down) + 1


def _under_cap(image: Image.Image, platform: Platform, source: SourceType) -> tuple[bytes, int | None]:
    for quality, allowed in ladder(platform):
        data = encode(image, platform.format, source, quality)
        if len(data) <= allowed:
            return data, quality
    raise BadPicture(f"The picture cannot be made small enough for {platform.name} ({platform.max_bytes:,} bytes).")


def _scratch_file() -> IO[bytes]:
    """A file, in memory where the system has such files.

    Pillow encodes a JPEG to a file descriptor without the interpreter lock, and to a `BytesIO` with it.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("picture"), "w+b")
    return tempfile.TemporaryFile()
