"""Bytes of unknown honesty → a decoded master: upright, 8 bits, sRGB, with or without alpha, without metadata.

Nothing is believed: the size is looked at before any pixel is unpacked (a file of 292 kB can declare 100 megapixels),
only three formats are tried, and a file that ends early is refused, also where Pillow would fill the rest with black.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps

from snapasset.errors import BadPicture
from worker.images.crop import Attention, attention_of
from worker.images.planning import Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.images.provenance import SourceType

MAX_PIXELS = 40_000_000
MAX_SIDE = 8_192
FORMATS = ("PNG", "JPEG", "WEBP")

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, column step, row step of each pass of an interlaced PNG (PNG specification, 8.2)."""

_REFUSALS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow has been seen to raise over malformed files."""


@dataclass(frozen=True, slots=True)
class Master:
    """A decoded picture that renditions are cut from. Threads share it: nobody changes the image.

    Attributes:
        image: mode RGB, or RGBA as long as no background is chosen; sRGB; upright.
        source: how the picture came to be, for the mark in each rendition.
        attention: where a crop should look when nobody says.
    """

    image: Image.Image
    source: SourceType
    attention: Attention

    @property
    def size(self) -> Size:
        return Size(*self.image.size)


def forbid_bombs() -> None:
    """Turn Pillow's warning of a decompression bomb into an error.

    The list of warning filters belongs to the process, not to a thread: call it once, when the program starts.
    """
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def decode(data: bytes, source: SourceType) -> Master:
    """Check and decode a picture.

    Raises `BadPicture`, with a sentence that says why, for everything that is not a complete PNG, JPEG or WebP of at
    most 40 megapixels and 8,192 pixels a side.
    """
    try:
        image = _upright(_load(data))
    except _REFUSALS as error:
        raise BadPicture("The file is not a complete PNG, JPEG or WebP picture.") from error
    image = _to_srgb(image)
    return Master(image, source, attention_of(image))


def _load(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadPicture(
            f"The picture is {width}x{height} pixels; at most {MAX_SIDE} a side and "
            f"{MAX_PIXELS // 1_000_000} megapixels are taken."
        )
    if image.format == "PNG" and not _has_trailer(data):
        raise BadPicture("The PNG file ends before its last chunk.")
    image.load()
    if image.format == "PNG" and _looks_unfinished(image) and _missing_rows(data):
        raise BadPicture("The PNG file holds fewer rows than it declares.")
    return image


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk of a PNG as its type and where its content starts and ends, as far as they are whole."""
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return
        yield kind, at + 8, at + 8 + length
        at += 12 + length


def _has_trailer(data: bytes) -> bool:
    return any(kind == b"IEND" for kind, _, _ in _chunks(data))


def _looks_unfinished(image: Image.Image) -> bool:
    """Whether one of the two last rows is all zero, as rows are that were never filled. Two, for interlaced files."""
    width, height = image.size
    rows = range(max(0, height - 2), height)
    return any(image.crop((0, row, width, row + 1)).getbbox(alpha_only=False) is None for row in rows)


def _missing_rows(data: bytes) -> bool:
    """Whether the compressed rows of a PNG come to fewer bytes than its header promises."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, len(_PNG_SIGNATURE) + 8)
    bits = depth * _PNG_CHANNELS[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    promised = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            promised += rows * (1 + -(-columns * bits // 8))
    inflater, delivered = zlib.decompressobj(), 0
    for kind, start, end in _chunks(data):
        if kind == b"IDAT":
            rest = data[start:end]
            while rest and delivered < promised:
                delivered += len(inflater.decompress(rest, 1 << 20))
                rest = inflater.unconsumed_tail
    return delivered < promised


def _upright(image: Image.Image) -> Image.Image:
    """Turn as the EXIF orientation says; 16-bit grey comes down to 8 bits by 257, not by cutting off."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        levels = np.asarray(upright).astype(np.uint32)
        grey = Image.fromarray(((levels + 128) // 257).clip(0, 255).astype(np.uint8))
        grey.info = dict(upright.info)
        upright = grey
    return upright


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB, with nothing left in `info` that a later save could carry along."""
    profile: bytes | None = image.info.get("icc_profile")
    alpha = None
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        image = image.convert("L" if image.mode == "LA" else "RGB")
    elif image.mode == "P" or image.mode == "1":
        image = image.convert("RGB")
    colours = _through_profile(image, profile).convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        colours.putalpha(alpha)
    colours.info = {}
    return colours


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB. A profile that is broken, or made for other channels, counts as none."""
    if not profile:
        return image
    try:
        converted = ImageCms.profileToProfile(image, BytesIO(profile), _srgb_profile(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


@cache
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    # Pillow leaves the type of what its C module makes unsaid.
    made = ImageCms.createProfile("sRGB")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return ImageCms.ImageCmsProfile(made)  # pyright: ignore[reportUnknownArgumentType]
