"""The whole visit, as one person makes it: from an empty page to pictures that are taken away, cut again, and deleted."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image
from playwright.async_api import expect

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import PLACES, PROMPT, UNFOUND, visiting
from tests.fakes.openai import FakeOpenAI
from tests.flows.soundness import assert_sound
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.browser.visit import Visit
    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 120),
    pytest.mark.usefixtures("studio"),
]


async def downloaded(visit: Visit, name: str | re.Pattern[str]) -> tuple[str, bytes]:
    """What a link gives to be kept: its file name and the file."""
    async with visit.page.expect_download() as coming:
        await visit.sheet.get_by_role("link", name=name).click()
    download = await coming.value
    path = await download.path()
    return download.suggested_filename, await asyncio.to_thread(path.read_bytes)


async def test_the_whole_visit(host: Host, context: BrowserContext) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake))
        async with visiting(context, server.url) as visits:
            visit = await visits.come()
            await expect(visit.page.get_by_role("heading", name=re.compile("Describe it once"))).to_be_visible()
            await visit.make()

            # It is followed live: the provider's previews show through before anything is cut.
            await visit.says("Making the picture")
            await visit.previews()
            easel.finish()
            await visit.ends()
            assert fake.bills == 1

            # One is taken, all are taken, and a link is handed on that opens without a cookie.
            name, data = await downloaded(visit, re.compile(r"^Download Pinterest pin, JPEG"))
            assert name.endswith(".jpg")
            assert Image.open(io.BytesIO(data)).size == (1000, 1500)
            name, data = await downloaded(visit, "Download all")
            assert name.endswith(".zip")
            assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == len(PLACES)
            await visit.button("Copy link to Instagram post").click()
            await expect(visit.page.get_by_text(re.compile("Anybody can open it until")).first).to_be_visible()
            link = await visit.page.evaluate("navigator.clipboard.readText()")
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(link)).headers["content-type"] == "image/jpeg"

            # It is looked at large, and cut again around another point for nothing.
            await visit.picture("YouTube thumbnail").click()
            large = visit.page.get_by_role("dialog", name=re.compile("^YouTube thumbnail: "))
            await large.get_by_role("button", name="Next picture").click()
            await expect(visit.page.get_by_role("dialog", name=re.compile("^LinkedIn cover: "))).to_be_visible()
            await visit.page.keyboard.press("Escape")
            before = await visit.shown()
            await visit.button("Adjust").click()
            adjuster = visit.page.get_by_role("dialog", name="Adjust the cuts")
            await adjuster.get_by_role("img", name=PROMPT).click(position={"x": 20, "y": 20})
            await expect(adjuster.get_by_text(re.compile("^Kept in view: "))).to_be_visible()
            await adjuster.get_by_role("button", name="Cut 4 pictures again, free").click()
            await expect(adjuster).to_have_count(0)
            await visit.shows_others(before)
            await visit.ends()
            assert fake.bills == 1

            # The same words make another picture, beside which the first one stands as made before.
            first = visit.page.url
            await visit.button("Vary").click()
            await visit.page.wait_for_url(lambda url: "/jobs/" in url and url != first)
            await visit.ends()
            assert fake.bills == 2
            assert fake.requests[0].fields["prompt"] == fake.requests[1].fields["prompt"]
            made_before = visit.sheet.get_by_role("region", name="Made before").get_by_role("link")
            await expect(made_before).to_have_count(1)
            await visit.button("Earlier prompts").click()
            await expect(visit.page.get_by_role("button", name=PROMPT)).to_have_count(1)
            await visit.page.keyboard.press("Escape")

            # What is deleted is gone, here and for whoever has the address.
            gone = visit.page.url
            await visit.button("More").click()
            await visit.button("Delete").click()
            await visit.button("Delete for good").click()
            await visit.page.wait_for_url(f"{server.url}/")
            await expect(made_before).to_have_count(1)
            await visit.page.go_back()
            assert visit.page.url == gone
            await expect(visit.page.get_by_role("heading", name="These pictures are gone")).to_be_visible()
            visit.expected.append(UNFOUND)
    assert_sound(host.data_dir)
