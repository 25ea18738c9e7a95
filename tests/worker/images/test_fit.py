"""How a master fills a shape that is not its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tests.worker.images.pictures import PLAIN, decoded, master, noise, pixels, ramp
from worker.images.crop import cover_box, fitted
from worker.images.fit import KEPT_AT_LEAST, Fit, fit_done
from worker.images.planning import Size, kept
from worker.images.platforms import PLATFORMS
from worker.images.render import render

sizes = st.builds(Size, st.integers(1, 3000), st.integers(1, 3000))
small = st.builds(Size, st.integers(16, 160), st.integers(16, 160))
points = st.tuples(st.floats(0, 1), st.floats(0, 1))


def test_a_crop_is_laid_around_the_focal_point():
    upper, lower = (render(master(ramp(300, 300)), PLAIN, focal=(0.5, down)) for down in (0.0, 1.0))
    assert (upper.box.top, upper.box.bottom) == (0, 150)
    assert (lower.box.top, lower.box.bottom) == (150, 300)
    assert pixels(decoded(upper.data))[:, :, 1].mean() < 80 < 170 < pixels(decoded(lower.data))[:, :, 1].mean()
    assert upper.fit is lower.fit is Fit.COVER


def test_without_a_focal_point_it_is_laid_where_there_is_most_to_see():
    image = Image.new("RGB", (300, 300), "navy")
    ImageDraw.Draw(image).ellipse((100, 200, 180, 280), fill="orange")
    box = render(master(image), PLAIN).box
    assert box.top <= 200
    assert box.bottom >= 280


def test_centre_takes_the_middle_whatever_there_is_to_see_and_however_much_is_lost():
    image = Image.new("RGB", (300, 900), "navy")
    ImageDraw.Draw(image).ellipse((100, 10, 180, 90), fill="orange")
    made = render(master(image), PLAIN, fit=Fit.CENTRE, focal=(0.5, 0.0))
    assert made.fit is Fit.CENTRE
    assert made.box == (0, 375, 300, 525)


@given(small, small, points, st.sampled_from([Fit.COVER, Fit.CENTRE]))
@settings(max_examples=50, deadline=None)
def test_a_crop_has_the_right_shape_lies_inside_and_keeps_the_point(
    size: Size, target: Size, focal: tuple[float, float], fit: Fit
):
    platform = replace(PLAIN, width=target.width, height=target.height)
    made = render(master(ramp(size.width, size.height)), platform, fit=fit, focal=focal)
    box = made.box
    assert 0 <= box.left < box.right <= size.width
    assert 0 <= box.top < box.bottom <= size.height
    if made.fit is not Fit.CONTAIN:
        assert abs(box.width * target.height / target.width - box.height) <= 1
        point = focal if fit is Fit.COVER else (0.5, 0.5)
        assert box.left - 1e-9 <= point[0] * size.width <= box.right + 1e-9
        assert box.top - 1e-9 <= point[1] * size.height <= box.bottom + 1e-9


@given(sizes, sizes, st.sampled_from(list(Fit)))
@settings(max_examples=200, deadline=None)
def test_only_a_cover_crop_that_keeps_too_little_is_done_otherwise(size: Size, target: Size, asked: Fit):
    box = cover_box(size, target, (0.5, 0.5))
    share = box.width * box.height / size.pixels
    assert share == pytest.approx(kept(size, target))
    too_little = asked is Fit.COVER and kept(size, target) < KEPT_AT_LEAST
    assert fit_done(asked, size, target) is (Fit.CONTAIN if too_little else asked)


def test_two_fifths_of_a_master_are_just_enough():
    for height, fit in ((500, Fit.COVER), (501, Fit.CONTAIN)):
        made = render(master(ramp(400, height)), PLAIN)
        assert made.fit is fit
    assert made.box == (0, 0, 400, 501)
    focused = render(master(ramp(400, 501)), PLAIN, focal=(0.2, 0.2), background=(9, 9, 9))
    assert focused.fit is Fit.CONTAIN
    assert pixels(decoded(focused.data))[50, 0].tolist() == [9, 9, 9]


def test_a_square_megapixel_contains_where_a_platform_is_too_wide_for_it():
    square = Size(1024, 1024)
    contained = {each.name for each in PLATFORMS if fit_done(Fit.COVER, square, each) is Fit.CONTAIN}
    assert contained == {"facebook-cover", "twitter-header", "linkedin-cover"}


@given(sizes, sizes)
@settings(max_examples=300, deadline=None)
def test_what_is_fitted_in_is_whole_in_the_middle_and_not_distorted(size: Size, target: Size):
    left, top, right, bottom = fitted(size, target)
    width, height = right - left, bottom - top
    assert 0 <= left < right <= target.width
    assert 0 <= top < bottom <= target.height
    assert width == target.width or height == target.height
    assert abs(width - height * size.width / size.height) <= 1 or abs(height - width * size.height / size.width) <= 1
    assert abs(left - (target.width - right)) <= 1
    assert abs(top - (target.height - bottom)) <= 1


@given(small, small)
@settings(max_examples=40, deadline=None)
def test_every_corner_of_the_master_is_seen_on_the_ground_that_was_asked_for(size: Size, target: Size):
    platform = replace(PLAIN, width=target.width, height=target.height)
    made = render(master(ramp(size.width, size.height)), platform, fit=Fit.CONTAIN, background=(0, 0, 255))
    image = pixels(decoded(made.data))
    left, top, right, bottom = fitted(size, target)
    assert made.fit is Fit.CONTAIN
    assert made.box == (0, 0, size.width, size.height)
    inside = image[top:bottom, left:right]
    if inside.shape[0] > 15 < inside.shape[1]:
        assert inside[0, 0].tolist() == pytest.approx([0, 0, 60], abs=30)
        assert inside[-1, -1].tolist() == pytest.approx([255, 255, 60], abs=30)
    image[top:bottom, left:right] = (0, 0, 255)
    assert np.all(image == (0, 0, 255))


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (900, 11)])
def test_without_a_background_it_lies_on_a_dim_blur_of_itself(width: int, height: int):
    platform = replace(PLAIN, width=120, height=120)
    image = pixels(decoded(render(master(noise(width, height)), platform, fit=Fit.CONTAIN).data))
    left, top, right, bottom = fitted(Size(width, height), platform)
    steps = np.maximum(np.abs(np.diff(image, axis=0)[:, :-1]), np.abs(np.diff(image, axis=1)[:-1])).max(axis=2)
    outside = np.ones(steps.shape, dtype=bool)
    outside[max(0, top - 1) : bottom, max(0, left - 1) : right] = False
    assert steps[outside].max() < 25, "there is detail in the fill"
    ground = image[:-1, :-1][outside]
    assert 0.7 * 127 < ground.mean() < 0.9 * 127


def test_the_fill_has_the_colours_of_what_it_continues():
    halves = Image.new("RGB", (200, 200), (200, 0, 0))
    halves.paste((0, 0, 200), (0, 100, 200, 200))
    platform = replace(PLAIN, width=100, height=300)
    image = pixels(decoded(render(master(halves), platform, fit=Fit.CONTAIN).data))
    assert image[10, 50].tolist() == pytest.approx([160, 0, 0], abs=6)
    assert image[-10, 50].tolist() == pytest.approx([0, 0, 160], abs=6)


def test_a_master_of_the_right_shape_needs_no_fill():
    image = ramp(200, 100)
    made = render(master(image), PLAIN, fit=Fit.CONTAIN)
    assert np.array_equal(pixels(decoded(made.data)), pixels(image))
