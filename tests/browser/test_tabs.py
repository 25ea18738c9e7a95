"""Many tabs of one browser: one stream between them, and another tab that takes it over."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import visiting
from tests.fakes.openai import FakeOpenAI
from tests.flows.soundness import assert_sound
from tests.flows.waiting import awaited
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Request

    from tests.browser.visit import Visit
    from tests.flows.process import Host, Server

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 120),
    pytest.mark.usefixtures("studio"),
]

TABS: Final = 12
UNWELL: Final = re.compile(r"a status of 503 .*/health\)$")
"""So many pages at once on a busy machine: the record may take longer to answer than a probe waits."""
ADMIN: Final = "the token of an admin of these tabs alone"


class Streams:
    """How many streams a server has open, and by which of its tabs they were opened."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.opened: list[Visit] = []

    def watch(self, visit: Visit) -> None:
        def note(request: Request) -> None:
            if "/events" in request.url:
                self.opened.append(visit)

        visit.page.on("request", note)

    async def open_now(self) -> int:
        async with httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {ADMIN}"}) as http:
            answer = await http.get(f"{self._server.url}/health/detailed")
        return answer.json()["streams"]["readers"]  # with a 503 too: how a slow disk is doing is nothing to this

    async def are(self, number: int) -> None:
        """Wait until so many are open."""

        async def look() -> bool:
            return await self.open_now() == number

        await awaited(look, f"{number} streams are open")


async def test_twelve_tabs_have_one_stream_that_is_handed_on(host: Host, context: BrowserContext) -> None:
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake, admin_token=ADMIN))
        streams = Streams(server)
        async with visiting(context, server.url) as visits:
            leader = await visits.come(expecting=[UNWELL])
            await leader.make()
            await streams.are(1)
            others = [await visits.come(f"/jobs/{leader.job_id}", expecting=[UNWELL]) for _ in range(TABS - 1)]
            for visit in others:
                streams.watch(visit)
                await visit.says("Making the picture")
                await visit.previews()
            assert await streams.open_now() == 1

            await leader.page.close()
            await streams.are(1)
            easel.finish()
            await asyncio.gather(*(visit.ends() for visit in others))
            assert await streams.open_now() == 1
            assert len(set(streams.opened)) == 1
    assert_sound(host.data_dir)
