"""The seam of history and live news: whatever the feed does, each reader gets every event once and in order."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import pytest

from server.streams.hub import Hub
from server.streams.tail import INBOX
from server.streams.topic import PAGE
from snapasset.event import Event, Tick, tick
from snapasset.feed.memory import MemoryFeed
from snapasset.records.steps import StartStep
from snapasset.switch import Switch
from tests.server.breakable import Breakable
from tests.server.service import opened, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.settings import Settings
    from snapasset.switch import Mode
    from tests.server.service import Service


class UnreliableFeed(MemoryFeed):
    """Does to news what its `fate` says: a list of what comes of it instead."""

    def __init__(self) -> None:
        super().__init__()
        self.fate: Callable[[News], list[News]] = lambda news: [news]

    def publish(self, news: Sequence[News]) -> None:
        super().publish([out for item in news for out in self.fate(item)])

    @property
    def receivers(self) -> int:
        return sum(map(len, self._receivers.values()))


@pytest.fixture
def feed(service: Service) -> UnreliableFeed:
    feed = UnreliableFeed()
    service.state["database"].listen(feed.publish)
    return feed


def hub_of(service: Service, feed: MemoryFeed, **changes: float) -> Hub:
    settings: Settings = service.state["settings"].model_copy(update=changes)
    return hub_with(service, switch_with(feed, settings), settings)


def hub_with(service: Service, switch: Switch, settings: Settings) -> Hub:
    state = service.state
    return Hub(state["database"], switch, settings, state["file_urls"], state["metrics"])


class TurnedSwitch(Switch):
    """One that a test turns."""

    def turn(self, mode: Mode) -> None:
        self._change(mode)


def switch_with(feed: MemoryFeed, settings: Settings) -> TurnedSwitch:
    switch = TurnedSwitch((), settings, ring_timeout=60)
    switch.feed = feed
    return switch


async def read_on(hub: Hub, job_id: str, after: int = 0) -> list[News]:
    async with aclosing(hub.tail(job_id, after)) as tail:
        return [news async for news in tail]


async def move(service: Service, job: Job, times: int) -> None:
    """So many events of one job."""
    for _ in range(times):
        await service.state["database"].write(StartStep(job.id, job.fence, "generate", paid=False, progress=1))


def seqs(news: list[News]) -> list[int]:
    return [item.seq for item in news if isinstance(item, Event)]


async def begun(service: Service) -> Job:
    await service.submit()
    return await service.claim()


async def test_readers_that_join_at_any_moment_get_everything_once(service: Service, feed: UnreliableFeed) -> None:
    job = await begun(service)
    hub = hub_of(service, feed)
    readers: list[tuple[int, asyncio.Task[list[News]]]] = []
    for _ in range(40):
        await move(service, job, random.randrange(8))
        readers += [(after, asyncio.create_task(read_on(hub, job.id, after))) for after in (0, 2)]
    await service.complete(job)
    for after, reader in readers:
        told = seqs(await reader)
        assert told == list(range(after + 1, told[-1] + 1))
        assert told[-1] > 2
    assert hub.readers == feed.receivers == 0


async def test_more_history_than_one_page(service: Service, feed: UnreliableFeed) -> None:
    job = await begun(service)
    await move(service, job, 2 * PAGE + 1)
    await service.complete(job)
    assert seqs(await read_on(hub_of(service, feed), job.id)) == list(range(1, 2 * PAGE + 5))


def lost(event: Event) -> list[News]:
    return [event] if event.seq % 3 == 0 or event.type == "final" else []


def doubled(event: Event) -> list[News]:
    return [event, event]


def swapped(event: Event) -> list[News]:
    return [] if event.seq % 2 and event.type != "final" else [event, event._replace(seq=event.seq - 1)]


def all_but_the_last_lost(event: Event) -> list[News]:
    return [event] if event.type == "final" else []


@pytest.mark.parametrize("fate", [lost, doubled, swapped, all_but_the_last_lost])
async def test_a_feed_that_loses_doubles_or_swaps_changes_nothing(
    service: Service, feed: UnreliableFeed, fate: Callable[[Event], list[News]]
) -> None:
    job = await begun(service)
    hub = hub_of(service, feed, sweep_seconds=600)
    reader = asyncio.create_task(read_on(hub, job.id))
    await wait_until(lambda: feed.receivers == 1)
    feed.fate = lambda news: fate(news) if isinstance(news, Event) else [news]
    await move(service, job, 20)
    await service.complete(job)
    async with asyncio.timeout(5):
        assert seqs(await reader) == list(range(1, 24))


async def test_a_lost_last_event_is_found_by_the_sweep(service: Service, feed: UnreliableFeed) -> None:
    job = await begun(service)
    hub = hub_of(service, feed, sweep_seconds=0.05)
    feed.fate = lambda _news: []
    reader = asyncio.create_task(read_on(hub, job.id))
    await wait_until(lambda: feed.receivers == 1)
    await service.complete(job)
    async with asyncio.timeout(5):
        assert seqs(await reader) == [1, 2, 3]


async def test_when_redis_goes_away_readers_do_not_wait_for_the_slow_sweep(
    service: Service, feed: UnreliableFeed
) -> None:
    job = await begun(service)
    settings = service.state["settings"].model_copy(update={"sweep_seconds": 0.05, "sweep_redis_seconds": 1000.0})
    switch = switch_with(feed, settings)
    switch.mode = "redis"
    hub = hub_with(service, switch, settings)
    feed.fate = lambda _news: []
    reader = asyncio.create_task(read_on(hub, job.id, 2))
    await wait_until(lambda: feed.receivers == 1)
    await service.complete(job)
    await asyncio.sleep(0.2)
    assert not reader.done(), "with Redis in use it looks into the record seldom"
    switch.turn("memory")
    async with asyncio.timeout(5):
        assert seqs(await reader) == [3]


async def test_a_slow_reader_costs_little_and_misses_no_event(service: Service, feed: UnreliableFeed) -> None:
    job = await begun(service)
    hub = hub_of(service, feed)
    async with aclosing(hub.tail(job.id, 2)) as tail:
        await service.state["database"].write(StartStep(job.id, job.fence, "generate", paid=False, progress=1))
        assert (await anext(tail)).body
        # From here it reads nothing, while much happens.
        for number in range(3 * INBOX):
            await move(service, job, 1)
            feed.publish([tick(job, "generate", number / 10) for _ in range(20)])
        assert hub.waiting <= INBOX + 1
        await service.complete(job)
        rest = [news async for news in tail]
    assert seqs(rest) == list(range(4, 3 * INBOX + 5))
    assert len(rest) == 3 * INBOX + 1  # and no tick: all of them are older than the final


async def test_of_many_ticks_the_newest_comes(service: Service, feed: UnreliableFeed) -> None:
    job = await begun(service)
    hub = hub_of(service, feed)
    async with aclosing(hub.tail(job.id, 1)) as tail:
        assert isinstance(await anext(tail), Event)
        feed.publish([tick(job, "generate", number) for number in range(100)])
        newest = await anext(tail)
        assert isinstance(newest, Tick)
        assert '"progress":99' in newest.body


async def test_a_tick_never_comes_after_an_event_that_is_newer(service: Service, feed: UnreliableFeed) -> None:
    job = await begun(service)
    hub = hub_of(service, feed)
    async with aclosing(hub.tail(job.id, 1)) as tail:
        await anext(tail)
        feed.publish([tick(job, "generate", 50)])
        await move(service, job, 1)
        assert isinstance(await anext(tail), Event)
        feed.publish([tick(job, "generate", 60)])
        newest = await anext(tail)
    assert '"progress":60' in newest.body


async def test_a_tick_that_was_told_before_what_is_known_is_dropped(service: Service, feed: UnreliableFeed) -> None:
    job = await begun(service)
    hub = hub_of(service, feed)
    async with aclosing(hub.tail(job.id, 1)) as tail:
        assert cast("Event", await anext(tail)).seq == 2
        coming = asyncio.create_task(anext(tail))
        await asyncio.sleep(0)
        feed.publish([tick(job, "generate", 50)._replace(after=1)])  # on its way while the record was read
        for _ in range(10):
            await asyncio.sleep(0)
        assert not coming.done()
        feed.publish([tick(job, "generate", 60)._replace(after=2)])
        assert '"progress":60' in (await coming).body


async def test_closing_ends_readers_wherever_they_are(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, sweep_seconds=600), wrap=Breakable) as service:
        database = cast("Breakable", service.state["database"])
        hub = service.state["hub"]
        job = await begun(service)
        waiting = asyncio.create_task(read_on(hub, job.id))
        await wait_until(lambda: hub.readers == 1)
        database.hangs = True
        reading = asyncio.create_task(read_on(hub, job.id))
        await wait_until(lambda: hub.readers == 2)
        hub.close()
        database.hangs = False
        late = asyncio.create_task(read_on(hub, job.id))
        async with asyncio.timeout(5):
            await asyncio.gather(waiting, reading, late)
        assert hub.readers == 0


async def test_while_the_record_is_away_live_news_goes_on_and_holes_wait(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path), wrap=Breakable) as service:
        database = cast("Breakable", service.state["database"])
        feed = UnreliableFeed()
        database.real.listen(feed.publish)
        job = await begun(service)
        hub = hub_of(service, feed, sweep_seconds=0.05)
        told: list[News] = []

        async def read() -> None:
            async for news in hub.tail(job.id, 1):
                told.append(news)  # noqa: PERF401  it is looked at while it grows

        reader = asyncio.create_task(read())
        await wait_until(lambda: len(told) == 1)
        database.away = True
        start = StartStep(job.id, job.fence, "generate", paid=False, progress=1)
        await database.real.write(start)
        await wait_until(lambda: len(told) == 2)
        feed.fate = lambda _news: []
        await database.real.write(start)
        feed.fate = lambda news: [news]
        await database.real.write(start)
        await asyncio.sleep(0)
        assert seqs(told) == [2, 3]
        database.away = False
        await service.complete(job)
        async with asyncio.timeout(5):
            await reader
        assert seqs(told) == [2, 3, 4, 5, 6]
