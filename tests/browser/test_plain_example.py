"""The example that needs no library: what it says works, at the service's own address and, where that is listed, elsewhere."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from playwright.async_api import expect

from tests.flows.process import hosting
from web.node import WEB

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.async_api import BrowserContext

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

EXAMPLES: Final = WEB / "examples"
_HAVE_COME: Final = "[...document.images].every(({complete, naturalWidth}) => complete && naturalWidth > 0)"


class Places(NamedTuple):
    """The service, and a listed origin that has the example; to a browser that is another site."""

    service: str
    elsewhere: str


class _Quiet(SimpleHTTPRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nobody reads that."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Generator[Places]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=EXAMPLES)) as pages:
        elsewhere = f"http://localhost:{pages.server_port}"
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        with hosting(tmp_path_factory.mktemp("plain"), cors_origins=elsewhere) as host:
            yield Places(host.start().url, elsewhere)
        pages.shutdown()


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["its own origin", "another origin"])
async def test_the_plain_example_shows_pictures(places: Places, context: BrowserContext, is_elsewhere: bool) -> None:
    page = await context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    if is_elsewhere:
        await page.goto(f"{places.elsewhere}/plain.html?server={places.service}")
    else:
        await page.route("**/plain.html", lambda route: route.fulfill(path=EXAMPLES / "plain.html"))
        await page.goto(f"{places.service}/plain.html")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.get_by_role("button").click()
    await expect(page.get_by_role("status")).to_have_text("completed", timeout=30_000)
    await expect(page.get_by_role("img")).to_have_count(2)
    await page.wait_for_function(_HAVE_COME)
    assert await page.get_by_role("progressbar").get_attribute("value") == "100"
    assert len([url for url in asked if "/events?token=" in url]) == 1
    assert failures == []
