"""What every feed does, whichever carrier brings the news: subscribers get a job's news, in order, until they leave."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from snapasset.event import Event, Tick
from snapasset.feed.memory import MemoryFeed
from snapasset.feed.redis import RedisFeed
from tests.contracts.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from snapasset.event import News
    from snapasset.feed import Feed
    from snapasset.records.events import Missing


@asynccontextmanager
async def _memory_feed(_request: pytest.FixtureRequest) -> AsyncGenerator[Feed]:
    feed = MemoryFeed()
    yield feed
    await feed.close()


@asynccontextmanager
async def _redis_feed(request: pytest.FixtureRequest) -> AsyncGenerator[Feed]:
    async def nothing_stored(_missing: Sequence[Missing]) -> list[Event]:
        return []

    feed = RedisFeed(request.getfixturevalue("redis_server").address, uuid4().hex, nothing_stored)
    await feed.open()
    yield feed
    await feed.close()


FEEDS: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Feed]]] = {
    "memory": _memory_feed,
    "redis": _redis_feed,
}


@pytest.fixture(params=FEEDS)
async def feed(request: pytest.FixtureRequest) -> AsyncIterator[Feed]:
    async with FEEDS[request.param](request) as opened:
        yield opened


OWNER = "session:anna"


def event(job_id: str, seq: int) -> Event:
    return Event(job_id, seq, "update", f'{{"seq":{seq}}}', 0, OWNER)


class Receiver:
    def __init__(self) -> None:
        self.news: list[News] = []

    def __call__(self, news: News) -> None:
        self.news.append(news)

    async def has(self, *news: News) -> None:
        async def arrived() -> bool:
            return len(self.news) >= len(news)

        await wait_until(arrived)
        assert self.news == list(news)


async def test_who_subscribed_gets_what_is_published_from_then_on_in_order(feed: Feed) -> None:
    feed.publish([event("a", 1)])
    receiver = Receiver()
    await feed.subscribe("a", receiver)
    feed.publish([event("a", 2), Tick("a", '{"tick":true}', OWNER), event("a", 3)])
    feed.publish([event("a", 4)])
    await receiver.has(event("a", 2), Tick("a", '{"tick":true}', OWNER), event("a", 3), event("a", 4))


async def test_each_gets_the_news_of_its_job_and_of_no_other(feed: Feed) -> None:
    one, other, both = Receiver(), Receiver(), Receiver()
    await feed.subscribe("a", one)
    await feed.subscribe("b", other)
    for job_id in "ab":
        await feed.subscribe(job_id, both)
    feed.publish([event("a", 1), event("b", 1), event("c", 1), event("a", 2)])
    await one.has(event("a", 1), event("a", 2))
    await other.has(event("b", 1))
    await both.has(event("a", 1), event("b", 1), event("a", 2))


async def test_who_left_hears_nothing_more_and_the_others_do(feed: Feed) -> None:
    left, stays = Receiver(), Receiver()
    for receiver in (left, stays):
        await feed.subscribe("a", receiver)
    feed.unsubscribe("a", left)
    feed.publish([event("a", 1)])
    await stays.has(event("a", 1))
    assert not left.news


async def test_leaving_twice_or_without_having_come_does_no_harm(feed: Feed) -> None:
    receiver = Receiver()
    feed.unsubscribe("a", receiver)
    await feed.subscribe("a", receiver)
    feed.unsubscribe("b", receiver)
    feed.unsubscribe("a", receiver)
    feed.unsubscribe("a", receiver)
    feed.publish([event("a", 1)])
    assert not receiver.news


async def test_a_receiver_may_leave_while_it_is_told(feed: Feed) -> None:
    others = [Receiver(), Receiver()]
    told: list[News] = []

    def leave_at_once(news: News) -> None:
        told.append(news)
        feed.unsubscribe("a", leave_at_once)

    await feed.subscribe("a", others[0])
    await feed.subscribe("a", leave_at_once)
    await feed.subscribe("a", others[1])
    feed.publish([event("a", 1), event("a", 2)])
    for other in others:
        await other.has(event("a", 1), event("a", 2))
    assert told == [event("a", 1)]


async def test_publishing_does_not_wait_and_needs_nobody(feed: Feed) -> None:
    receiver = Receiver()
    await feed.subscribe("a", receiver)
    feed.publish([])
    feed.publish([event("nobody", n) for n in range(1000)])
    feed.publish([event("a", n) for n in range(1000)])
    await receiver.has(*(event("a", n) for n in range(1000)))


async def test_a_closed_feed_tells_nobody(feed: Feed) -> None:
    receiver = Receiver()
    await feed.subscribe("a", receiver)
    await feed.close()
    feed.publish([event("a", 1)])
    await asyncio.sleep(0)
    assert not receiver.news


async def test_nothing_is_left_of_receivers_that_have_gone() -> None:
    feed = MemoryFeed()
    receivers = [Receiver() for _ in range(10)]
    for number, receiver in enumerate(receivers):
        await feed.subscribe(str(number % 3), receiver)
    for number, receiver in enumerate(receivers):
        feed.unsubscribe(str(number % 3), receiver)
    assert not feed._receivers  # pyright: ignore[reportPrivateUsage]
