"""Whatever colours come in, sRGB of 8 bits goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.worker.images.pictures import PLAIN, decoded, encoded, pixels, ramp, swapped_profile
from worker.images.decode import decode
from worker.images.provenance import SourceType
from worker.images.render import render

if TYPE_CHECKING:
    from worker.images.platforms import Format

TRAINED = SourceType.TRAINED


def test_sixteen_bit_grey_is_scaled_not_cut_off():
    levels = np.array([[0, 128, 129, 257, 32_896, 65_535]], dtype=np.uint16)
    image = Image.fromarray(levels)
    assert image.mode == "I;16"
    assert pixels(decode(encoded(image), TRAINED).image)[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]


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


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_profile_is_applied_once_and_not_again_by_who_opens_the_rendition(form: Format):
    source = decode(encoded(Image.new("RGB", (200, 100), (250, 10, 10)), icc_profile=swapped_profile()), TRAINED)
    image = decoded(render(source, replace(PLAIN, format=form)).data)
    assert "icc_profile" not in image.info
    red, _, blue = pixels(image)[50, 100]
    assert blue > 200
    assert red < 60
