"""How soon the studio can be used by somebody who comes for the first time: a real Chromium, with nothing in its cache."""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.process import server
from bench.report import Figure, table
from tests.browser.chromium import launched
from tests.web.studio import built

if TYPE_CHECKING:
    from playwright.async_api import Browser

VISITS: Final = 5
SLOWER: Final = 4
"""By how much the processor of a middling phone is slower than this one."""

_WATCH: Final = """(() => {
    const seen = {};
    const look = () => {
        const area = document.querySelector("textarea");
        if (area && !area.disabled) seen.prompt ??= performance.now();
        if (document.querySelector("input[name=platforms]")) seen.form ??= performance.now();
    };
    new MutationObserver(look).observe(document, {childList: true, subtree: true});
    globalThis.seenAt = seen;
})()"""

_WORK_IS_HERE: Final = (
    "() => performance.getEntriesByType('resource').some(({name}) => name.includes('/assets/WorkPage-'))"
)
"""What is fetched ahead when the page has been drawn, and last."""

_TELL: Final = """() => {
    const loads = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const before = loads.filter(({startTime}) => startTime <= seenAt.prompt);
    return {
        painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
        prompt: seenAt.prompt,
        form: seenAt.form,
        first: before.reduce((sum, {transferSize}) => sum + transferSize, 0),
        all: loads.reduce((sum, {transferSize}) => sum + transferSize, 0),
        requests: loads.length,
    };
}"""


class Visit(NamedTuple):
    """Milliseconds since the address was entered, and bytes as they came over the wire, with their headers.

    Attributes:
        painted: something is to be seen; `prompt`: words can be entered; `form`: places can be chosen, too.
        first: what was asked for until the prompt was there; `all`: with what is fetched ahead, in `requests`.
    """

    painted: float
    prompt: float
    form: float
    first: int
    all: int
    requests: int


def run() -> None:
    """Print the figures of first visits, here and as if this machine were slower."""
    built()
    with server("bench.serve", concurrency=1) as running:
        visits, slow = asyncio.run(_visit_all(f"http://127.0.0.1:{running.port}/"))
    here, there = _medians(visits), _medians(slow)
    table(
        f"page: the first visit on localhost, median of {VISITS}; beside it with a processor {SLOWER} times slower",
        [
            Figure("something is to be seen", _ms(here.painted), "", _ms(there.painted)),
            Figure("the prompt takes words", _ms(here.prompt), "< 1,000 ms", _ms(there.prompt)),
            Figure("places can be chosen", _ms(here.form), "< 1,000 ms", _ms(there.form)),
            Figure("fetched until the prompt takes words", f"{here.first / 1000:,.1f} kB", "≤ 130 kB"),
            Figure("with what is fetched ahead", f"{here.all / 1000:,.1f} kB in {here.requests} requests"),
        ],
    )


def _ms(time: float) -> str:
    return f"{time:,.0f} ms"


def _medians(visits: list[Visit]) -> Visit:
    """Each figure's own median."""
    return Visit(*map(statistics.median, zip(*visits, strict=True)))


async def _visit_all(url: str) -> tuple[list[Visit], list[Visit]]:
    async with launched() as browser:
        await _visit(browser, url, slower=1)  # the server's first answers, and the browser's first page
        return (
            [await _visit(browser, url, slower=1) for _ in range(VISITS)],
            [await _visit(browser, url, slower=SLOWER) for _ in range(VISITS)],
        )


async def _visit(browser: Browser, url: str, *, slower: int) -> Visit:
    async with await browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = await context.new_page()
        await page.add_init_script(_WATCH)
        debugger = await context.new_cdp_session(page)
        await debugger.send("Emulation.setCPUThrottlingRate", {"rate": slower})  # pyright: ignore[reportUnknownMemberType]
        await page.goto(url)
        await page.wait_for_function("() => seenAt.form")
        await page.wait_for_function(_WORK_IS_HERE)
        return Visit(**await page.evaluate(_TELL))
