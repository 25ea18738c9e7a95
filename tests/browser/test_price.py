"""What a picture costs is said before it is sent, and so is why it would be refused; who sends it all the same is told by the server."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from tests.browser.easel import Easel, painted_by
from tests.browser.visit import PROMPT, visiting
from tests.fakes.openai import FakeOpenAI
from tests.web.studio import BUILD_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(BUILD_SECONDS + 60),
    pytest.mark.usefixtures("studio"),
]

TOO_MANY: Final = re.compile(r"Failed to load resource: the server responded with a status of 429")

PRICE: Final = re.compile(r"^About \$0\.\d\d · \$0\.\d\d left today$")


async def test_a_price_that_is_refused_says_so_before_and_the_server_says_it_when_it_is_sent(
    host: Host, context: BrowserContext
) -> None:
    easel = Easel()
    async with FakeOpenAI(easel) as fake:
        server = await asyncio.to_thread(host.start, **painted_by(fake, spend_cap_owner_usd=0.36))
        async with visiting(context, server.url) as visits:
            visit = await visits.come(expecting=[TOO_MANY])
            page = visit.page
            refusal = visit.form.get_by_text(re.compile(r"^It would be refused\. .+ ask whoever runs this server\.$"))
            price = visit.form.get_by_text(PRICE)
            await visit.prompt.fill(PROMPT)
            await expect(price).to_be_visible()
            await expect(refusal).to_have_count(0)

            # What the first one may cost leaves too little for a second, until it is known what it did cost.
            await visit.make()
            await easel.begun()
            await expect(refusal).to_be_visible()
            first = page.url
            await page.get_by_role("button", name=re.compile("^Make ")).click()
            await expect(page.get_by_role("alert")).to_contain_text("ask whoever runs this server.")
            assert page.url == first
            easel.finish()
            await visit.ends()
            await expect(refusal).to_have_count(0)
            await expect(price).to_be_visible()
            assert fake.bills == 1
