"""A server that is killed in the middle of a job and comes back: the page says so, and goes on by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import LOST, PLACES, visiting
from tests.fakes.openai import FakeOpenAI
from tests.flows.soundness import assert_sound
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 120),
    pytest.mark.usefixtures("studio"),
]


async def test_killed_and_restarted_in_mid_job_it_ends_with_each_picture_once(
    host: Host, context: BrowserContext
) -> None:
    first, second = Easel(), Easel()
    async with FakeOpenAI(first, second) as fake:
        settings = painted_by(fake, beat_seconds=0.5, lease_seconds=3)
        server = await asyncio.to_thread(host.start, **settings)
        async with visiting(context, server.url) as visits:
            visit = await visits.come(expecting=[LOST])
            await visit.make()
            await first.begun()
            await visit.says("Making the picture")
            await asyncio.to_thread(server.kill)
            await visit.says("Reconnecting")
            await expect(visit.banner.filter(has_text="The server cannot be reached.")).to_be_visible()
            server = await asyncio.to_thread(host.start, port=server.port, **settings)
            second.finish()
            await visit.ends()
            await expect(visit.banner).to_have_count(0)
            await expect(visit.sheet.locator("figure")).to_have_count(len(PLACES))
            assert fake.bills == 1
    assert_sound(host.data_dir)
