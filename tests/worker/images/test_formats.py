"""What is let in as a picture, and what is not."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from snapasset.errors import BadPicture
from tests.worker.images.pictures import encoded, pixels, ramp
from worker.images.decode import decode
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


def test_only_the_first_frame_of_an_animation_is_taken():
    file = BytesIO()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    assert pixels(decode(file.getvalue(), TRAINED).image)[0, 0].tolist() == [255, 0, 0]
