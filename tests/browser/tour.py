"""A tour through every state that the studio has, one after the other: for whoever wants to look at all of them.

The stage is real: a server, a provider that paints when it is told to, and a Redis if there is one to be lost.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from playwright.async_api import expect

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import LOST, PLACES, PROMPT, REFUSED, UNFOUND, answered_between, visiting
from tests.fakes.openai import FakeOpenAI, refuses

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from playwright.async_api import BrowserContext

    from tests.browser.visit import Visit
    from tests.flows.process import Host, Process, Server
    from tests.servers.redis import RedisServer

WIDTHS: Final = {"wide": (1440, 900), "narrow": (390, 844)}

THEMES: Final = ("light", "dark")

SECOND: Final = "A rainy city at night, neon, reflections in the street"
THIRD: Final = "A lighthouse on a cliff after the storm, low golden sun, gulls"


_AT_REST: Final = """() => {
    globalThis.frames_at_rest = document.getAnimations().some(({playState}) => playState === "running")
        ? 0 : (globalThis.frames_at_rest ?? 0) + 1;
    return globalThis.frames_at_rest > 2;
}"""
"""Whether the page has been drawn anew and nothing moves any more: colours that are under way are no colours."""


MANY: Final = (
    *PLACES, "Instagram portrait", "Instagram story", "Facebook post", "Facebook cover", "X (Twitter) post",
    "X (Twitter) header", "LinkedIn post", "YouTube banner", "TikTok cover", "Threads post", "Bluesky post",
)  # fmt: skip
"""So many that some have landed while others are still to be cut."""


class Stage(NamedTuple):
    """What a tour goes through.

    Attributes:
        works: the process that cuts the pictures.
        easel: makes the one on which the next picture is painted.
    """

    visit: Visit
    server: Server
    works: Process
    fake: FakeOpenAI
    redis: RedisServer | None
    easel: Callable[[], Easel]

    def next_easel(self) -> Easel:
        easel = self.easel()
        self.fake.script.append(easel)
        return easel

    async def dress(self, width: str, theme: str) -> None:
        """Show the page as wide, and as dark, as that."""
        page = self.visit.page
        across, down = WIDTHS[width]
        await page.set_viewport_size({"width": across, "height": down})
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
        await page.evaluate("globalThis.frames_at_rest = 0")
        await self.visit.until(_AT_REST)


@asynccontextmanager
async def staged(
    host: Host,
    context: BrowserContext,
    *,
    redis: RedisServer | None = None,
    easel: Callable[[], Easel] = Easel,
    **settings: Any,
) -> AsyncGenerator[Stage]:
    """A stage with one visitor, who has not been there before and is not to complain."""
    async with FakeOpenAI(strict="openai_image_model" not in settings) as fake:
        if model := settings.get("openai_image_model"):
            fake.models[model] = None
        given = painted_by(fake, job_max_concurrency=1, **settings)
        if redis:
            given |= {"redis_url": f"redis://127.0.0.1:{redis.port}"}
        server = await asyncio.to_thread(host.start, **given)
        works = await asyncio.to_thread(host.work, **given) if redis else server
        async with visiting(context, server.url) as visits:
            visit = await visits.come(expecting=[LOST, REFUSED, UNFOUND])
            yield Stage(visit, server, works, fake, redis, easel)


async def main_states(stage: Stage) -> AsyncGenerator[str]:
    """The names of the states that everybody meets, each as soon as it is there."""
    visit = stage.visit
    page = visit.page
    await expect(visit.place("Instagram post")).to_be_visible()
    await expect(visit.sheet.get_by_role("region", name="Describe it once")).to_be_visible()
    yield "empty"
    await page.keyboard.press("Escape")
    await visit.button("Help and keys").click()
    await expect(page.get_by_role("dialog", name="Help and keys")).to_be_visible()
    yield "help"
    await page.keyboard.press("Escape")
    await visit.prompt.focus()
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("Say what you want to see.")).to_be_visible()
    yield "complaint"
    await visit.prompt.fill(PROMPT)
    await visit.choose()
    await visit.priced()
    yield "composing"
    easel = stage.next_easel()
    await visit.make()
    await easel.begun()
    await visit.previews()
    yield "previews"
    easel.finish()
    await visit.ends()
    yield "ready"
    await visit.picture("Instagram post").click()
    await expect(page.get_by_role("dialog", name=re.compile("^Instagram post: "))).to_be_visible()
    yield "viewer"
    await page.keyboard.press("Escape")
    await visit.button("Adjust").click()
    await expect(page.get_by_role("dialog", name="Adjust the cuts")).to_be_visible()
    await visit.until("() => [...document.querySelectorAll('dialog img')].every(({complete}) => complete)")
    yield "editor"
    await page.keyboard.press("Escape")
    await visit.button("More").click()
    await visit.button("Delete").click()
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    yield "deleting"
    await visit.button("Keep").click()


async def other_states(stage: Stage) -> AsyncGenerator[str]:
    """The names of those that come later, or when something goes wrong; at the end there is no server any more."""
    visit = stage.visit
    await visit.open()
    running = stage.next_easel()
    await visit.make(SECOND, MANY)
    first = visit.page.url
    await running.begun()
    await visit.open()
    await visit.make(THIRD)
    await visit.says("Next in line")
    yield "waiting"
    await visit.button("Cancel").click()
    await visit.says("Cancelled")
    yield "cancelled"

    await visit.open()
    await expect(visit.sheet.get_by_role("region", name="In the making")).to_be_visible()
    await visit.priced()
    yield "gallery"
    await visit.page.goto(first)
    running.finish()
    await expect(visit.sheet.locator("img[data-ready]").first).to_be_visible()
    stage.works.freeze()
    yield "partial"
    stage.works.thaw()
    await visit.ends(MANY)

    await visit.open()
    stage.fake.script.append(refuses(400, "moderation_blocked", message="It was refused by the safety system."))
    await visit.make(THIRD)
    await visit.says("Failed")
    await visit.priced()
    yield "failed"
    await visit.page.goto(f"{visit.url}/jobs/00000000-0000-7000-8000-000000000000")
    await expect(visit.page.get_by_role("heading", name="This job is gone, or not yours")).to_be_visible()
    await visit.priced()
    yield "gone"
    await visit.page.goto(f"{visit.url}/nonsense")
    await expect(visit.page.get_by_role("heading", name="There is nothing at this address")).to_be_visible()
    await visit.priced()
    yield "nowhere"

    await visit.page.goto(first)
    await visit.ends(MANY)
    async with answered_between(visit.page.context):
        await visit.open()
        await expect(visit.banner.filter(has_text="Something between this browser and the server")).to_be_visible()
        yield "between"
    await visit.page.goto(first)
    await visit.ends(MANY)
    if stage.redis:
        await asyncio.to_thread(stage.redis.kill)
        await expect(visit.banner.filter(has_text="Redis, which shares out the work, is away.")).to_be_visible()
        yield "fallback"
    await visit.page.context.set_offline(True)
    await expect(visit.banner.filter(has_text="You are offline.")).to_be_visible()
    yield "offline"
    await visit.page.context.set_offline(False)
    await asyncio.to_thread(stage.server.kill)
    await expect(visit.banner.filter(has_text="The server cannot be reached.")).to_be_visible()
    yield "away"


async def dear_states(stage: Stage) -> AsyncGenerator[str]:
    """The name of what is met where less may be spent than a picture costs, as the stage's settings have to say."""
    await stage.visit.prompt.fill(PROMPT)
    await stage.visit.choose()
    await expect(stage.visit.form.get_by_text("It would be refused.")).to_be_visible()
    yield "refused"
