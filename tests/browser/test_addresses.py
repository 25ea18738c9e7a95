"""Addresses: what the studio says where it has nothing, and how the address of a picture is had on a telephone and without HTTPS."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from tests.browser.visit import UNFOUND, visiting
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ViewportSize

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 60),
    pytest.mark.usefixtures("studio"),
]

TELEPHONE: Final[ViewportSize] = {"width": 390, "height": 844}

COPIED: Final = "navigator.clipboard.readText()"


async def test_where_there_is_nothing_it_is_said_and_a_way_on_is_shown(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        visit = await visits.come("/nonsense", expecting=[UNFOUND])
        page = visit.page
        nothing = page.get_by_role("heading", level=1, name="There is nothing at this address")
        for path in ("/nonsense", "/jobs/", "/generations/x/y"):
            answer = await page.goto(f"{server.url}{path}")
            assert answer is not None
            assert answer.status == 404
            await expect(nothing).to_be_visible()
            await expect(page).to_have_title("There is nothing at this address · SnapAsset")
            assert page.url == f"{server.url}{path}"
        await page.set_viewport_size(TELEPHONE)
        await expect(nothing).to_be_in_viewport()
        await page.get_by_role("link", name="To the beginning").press("Enter")
        await expect(visit.prompt).to_be_visible()
        await expect(nothing).to_have_count(0)
        await expect(page).to_have_title("SnapAsset")
        assert page.url == f"{server.url}/"
        await page.go_back()
        await expect(nothing).to_be_visible()


async def test_a_picture_s_address_is_copied_on_a_telephone_by_touch_and_by_keys(host: Host, browser: Browser) -> None:
    server = await asyncio.to_thread(host.start)
    allowed = ["clipboard-read", "clipboard-write"]
    async with (
        await browser.new_context(viewport=TELEPHONE, has_touch=True, is_mobile=True, permissions=allowed) as context,
        visiting(context, server.url) as visits,
    ):
        visit = await visits.come()
        await visit.make()
        await visit.ends()
        page = visit.page
        dialog = page.get_by_role("dialog", name=re.compile("^YouTube thumbnail: "))
        copy = dialog.get_by_role("button", name="Copy link")
        image = visit.picture("YouTube thumbnail").locator("img")
        address = await image.get_attribute("src")
        await visit.picture("YouTube thumbnail").tap()
        await expect(copy).to_be_in_viewport(ratio=1)
        await copy.tap()
        await expect(page.get_by_text(re.compile("^Link copied. Anybody can open it until "))).to_be_visible()
        assert await page.evaluate(COPIED) == f"{server.url}{address}"
        await page.keyboard.press("Escape")

        await page.evaluate("navigator.clipboard.writeText('')")
        await visit.picture("YouTube thumbnail").press("Enter")
        await copy.press("Enter")
        await visit.until(f"async () => (await {COPIED}) !== ''")
        assert await page.evaluate(COPIED) == f"{server.url}{address}"


async def test_an_address_is_copied_where_the_browser_has_no_clipboard_for_pages(host: Host, browser: Browser) -> None:
    """As at an address of the own network, which is no secure one."""
    server = await asyncio.to_thread(host.start)
    async with await browser.new_context() as context, visiting(context, server.url) as visits:
        await context.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined})")
        visit = await visits.come()
        job_id = await visit.make()
        await visit.ends()
        page = visit.page
        await visit.button("More").click()
        await visit.button("Copy link to this page").click()
        await expect(page.get_by_text("Link copied. It opens in this browser only.").first).to_be_visible()
        await visit.prompt.fill("")
        await visit.prompt.press("Control+V")
        await expect(visit.prompt).to_have_value(f"{server.url}/jobs/{job_id}")

        address = await visit.picture("YouTube thumbnail").locator("img").get_attribute("src")
        await visit.picture("YouTube thumbnail").click()
        dialog = page.get_by_role("dialog", name=re.compile("^YouTube thumbnail: "))
        await dialog.get_by_role("button", name="Copy link").click()
        await expect(page.get_by_text(re.compile("^Link copied. Anybody can open it until ")).first).to_be_visible()
        await expect(dialog.get_by_role("button", name="Copy link")).to_be_focused()
        await page.keyboard.press("Escape")
        await visit.prompt.fill("")
        await visit.prompt.press("Control+V")
        await expect(visit.prompt).to_have_value(f"{server.url}{address}")
