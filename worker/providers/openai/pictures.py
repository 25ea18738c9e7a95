"""What a provider sends as a picture → bytes that are one: unpacked, looked at, decoded once. Runs on the pool's threads.

It is decoded here already, because this is the last place where a bad one can still be told from a good one that was paid for.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.errors import BadPicture
from worker.images.decode import decode
from worker.images.provenance import SourceType

if TYPE_CHECKING:
    from worker.images.planning import Size

LARGEST: Final = 33_554_432
"""Bytes: 32 MiB, which is what the record can keep until a storage has it."""

_TYPES: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))


class Picture(NamedTuple):
    """A file that can be decoded. `size`: as it is shown, upright."""

    data: bytes
    content_type: str
    size: Size


def unpack(text: str) -> Picture:
    """A picture out of base64, with or without `data:…,` before it. Raises `BadPicture`."""
    start = text.index(",") + 1 if text.startswith("data:") and "," in text[:100] else 0
    packed = "".join(text[start:].split())
    if len(packed) > LARGEST * 4 // 3 + 4:
        raise BadPicture(f"The picture is larger than {LARGEST} bytes.")
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPicture("What should be a picture is not base64.") from error
    return inspect(data)


def inspect(data: bytes) -> Picture:
    """A picture out of its bytes. Raises `BadPicture`."""
    if len(data) > LARGEST:
        raise BadPicture(f"The picture is larger than {LARGEST} bytes.")
    size = decode(data, SourceType.TRAINED).size
    return Picture(data, next(name for start, name in _TYPES if data.startswith(start)), size)
