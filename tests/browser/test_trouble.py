"""What goes wrong on the way, and what the page makes of it: Redis, the network, the provider, and people who change their minds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import LOST, PLACES, PROMPT, answered_between, visiting
from tests.fakes.openai import FakeOpenAI, refuses
from tests.flows.soundness import assert_sound
from tests.flows.waiting import awaited
from tests.servers.redis import running_redis
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 150),
    pytest.mark.usefixtures("studio"),
    pytest.mark.thorough,
]


async def test_redis_dies_in_mid_job_and_comes_back(host: Host, context: BrowserContext) -> None:
    easel = Easel()
    with running_redis() as redis:
        async with FakeOpenAI(easel) as fake:
            settings = painted_by(fake, redis_url=f"redis://127.0.0.1:{redis.port}")
            await asyncio.to_thread(host.work, **settings)
            server = await asyncio.to_thread(host.start, **settings)
            async with visiting(context, server.url) as visits:
                visit = await visits.come()
                await visit.make()
                await visit.previews()
                await visit.says("Making the picture")
                await asyncio.to_thread(redis.kill)
                banner = visit.banner.filter(has_text="Redis, which shares out the work, is away.")
                await expect(banner).to_contain_text("Your pictures are made all the same, and nothing is lost.")
                easel.finish()
                await visit.ends()

                # A job that is handed in meanwhile is made as well.
                first = visit.job_id
                await visit.button("Vary").click()
                await visit.page.wait_for_url(lambda url: "/jobs/" in url and first not in url)
                await visit.ends()
                await asyncio.to_thread(redis.start)
                await expect(banner).to_have_count(0)
                assert fake.bills == 2
    assert_sound(host.data_dir)


async def test_cancelled_while_it_waits_and_while_it_runs(host: Host, context: BrowserContext) -> None:
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake, job_max_concurrency=1))
        async with visiting(context, server.url) as visits:
            running, waiting = await visits.come(), await visits.come()
            await running.make()
            await running.previews()
            await waiting.make("Another one that waits")
            await waiting.says("Next in line")
            await waiting.button("Cancel").click()
            await waiting.says("Cancelled")
            await expect(waiting.progress).to_have_count(0)

            # A call that is under way is paid for, so its picture is waited for and kept; nothing is cut from it.
            await running.button("Cancel").click()
            await running.says("Cancelling…")
            easel.finish()
            await running.says("Cancelled")
            await running.button("Try again").click()
            await running.ends()
            assert fake.bills == 1
    assert_sound(host.data_dir)


async def test_what_failed_says_why_and_what_to_do_and_is_tried_again(host: Host, context: BrowserContext) -> None:
    no = refuses(400, "moderation_blocked", message="Rejected by the safety system.")
    async with FakeOpenAI(no) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake))
        async with visiting(context, server.url) as visits:
            visit = await visits.come()
            job_id = await visit.make()
            await visit.says("Failed")
            await expect(visit.sheet.get_by_text("Change the words of the prompt and send it again.")).to_be_visible()
            await expect(visit.sheet.get_by_text("content_policy")).to_be_visible()
            await expect(visit.prompt).to_have_value(PROMPT)
            await visit.button("Try again").click()
            await visit.ends()
            assert visit.job_id == job_id
            assert fake.bills == 1
    assert_sound(host.data_dir)


async def test_offline_for_a_while_it_catches_up_by_itself(host: Host, context: BrowserContext) -> None:
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake))
        async with visiting(context, server.url) as visits:
            visit = await visits.come(expecting=[LOST])
            await visit.make()
            await visit.previews()
            await visit.says("Making the picture")
            await context.set_offline(True)
            await expect(visit.banner.filter(has_text="You are offline.")).to_be_visible()
            easel.finish()
            await awaited(lambda: _is(fake, 1), "the picture is made meanwhile")
            await context.set_offline(False)
            await visit.ends()
            await expect(visit.banner).to_have_count(0)
            await expect(visit.sheet.locator("figure")).to_have_count(len(PLACES))
    assert_sound(host.data_dir)


async def _is(fake: FakeOpenAI, bills: int) -> bool:
    return fake.bills == bills


async def test_somebody_else_answers_for_a_while_and_it_is_said(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        async with answered_between(context):
            visit = await visits.come()
            banner = visit.banner.filter(has_text="Something between this browser and the server answers in its place.")
            await expect(banner).to_contain_text("It may be a network's page for signing in, or a proxy.")
        await expect(visit.place("Instagram post")).to_be_visible()
        await expect(banner).to_have_count(0)
        await visit.make()
        await visit.ends()
    assert_sound(host.data_dir)


async def test_without_a_provider_the_first_visit_gets_sketches(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    assert not await context.cookies()
    async with visiting(context, server.url) as visits:
        visit = await visits.come()
        await expect(visit.page.get_by_text("Free: drawn by the built-in painter, no model")).to_be_visible()
        await visit.make()
        await visit.ends()
        await expect(visit.sheet.get_by_text("no model was used, nothing was paid")).to_be_visible()
        (cookie,) = await context.cookies()
        assert cookie.get("httpOnly")
        await visit.page.reload()
        await visit.ends()
    assert_sound(host.data_dir)
