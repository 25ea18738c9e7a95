"""A tab of the browser, and what its EventSources hear. Nothing is polled: each event is told to the test as it comes.

A tab shows a page of the server that has no script of its own, so that whatever is heard was asked for here.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.flows.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import BrowserContext, Page, Request, Response

OPEN: Final = 1
CLOSED: Final = 2
"""What `readyState` says; 0 is that it connects, or will again."""

_PLAIN: Final = "/health/live"

_LISTEN: Final = """([number, address, names]) => {
    const source = new EventSource(address);
    let count = 0;
    const tell = (heard) => (event) =>
        told(number, ++count, heard, source.readyState, event.data ?? null, event.lastEventId ?? null);
    source.onopen = tell("onopen");
    source.onmessage = tell("onmessage");
    source.onerror = tell("onerror");
    for (const name of names) source.addEventListener(name, tell(name));
    (globalThis.sources ??= []).push(source);
}"""

_POST: Final = """async ([path, body]) => {
    const headers = {"content-type": "application/json"};
    const answer = await fetch(path, {method: "POST", headers, body: JSON.stringify(body)});
    return [answer.status, await answer.json()];
}"""


class Heard(NamedTuple):
    """One call of a listener: which one, the `readyState` just then, and what the event had, None for what it had not."""

    listener: str
    state: int
    data: str | None
    last_event_id: str | None

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.data) if self.data else {}

    @property
    def type(self) -> str:
        return self.body.get("type", "")

    @property
    def seq(self) -> int:
        """The seq of an event of the record; 0 for what is none."""
        return 0 if self.type == "connected" else self.body.get("seq", 0)


class Source:
    """One `new EventSource(...)`: the same object for as long as its tab lives, however often it reconnects."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._news = asyncio.Event()

    def hear(self, count: int, *what: Any) -> None:
        self.heard.append(Heard(*what))
        assert count == len(self.heard), "the tab's events came in another order"
        self._news.set()

    async def until(self, is_it: Callable[[Heard], bool], times: int = 1) -> Heard:
        """Wait until it has been heard so many times, and return the last of them."""
        async with asyncio.timeout(PATIENCE):
            while len(found := [heard for heard in self.heard if is_it(heard)]) < times:
                self._news.clear()
                await self._news.wait()
        return found[times - 1]

    async def told(self, seq: int) -> Heard:
        """Wait for the event of this seq."""
        return await self.until(lambda heard: heard.seq == seq)

    async def connected(self, times: int = 1) -> None:
        """Wait until so many connections have begun to tell it something."""
        await self.until(lambda heard: heard.type == "connected", times)

    async def closed(self) -> None:
        """Wait until it has given up, which is for good."""
        await self.until(lambda heard: heard.state == CLOSED)

    async def final(self) -> dict[str, Any]:
        return (await self.until(lambda heard: heard.type == "final")).body

    @property
    def events(self) -> list[Heard]:
        """The events of the record among them."""
        return [heard for heard in self.heard if heard.seq]

    @property
    def seqs(self) -> list[int]:
        return [heard.seq for heard in self.events]

    @property
    def opens(self) -> int:
        return sum(heard.listener == "onopen" for heard in self.heard)


class Tab:
    """One tab. Tabs of one context share their cookies, and so are of one person."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._sources: list[Source] = []
        self.requests: list[Request] = []
        self.answers: list[Response] = []
        page.on("request", self._note_request)
        page.on("response", self._note_answer)

    @classmethod
    async def at(cls, url: str, context: BrowserContext) -> Tab:
        """A new tab at this server."""
        tab = cls(await context.new_page())
        await tab._page.expose_function("told", tab._told)  # pyright: ignore[reportUnknownMemberType]
        await tab._page.goto(f"{url}{_PLAIN}")
        return tab

    async def listen(self, address: str, *names: str) -> Source:
        """Open an EventSource with `onmessage` and, for each of the names, a listener."""
        source = Source()
        self._sources.append(source)
        await self._page.evaluate(_LISTEN, [len(self._sources) - 1, address, names])
        return source

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the server has answered to a request that it has accepted."""
        status, answer = await self._page.evaluate(_POST, [path, body or {}])
        assert status == 202, answer
        return answer

    async def walk(self, steps: int, seconds: float, **more: Any) -> dict[str, Any]:
        """Have a walk made of `steps` steps, each of `seconds`; the answer to that."""
        return await self.post("/api/jobs/walk", {"steps": steps, "seconds": seconds, **more})

    async def state(self, source: Source) -> int:
        """Its `readyState` now."""
        return await self._page.evaluate("number => sources[number].readyState", self._sources.index(source))

    def asked(self, path: str) -> int:
        """How often its EventSources have asked for this path, answered or not."""
        return sum(path in request.url for request in self.requests)

    async def resumed(self, path: str) -> list[str | None]:
        """The `Last-Event-ID` of each request for this path that was answered, None for one without."""
        headers = [await answer.request.all_headers() for answer in self.answers if path in answer.url]
        return [sent.get("last-event-id") for sent in headers]

    def _told(self, number: int, count: int, *what: Any) -> None:
        self._sources[number].hear(count, *what)

    def _note_request(self, request: Request) -> None:
        if request.resource_type == "eventsource":
            self.requests.append(request)

    def _note_answer(self, response: Response) -> None:
        if response.request.resource_type == "eventsource":
            self.answers.append(response)
