"""How pixels are scaled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.worker.images.pictures import PLAIN, decoded, master, noise, pixels, ramp
from worker.images.fit import Fit
from worker.images.planning import Size
from worker.images.render import render

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE = noise(128, 128).resize((256, 256), Image.Resampling.BICUBIC)
"""Detail of every direction, as fine as a photograph has it."""


def likeness(one: Image.Image, other: Image.Image) -> float:
    """The mean structural similarity of two pictures in grey, over a Gaussian window: 1 is the same."""

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        window = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
        for axis in (0, 1):
            values = np.lib.stride_tricks.sliding_window_view(values, window.size, axis) @ (window / window.sum())
        return values

    a, b = (np.asarray(image.convert("L"), dtype=np.float64) for image in (one, other))
    ma, mb = mean(a), mean(b)
    va, vb, both = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * ma * mb + c1) * (2 * both + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


@pytest.mark.parametrize("target", [Size(300, 300), Size(270, 480), Size(240, 126), Size(150, 150), Size(100, 100)])
def test_a_rendition_is_like_one_scaled_by_lanczos(target: Size):
    made = render(master(PICTURE), replace(PLAIN, width=target.width, height=target.height), fit=Fit.CENTRE)
    reference = PICTURE.resize((target.width, target.height), Image.Resampling.LANCZOS, box=made.box)
    assert likeness(decoded(made.data), reference) >= 0.99


def test_likeness_sees_what_is_lost():
    assert likeness(PICTURE, PICTURE) == pytest.approx(1)
    assert likeness(PICTURE, PICTURE.filter(ImageFilter.GaussianBlur(2))) < 0.9


def test_what_is_made_smaller_is_scaled_by_lanczos_itself():
    made = render(master(PICTURE), replace(PLAIN, width=100, height=100), fit=Fit.CENTRE)
    reference = PICTURE.resize((100, 100), Image.Resampling.LANCZOS)
    assert np.array_equal(pixels(decoded(made.data)), pixels(reference))


def test_nearly_the_same_scale_takes_the_pixels_as_they_are():
    image = noise(202, 101)
    made = render(master(image), PLAIN, focal=(0.0, 0.0))
    assert np.array_equal(pixels(decoded(made.data)), pixels(image)[:100, :200])
    assert made.box == (0, 0, 200, 100)


def test_a_master_that_is_a_little_too_small_is_scaled():
    made = render(master(ramp(198, 99)), PLAIN)
    assert (made.width, made.height) == (200, 100)
    assert pixels(decoded(made.data))[:, :, 2].min() > 50
