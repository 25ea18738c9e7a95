"""What a browser's own EventSource makes of a job's stream: nothing is lost, nothing comes twice, and it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.tab import CLOSED, OPEN, Tab
from tests.flows.process import Server, hosting
from tests.flows.soundness import assert_sound
from tests.flows.waiting import awaited
from tests.servers.proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.async_api import Browser, BrowserContext

    from tests.browser.tab import Source
    from tests.flows.process import Host

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

NASTY: Final = (
    "a lake\0\r\n\ndata: {}\r\n\nid: 7\n\nevent: final\u2028retry: 1\u2029\u0085\x0b\u00e9\U0001f98a: \\n \"'"
)
"""A prompt that would end a line, a field or a frame, if anything could."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("browser")
    with hosting(folder, stream_retry_ms=100, retry_base_seconds=0.1, job_max_concurrency=4) as host:
        yield host.start()
        assert_sound(host.data_dir)


def assert_whole(source: Source, first: int = 1) -> None:
    """Fail unless it heard each event once and in order, with its seq as the last event id, up to one final."""
    assert source.seqs == list(range(first, source.seqs[-1] + 1))
    assert [heard.last_event_id for heard in source.events] == [str(seq) for seq in source.seqs]
    assert [heard.seq for heard in source.heard if heard.type == "final"] == source.seqs[-1:]


async def test_it_hears_all_of_a_job_and_is_stopped_by_204(server: Server, context: BrowserContext) -> None:
    tab = await Tab.at(server.url, context)
    events = (await tab.walk(3, 0.1))["links"]["events"]
    source = await tab.listen(events)
    final = await source.final()
    await source.closed()
    connected, *told = [heard for heard in source.heard if heard.data]
    assert {heard.listener for heard in (connected, *told)} == {"onmessage"}
    assert (connected.type, connected.last_event_id) == ("connected", str(connected.body["seq"]))
    assert {heard.type for heard in told} == {"update", "final"}
    assert_whole(source, connected.body["seq"] + 1)
    assert final["status"] == "completed"
    assert [answer.status for answer in tab.answers] == [200, 204]
    assert await tab.resumed(events) == [None, str(final["seq"])]

    # In the time in which another one goes through all that, and reconnects as well, this one asks for nothing more.
    other = await tab.listen((await tab.walk(1, 0.1))["links"]["events"])
    await other.closed()
    assert tab.asked(events) == 2
    assert source.opens == other.opens == 1
    assert await tab.state(source) == CLOSED


async def test_after_the_end_it_gets_the_end_and_is_stopped(server: Server, context: BrowserContext) -> None:
    tab = await Tab.at(server.url, context)
    events = (await tab.walk(1, 0))["links"]["events"]
    await (await tab.listen(events)).closed()
    late = await tab.listen(events)
    await late.closed()
    assert [heard.type for heard in late.heard if heard.data] == ["connected", "final"]
    assert late.heard[1].body["status"] == "completed"


async def test_a_cut_connection_is_resumed_with_nothing_missing_and_nothing_doubled(
    server: Server, context: BrowserContext
) -> None:
    async with proxied(server.port) as proxy:
        tab = await Tab.at(f"http://127.0.0.1:{proxy.port}", context)
        events = (await tab.walk(20, 0.1))["links"]["events"]
        source = await tab.listen(f"{events}?after=0")
        for times, seq in enumerate((2, 9, 10, 23), start=1):
            await source.connected(times)
            await source.told(seq)
            proxy.reset()
        await source.connected(5)
        proxy.refuse()  # and now nobody is there for a while
        await awaited(lambda: proxy.refused(3), "it has come in vain")
        proxy.let_through()
        await source.final()
        await source.closed()
    assert_whole(source)
    assert source.opens >= 6
    resumed = [heard.body["resumedAfter"] for heard in source.heard if heard.type == "connected"]
    # Each time with the last id that it had, and by the query at first, when it had none.
    answered = [int(word or 0) for word in await tab.resumed(events)]
    assert answered == [*resumed, source.seqs[-1]]


