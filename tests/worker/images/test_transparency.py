"""What can be seen through."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.worker.images.pictures import (
    PLAIN,
    decoded,
    encoded,
    master,
    noise,
    pixels,
    ramp,
)
from worker.images.compose import flatten
from worker.images.decode import decode
from worker.images.fit import Fit
from worker.images.provenance import SourceType
from worker.images.render import render

if TYPE_CHECKING:
    from worker.images.platforms import Format

TRAINED = SourceType.TRAINED


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


@pytest.mark.parametrize("fit", list(Fit))
def test_transparent_parts_lie_on_the_background_in_a_jpeg(fit: Fit):
    hole = master(Image.new("RGBA", (200, 150), (255, 0, 0, 0)))
    jpeg = replace(PLAIN, format="JPEG")
    assert pixels(decoded(render(hole, jpeg, fit=fit).data)).min() == 255
    black = render(hole, jpeg, fit=fit, background=(0, 0, 0))
    assert pixels(decoded(black.data)).max() == 0


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("fit", list(Fit))
def test_formats_with_alpha_keep_it(form: Format, fit: Fit):
    hole = master(Image.new("RGBA", (200, 150), (255, 0, 0, 0)))
    image = decoded(render(hole, replace(PLAIN, format=form), fit=fit).data)
    assert image.mode == "RGBA"
    assert image.getchannel("A").getextrema() == (0, 0)


def test_half_transparent_colours_are_mixed_with_the_background():
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert pixels(flatten(half, (0, 0, 255)))[0, 0].tolist() == pytest.approx([128, 0, 127], abs=1)


@pytest.mark.parametrize("fit", list(Fit))
def test_a_background_that_is_asked_for_lies_under_every_format(fit: Fit):
    hole = master(Image.new("RGBA", (200, 150), (255, 0, 0, 0)))
    image = decoded(render(hole, PLAIN, fit=fit, background=(1, 2, 3)).data)
    assert image.getcolors() == [(200 * 100, (1, 2, 3))]


def test_a_picture_that_is_seen_through_is_not_laid_over_a_blur_of_itself():
    logo = Image.new("RGBA", (100, 100))
    logo.paste((200, 0, 0, 255), (30, 30, 70, 70))
    image = pixels(decoded(render(master(logo), replace(PLAIN, format="JPEG"), fit=Fit.CONTAIN).data))
    assert image[:, :45].min() > 250
    assert image[:, -45:].min() > 250
    assert image[50, 100].tolist() == pytest.approx([200, 0, 0], abs=8)
