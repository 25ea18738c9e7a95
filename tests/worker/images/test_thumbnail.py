"""The small picture that stands for a generation in the gallery."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.worker.images.pictures import decoded, master, pixels, ramp
from worker.images.planning import Size
from worker.images.render import thumbnail


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1024, 1024), (480, 480)), ((960, 640), (480, 320)), ((300, 900), (160, 480)), ((320, 200), (320, 200))],
)
def test_it_is_the_whole_master_made_small_and_never_large(size: tuple[int, int], wanted: tuple[int, int]):
    made = thumbnail(master(ramp(*size)))
    image = decoded(made.data)
    assert image.size == wanted == (made.width, made.height)
    assert (image.format, made.format, made.content_type) == ("AVIF", "AVIF", "image/avif")
    assert made.box == (0, 0, *size)
    reference = ramp(*size).resize(wanted, Image.Resampling.LANCZOS)
    assert np.abs(pixels(image) - pixels(reference)).mean() < 4


def test_it_weighs_little():
    assert len(thumbnail(master(ramp(1024, 1024))).data) < 20_000


def test_what_is_seen_through_stays_so():
    hole = Image.new("RGBA", (100, 50), (255, 0, 0, 0))
    assert decoded(thumbnail(master(hole)).data).mode == "RGBA"


@given(st.builds(Size, st.integers(1, 90), st.integers(1, 90)), st.integers(16, 64))
@settings(max_examples=30, deadline=None)
def test_no_side_is_longer_than_asked_for_nor_empty(size: Size, longest: int):
    made = thumbnail(master(ramp(size.width, size.height)), longest)
    assert max(made.width, made.height) == min(longest, size.width if size.width > size.height else size.height)
    assert min(made.width, made.height) >= 1
    assert decoded(made.data).size == (made.width, made.height)