@pytest.mark.parametrize("how", ["kill", "terminate"])
async def test_the_server_goes_and_comes_back_in_mid_job(host: Host, context: BrowserContext, how: str) -> None:
    server = host.start(drain_seconds=0.2)
    tab = await Tab.at(server.url, context)
    job = await tab.walk(8, 0.2)
    source = await tab.listen(f"{job['links']['events']}?after=0")
    await source.told(6)
    getattr(server, how)()
    await asyncio.to_thread(server.wait)
    await asyncio.to_thread(host.start, port=server.port)
    final = await source.final()
    await source.closed()
    assert_whole(source)
    assert final["status"] == "completed"
    assert source.opens >= 2
    # What is told twice is the attempt that was lost; what is told of each is told once.
    done = [heard.body["step"] for heard in source.events if heard.body.get("state") == "done"]
    assert done == [f"walk:{number}" for number in range(1, 9)]
    assert_sound(host.data_dir)


async def test_two_tabs_on_one_job_hear_the_same(server: Server, context: BrowserContext) -> None:
    here, there = await Tab.at(server.url, context), await Tab.at(server.url, context)
    events = (await here.walk(5, 0.1))["links"]["events"]
    one = await here.listen(f"{events}?after=0")
    other = await there.listen(f"{events}?after=0")
    await asyncio.gather(one.closed(), other.closed())
    assert_whole(one)
    assert [heard.body for heard in one.events] == [heard.body for heard in other.events]


async def test_a_failed_attempt_is_a_message_and_no_trouble_of_the_connection(
    server: Server, context: BrowserContext
) -> None:
    tab = await Tab.at(server.url, context)
    job = await tab.walk(2, 0.05, mishap="fail")
    source = await tab.listen(f"{job['links']['events']}?after=0", "error", "update", "final", "connected")
    failed = await source.until(lambda heard: heard.type == "error")
    await source.closed()
    assert_whole(source)
    assert (failed.listener, failed.state, failed.body["code"]) == ("onmessage", OPEN, "provider_timeout")
    assert source.opens == 1
    assert {heard.listener for heard in source.heard if heard.data} == {"onmessage"}
    before_the_end = source.heard[: source.heard.index(source.events[-1])]
    assert "onerror" not in {heard.listener for heard in before_the_end}


async def test_who_listens_by_name_hears_each_by_its_name(server: Server, context: BrowserContext) -> None:
    tab = await Tab.at(server.url, context)
    job = await tab.walk(2, 0.05, mishap="fail")
    names = ("connected", "update", "final")
    source = await tab.listen(f"{job['links']['events']}?after=0&named=1", *names, "error")
    await source.closed()
    told = [heard for heard in source.heard if heard.data and heard.listener != "onerror"]
    assert [heard.listener for heard in told] == [heard.type for heard in told]
    assert {heard.type for heard in told} == {*names, "error"}
    seqs = [heard.seq for heard in told if heard.seq]
    assert seqs == list(range(1, seqs[-1] + 1))
    # A failed attempt has data, and leaves the stream open; trouble of the connection has none.
    failed = next(heard for heard in told if heard.type == "error")
    assert (failed.state, failed.body["code"]) == (OPEN, "provider_timeout")
    assert {heard.state == OPEN for heard in source.heard if heard.listener == "error" and not heard.data} == {False}
    assert source.opens == 1


async def test_a_token_opens_a_stream_to_a_browser_without_a_cookie(
    server: Server, context: BrowserContext, browser: Browser
) -> None:
    job = await (await Tab.at(server.url, context)).walk(3, 0.1)
    events = job["links"]["events"]
    async with await browser.new_context() as elsewhere:
        tab = await Tab.at(server.url, elsewhere)
        stranger = await tab.listen(events)
        await stranger.closed()
        assert [answer.status for answer in tab.answers] == [404]
        source = await tab.listen(f"{events}?token={job['streamToken']}&after=0")
        await source.final()
        await source.closed()
        assert await elsewhere.cookies() == []
    assert_whole(source)


async def test_no_prompt_breaks_out_of_its_frame(host: Host, context: BrowserContext) -> None:
    """The product as it is started by everybody, with nothing of the tests in it."""
    server = host.start("server")
    tab = await Tab.at(server.url, context)
    job = await tab.post("/api/jobs/image-generation", {"prompt": NASTY, "platforms": ["open-graph"]})
    source = await tab.listen(f"{job['links']['events']}?after=0")
    await source.closed()
    assert_whole(source)
    assert source.events[-1].body["status"] == "completed"
    fresh = await tab.listen(job["links"]["events"])
    await fresh.closed()
    connected, final = [heard for heard in fresh.heard if heard.data]
    assert (connected.type, final.type) == ("connected", "final")
    assert connected.body["data"]["prompt"] == NASTY
