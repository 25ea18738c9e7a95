"""Files that end early, or hold less than they say, are refused."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image, ImageFile

from snapasset.errors import BadPicture
from tests.architecture.tree import ROOT
from tests.worker.images.pictures import chunk, encoded, noise, pixels, png
from worker.images.decode import decode
from worker.images.provenance import SourceType

TRAINED = SourceType.TRAINED


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_file_that_was_cut_anywhere_is_refused(image_format: str):
    data = encoded(noise(64, 64), image_format)
    for end in (1, 2, 4, 8, 12, 20, len(data) // 3, len(data) // 2, len(data) - 40):
        with pytest.raises(BadPicture):
            decode(data[:-end], TRAINED)


def test_a_progressive_jpeg_that_was_cut_is_refused():
    data = encoded(noise(64, 64), "JPEG", progressive=True)
    with pytest.raises(BadPicture):
        decode(data[: len(data) // 2], TRAINED)


def test_a_png_needs_its_last_chunk():
    decode(png(40, 40, 40), TRAINED)
    for ending in (b"", b"IEND", chunk(b"tEXt", b"note\0IEND")):
        with pytest.raises(BadPicture, match="ends before"):
            decode(png(40, 40, 40, ending=ending), TRAINED)


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_that_holds_fewer_rows_than_it_declares_is_refused(interlaced: bool):
    with pytest.raises(BadPicture):
        decode(png(40, 40, 20, interlaced=interlaced), TRAINED)


def test_a_picture_may_be_black_at_its_foot():
    assert decode(png(40, 40, 40, level=0), TRAINED).size.height == 40
    dark = Image.new("RGBA", (33, 17))
    assert decode(encoded(dark), TRAINED).size.width == 33


@pytest.mark.parametrize("level", [0, 90])
def test_an_interlaced_picture_needs_all_its_passes(level: int):
    # The seven passes of an Adam7 image of 9x9, as row lengths; the last one fills the rows 1, 3, 5 and 7.
    passes = [[2, 2], [1, 1], [3], [2, 2, 2], [5, 5], [4] * 5, [9] * 4]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 1))
    for count in (7, 6):
        raw = b"".join(b"\0" + bytes([level]) * length for rows in passes[:count] for length in rows)
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
        if count == 7:
            assert pixels(decode(data, TRAINED).image).max() == level
        else:
            with pytest.raises(BadPicture):
                decode(data, TRAINED)


def test_pillow_is_never_told_to_make_up_what_is_missing():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    rooms = [path for room in ("worker", "server", "snapasset") for path in (ROOT / room).rglob("*.py")]
    assert rooms
    assert not [path for path in rooms if "LOAD_TRUNCATED" + "_IMAGES" in path.read_text(encoding="utf-8")]
