"""From a master to the file for a platform."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from snapasset.errors import BadPicture
from tests.worker.images.marks import read_source
from tests.worker.images.pictures import PLAIN, decoded, encoded, master, noise, pixels, ramp
from worker.images.fit import Fit
from worker.images.planning import Size, kept
from worker.images.platforms import PLATFORMS, Platform
from worker.images.pool import PixelPool
from worker.images.provenance import SourceType
from worker.images.render import Renderer, encode, render, thumbnail

if TYPE_CHECKING:
    from worker.images.platforms import Format


@pytest.mark.parametrize("platform", list(PLATFORMS), ids=lambda platform: platform.name)
def test_every_platform_gets_what_it_asks_for(platform: Platform):
    made = render(master(ramp(640, 480)), platform)
    image = decoded(made.data)
    assert image.size == (platform.width, platform.height) == (made.width, made.height)
    assert (image.format, image.mode) == (platform.format, "RGB")
    assert made.content_type == "image/jpeg"
    assert made.quality == 85
    assert made.fit is (Fit.COVER if kept(Size(640, 480), platform) >= 0.4 else Fit.CONTAIN)
    assert len(made.data) <= (platform.aim_bytes or platform.max_bytes)
    assert read_source(made.data) is SourceType.TRAINED


@pytest.mark.parametrize(
    ("form", "content_type"),
    [("PNG", "image/png"), ("WEBP", "image/webp"), ("JPEG", "image/jpeg"), ("AVIF", "image/avif")],
)
def test_every_format_shows_the_same_part_of_the_master(form: Format, content_type: str):
    made = render(master(ramp(400, 400)), replace(PLAIN, format=form), focal=(0.5, 0.25))
    assert made.content_type == content_type
    assert decoded(made.data).format == form
    assert made.box == (0, 0, 400, 200)
    image = pixels(decoded(made.data))
    assert image[0, 0].tolist() == pytest.approx([0, 0, 60], abs=14)
    assert image[-1, -1].tolist() == pytest.approx([254, 127, 60], abs=14)


def test_a_master_is_not_changed_by_rendering():
    source = master(ramp(400, 300), SourceType.ALGORITHMIC)
    before = pixels(source.image)
    for platform in (PLAIN, PLATFORMS.get("instagram-story"), replace(PLAIN, width=400, height=300)):
        for fit in Fit:
            render(source, platform, fit=fit)
    assert np.array_equal(pixels(source.image), before)


def test_files_are_the_same_every_time():
    source = master(noise(300, 200))
    for form in ("JPEG", "PNG", "WEBP", "AVIF"):
        made = [encode(source.image, form, SourceType.TRAINED, None if form == "PNG" else 80) for _ in range(2)]
        assert made[0] == made[1]


async def test_the_renderer_works_on_the_pool_and_not_on_the_loop():
    async with PixelPool(2) as pool:
        assert await pool.run(threading.get_ident) != threading.get_ident()
        renderer = Renderer(pool)
        source = await renderer.decode(encoded(ramp(300, 200)), SourceType.TRAINED)
        made = await asyncio.gather(*(renderer.render(source, platform) for platform in PLATFORMS))
        assert [each.platform for each in made] == list(PLATFORMS.names)
        again = await renderer.render(source, PLAIN, fit=Fit.CONTAIN, background=(1, 2, 3))
        assert again == render(source, PLAIN, fit=Fit.CONTAIN, background=(1, 2, 3))
        assert await renderer.thumbnail(source, 100) == thumbnail(source, 100)


async def test_a_refusal_reaches_the_caller():
    async with PixelPool(1) as pool:
        with pytest.raises(BadPicture):
            await Renderer(pool).decode(b"nothing", SourceType.TRAINED)
