"""No page is wider than its window: nobody has to push it sideways, whatever they look at it with; and no question is too high for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from tests.browser.visit import visiting
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 60),
    pytest.mark.usefixtures("studio"),
]

WIDTHS: Final = (390, 768, 961, 1024, 1280, 1440, 1920)
"""In px: a telephone, a tablet, just where form and sheet come side by side, and more of that."""

_TOO_WIDE: Final = """async () => {
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    const {scrollWidth, clientWidth} = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const out = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > clientWidth);
    return [`${scrollWidth} px in ${clientWidth}`, ...out.slice(0, 5).map(({outerHTML}) => outerHTML.slice(0, 120))];
}"""
"""How much wider the page is than its window, and what of it sticks out; nothing where it is not."""


async def too_wide(page: Page, state: str) -> list[str]:
    """What is wrong with the page as it is, at every width."""
    found: list[str] = []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        found += [f"{state}, {width}: {told}" for told in await page.evaluate(_TOO_WIDE)]
    return found


async def test_no_page_is_wider_than_its_window(host: Host, context: BrowserContext) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        visit = await visits.come()
        await expect(visit.place("Instagram post")).to_be_visible()
        await expect(visit.sheet.get_by_role("region", name="Describe it once")).to_be_visible()
        found = await too_wide(visit.page, "the start")
        await visit.make()
        await visit.ends()
        found += await too_wide(visit.page, "a job")
        await visit.open()
        await expect(visit.sheet.get_by_role("region", name="Made before")).to_be_visible()
        found += await too_wide(visit.page, "the start with pictures")
    assert not found, "\n".join(found)


async def test_a_long_prompt_leaves_the_question_whether_to_delete_it_in_sight(
    host: Host, context: BrowserContext
) -> None:
    server = await asyncio.to_thread(host.start)
    async with visiting(context, server.url) as visits:
        visit = await visits.come()
        await visit.page.set_viewport_size({"width": 390, "height": 844})
        await visit.make("A lighthouse in the storm, and more of it. " * 90)
        await visit.ends()
        await visit.button("More").click()
        await visit.button("Delete").click()
        dialog = visit.page.get_by_role("alertdialog")
        for part in (dialog.get_by_role("heading"), dialog.get_by_role("button", name="Delete for good")):
            await expect(part).to_be_in_viewport(ratio=1)
