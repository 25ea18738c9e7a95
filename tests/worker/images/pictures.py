"""Pictures and files for the tests of this room, honest and dishonest ones."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms

from worker.images.decode import Master, decode
from worker.images.platforms import Platform
from worker.images.provenance import SourceType

if TYPE_CHECKING:
    from numpy.typing import NDArray


PLAIN = Platform("plain", "Test", 200, 100, max_bytes=1_000_000, format="PNG")
"""A small platform that loses nothing of what it is given."""


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def pixels(image: Image.Image) -> NDArray[np.int32]:
    return np.asarray(image).astype(np.int32)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture that no format can make small."""
    channels = len(mode)
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8))


def ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards: every place of it is known by its colour."""
    across = np.linspace(0, 255, width)[None, :].repeat(height, axis=0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, axis=1)
    planes = np.stack([across, down, np.full_like(across, 60)], axis=2)
    return Image.fromarray(planes.astype(np.uint8))


def master(image: Image.Image, source: SourceType = SourceType.TRAINED) -> Master:
    return decode(encoded(image), source)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    rows: int,
    *,
    interlaced: bool = False,
    ending: bytes = chunk(b"IEND", b""),
    level: int = 200,
) -> bytes:
    """A grey PNG that declares `height` rows and holds `rows` of them."""
    raw = b"".join(b"\0" + bytes([level]) * width for _ in range(rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + ending


def swapped_profile() -> bytes:
    """An ICC profile in which red and blue have changed places."""
    srgb = ImageCms.createProfile("sRGB")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    profile = bytearray(ImageCms.ImageCmsProfile(srgb).tobytes())  # pyright: ignore[reportUnknownArgumentType]
    count = struct.unpack_from(">I", profile, 128)[0]
    tags = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)
