"""What a browser lets a page of another origin do: all there is when it is listed, nothing but show pictures when not.

To a browser `localhost` is another site than `127.0.0.1`, where the service is, and another port is another origin of the
same site; so one server of empty pages is pages of both.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
import pytest_asyncio

from tests.flows.process import hosting
from tests.flows.soundness import assert_sound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

SESSION: Final = {"x-session-id": "a-session-of-another-site"}
BODY: Final = {"content-type": "application/json"}

_ASK: Final = """async ([address, options]) => {
    try {
        const answer = await fetch(address, {cache: "no-store", ...options});
        return {status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text()};
    } catch (error) {
        return {status: 0, headers: {}, text: error.name};
    }
}"""

_LISTEN: Final = """([address, withCredentials]) => new Promise((done) => {
    const source = new EventSource(address, {withCredentials});
    const heard = [];
    let opens = 0;
    const end = () => { source.close(); done([opens, heard]); };
    source.onopen = () => { opens += 1; };
    source.onmessage = ({data}) => {
        heard.push(JSON.parse(data));
        if (heard.at(-1).type === "final") end();
    };
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) end(); };
})"""

_SHOW: Final = """([address, crossOrigin]) => new Promise((done) => {
    const image = new Image();
    image.crossOrigin = crossOrigin;
    image.onload = () => done(image.naturalWidth > 0);
    image.onerror = () => done(false);
    image.src = address;
})"""


class Answer(NamedTuple):
    """What a page has read; status 0: the browser has shown it nothing."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


class Visitor:
    """A page of some origin, and the service that it asks."""

    def __init__(self, page: Page, service: str) -> None:
        self._page = page
        self._service = service

    async def ask(self, path: str, method: str = "GET", body: object = None, **options: Any) -> Answer:
        headers = {**(BODY if body is not None else {}), **options.pop("headers", {})}
        given = {"method": method, "headers": headers, **options}
        if body is not None:
            given["body"] = json.dumps(body)
        return Answer(**await self._page.evaluate(_ASK, [self._service + path, given]))

    async def walk(self, **options: Any) -> Answer:
        return await self.ask("/api/jobs/walk", "POST", {"steps": 4, "seconds": 0.2}, **options)

    async def listen(self, path: str, *, cookies: bool = False) -> tuple[int, list[dict[str, Any]]]:
        """How often an EventSource was opened, and what it heard, until a final or until it gave up."""
        opens, heard = await self._page.evaluate(_LISTEN, [self._service + path, cookies])
        return opens, heard

    async def shows(self, path: str, cross_origin: str | None = None) -> bool:
        """Whether an <img> shows it."""
        return await self._page.evaluate(_SHOW, [self._service + path, cross_origin])


class Places(NamedTuple):
    """The service, and the ports of a listed server of pages and of one that is not."""

    service: str
    listed: int
    unlisted: int

    async def visitor(self, context: BrowserContext, host: str, port: int) -> Visitor:
        page = await context.new_page()
        await page.goto(f"http://{host}:{port}/")
        return Visitor(page, self.service)


