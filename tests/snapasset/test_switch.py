"""Rings: what they carry, how many there may be, and that nobody waits for one that is not taken."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from snapasset.event import Event
from snapasset.feed.memory import MemoryFeed
from snapasset.settings import Settings
from snapasset.switch import RING, Switch
from tests.snapasset.weather import BrokenQueue, SlowQueue, StickyQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from snapasset.event import News

SETTINGS = Settings(ring_cap=3, ring_seconds=0.05)


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    opened = Switch(("pictures", "chores"), SETTINGS, ring_timeout=661)
    await opened.open("record-1")
    yield opened
    await opened.close()


async def test_a_ring_says_that_there_is_work_and_holds_no_data_of_anybody(switch: Switch) -> None:
    assert await switch.ring("pictures", "job-1", "draw", 4) is True
    job = await switch.queues["pictures"].dequeue(timeout=1)
    assert job is not None
    assert job.function == RING
    assert job.kwargs == {"job_id": "job-1", "kind": "draw", "record_id": "record-1"}
    assert job.key.startswith("job-1:4:")
    assert (job.timeout, job.ttl, job.retries) == (661, -1, 1)


async def test_a_job_can_be_rung_for_again_and_again(switch: Switch) -> None:
    assert [await switch.ring("pictures", "job-1", "draw", 1) for _ in range(3)] == [True] * 3
    assert await switch.waiting_rings("pictures") == 3


async def test_when_enough_wait_none_is_added_also_not_at_the_same_moment(switch: Switch) -> None:
    rung = await asyncio.gather(*(switch.ring("pictures", f"job-{n}", "draw", 1) for n in range(10)))
    assert sum(rung) == await switch.waiting_rings("pictures") == 3
    assert await switch.waiting_rings("chores") == 0
    await switch.queues["pictures"].dequeue(timeout=1)
    assert await switch.ring("pictures", "job-x", "draw", 1) is True


async def test_a_queue_that_is_unknown_here_gets_none(switch: Switch) -> None:
    assert await switch.ring("elsewhere", "job-1", "draw", 1) is False


@pytest.mark.parametrize("queue", [SlowQueue, BrokenQueue])
async def test_nobody_waits_long_nor_fails_for_a_ring_that_is_not_taken(
    switch: Switch, queue: type[SlowQueue | BrokenQueue], caplog: pytest.LogCaptureFixture
) -> None:
    switch.queues["pictures"] = queue("pictures")
    async with asyncio.timeout(5):
        assert await switch.ring("pictures", "job-1", "draw", 1) is False
    [line] = [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert line.__dict__["jobId"] == "job-1"


async def test_without_redis_the_mode_is_memory_and_news_stays_in_the_process(switch: Switch) -> None:
    assert switch.mode == "memory"
    assert isinstance(switch.feed, MemoryFeed)
    heard: list[News] = []
    await switch.feed.subscribe("job-1", heard.append)
    event = Event("job-1", 1, "update", "{}", 0, "anna")
    switch.feed.publish([event])
    assert heard == [event]


async def test_closing_it_wakes_whoever_waits_for_a_ring(switch: Switch) -> None:
    waiting = asyncio.create_task(switch.queues["pictures"].dequeue())
    await asyncio.sleep(0)
    await switch.close()
    async with asyncio.timeout(5):
        assert await waiting is None


class NotedFeed(MemoryFeed):
    """A feed that knows whether it was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


async def test_a_part_that_cannot_be_closed_keeps_no_other_open_and_is_told() -> None:
    switch = Switch(("pictures", "chores"), SETTINGS, ring_timeout=661)
    await switch.open("record-1")
    switch.queues["pictures"], feed = StickyQueue("pictures"), NotedFeed()
    switch.feed = feed
    waiting = asyncio.create_task(switch.queues["chores"].dequeue())
    await asyncio.sleep(0)
    with pytest.raises(ConnectionError, match="pictures"):
        await switch.close()
    async with asyncio.timeout(5):
        assert await waiting is None
    assert feed.closed
