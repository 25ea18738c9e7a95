"""One browser for all tests of this process, and for each test a context of its own: cookies that nobody else has.

Browser and tests share one event loop, that of the session: what playwright makes belongs to the loop it was made in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.browser.chromium import launched
from tests.flows.process import Host, hosting
from tests.web.studio import built

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser]:
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncGenerator[BrowserContext]:
    """A person's browser, with nothing in it yet."""
    async with await browser.new_context() as context:
        yield context


@pytest.fixture(scope="session")
def studio() -> None:
    """The studio of this checkout is what servers serve from now on."""
    built()


@pytest.fixture
def host(tmp_path: Path) -> Generator[Host]:
    """A deployment of the test's own, with nothing started yet."""
    with hosting(tmp_path, stream_retry_ms=100, retry_base_seconds=0.1) as host:
        yield host
