"""What is let in as a picture, and what is not."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from snapasset.errors import BadPicture
from tests.worker.images.pictures import chunk, encoded, noise, pixels, png, ramp, swapped_profile
from worker.images.decode import MAX_SIDE, decode, forbid_bombs
from worker.images.provenance import SourceType

TRAINED = SourceType.TRAINED


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_complete_picture_of_each_format_is_taken(image_format: str):
    master = decode(encoded(ramp(90, 60), image_format), TRAINED)
    assert (master.image.mode, master.size.width, master.size.height) == ("RGB", 90, 60)
    assert np.abs(pixels(master.image) - pixels(ramp(90, 60))).mean() < 3


@pytest.mark.parametrize("image_format", ["GIF", "BMP", "TIFF", "PPM", "ICO", "AVIF"])
def test_other_formats_are_refused_though_pillow_knows_them(image_format: str):
    with pytest.raises(BadPicture):
        decode(encoded(ramp(32, 32), image_format), TRAINED)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html>",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_other_bytes_are_refused(data: bytes):
    with pytest.raises(BadPicture):
        decode(data, TRAINED)


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


def test_a_small_file_that_declares_many_pixels_is_refused_before_they_are_unpacked():
    # It holds no row at all: had anything been unpacked, it would be refused as incomplete and not for its size.
    with pytest.raises(BadPicture, match="8000x8000 pixels; at most"):
        decode(png(8000, 8000, 0), TRAINED)


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


@given(st.integers(0, 4000), st.binary(min_size=1, max_size=6), st.sampled_from(["PNG", "JPEG", "WEBP"]))
@settings(max_examples=80, deadline=None)
def test_damaged_bytes_are_decoded_or_refused_and_nothing_else(at: int, damage: bytes, image_format: str):
    data = bytearray(encoded(ramp(48, 32), image_format))
    at %= len(data)
    data[at : at + len(damage)] = damage
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            master = decode(bytes(data), TRAINED)
        except BadPicture:
            return
    assert master.image.mode in {"RGB", "RGBA"}


def test_a_text_chunk_that_swells_is_refused():
    swelling = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70_000_000), 9))
    data = png(20, 20, 20)
    with pytest.raises(BadPicture):
        decode(data[:33] + swelling + data[33:], TRAINED)


def test_sixteen_bit_grey_is_scaled_not_cut_off():
    levels = np.array([[0, 128, 129, 257, 32_896, 65_535]], dtype=np.uint16)
    image = Image.fromarray(levels)
    assert image.mode == "I;16"
    assert pixels(decode(encoded(image), TRAINED).image)[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]


def test_exif_orientation_is_applied_once_and_forgotten():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "camera"
    master = decode(encoded(ramp(60, 30), "JPEG", exif=exif, quality=95), TRAINED)
    assert (master.size.width, master.size.height) == (30, 60)
    assert master.image.info == {}
    corner = pixels(master.image)[0, -1]
    assert corner[0] < 30
    assert corner[1] < 30


def test_alpha_is_kept_until_somebody_chooses_a_background():
    half = noise(20, 20, "RGBA")
    assert np.array_equal(pixels(decode(encoded(half), TRAINED).image), pixels(half))


def test_alpha_that_hides_nothing_is_dropped():
    solid = ramp(20, 20).convert("RGBA")
    assert decode(encoded(solid), TRAINED).image.mode == "RGB"


def test_a_palette_with_transparency_becomes_rgba():
    image = Image.new("P", (4, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2, 1])
    master = decode(encoded(image, transparency=1), TRAINED)
    assert pixels(master.image)[0].tolist()[0] == [255, 0, 0, 255]
    assert pixels(master.image)[0, 1, 3] == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_every_mode_of_png_becomes_colours(mode: str):
    assert decode(encoded(ramp(16, 16).convert(mode)), TRAINED).image.mode in {"RGB", "RGBA"}


def test_cmyk_jpeg_becomes_srgb():
    master = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), TRAINED)
    red, green, blue = pixels(master.image)[8, 8]
    assert red > 200
    assert green < 60
    assert blue < 60


def test_a_colour_profile_is_turned_into_srgb_once():
    image = Image.new("RGB", (16, 16), (250, 10, 10))
    plain = decode(encoded(image), TRAINED).image
    profiled = decode(encoded(image, icc_profile=swapped_profile()), TRAINED).image
    assert pixels(plain)[8, 8].tolist() == [250, 10, 10]
    red, _, blue = pixels(profiled)[8, 8]
    assert blue > 200
    assert red < 60
    assert profiled.info == {}


def test_a_profile_next_to_alpha_changes_the_colours_and_not_the_alpha():
    image = Image.new("RGBA", (16, 16), (250, 10, 10, 77))
    converted = pixels(decode(encoded(image, icc_profile=swapped_profile()), TRAINED).image)[8, 8]
    assert converted[2] > 200
    assert converted[3] == 77


def test_a_broken_profile_counts_as_none():
    image = Image.new("RGB", (16, 16), (250, 10, 10))
    assert pixels(decode(encoded(image, icc_profile=b"broken" * 40), TRAINED).image)[8, 8].tolist() == [250, 10, 10]


def test_only_the_first_frame_of_an_animation_is_taken():
    file = BytesIO()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    assert pixels(decode(file.getvalue(), TRAINED).image)[0, 0].tolist() == [255, 0, 0]
