"""Nothing jumps while pictures come in, and nothing moves for whoever does not want it to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.easel import Easel, painted_by
from tests.browser.tour import MANY
from tests.browser.visit import visiting
from tests.fakes.openai import FakeOpenAI
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 150),
    pytest.mark.usefixtures("studio"),
]

_SHIFTS: Final = """() => {
    const observer = new PerformanceObserver(() => {});
    observer.observe({type: "layout-shift", buffered: true});
    return observer.takeRecords().filter(({hadRecentInput}) => !hadRecentInput).map(
        ({value, sources}) => [value, sources.map(({node}) => node?.outerHTML?.slice(0, 160) ?? String(node))]
    );
}"""
"""All that has shifted since the page was opened, without anybody's doing."""

_MOVING: Final = """document.getAnimations().filter(
    ({playState, effect}) => playState === "running" && effect.getComputedTiming().endTime > 1
).map(
    ({animationName, transitionProperty, effect}) => `${animationName ?? transitionProperty} of ${effect.target.outerHTML.slice(0, 160)}`
)"""
"""What is under way for longer than a millisecond: a change that takes none of them is none that can be seen."""


@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.thorough), 1440])
async def test_nothing_shifts_while_events_arrive(host: Host, context: BrowserContext, width: int) -> None:
    easel = Easel()
    async with FakeOpenAI(easel, strict=False) as fake:
        # A model that paints in few sizes: some places get the whole picture, and their captions say so.
        fake.models["simple"] = None
        server = await asyncio.to_thread(host.start, **painted_by(fake, openai_image_model="simple"))
        async with visiting(context, server.url) as visits:
            visit = await visits.come()
            await visit.page.set_viewport_size({"width": width, "height": 900})
            job_id = await visit.make(labels=MANY)
            await easel.begun()
            # Opened anew, so that every shift counts, also those of the load, and none is excused by a click.
            watched = await visits.come(f"/jobs/{job_id}")
            await watched.page.set_viewport_size({"width": width, "height": 900})
            await watched.page.reload()
            await watched.says("Making the picture")
            await watched.previews(MANY)
            easel.finish()
            await watched.ends(MANY)
            assert await watched.page.evaluate(_SHIFTS) == []


@pytest.mark.thorough
async def test_who_wants_no_motion_gets_none(host: Host, context: BrowserContext) -> None:
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake))
        async with visiting(context, server.url) as visits:
            visit = await visits.come()
            await visit.make()
            await visit.previews()
            assert await visit.page.evaluate(_MOVING)  # what runs shows that it is under way
            await visit.page.emulate_media(reduced_motion="reduce")
            await visit.until(f"() => ({_MOVING}).length === 0")
            easel.finish()
            await visit.ends()
            assert await visit.page.evaluate(_MOVING) == []
