"""A job has an address: what is reloaded, gone back to, or opened by somebody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import PROMPT, UNFOUND, visiting
from tests.fakes.openai import FakeOpenAI
from tests.flows.soundness import assert_sound
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 120),
    pytest.mark.usefixtures("studio"),
]


async def test_reloaded_in_mid_job_it_goes_on_live_and_nothing_is_doubled(
    host: Host, context: BrowserContext, browser: Browser
) -> None:
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake))
        async with visiting(context, server.url) as visits:
            visit = await visits.come()
            await visit.make()
            await visit.says("Making the picture")
            await visit.page.reload()
            await expect(visit.page.get_by_role("heading", name=PROMPT)).to_be_visible()
            await visit.says("Making the picture")
            await visit.previews()

            # Back to the start it is a line among what is in the making; and from there it is found again.
            await visit.page.go_back()
            await expect(visit.prompt).to_have_value(PROMPT)
            await visit.sheet.get_by_role("region", name="In the making").get_by_role("link", name=PROMPT).click()
            await visit.says("Making the picture")
            easel.finish()
            await visit.ends()
            await visit.page.reload()
            await visit.ends()
            assert fake.bills == 1

            # To nobody else does it exist.
            async with await browser.new_context() as other, visiting(other, server.url) as strangers:
                stranger = await strangers.come(f"/jobs/{visit.job_id}", expecting=[UNFOUND])
                await expect(
                    stranger.page.get_by_role("heading", name="This job is gone, or not yours")
                ).to_be_visible()
                await stranger.page.get_by_role("link", name="Start anew").click()
                await expect(stranger.prompt).to_be_visible()
    assert_sound(host.data_dir)
