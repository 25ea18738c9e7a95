"""Small files that would unpack to much are refused before they are unpacked."""

from __future__ import annotations

import struct
import zlib

import pytest

from snapasset.errors import BadPicture
from tests.worker.images.pictures import chunk, encoded, png, ramp
from worker.images.decode import MAX_SIDE, decode, forbid_bombs
from worker.images.provenance import SourceType

TRAINED = SourceType.TRAINED


def test_a_small_file_that_declares_many_pixels_is_refused_before_they_are_unpacked():
    # It holds no row at all: had anything been unpacked, it would be refused as incomplete and not for its size.
    with pytest.raises(BadPicture, match="8000x8000 pixels; at most"):
        decode(png(8000, 8000, 0), TRAINED)


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
def test_a_header_that_declares_many_pixels_is_believed_before_anything_is_unpacked(image_format: str):
    data = bytearray(encoded(ramp(32, 32), image_format))
    if image_format == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", 8000, 8000)
    else:
        at = data.index(b"\x9d\x01\x2a") + 3
        data[at : at + 4] = struct.pack("<HH", 8000, 8000)
    with pytest.raises(BadPicture, match="8000x8000 pixels; at most"):
        decode(bytes(data), TRAINED)


def test_pillows_own_bomb_guard_is_an_error():
    forbid_bombs()
    with pytest.raises(BadPicture):
        decode(png(30_000, 30_000, 1), TRAINED)
    with pytest.raises(BadPicture):
        decode(png(10_000, 10_000, 1), TRAINED)


def test_a_side_that_is_too_long_is_refused():
    with pytest.raises(BadPicture, match=str(MAX_SIDE)):
        decode(png(MAX_SIDE + 1, 2, 2), TRAINED)
    assert decode(png(MAX_SIDE, 2, 2), TRAINED).size.width == MAX_SIDE


def test_a_text_chunk_that_swells_is_refused():
    swelling = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70_000_000), 9))
    data = png(20, 20, 20)
    with pytest.raises(BadPicture):
        decode(data[:33] + swelling + data[33:], TRAINED)
