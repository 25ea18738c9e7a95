"""What two platforms share is rendered once, and fails apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadPicture
from tests.worker.images.pictures import PLAIN, master, noise, ramp
from worker.images.edition import Edition, served, sharing_key
from worker.images.fit import Fit
from worker.images.platforms import PLATFORMS, Platform
from worker.images.pool import PixelPool
from worker.images.render import Renderer, render

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from worker.images.compose import Colour, Point
    from worker.images.decode import Master
    from worker.images.render import Rendition

JPEG = replace(PLAIN, format="JPEG")
TWIN = replace(JPEG, name="twin", max_bytes=900_000)
TIGHT = replace(JPEG, name="tight", max_bytes=900)
NOISE = master(noise(200, 100))


class Counted(Renderer):
    """Counts what it renders, and holds the platform `held` until it is let go."""

    def __init__(self, pool: PixelPool) -> None:
        super().__init__(pool)
        self.renders: Counter[str] = Counter()
        self.held: str | None = None
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def render(
        self,
        master: Master,
        platform: Platform,
        *,
        fit: Fit = Fit.COVER,
        focal: Point | None = None,
        background: Colour | None = None,
    ) -> Rendition:
        self.renders[platform.name] += 1
        if platform.name == self.held:
            self.reached.set()
            await self.go.wait()
        return await super().render(master, platform, fit=fit, focal=focal, background=background)


@asynccontextmanager
async def counted() -> AsyncGenerator[Counted]:
    async with PixelPool(2) as pool:
        yield Counted(pool)


def test_the_stories_are_one_picture():
    groups = Counter(sharing_key(platform) for platform in PLATFORMS)
    shared = {platform.name for platform in PLATFORMS if groups[sharing_key(platform)] > 1}
    assert {"instagram-story", "reel-cover", "facebook-story", "tiktok-cover"} <= shared
    assert sharing_key(JPEG) == sharing_key(TWIN)
    assert len({sharing_key(each) for each in (JPEG, PLAIN, replace(JPEG, width=201), replace(JPEG, height=101))}) == 4


async def test_each_distinct_picture_is_rendered_once_and_is_what_it_would_have_been_alone():
    names = ["instagram-story", "facebook-story", "open-graph", "reel-cover", "tiktok-cover", "facebook-post"]
    platforms = PLATFORMS.pick(names)
    source = master(ramp(90, 60))
    async with counted() as renderer:
        edition = Edition(renderer, platforms, fit=Fit.CONTAIN, focal=(0.1, 0.2), background=(1, 2, 3))
        made = await asyncio.gather(*(edition.render(source, platform) for platform in platforms))
        # The two link previews differ in what they aim at: neither is sure to serve the other.
        assert sum(renderer.renders[name] for name in names if name.endswith(("story", "cover"))) == 1
    for platform, rendition in zip(platforms, made, strict=True):
        alone = render(source, platform, fit=Fit.CONTAIN, focal=(0.1, 0.2), background=(1, 2, 3))
        assert rendition == alone


async def test_a_cap_that_cannot_be_met_fails_its_own_platform_only():
    for order in ([TIGHT, JPEG, TWIN], [JPEG, TIGHT, TWIN], [TWIN, JPEG, TIGHT]):
        async with counted() as renderer:
            edition = Edition(renderer, order)
            outcomes = await asyncio.gather(
                *(edition.render(NOISE, platform) for platform in order), return_exceptions=True
            )
            for platform, outcome in zip(order, outcomes, strict=True):
                if platform is TIGHT:
                    assert isinstance(outcome, BadPicture)
                    assert "tight" in outcome.detail
                else:
                    assert outcome == render(NOISE, platform)
            assert renderer.renders["plain"] + renderer.renders["twin"] == 1


async def test_a_lower_cap_gets_a_file_of_its_own():
    full = render(NOISE, JPEG)
    lower = replace(TWIN, max_bytes=len(full.data) - 1)
    async with counted() as renderer:
        edition = Edition(renderer, [JPEG, lower])
        assert (await edition.render(NOISE, JPEG)).data == full.data
        made = await edition.render(NOISE, lower)
        assert len(made.data) <= lower.max_bytes
        assert made.quality == 80
        assert made == render(NOISE, lower)
    assert served(full, JPEG, lower) is None
    assert served(full, JPEG, PLAIN) is None
    reused = served(full, JPEG, TWIN)
    assert reused is not None
    assert (reused.platform, reused.data) == ("twin", full.data)


async def test_one_that_is_cancelled_takes_nothing_from_the_other():
    async with counted() as renderer:
        renderer.held = "plain"
        edition = Edition(renderer, [JPEG, TWIN])
        first = asyncio.ensure_future(edition.render(NOISE, JPEG))
        await renderer.reached.wait()
        second = asyncio.ensure_future(edition.render(NOISE, TWIN))
        await asyncio.sleep(0)
        assert not renderer.renders["twin"]
        first.cancel()
        assert (await second).platform == "twin"
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_what_nobody_shares_waits_for_nobody_and_is_not_kept():
    async with counted() as renderer:
        renderer.held = "plain"
        edition = Edition(renderer, [JPEG, PLAIN])
        first = asyncio.ensure_future(edition.render(NOISE, JPEG))
        await renderer.reached.wait()
        renderer.held = None
        assert (await edition.render(NOISE, PLAIN)).format == "PNG"
        renderer.go.set()
        await first
        assert (await edition.render(NOISE, JPEG)).platform == "plain"
        assert renderer.renders["plain"] == 3
