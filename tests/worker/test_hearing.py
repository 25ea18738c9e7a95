"""A running job hears that it is to be cancelled, whenever that is asked for; a short one does not listen at all."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import DatabaseUnavailable
from snapasset.event import FINAL
from snapasset.feed import Feed
from snapasset.feed.memory import MemoryFeed
from snapasset.job import Status
from snapasset.records.claims import Beat
from tests.worker.engine import OWNER, Engine, engine, kind, opened_at_last, wait_until, within
from worker.context import JobLost
from worker.processors.trial import Nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from snapasset.database import Read, Write
    from snapasset.event import News
    from snapasset.feed import OwnerReceiver, Receiver
    from worker.context import JobContext


class Door(Feed):
    """The way to a real feed: who subscribes waits until it is open, before the feed knows of him."""

    def __init__(self, feed: MemoryFeed) -> None:
        self._feed = feed
        self.calls = 0
        self.here = list[str]()
        self.came = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.breaks = False

    def publish(self, news: Sequence[News]) -> None:
        self._feed.publish(news)

    async def subscribe(self, job_id: str, receiver: Receiver) -> None:
        self.calls += 1
        self.came.set()
        await self.open.wait()
        if self.breaks:
            raise RuntimeError("a feed that has a mistake in it")
        await self._feed.subscribe(job_id, receiver)
        self.here.append(job_id)

    def unsubscribe(self, job_id: str, receiver: Receiver) -> None:
        self._feed.unsubscribe(job_id, receiver)
        if job_id in self.here:
            self.here.remove(job_id)

    async def subscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        await self._feed.subscribe_owner(owner, receiver)

    def unsubscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        self._feed.unsubscribe_owner(owner, receiver)

    async def close(self) -> None:
        await self._feed.close()

    @property
    def nobody(self) -> bool:
        """Whether nobody is left, here or behind."""
        return not self.here and not self._feed._receivers  # pyright: ignore[reportPrivateUsage]


class Beats:
    """What the record is asked right after the subscription: counted, and held or refused where a test says so."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.refused = 0
        self.refuse = False

    async def __call__(self, operation: Write[Any] | Read[Any]) -> None:
        if isinstance(operation, Beat):
            self.came.set()
            await self.open.wait()
            if self.refuse:
                self.refused += 1
                raise DatabaseUnavailable


