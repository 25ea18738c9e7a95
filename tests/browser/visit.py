"""A person at the studio: what one sees and does there, by the roles and names that everybody has, and what may never be.

Every visit is watched: a page that fails, a script or style that the policy forbids, or a word of the console is a complaint,
and at its end there may be none but those that the test has expected.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from playwright.async_api import expect

from tests.flows.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Route

PROMPT: Final = "Mountains above a lake at dusk, one cabin with a lit window"

PLACES: Final = ("Instagram post", "Pinterest pin", "YouTube thumbnail", "LinkedIn cover")
"""A square, a tall one, a wide one, and one that is wider than any provider paints."""

LOST: Final = re.compile(r"Failed to load resource: net::ERR_|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE")
"""What the browser itself says of a server that is away; nothing a page could prevent."""

UNFOUND: Final = re.compile(r"Failed to load resource: the server responded with a status of 404")

REFUSED: Final = re.compile(r"Failed to load resource: the server responded with a status of 50[023]")

_BOUND: Final = PATIENCE * 1_000

_SHOWN: Final = "[...document.querySelectorAll('main figure img[data-ready]')].map(({src}) => new URL(src).pathname)"
"""The files that the sheet shows, of those pictures that have come."""

expect.set_options(timeout=_BOUND)


_PROOFS: Final = "[...document.querySelectorAll('main figure img:not([data-ready])')]"


class Visit:
    """One tab at the studio."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.expected: list[re.Pattern[str]] = []
        """What the test provokes."""
        page.set_default_timeout(_BOUND)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"a script failed: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def assert_calm(self) -> None:
        """Fail on a complaint that was not expected."""
        found = [said for said in self.complaints if not any(known.search(said) for known in self.expected)]
        assert not found, "\n".join(found)

    # --- what is there

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_role("textbox", name="The picture")

    @property
    def form(self) -> Locator:
        return self.page.get_by_role("form", name="Describe a picture")

    @property
    def sheet(self) -> Locator:
        return self.page.get_by_role("main", name="Your pictures")

    @property
    def progress(self) -> Locator:
        return self.sheet.get_by_role("progressbar", name="Progress")

    @property
    def banner(self) -> Locator:
        """What is said of the service; empty when all is as usual."""
        return self.page.get_by_role("status").filter(has=self.page.locator("strong"))

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    def place(self, label: str) -> Locator:
        """The box that chooses a place, by its full label."""
        return self.page.get_by_role("checkbox", name=re.compile(rf"^{re.escape(label)}, \d"))

    def picture(self, label: str) -> Locator:
        """The finished picture of a place, as it can be opened large."""
        return self.sheet.get_by_role("button", name=f"{label}, open large", exact=True)

    @property
    def job_id(self) -> str:
        return self.page.url.rpartition("/jobs/")[2]

    # --- what one does

    async def open(self, path: str = "/") -> None:
        """Go there, and wait until the form can be used."""
        await self.page.goto(f"{self.url}{path}")
        await expect(self.prompt.or_(self.sheet)).not_to_have_count(0)

    async def choose(self, labels: Iterable[str] = PLACES) -> None:
        """Choose these places and no others."""
        await self.button("None").click()
        for label in labels:
            await self.page.locator("label").filter(has=self.place(label)).click()
            await expect(self.place(label)).to_be_checked()

    async def make(self, prompt: str = PROMPT, labels: Iterable[str] = PLACES) -> str:
        """Fill the form and send it; the id of the job, whose page is then shown."""
        await self.prompt.fill(prompt)
        await self.choose(labels)
        before = self.page.url
        await self.button(re.compile(r"^Make ")).click()
        await self.page.wait_for_url(lambda url: "/jobs/" in url and url != before)
        return self.job_id

    async def says(self, line: str | re.Pattern[str]) -> None:
        """Wait until it is said of the work that is shown."""
        await expect(self.page.get_by_role("article").get_by_text(line).first).to_be_visible()

    async def priced(self) -> None:
        """Wait until it is said what the form would cost, or that nobody can tell."""
        await expect(self.form.get_by_text(re.compile(r"^About \$|^What it will cost cannot be told"))).to_be_visible()

    async def previews(self, labels: Iterable[str] = PLACES) -> None:
        """Wait until a preview has come and shines through each of these places."""
        await self.until(
            f"count => ({_PROOFS}).filter(({{naturalWidth}}) => naturalWidth > 0).length === count", len(list(labels))
        )

    async def has(self, labels: Iterable[str] = PLACES) -> None:
        """Wait until the pictures of just these places are shown, each once and really there."""
        wanted = list(labels)
        for label in wanted:
            await expect(self.picture(label)).to_have_count(1)
        await expect(self.sheet.get_by_role("button", name=re.compile(", open large$"))).to_have_count(len(wanted))
        await self.until(f"count => ({_SHOWN}).length === count", len(wanted))

    async def ends(self, labels: Iterable[str] = PLACES) -> None:
        """Wait until the job is ready, with these pictures."""
        await self.says(re.compile(r"^Ready"))
        await self.has(labels)

    async def shown(self) -> set[str]:
        """The files of the pictures that are shown."""
        return set(await self.page.evaluate(_SHOWN))

    async def shows_others(self, before: set[str]) -> None:
        """Wait until as many pictures are shown, and none of those from before."""
        script = f"before => {{ const now = {_SHOWN}; return now.length === before.length && !now.some((one) => before.includes(one)); }}"
        await self.until(script, sorted(before))

    async def until(self, script: str, argument: Any = None) -> Any:
        """Wait until the script, asked at each frame, has a true answer; the answer."""
        return await (await self.page.wait_for_function(script, arg=argument)).json_value()


class Visits:
    """All the tabs that one person has at a server."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self._context = context
        self._url = url
        self._visits: list[Visit] = []

    async def come(self, path: str = "/", *, expecting: Iterable[re.Pattern[str]] = ()) -> Visit:
        """A new tab there; `expecting`: complaints that the test provokes."""
        visit = Visit(await self._context.new_page(), self._url)
        visit.expected += expecting
        self._visits.append(visit)
        await visit.open(path)
        return visit

    def assert_calm(self) -> None:
        for visit in self._visits:
            visit.assert_calm()


@asynccontextmanager
async def answered_between(context: BrowserContext) -> AsyncGenerator[None]:
    """Somebody between this browser and the server answers, with a page, what the server is asked for."""

    async def sign_in(route: Route) -> None:
        body = "<!doctype html><title>Sign in to the hotel's network</title>"
        await route.fulfill(content_type="text/html", body=body)

    await context.route("**/api/**", sign_in)
    yield
    await context.unroute("**/api/**")


@asynccontextmanager
async def visiting(context: BrowserContext, url: str) -> AsyncGenerator[Visits]:
    """Somebody at this server: none of the tabs may have complained when the block is left."""
    visits = Visits(context, url)
    yield visits
    visits.assert_calm()
