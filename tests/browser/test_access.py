"""Whether everybody can use it: axe finds nothing to complain about, in any state, light or dark, narrow or wide."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.tour import THEMES, WIDTHS, dear_states, main_states, other_states, staged
from tests.servers.redis import running_redis
from tests.web.studio import BUILD_SECONDS
from web.node import WEB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.async_api import BrowserContext

    from tests.browser.tour import Stage
    from tests.flows.process import Host

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.usefixtures("studio"),
]

CORE: Final = [("wide", "light"), ("narrow", "dark")]
REST: Final = [("wide", "dark"), ("narrow", "light")]

_ASK: Final = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    ({id, help, nodes}) => `${id}: ${help}\\n${nodes.map(({html, failureSummary}) => `  ${html}\\n  ${failureSummary}`).join("\\n")}`
)"""


@cache
def axe() -> str:
    return (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


async def complaints(stage: Stage, state: str, looks: Iterable[tuple[str, str]]) -> list[str]:
    """What axe has against the page as it is, dressed in each of these ways."""
    page = stage.visit.page
    if not await page.evaluate("'axe' in globalThis"):
        await page.evaluate(axe())  # by the debugger, which no policy holds back
    found: list[str] = []
    for width, theme in looks:
        await stage.dress(width, theme)
        found += [f"{state}, {width}, {theme}: {told}" for told in await page.evaluate(_ASK)]
    await stage.dress("wide", "light")
    return found


@pytest.mark.timeout(BUILD_SECONDS + 200)
async def test_axe_has_nothing_against_the_main_states(host: Host, context: BrowserContext) -> None:
    async with staged(host, context) as stage:
        found = [told async for state in main_states(stage) for told in await complaints(stage, state, CORE)]
    assert not found, "\n".join(found)


@pytest.mark.timeout(BUILD_SECONDS + 60)
async def test_axe_has_nothing_against_a_price_that_is_refused(host: Host, context: BrowserContext) -> None:
    async with staged(host, context, spend_cap_owner_usd=0.01) as stage:
        everywhere = list(product(WIDTHS, THEMES))
        found = [told async for state in dear_states(stage) for told in await complaints(stage, state, everywhere)]
    assert not found, "\n".join(found)


@pytest.mark.thorough
@pytest.mark.timeout(BUILD_SECONDS + 400)
async def test_axe_has_nothing_against_any_state(host: Host, context: BrowserContext) -> None:
    with running_redis() as redis:
        async with staged(host, context, redis=redis) as stage:
            found = [told async for state in main_states(stage) for told in await complaints(stage, state, REST)]
            everywhere = list(product(WIDTHS, THEMES))
            found += [
                told async for state in other_states(stage) for told in await complaints(stage, state, everywhere)
            ]
    assert not found, "\n".join(found)
