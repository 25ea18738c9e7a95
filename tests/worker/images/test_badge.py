"""The visible badge: one, whole, on every simulated picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.worker.images.pictures import PLAIN, decoded, master, pixels
from worker.images import badge
from worker.images.crop import fitted
from worker.images.fit import Fit
from worker.images.planning import Size
from worker.images.platforms import PLATFORMS
from worker.images.provenance import SourceType
from worker.images.render import render, thumbnail

WHITE = (255, 255, 255)


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("name", ["instagram-story", "twitter-header", "linkedin-cover", "open-graph"])
def test_a_simulated_picture_wears_the_badge_whatever_is_cut(name: str, fit: Fit):
    platform = PLATFORMS.get(name)
    source = master(Image.new("RGB", (600, 400), "white"), SourceType.ALGORITHMIC)
    made = render(source, platform, fit=fit, focal=(0.1, 0.1))
    image = pixels(decoded(made.data))
    right, bottom = platform.width, platform.height
    if made.fit is Fit.CONTAIN:
        _, _, right, bottom = fitted(Size(600, 400), platform)
    wide, tall = badge.tag_size(platform.width, platform.height)
    tag = image[bottom - tall + 2 : bottom, right - wide + 4 : right].mean(axis=2)
    assert tag.min() < 60
    assert tag.max() > 170
    assert (tag < 90).mean() > 0.5


@pytest.mark.parametrize("fit", list(Fit))
def test_a_picture_by_a_model_wears_none(fit: Fit):
    source = master(Image.new("RGB", (600, 400), "white"), SourceType.TRAINED)
    made = render(source, PLATFORMS.get("twitter-post"), fit=fit, background=WHITE)
    assert pixels(decoded(made.data)).min() > 250


@given(
    st.tuples(st.integers(200, 700), st.integers(200, 700)),
    st.tuples(st.integers(150, 500), st.integers(60, 500)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.sampled_from(list(Fit)),
)
@example((202, 201), (487, 435), (1.0, 1.0), Fit.CENTRE)  # letters that do not grow evenly left a column uncovered
@settings(max_examples=60, deadline=None)
def test_there_is_one_badge_and_nothing_is_left_of_a_cut_one(
    size: tuple[int, int], target: tuple[int, int], focal: tuple[float, float], fit: Fit
):
    sheet = Image.new("RGB", size, "white")
    badge.stamp(sheet)
    platform = replace(PLAIN, width=target[0], height=target[1])
    source = master(sheet, SourceType.ALGORITHMIC)
    made = render(source, platform, fit=fit, focal=focal, background=WHITE)
    image = pixels(decoded(made.data)).min(axis=2)
    rows, columns = np.nonzero(image < 200)
    corner = fitted(Size(*size), platform)[2:] if made.fit is Fit.CONTAIN else target
    tag = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    # All that is dark is one tag in the corner: solid, but for its letters and its one round corner.
    wide, tall = badge.tag_size(*target)
    assert tag.shape[0] >= tall
    assert tag.shape[1] >= wide
    assert columns.max() + 1 == max(corner[0], min(tag.shape[1], target[0]))
    assert rows.max() + 1 == max(corner[1], min(tag.shape[0], target[1]))
    assert tag[-1].max() < 60
    assert tag[:, -1].max() < 60
    assert (tag < 60).mean() > 0.6


@pytest.mark.parametrize(("size", "target"), [((20, 900), (120, 300)), ((900, 10), (300, 20))])
def test_a_picture_that_is_thinner_than_the_badge_still_wears_all_of_it(size: tuple[int, int], target: tuple[int, int]):
    sheet = Image.new("RGB", size, "white")
    badge.stamp(sheet)
    platform = replace(PLAIN, width=target[0], height=target[1])
    made = render(master(sheet, SourceType.ALGORITHMIC), platform, fit=Fit.CONTAIN, background=WHITE)
    rows, columns = np.nonzero(pixels(decoded(made.data)).min(axis=2) < 200)
    wide, tall = badge.tag_size(*target)
    assert columns.max() - columns.min() + 1 >= wide
    assert rows.max() - rows.min() + 1 >= tall


def test_the_thumbnail_shows_the_masters_own():
    sheet = Image.new("RGB", (960, 640), "white")
    badge.stamp(sheet)
    image = pixels(decoded(thumbnail(master(sheet, SourceType.ALGORITHMIC)).data)).mean(axis=2)
    rows, columns = np.nonzero(image < 120)
    assert (columns.max(), rows.max()) == (479, 319)
    assert columns.max() - columns.min() == pytest.approx(badge.tag_size(960, 640)[0] / 2, abs=4)
