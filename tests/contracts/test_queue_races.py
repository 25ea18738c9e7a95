"""Races that a queue of ours must win: who is cancelled, who comes late, who aborts what is just being taken.

SAQ's Redis queue loses some of these; the docstring of `MemoryQueue` says which and what we do instead.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from saq.job import Job, Status

from tests.contracts.conftest import SAFE_QUEUES, working
from tests.contracts.test_queue import begin, counts, put, stored, take
from tests.contracts.test_queue_worker import Ctx, Hanging

if TYPE_CHECKING:
    from saq.queue.base import Queue

pytestmark = pytest.mark.parametrize("make_queue", SAFE_QUEUES, indirect=True)


class TestWaiting:
    async def test_a_woken_taker_that_is_cancelled_loses_no_job(self, queue: Queue) -> None:
        first, second = asyncio.create_task(queue.dequeue()), asyncio.create_task(queue.dequeue())
        await asyncio.sleep(0)
        job = await put(queue)
        first.cancel()
        assert await asyncio.wait_for(second, 5) == job
        assert first.cancelled()

    async def test_a_job_waits_on_when_its_only_taker_is_cancelled(self, queue: Queue) -> None:
        taker = asyncio.create_task(queue.dequeue())
        await asyncio.sleep(0)
        job = await put(queue)
        taker.cancel()
        with suppress(asyncio.CancelledError):
            await taker
        assert await counts(queue) == (1, 0, 1)
        assert await take(queue) == job

    @pytest.mark.parametrize("seed", range(5))
    async def test_whoever_is_cancelled_or_times_out_each_job_is_taken_once(self, queue: Queue, seed: int) -> None:
        dice = random.Random(seed)
        got: list[str] = []

        async def taker() -> None:
            while True:
                job = await queue.dequeue(timeout=dice.choice([0, 0.0005, 0.002]))
                if job is not None:
                    got.append(job.key)

        takers = [asyncio.create_task(taker()) for _ in range(10)]
        keys: list[str] = []
        for _ in range(400):
            keys.append((await put(queue)).key)
            if dice.random() < 0.3:
                victim = dice.randrange(len(takers))
                takers[victim].cancel()
                takers.append(asyncio.create_task(taker()))
                takers.pop(victim)
            if dice.random() < 0.5:
                await asyncio.sleep(dice.choice([0, 0, 0.0005]))
        for task in takers:
            task.cancel()
        await asyncio.gather(*takers, return_exceptions=True)
        while (job := await queue.dequeue(timeout=0.01)) is not None:
            got.append(job.key)
        assert sorted(got) == sorted(keys)

    async def test_disconnecting_releases_everybody_and_they_may_come_back(self, queue: Queue) -> None:
        job = await put(queue, scheduled=1)
        takers = [asyncio.create_task(queue.dequeue()) for _ in range(3)]
        listening = asyncio.create_task(queue.listen([job.key], lambda _key, _status: False, timeout=None))
        await asyncio.sleep(0)
        await queue.disconnect()
        assert await asyncio.wait_for(asyncio.gather(*takers), 5) == [None, None, None]
        await asyncio.wait_for(listening, 5)
        await queue.connect()
        await queue.schedule()
        assert await take(queue) == job

    async def test_whoever_refreshes_until_the_end_misses_no_end(self, queue: Queue) -> None:
        job = await put(queue)
        waiting = asyncio.create_task(job.refresh(5))
        await asyncio.sleep(0)
        await (await take(queue)).finish(Status.COMPLETE, result=1)
        await waiting
        assert job.result == 1
        heard: list[Status] = []
        await queue.listen([job.key], lambda _key, status: heard.append(status) or True, timeout=5)
        assert heard == [Status.COMPLETE]

    async def test_a_worker_with_idle_hands_gives_its_job_back_when_it_stops(self, queue: Queue) -> None:
        hanging = Hanging()
        job = await put(queue, "hang", timeout=0)
        async with working(queue, hanging.hang, concurrency=10):
            await hanging.begun.wait()
        assert (await stored(queue, job)).status is Status.QUEUED
        assert await counts(queue) == (1, 0, 1)
        assert hanging.runs == 1


class TestStaleWriters:
    async def test_a_taken_job_is_active_at_once_and_no_sweep_takes_it(self, queue: Queue) -> None:
        job = await put(queue, timeout=60)
        taken = await take(queue)
        assert taken.status is Status.ACTIVE
        found = await stored(queue, job)
        assert found.status is Status.ACTIVE
        assert found.started == taken.started > 0
        assert await queue.sweep() == []
        assert await counts(queue) == (0, 1, 1)

    async def test_a_late_finish_does_not_end_a_job_that_waits_again(self, queue: Queue) -> None:
        job = await put(queue)
        late = await begin(queue)
        await queue.retry(job, "given to somebody else")
        await late.finish(Status.COMPLETE, result="late")
        assert (await stored(queue, job)).status is Status.QUEUED
        assert await counts(queue) == (1, 0, 1)
        await (await begin(queue)).finish(Status.COMPLETE, result="second")
        found = await stored(queue, job)
        assert (found.result, found.attempts) == ("second", 2)

    @pytest.mark.parametrize("marked", [True, False])
    async def test_nothing_that_an_earlier_run_says_reaches_a_later_one(self, queue: Queue, marked: bool) -> None:
        job = await put(queue)
        late = await (begin(queue) if marked else take(queue))
        await queue.retry(job, "given to somebody else")
        current = await (begin(queue) if marked else take(queue))
        before = (await stored(queue, job)).to_dict()
        await late.update(progress=0.9, meta={"late": True})
        await late.finish(Status.FAILED, error="late")
        await late.retry("late")
        assert (await stored(queue, job)).to_dict() == before
        assert await counts(queue) == (0, 1, 1)
        await current.finish(Status.COMPLETE)
        assert (await stored(queue, job)).status is Status.COMPLETE

    async def test_the_first_end_stays(self, queue: Queue) -> None:
        job = await put(queue)
        run = await begin(queue)
        await run.finish(Status.COMPLETE, result=1)
        await run.finish(Status.FAILED, error="second")
        await job.finish(Status.ABORTED, error="third")
        await run.update(progress=0.1, status=Status.ACTIVE)
        await run.retry("once more")
        await queue.abort(job, "too late")
        found = await stored(queue, job)
        assert (found.status, found.result, found.error, found.progress) == (Status.COMPLETE, 1, None, 1.0)
        assert await counts(queue) == (0, 0, 0)

    async def test_a_forgotten_job_does_not_come_back(self, queue: Queue) -> None:
        await put(queue, ttl=-1, key="one")
        run = await begin(queue)
        await run.finish(Status.COMPLETE)
        await run.update(progress=0.5)
        await run.retry("late")
        await run.finish(Status.FAILED)
        assert await queue.job("one") is None
        assert await counts(queue) == (0, 0, 0)

    async def test_a_handle_of_an_earlier_life_of_the_key_changes_nothing(self, queue: Queue) -> None:
        former = await put(queue, key="one")
        run = await begin(queue)
        await run.finish(Status.COMPLETE)
        again = await put(queue, key="one", a=1)
        for stale in (former, run):
            await stale.update(progress=0.5)
            await stale.retry("late")
            await stale.finish(Status.FAILED)
        found = await stored(queue, again)
        assert (found.status, found.kwargs, found.progress) == (Status.QUEUED, {"a": 1}, 0.0)
        assert await counts(queue) == (1, 0, 1)

    async def test_handles_that_were_written_down_are_told_apart_by_their_attempts(self, queue: Queue) -> None:
        job = await put(queue)
        late = _written_down(queue, await begin(queue))
        await queue.retry(job, "given to somebody else")
        await late.finish(Status.FAILED)
        assert (await stored(queue, job)).status is Status.QUEUED
        current = _written_down(queue, await begin(queue))
        await late.update(progress=0.5)
        await late.retry("late")
        await late.finish(Status.FAILED)
        assert (await stored(queue, job)).status is Status.ACTIVE
        await current.finish(Status.COMPLETE)
        assert (await stored(queue, job)).status is Status.COMPLETE

    async def test_a_run_that_was_written_down_before_its_mark_and_lost_its_job_does_not_mark_it(
        self, queue: Queue
    ) -> None:
        job = await put(queue)
        late = _written_down(queue, await take(queue))
        await queue.retry(job, "given to somebody else")
        late.attempts += 1
        await late.update(status=Status.ACTIVE)
        found = await stored(queue, job)
        assert (found.status, found.attempts) == (Status.QUEUED, 0)

    async def test_who_never_ran_it_does_not_reset_the_run(self, queue: Queue) -> None:
        job = await put(queue, retries=2)
        run = await begin(queue)
        job.meta["note"] = "from outside"
        await job.update()
        found = await stored(queue, job)
        assert (found.attempts, found.started, found.worker_id) == (1, run.started, "w")
        assert (found.status, found.meta) == (Status.ACTIVE, {"note": "from outside"})
        await job.retry("from outside")
        assert (await stored(queue, job)).attempts == 1

    async def test_a_job_retried_after_its_schedule_is_queued_once(self, queue: Queue) -> None:
        await put(queue, scheduled=1, retries=2)
        await queue.schedule(0)
        run = await begin(queue)
        assert await queue.schedule(0) == []
        await run.retry("again")
        assert await queue.schedule(0) == []
        assert await counts(queue) == (1, 0, 1)


class TestWhatRunsDo:
    async def test_a_run_that_changes_its_arguments_changes_no_later_run(self, queue: Queue) -> None:
        seen: list[list[int]] = []
        done = asyncio.Event()

        async def greedy(_ctx: Ctx, *, items: list[int]) -> None:
            seen.append(list(items))
            items.append(99)
            if len(seen) == 1:
                raise ValueError("again")
            done.set()

        job = await put(queue, "greedy", items=[1], retries=2)
        async with working(queue, greedy):
            await done.wait()
        assert seen == [[1], [1]]
        assert (await stored(queue, job)).kwargs == {"items": [1]}

    async def test_a_result_that_cannot_be_kept_is_a_failure_to_be_retried(self, queue: Queue) -> None:
        runs: list[int] = []
        done = asyncio.Event()

        async def odd(_ctx: Ctx) -> object:
            runs.append(1)
            if len(runs) == 1:
                return object()
            done.set()
            return "fine"

        job = await put(queue, "odd", retries=2)
        async with working(queue, odd):
            await asyncio.wait_for(done.wait(), 5)
        assert (await stored(queue, job)).result == "fine"


def _written_down(queue: Queue, job: Job) -> Job:
    """The handle as it is at the other end of a wire."""
    twin = queue.deserialize(queue.serialize(job))  # pyright: ignore[reportUnknownMemberType]
    assert twin is not None
    return twin
