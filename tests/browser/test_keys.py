"""The whole visit by the keyboard alone: everything can be reached, and where one was is never lost."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import PLACES, PROMPT, visiting
from tests.fakes.openai import FakeOpenAI, refuses
from tests.flows.soundness import assert_sound
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator

    from tests.browser.visit import Visit
    from tests.fakes.openai import Call
    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 150),
    pytest.mark.usefixtures("studio"),
    pytest.mark.thorough,
]

FURTHEST: Final = 90
"""More stops than the page has."""

_HAS_FOCUS: Final = "element => element === document.activeElement"


async def reach(visit: Visit, wanted: Locator) -> None:
    """Press Tab until it has the focus."""
    for _ in range(FURTHEST):
        if await wanted.evaluate(_HAS_FOCUS):
            return
        await visit.page.keyboard.press("Tab")
    pytest.fail(f"no Tab leads to {wanted}")


async def press(visit: Visit, wanted: Locator, key: str = "Enter") -> None:
    await reach(visit, wanted)
    await visit.page.keyboard.press(key)


async def stands_somewhere(visit: Visit) -> None:
    """Wait until something on the page has the focus, and not just the page."""
    await visit.until("() => document.hasFocus() && document.activeElement !== document.body")


async def test_the_whole_visit_by_keys(host: Host, context: BrowserContext) -> None:
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake))
        async with visiting(context, server.url) as visits:
            visit = await visits.come()
            page, keys = visit.page, visit.page.keyboard
            dialog = page.get_by_role("dialog")
            await expect(visit.place(PLACES[0])).to_be_visible()
            await keys.press("Tab")
            await expect(page.get_by_role("link", name="Skip to your pictures")).to_be_focused()

            # Help comes by ? and goes by Escape, and one stands where one stood.
            await reach(visit, visit.button("Help and keys"))
            await keys.press("?")
            await expect(page.get_by_role("dialog", name="Help and keys")).to_be_visible()
            await keys.press("Escape")
            await expect(visit.button("Help and keys")).to_be_focused()

            await keys.press("/")
            await expect(visit.prompt).to_be_focused()
            await keys.type(PROMPT)
            await press(visit, visit.button("None"))
            for label in PLACES:
                await press(visit, visit.place(label), "Space")
                await expect(visit.place(label)).to_be_checked()
            await keys.press("Control+Enter")
            await page.wait_for_url("**/jobs/*")
            await stands_somewhere(visit)
            await visit.previews()
            easel.finish()
            await visit.ends()

            await press(visit, visit.picture("Instagram post"))
            await expect(dialog).to_have_accessible_name(re.compile("^Instagram post: "))
            await keys.press("ArrowRight")
            await expect(dialog).to_have_accessible_name(re.compile("^YouTube thumbnail: "))
            await keys.press("Escape")
            await expect(visit.picture("Instagram post")).to_be_focused()

            before = await visit.shown()
            await keys.press("e")
            await reach(visit, dialog.get_by_role("slider", name="Point to keep in view"))
            for key in ("Shift+ArrowLeft", "Shift+ArrowLeft", "ArrowUp"):
                await keys.press(key)
            await expect(dialog.get_by_text(re.compile("^Kept in view: "))).to_be_visible()
            await press(visit, dialog.get_by_role("button", name="Cut 4 pictures again, free"))
            await expect(dialog).to_have_count(0)
            await stands_somewhere(visit)
            await visit.shows_others(before)
            await visit.ends()
            assert fake.bills == 1

            await press(visit, visit.button("More"))
            await press(visit, visit.button("Delete"))
            await expect(visit.button("Keep")).to_be_focused()
            await keys.press("Escape")
            await expect(page.get_by_role("alertdialog")).to_have_count(0)
            await stands_somewhere(visit)
            await press(visit, visit.button("More"))
            await press(visit, visit.button("Delete"))
            await press(visit, visit.button("Delete for good"))
            await page.wait_for_url(f"{server.url}/")
            await expect(page.get_by_role("heading", name=re.compile("Describe it once"))).to_be_visible()
            await stands_somewhere(visit)

            # What was sent before is at hand in an empty field.
            await keys.press("/")
            await keys.press("Control+A")
            await keys.press("Delete")
            await keys.press("ArrowUp")
            await expect(visit.prompt).to_have_value(PROMPT)
    assert_sound(host.data_dir)


async def test_where_one_stands_as_a_job_ends(host: Host, context: BrowserContext) -> None:
    """Who stands on Cancel stands on the title then, where keys do nothing, and not on what has come to stand in its place."""
    easel, refused = Easel(), asyncio.Event()
    no = refuses(400, "moderation_blocked", message="Rejected by the safety system.")

    async def refuse_later(call: Call) -> None:
        await refused.wait()
        await no(call)

    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake))
        async with visiting(context, server.url) as visits:
            visit = await visits.come()
            title = visit.page.get_by_role("heading", name=PROMPT)
            await visit.make()
            await visit.previews()
            await reach(visit, visit.button("Cancel"))
            easel.finish()
            await visit.ends()
            await expect(title).to_be_focused()
            assert fake.bills == 1

            fake.script.append(refuse_later)
            await visit.make()
            await visit.says("Making the picture")
            await reach(visit, visit.button("Cancel"))
            refused.set()
            await visit.says("Failed")
            await visit.page.keyboard.press("Enter")
            await expect(title).to_be_focused()
            await expect(visit.button("Try again")).to_be_enabled()
            await visit.says("Failed")
            assert len(fake.requests) == 2
    assert_sound(host.data_dir)