class Long:
    """A processor that works until it is told to stop, or `gate` opens."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.context: JobContext[Nothing] | None = None
        self.told = False

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        self.context = context
        self.begun.set()
        await wait_until(lambda: context.cancel_requested or context.lost or self.gate.is_set())
        self.told = context.cancel_requested or context.lost
        context.check_cancelled()
        return Nothing()


@contextmanager
def watched(e: Engine) -> Generator[tuple[Door, Beats]]:
    assert isinstance(e.switch.feed, MemoryFeed)
    door, beats = Door(e.switch.feed), Beats()
    e.switch.feed, e.database.guard = door, beats
    with opened_at_last(door.open), opened_at_last(beats.open):
        yield door, beats


async def ended(e: Engine, job: str) -> str:
    last = await e.event(job, type=FINAL)
    return last["status"]


def listening() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("hearing-")]


async def nothing_is_left(door: Door) -> None:
    await wait_until(lambda: not listening())
    assert door.nobody


def at_the_door(door: Door, _beats: Beats) -> asyncio.Event:
    door.open.clear()
    return door.came


def at_the_record(_door: Door, beats: Beats) -> asyncio.Event:
    beats.open.clear()
    return beats.came


async def held_up(e: Engine, came: asyncio.Event) -> str:
    """A job that has come to where the way is shut."""
    job = await e.submit()
    await within(came.wait())
    return job


async def test_a_short_job_does_not_subscribe(tmp_path: Path):
    async def run(_context: JobContext[Nothing]) -> Nothing:
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        with watched(e) as (door, _):
            jobs = [await e.submit() for _ in range(5)]
            assert [await ended(e, job) for job in jobs] == [Status.COMPLETED] * 5
            later = asyncio.Event()
            asyncio.get_running_loop().call_later(0.4, later.set)  # long enough for a timer that was left
            await within(later.wait())
            assert door.calls < len(jobs)  # a machine that stands still makes any job long
            await nothing_is_left(door)


async def test_a_wish_from_before_the_subscription_is_found_in_the_record(tmp_path: Path):
    long = Long()
    async with engine(tmp_path, kind(long.run)) as e:
        with watched(e) as (door, beats):
            job = await held_up(e, at_the_door(door, beats))
            await e.client.cancel(job, owner=OWNER)
            door.open.set()
            assert await ended(e, job) == Status.CANCELLED
            assert long.told
            await nothing_is_left(door)


async def test_a_wish_from_before_the_question_is_told_by_the_feed(tmp_path: Path):
    long = Long()
    async with engine(tmp_path, kind(long.run)) as e:
        with watched(e) as (door, beats):
            job = await held_up(e, at_the_record(door, beats))
            await e.client.cancel(job, owner=OWNER)
            assert await ended(e, job) == Status.CANCELLED
            assert long.told
            assert not beats.open.is_set()
            await nothing_is_left(door)


async def test_a_wish_from_after_both_is_told_by_the_feed(tmp_path: Path):
    long = Long()
    async with engine(tmp_path, kind(long.run)) as e:
        with watched(e) as (door, _):
            job = await e.submit()
            await within(door.came.wait())
            await wait_until(lambda: not listening())
            assert door.here == [job]
            await e.client.cancel(job, owner=OWNER)
            assert await ended(e, job) == Status.CANCELLED
            assert long.told
            await nothing_is_left(door)


async def test_jobs_that_begin_one_after_another_hear_each_of_its_own_wish(tmp_path: Path):
    long = Long()
    async with engine(tmp_path, kind(long.run), job_max_concurrency=3) as e:
        with watched(e) as (door, _):
            jobs = list[str]()
            for _ in range(3):
                long.begun.clear()
                jobs.append(await e.submit())
                await within(long.begun.wait())
            await wait_until(lambda: door.here == jobs and not listening())
            for job in reversed(jobs):
                await e.client.cancel(job, owner=OWNER)
                assert await ended(e, job) == Status.CANCELLED
            await nothing_is_left(door)


async def test_a_record_that_is_away_just_then_keeps_nobody_from_hearing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    long = Long()
    async with engine(tmp_path, kind(long.run)) as e:
        with watched(e) as (door, beats):
            beats.refuse = True
            job = await e.submit()
            await wait_until(lambda: beats.refused and not listening())
            assert "could not be made to hear" not in caplog.text
            await e.client.cancel(job, owner=OWNER)
            assert await ended(e, job) == Status.CANCELLED
            assert long.told
            await nothing_is_left(door)


async def test_a_job_that_was_taken_away_meanwhile_is_found_lost(tmp_path: Path):
    long = Long()
    async with engine(tmp_path, kind(long.run)) as e:
        with watched(e) as (door, beats):
            job = await held_up(e, at_the_door(door, beats))
            context = long.context
            assert context is not None
            await e.take_away(job)
            assert not context.lost
            door.open.set()
            await wait_until(lambda: long.told)
            with pytest.raises(JobLost):
                context.check_cancelled()


@pytest.mark.parametrize("hold", [at_the_door, at_the_record])
async def test_a_job_that_ends_just_then_leaves_nothing(tmp_path: Path, hold: Callable[[Door, Beats], asyncio.Event]):
    long = Long()
    async with engine(tmp_path, kind(long.run)) as e:
        with watched(e) as (door, beats):
            job = await held_up(e, hold(door, beats))
            assert listening() == [f"hearing-{job}"]
            long.gate.set()
            assert await ended(e, job) == Status.COMPLETED
            await nothing_is_left(door)
            assert not (door.open.is_set() and beats.open.is_set())


async def test_a_feed_that_fails_is_logged_and_harms_no_job(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    long = Long()
    async with engine(tmp_path, kind(long.run)) as e:
        with watched(e) as (door, _):
            door.breaks = True
            job = await e.submit()
            await wait_until(lambda: "could not be made to hear the feed" in caplog.text)
            long.gate.set()
            assert await ended(e, job) == Status.COMPLETED
            await nothing_is_left(door)