@asynccontextmanager
async def empty_pages() -> AsyncGenerator[int]:
    """The port of a server that has an empty page at every address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            page = b"<!doctype html><title>elsewhere</title>"
            head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(page)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + page)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # browsers open connections that they do not need
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def places(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Places]:
    folder: Path = tmp_path_factory.mktemp("cross-origin")
    async with empty_pages() as listed, empty_pages() as unlisted:
        origins = f"http://localhost:{listed},http://127.0.0.1:{listed}"
        # Streams grow old at once, so that an EventSource has to resume them.
        settings = {
            "stream_retry_ms": 100,
            "heartbeat_seconds": 0.1,
            "stream_age_seconds": 0.3,
            "job_max_concurrency": 4,
        }
        with hosting(folder, cors_origins=origins, **settings) as host:
            server = await asyncio.to_thread(host.start)
            yield Places(server.url, listed, unlisted)
            assert_sound(host.data_dir)


async def test_a_listed_page_of_another_site_makes_and_follows_jobs(places: Places, context: BrowserContext) -> None:
    visitor = await places.visitor(context, "localhost", places.listed)
    keyed = {**SESSION, "idempotency-key": "once"}
    made = await visitor.walk(headers=keyed)
    assert made.status == 202, made
    assert made.headers["location"] == made.body["links"]["self"]
    assert {"x-request-id"} <= made.headers.keys()
    again = await visitor.walk(headers=keyed)
    assert again.headers["idempotent-replayed"] == "true"
    stream = await visitor.ask(made.body["links"]["events"], headers={**SESSION, "last-event-id": "1"})
    assert stream.status == 200
    assert '"resumedAfter":1' in stream.text
    job = await visitor.ask(made.body["links"]["self"], headers=SESSION)
    kept = await visitor.ask(made.body["links"]["self"], headers={**SESSION, "if-none-match": job.headers["etag"]})
    assert (job.status, kept.status) == (200, 200 if kept.headers["etag"] != job.headers["etag"] else 304)
    assert (await visitor.ask("/api/jobs/nothing", headers=SESSION)).body["code"] == "not_found"
    assert (await visitor.ask("/nothing", headers=SESSION)).body["code"] == "not_found"


@pytest.mark.parametrize("cookies", [False, True])
async def test_its_event_source_is_opened_by_a_token_and_resumed(
    places: Places, context: BrowserContext, cookies: bool
) -> None:
    visitor = await places.visitor(context, "localhost", places.listed)
    job = (await visitor.walk(headers=SESSION)).body
    opens, heard = await visitor.listen(f"{job['links']['events']}?token={job['streamToken']}", cookies=cookies)
    assert opens >= 2
    seqs = [event["seq"] for event in heard if event["type"] in ("update", "final") and not event.get("tick")]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert heard[-1]["type"] == "final"
    token = (await visitor.ask("/api/events/token", "POST", headers=SESSION)).body["token"]
    news = asyncio.create_task(visitor.listen(f"/api/events?token={token}", cookies=cookies))
    await visitor.walk(headers=SESSION)
    assert (await news)[1][-1]["type"] == "final"


async def test_no_cookie_reaches_another_site_and_that_is_said(places: Places, context: BrowserContext) -> None:
    visitor = await places.visitor(context, "localhost", places.listed)
    made = await visitor.walk(credentials="include")
    assert (made.status, made.body["code"]) == (401, "missing_user")
    assert "x-session-id" in made.body["detail"]


async def test_a_listed_page_of_the_same_site_has_a_session_by_cookie(places: Places, context: BrowserContext) -> None:
    visitor = await places.visitor(context, "127.0.0.1", places.listed)
    made = await visitor.walk(credentials="include")
    assert made.status == 202
    assert (await visitor.ask(made.body["links"]["self"])).status == 404
    assert (await visitor.ask(made.body["links"]["self"], credentials="include")).status == 200
    assert (await visitor.listen(made.body["links"]["events"], cookies=True))[1][-1]["type"] == "final"
    assert await visitor.listen(made.body["links"]["events"]) == (0, [])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_any_other_page_reads_nothing_and_makes_nothing(
    places: Places, context: BrowserContext, host: str
) -> None:
    # With a session by cookie, which a page of the same site rides on.
    own = await places.visitor(context, "127.0.0.1", places.listed)
    job = (await own.walk(credentials="include")).body
    visitor = await places.visitor(context, host, places.unlisted)
    for answer in (
        await visitor.ask("/api/jobs", credentials="include"),
        await visitor.ask("/api/jobs", headers=SESSION),
        await visitor.ask("/health/live"),
        await visitor.walk(credentials="include"),
        await visitor.ask(f"{job['links']['self']}/cancel", "POST", credentials="include"),
    ):
        assert answer == (0, {}, "TypeError")
    assert await visitor.listen("/api/events", cookies=True) == (0, [])
    opened = f"{job['links']['events']}?token={job['streamToken']}"
    assert await visitor.listen(opened) == (0, [])
    jobs = (await own.ask("/api/jobs", credentials="include")).body["jobs"]
    assert [one["jobId"] for one in jobs] == [job["jobId"]]
    assert jobs[0]["status"] != "cancelled"


async def test_every_page_shows_what_an_address_opens(places: Places, context: BrowserContext) -> None:
    own = await places.visitor(context, "127.0.0.1", places.listed)
    wanted = {"prompt": "a lake at dusk", "platforms": ["open-graph"]}
    made = (await own.ask("/api/jobs/image-generation", "POST", wanted, credentials="include")).body
    await own.listen(made["links"]["events"], cookies=True)
    result = (await own.ask(made["links"]["self"], credentials="include")).body["result"]
    signed = result["images"][0]["url"]
    bare = signed.partition("?")[0]
    other = await places.visitor(context, "localhost", places.unlisted)
    assert await other.shows(signed)
    assert not await other.shows(bare)
    assert not await other.shows(signed, "anonymous"), "it could be copied out of a canvas"
    # A session's cookie goes along to the same site, so what keeps a picture off that page is its policy.
    assert await own.shows(signed)
    assert not await own.shows(bare)
    # What the browser has kept for an <img> is not what it gives to a script.
    assert await own.shows(signed, "anonymous")
    assert (await own.ask(signed, cache="default")).status == 200
