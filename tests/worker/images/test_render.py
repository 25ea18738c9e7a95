"""From a master to the file for a platform."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from snapasset.errors import BadPicture
from tests.worker.images.pictures import decoded, encoded, master, noise, pixels, ramp
from worker.images import badge
from worker.images.decode import decode
from worker.images.platforms import PLATFORMS, Platform
from worker.images.pool import PixelPool
from worker.images.provenance import SourceType, read_source
from worker.images.render import Renderer, encode, flatten, render

if TYPE_CHECKING:
    from worker.images.platforms import Format

PLAIN = Platform("plain", "Test", 200, 100, max_bytes=1_000_000, format="PNG")


@pytest.mark.parametrize("platform", list(PLATFORMS), ids=lambda platform: platform.name)
def test_every_platform_gets_what_it_asks_for(platform: Platform):
    made = render(master(ramp(640, 480)), platform)
    image = decoded(made.data)
    assert image.size == (platform.width, platform.height) == (made.width, made.height)
    assert (image.format, image.mode) == (platform.format, "RGB")
    assert made.content_type == "image/jpeg"
    assert made.quality == 85
    assert len(made.data) <= (platform.aim_bytes or platform.max_bytes)
    assert read_source(made.data) is SourceType.TRAINED


@pytest.mark.parametrize(
    ("form", "content_type"), [("PNG", "image/png"), ("WEBP", "image/webp"), ("JPEG", "image/jpeg")]
)
def test_every_format_shows_the_same_part_of_the_master(form: Format, content_type: str):
    made = render(master(ramp(400, 400)), replace(PLAIN, format=form), focal=(0.5, 0.25))
    assert made.content_type == content_type
    assert made.box == (0, 0, 400, 200)
    image = pixels(decoded(made.data))
    assert image[0, 0].tolist() == pytest.approx([0, 0, 60], abs=14)
    assert image[-1, -1].tolist() == pytest.approx([254, 127, 60], abs=14)


def test_a_crop_is_laid_around_the_focal_point():
    upper, lower = (render(master(ramp(300, 600)), PLAIN, focal=(0.5, down)) for down in (0.0, 1.0))
    assert (upper.box.top, upper.box.bottom) == (0, 150)
    assert (lower.box.top, lower.box.bottom) == (450, 600)
    assert pixels(decoded(upper.data))[:, :, 1].mean() < 50 < 200 < pixels(decoded(lower.data))[:, :, 1].mean()


def test_without_a_focal_point_it_is_laid_where_there_is_most_to_see():
    image = Image.new("RGB", (300, 600), "navy")
    ImageDraw.Draw(image).ellipse((100, 480, 200, 580), fill="orange")
    box = render(master(image), PLAIN).box
    assert box.top <= 480
    assert box.bottom >= 580


@given(st.integers(100, 230), st.integers(60, 130), st.tuples(st.floats(0, 1), st.floats(0, 1)))
@settings(max_examples=40, deadline=None)
def test_whatever_the_scale_the_focal_point_stays_inside(width: int, height: int, focal: tuple[float, float]):
    box = render(master(ramp(width, height)), PLAIN, focal).box
    assert 0 <= box.left <= focal[0] * width <= box.right <= width
    assert 0 <= box.top <= focal[1] * height <= box.bottom <= height


def test_nearly_the_same_scale_takes_the_pixels_as_they_are():
    image = noise(202, 101)
    made = render(master(image), PLAIN, focal=(0.0, 0.0))
    assert np.array_equal(pixels(decoded(made.data)), pixels(image)[:100, :200])
    assert made.box == (0, 0, 200, 100)


def test_a_master_that_is_a_little_too_small_is_scaled():
    made = render(master(ramp(198, 99)), PLAIN)
    assert (made.width, made.height) == (200, 100)
    assert pixels(decoded(made.data))[:, :, 2].min() > 50


def test_quality_steps_down_until_the_cap_is_met():
    full = render(master(noise(200, 100)), replace(PLAIN, format="JPEG"))
    capped = render(master(noise(200, 100)), replace(PLAIN, format="JPEG", max_bytes=int(len(full.data) * 0.7)))
    assert len(capped.data) <= len(full.data) * 0.7
    assert capped.quality is not None
    assert full.quality == 85
    assert 40 <= capped.quality < 85


@given(st.integers(14_000, 40_000))
@settings(max_examples=12, deadline=None)
def test_no_file_is_ever_above_its_cap(cap: int):
    made = render(master(noise(200, 100)), replace(PLAIN, format="JPEG", max_bytes=cap))
    assert len(made.data) <= cap


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
def test_a_cap_that_no_quality_meets_is_said(form: Format):
    with pytest.raises(BadPicture, match=r"cannot be made small enough for plain \(900 bytes\)"):
        render(master(noise(200, 100)), replace(PLAIN, format=form, max_bytes=900))


def test_a_size_that_is_only_aimed_at_costs_little_quality():
    aimed = render(master(noise(200, 100)), replace(PLAIN, format="JPEG", aim_bytes=10))
    assert aimed.quality == 70
    easy = render(master(ramp(200, 100)), replace(PLAIN, format="JPEG", aim_bytes=100_000))
    assert easy.quality == 85


def test_transparent_parts_lie_on_the_background_in_a_jpeg():
    hole = master(Image.new("RGBA", (200, 100), (255, 0, 0, 0)))
    jpeg = replace(PLAIN, format="JPEG")
    assert pixels(decoded(render(hole, jpeg).data))[50, 100].tolist() == [255, 255, 255]
    black = render(hole, jpeg, background=(0, 0, 0))
    assert pixels(decoded(black.data))[50, 100].tolist() == [0, 0, 0]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_formats_with_alpha_keep_it(form: Format):
    hole = master(Image.new("RGBA", (200, 100), (255, 0, 0, 0)))
    image = decoded(render(hole, replace(PLAIN, format=form)).data)
    assert image.mode == "RGBA"
    assert image.getchannel("A").getextrema() == (0, 0)


def test_half_transparent_colours_are_mixed_with_the_background():
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert pixels(flatten(half, (0, 0, 255)))[0, 0].tolist() == pytest.approx([128, 0, 127], abs=1)


def test_nothing_of_the_masters_metadata_reaches_a_rendition():
    exif = Image.Exif()
    exif[0x010F] = "camera of somebody"
    data = encoded(ramp(200, 100), "JPEG", exif=exif, comment=b"written by somebody")
    for form in ("JPEG", "PNG", "WEBP"):
        made = render(decode(data, SourceType.TRAINED), replace(PLAIN, format=form))
        assert b"somebody" not in made.data


def test_a_master_is_not_changed_by_rendering():
    source = master(ramp(400, 300), SourceType.ALGORITHMIC)
    before = pixels(source.image)
    for platform in (PLAIN, PLATFORMS.get("instagram-story"), replace(PLAIN, width=400, height=300)):
        render(source, platform)
    assert np.array_equal(pixels(source.image), before)


def test_a_simulated_picture_wears_the_badge_whatever_is_cut():
    source = master(Image.new("RGB", (600, 400), "white"), SourceType.ALGORITHMIC)
    for platform in PLATFORMS.pick(["instagram-story", "twitter-header", "linkedin-cover", "open-graph"]):
        image = pixels(decoded(render(source, platform, focal=(0.1, 0.1)).data))
        wide, tall = badge.tag_size(platform.width, platform.height)
        tag = image[-tall + 2 :, -wide + 4 :].mean(axis=2)
        assert tag.min() < 60, platform.name
        assert tag.max() > 170, platform.name
        assert (tag < 90).mean() > 0.5, platform.name


def test_a_picture_by_a_model_wears_none():
    source = master(Image.new("RGB", (600, 400), "white"), SourceType.TRAINED)
    assert pixels(decoded(render(source, PLATFORMS.get("twitter-post")).data)).min() > 250


@given(
    st.tuples(st.integers(200, 700), st.integers(200, 700)),
    st.tuples(st.integers(150, 500), st.integers(60, 500)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(max_examples=40, deadline=None)
def test_nothing_of_a_cut_badge_is_left(size: tuple[int, int], target: tuple[int, int], focal: tuple[float, float]):
    sheet = Image.new("RGB", size, "white")
    badge.stamp(sheet)
    platform = replace(PLAIN, width=target[0], height=target[1])
    image = pixels(decoded(render(master(sheet, SourceType.ALGORITHMIC), platform, focal).data)).min(axis=2)
    rows, columns = np.nonzero(image < 200)
    tag = image[rows.min() :, columns.min() :]
    # All that is dark is one tag in the corner: solid, but for its letters and its one round corner.
    assert columns.max() == target[0] - 1
    assert rows.max() == target[1] - 1
    assert tag[-1].max() < 60
    assert tag[:, -1].max() < 60


def test_files_are_the_same_every_time():
    source = master(noise(300, 200))
    for form in ("JPEG", "PNG", "WEBP"):
        made = [encode(source.image, form, SourceType.TRAINED, None if form == "PNG" else 80) for _ in range(2)]
        assert made[0] == made[1]


async def test_the_renderer_works_on_the_pool_and_not_on_the_loop():
    async with PixelPool(2) as pool:
        assert await pool.run(threading.get_ident) != threading.get_ident()
        renderer = Renderer(pool)
        source = await renderer.decode(encoded(ramp(300, 200)), SourceType.TRAINED)
        made = await asyncio.gather(*(renderer.render(source, platform) for platform in PLATFORMS))
        assert [each.platform for each in made] == list(PLATFORMS.names)
        again = await renderer.render(source, PLAIN, focal=(0.0, 0.0), background=(1, 2, 3))
        assert again.box.left == 0


async def test_a_refusal_reaches_the_caller():
    async with PixelPool(1) as pool:
        with pytest.raises(BadPicture):
            await Renderer(pool).decode(b"nothing", SourceType.TRAINED)
