"""A job that makes no pictures has an address as well, and there it is said what it is and how it went."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.visit import visiting
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 60),
    pytest.mark.usefixtures("studio"),
]


async def test_a_job_that_makes_no_pictures_is_told_of_at_its_address(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        visit = await visits.come()
        await expect(visit.place("Instagram post")).to_be_visible()
        body = {"type": "failed-generations", "olderThanDays": 7, "dryRun": True}
        answer = await context.request.post(f"{server.url}/api/jobs/file-cleanup", data=body)
        job_id = (await answer.json())["jobId"]
        await visit.open(f"/jobs/{job_id}")
        job = visit.sheet.get_by_role("article", name="Clearing files away")
        await expect(job.get_by_text(re.compile("^Done, took "))).to_be_visible()
        await expect(visit.sheet.get_by_text("Looking it up")).to_have_count(0)
        await expect(visit.page).to_have_title("Clearing files away · SnapAsset")
