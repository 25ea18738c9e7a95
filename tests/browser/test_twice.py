"""Nothing is made, and paid for, twice that was asked for once: whatever is lost on the way, and whoever presses again."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.visit import LOST, REFUSED, visiting
from tests.flows.soundness import assert_sound
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Route

    from tests.browser.visit import Visit
    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 150),
    pytest.mark.usefixtures("studio"),
    pytest.mark.thorough,
]

SUBMISSION = re.compile(r"/api/(jobs/image-generation|generations/[^/]+/renditions)$")


class LossyWay:
    """The way to the server: of each request that hands something in the answer is lost, and who asks again is put off, until it
    is `mended`.
    """

    def __init__(self) -> None:
        self._taken = False
        self.mended = False

    async def __call__(self, route: Route) -> None:
        if self.mended:
            await route.continue_()
        elif self._taken:
            await route.fulfill(status=503, headers={"retry-after": "60"}, body="")
        else:
            self._taken = True
            assert (await route.fetch()).status == 202
            await route.abort("connectionreset")


async def loses(visit: Visit) -> LossyWay:
    way = LossyWay()
    await visit.page.route(SUBMISSION, way)
    return way


async def put_off(visit: Visit) -> None:
    """Wait until the page says that it did not get through."""
    await expect(visit.page.get_by_role("alert").filter(has_text=re.compile(r"\S"))).to_be_visible()


async def jobs(visit: Visit) -> list[Any]:
    """All jobs of who visits."""
    return await visit.page.evaluate("async () => (await (await fetch('/api/jobs?limit=100')).json()).jobs")


async def test_asked_again_after_a_lost_answer(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        visit = await visits.come(expecting=[LOST, REFUSED])
        await visit.prompt.fill("A fox in the snow")
        await visit.choose()
        way = await loses(visit)
        await visit.page.keyboard.press("Control+Enter")
        await put_off(visit)
        assert len(await jobs(visit)) == 1
        way.mended = True
        await visit.button("Try again").click()
        await visit.page.wait_for_url("**/jobs/*")
        await visit.ends()
        assert [job["jobId"] for job in await jobs(visit)] == [visit.job_id]

        # A variation is the same one, by the same button as well.
        first, way = visit.page.url, await loses(visit)
        await visit.button("Vary").click()
        await put_off(visit)
        way.mended = True
        await visit.button("Dismiss").click()
        await visit.button("Vary").click()
        await visit.page.wait_for_url(lambda url: "/jobs/" in url and url != first)
        await visit.ends()
        assert len(await jobs(visit)) == 2

        # So are new cuts.
        way = await loses(visit)
        await visit.button("Adjust").click()
        await visit.button("Cut 4 pictures again, free").click()
        await put_off(visit)
        way.mended = True
        await visit.button("Cut 4 pictures again, free").click()
        await expect(visit.page.get_by_role("dialog")).to_have_count(0)
        await visit.ends()
        assert len(await jobs(visit)) == 3

        # Who has got what was asked for, and asks for the same, wants another.
        await visit.page.goto(server.url)
        await visit.make("A fox in the snow")
        await visit.ends()
        assert len(await jobs(visit)) == 4
    assert_sound(host.data_dir)


async def test_loaded_anew_before_the_answer_came(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        visit = await visits.come(expecting=[LOST])
        taken, reloaded = asyncio.Event(), asyncio.Event()

        async def answers_later(route: Route) -> None:
            if reloaded.is_set():
                await route.continue_()
            elif not taken.is_set():
                assert (await route.fetch()).status == 202
                taken.set()

        await visit.page.route(SUBMISSION, answers_later)
        await visit.prompt.fill("A fox in the snow")
        await visit.choose()
        await visit.page.keyboard.press("Control+Enter")
        await taken.wait()
        await visit.page.reload()
        reloaded.set()
        await visit.make("A fox in the snow")
        await visit.ends()
        assert [job["jobId"] for job in await jobs(visit)] == [visit.job_id]
    assert_sound(host.data_dir)


async def test_sent_before_it_is_known_what_can_be_made(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    known = asyncio.Event()

    async def later(route: Route) -> None:
        await known.wait()
        await route.continue_()

    await context.route("**/api/kinds", later)
    async with visiting(context, server.url) as visits:
        visit = await visits.come()
        await visit.prompt.fill("A fox in the snow")
        await visit.page.keyboard.press("Control+Enter")
        said = visit.page.get_by_role("alert").filter(has_text="What can be made here is still being asked for.")
        await expect(said).to_be_visible()
        await expect(visit.page.get_by_text("The server could not be reached.")).to_have_count(0)
        known.set()
        await expect(said).to_have_count(0)
        await visit.make("A fox in the snow")
        await visit.ends()
        assert len(await jobs(visit)) == 1
    assert_sound(host.data_dir)


async def test_a_double_click_and_a_held_key_ask_once(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        visit = await visits.come()
        await visit.prompt.fill("A fox in the snow")
        await visit.choose()
        await visit.button(re.compile(r"^Make ")).dblclick()
        await visit.page.wait_for_url("**/jobs/*")
        await visit.ends()
        assert len(await jobs(visit)) == 1
        first = visit.page.url
        await expect(visit.button(re.compile(r"^Make "))).to_be_enabled()
        await visit.prompt.focus()
        await visit.page.keyboard.down("Control")
        for _ in range(20):
            await visit.page.keyboard.down("Enter")  # the second and all later ones repeat the first
            await asyncio.sleep(0.05)
        await visit.page.keyboard.up("Enter")
        await visit.page.keyboard.up("Control")
        await visit.page.wait_for_url(lambda url: "/jobs/" in url and url != first)
        await visit.ends()
        assert len(await jobs(visit)) == 2
    assert_sound(host.data_dir)
