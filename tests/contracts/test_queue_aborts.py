"""Aborting and sweeping against everything that may happen at the same moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from saq.job import Status

from tests.contracts.conftest import SAFE_QUEUES, wait_until, working
from tests.contracts.test_queue import begin, counts, put, stored, stuck, take
from tests.contracts.test_queue_worker import Ctx, Hanging, is_now

if TYPE_CHECKING:
    from saq.queue.base import Queue

pytestmark = pytest.mark.parametrize("make_queue", SAFE_QUEUES, indirect=True)


class TestAbort:
    async def test_a_job_aborted_between_its_taking_and_its_marking_stays_aborting(self, queue: Queue) -> None:
        job = await put(queue)
        run = await take(queue)
        await queue.abort(job, "unwanted")
        run.attempts += 1
        await run.update(status=Status.ACTIVE)
        found = await stored(queue, job)
        assert (found.status, found.error, found.attempts) == (Status.ABORTING, "unwanted", 1)
        assert await counts(queue) == (0, 0, 0)

    async def test_an_aborted_run_that_fails_is_not_tried_again(self, queue: Queue) -> None:
        job = await put(queue, retries=5)
        run = await begin(queue)
        await queue.abort(job, "unwanted")
        await run.retry("it broke too")
        found = await stored(queue, job)
        assert (found.status, found.error) == (Status.ABORTED, "unwanted")
        assert run.status is Status.ABORTED
        assert await counts(queue) == (0, 0, 0)

    async def test_a_run_that_ends_before_it_notices_the_abort_keeps_its_end(self, queue: Queue) -> None:
        job = await put(queue, key="one")
        run = await begin(queue)
        await queue.abort(job, "unwanted")
        await run.finish(Status.COMPLETE, result=1)
        found = await stored(queue, job)
        assert (found.status, found.result) == (Status.COMPLETE, 1)
        await put(queue, key="one")

    async def test_an_abort_of_what_has_ended_changes_nothing(self, queue: Queue) -> None:
        job = await put(queue)
        await (await begin(queue)).finish(Status.COMPLETE, result=1)
        await job.refresh()
        await queue.abort(job, "too late")
        assert (job.status, job.error, queue.aborted) == (Status.COMPLETE, None, 0)
        assert (await stored(queue, job)).to_dict() == job.to_dict()

    async def test_a_beat_of_an_aborted_run_keeps_the_reason(self, queue: Queue) -> None:
        job = await put(queue)
        run = await begin(queue)
        await queue.abort(job, "unwanted")
        await run.update(progress=0.5)
        found = await stored(queue, job)
        assert (found.status, found.error, found.progress) == (Status.ABORTING, "unwanted", 0.5)

    async def test_a_scheduled_or_paused_job_ends_at_once_and_never_runs(self, queue: Queue) -> None:
        scheduled, paused = await put(queue, scheduled=1), await put(queue, retries=2, retry_delay=0.001)
        await (await take(queue)).retry("later")
        for job in (scheduled, paused):
            await queue.abort(job, "unwanted")
            assert (await stored(queue, job)).status is Status.ABORTED
        await asyncio.sleep(0.002)
        assert await queue.schedule() == []
        assert await counts(queue) == (0, 0, 0)

    async def test_the_others_keep_their_order(self, queue: Queue) -> None:
        jobs = [await put(queue) for _ in range(5)]
        await queue.abort(jobs[0], "unwanted")
        await queue.abort(jobs[2], "unwanted")
        assert [await take(queue) for _ in range(3)] == [jobs[1], jobs[3], jobs[4]]

    async def test_a_waiting_job_told_to_abort_by_an_update_never_runs(self, queue: Queue) -> None:
        job, other = await put(queue), await put(queue)
        await job.update(status=Status.ABORTING)
        assert await take(queue) == other
        assert (await stored(queue, job)).status is Status.ABORTED

    async def test_a_finished_abort_comes_too_late_for_the_next_life(self, queue: Queue) -> None:
        job = await put(queue, key="one")
        run = await begin(queue)
        await queue.abort(job, "unwanted")
        seen = await stored(queue, job)
        await run.finish(Status.ABORTED, error="unwanted")
        again = await put(queue, key="one")
        await queue.finish_abort(seen)
        assert (await stored(queue, again)).status is Status.QUEUED

    async def test_of_many_running_jobs_only_the_aborted_stop(self, queue: Queue) -> None:
        let_go, began = asyncio.Event(), asyncio.Semaphore(0)

        async def work(_ctx: Ctx) -> str:
            began.release()
            await let_go.wait()
            return "done"

        jobs = [await put(queue, "work", timeout=0) for _ in range(10)]
        async with working(queue, work) as worker:
            for _ in jobs:
                await began.acquire()
            for job in jobs[::2]:
                await queue.abort(job, "unwanted")
            await worker.abort(0)
            let_go.set()
            for job in jobs[1::2]:
                await wait_until(is_now(queue, job, Status.COMPLETE))
        statuses = [job.status for job in await queue.jobs(job.key for job in jobs) if job]
        assert statuses == [Status.ABORTED, Status.COMPLETE] * 5


class TestSweep:
    async def test_a_job_that_ends_while_it_is_swept_is_not_run_again(self, queue: Queue) -> None:
        job, run = await stuck(queue)
        sweeping = asyncio.create_task(queue.sweep(abort=5))
        await asyncio.sleep(0)
        assert (await stored(queue, job)).status is Status.ABORTING
        await run.finish(Status.COMPLETE, result="just in time")
        assert await sweeping == [job.id]
        found = await stored(queue, job)
        assert (found.status, found.result) == (Status.COMPLETE, "just in time")
        assert await counts(queue) == (0, 0, 0)

    @pytest.mark.parametrize("ttl", [600, -1])
    async def test_a_job_that_obeys_the_sweep_is_tried_again(self, queue: Queue, ttl: int) -> None:
        job, run = await stuck(queue, ttl=ttl)
        sweeping = asyncio.create_task(queue.sweep(abort=5))
        await asyncio.sleep(0)
        await run.finish(Status.ABORTED, error="swept")
        assert await sweeping == [job.id]
        assert await counts(queue) == (1, 0, 1)
        again = await begin(queue)
        assert (again.key, again.attempts) == (job.key, 2)

    async def test_a_job_without_attempts_left_ends(self, queue: Queue) -> None:
        job, _ = await stuck(queue, retries=1)
        assert await queue.sweep(abort=0.01) == [job.id]
        found = await stored(queue, job)
        assert (found.status, found.error) == (Status.ABORTED, queue.swept_error_message)
        assert await counts(queue) == (0, 0, 0)

    async def test_a_run_that_wakes_after_the_sweep_finds_its_job_gone(self, queue: Queue) -> None:
        job, run = await stuck(queue)
        await queue.sweep(abort=0.01)
        seen = await stored(queue, job)
        assert seen.status is Status.QUEUED
        await run.update(progress=0.9)
        await run.finish(Status.COMPLETE)
        await run.retry("late")
        assert (await stored(queue, job)).to_dict() == seen.to_dict()
        assert await counts(queue) == (1, 0, 1)

    async def test_a_worker_that_obeys_too_late_does_not_end_the_next_attempt(self, queue: Queue) -> None:
        job, _ = await stuck(queue)
        sweeping = asyncio.create_task(queue.sweep(abort=0.01))
        await asyncio.sleep(0)
        seen = await stored(queue, job)
        await sweeping
        await queue.finish_abort(seen)
        assert (await stored(queue, job)).status is Status.QUEUED

    async def test_an_abort_by_somebody_is_not_undone_by_sweep(self, queue: Queue) -> None:
        job, _ = await stuck(queue, retries=9)
        await queue.abort(job, "unwanted")
        assert await queue.sweep(abort=0.01) == [job.id]
        found = await stored(queue, job)
        assert (found.status, found.error) == (Status.ABORTED, "unwanted")
        assert (queue.retried, queue.aborted) == (0, 1)
        assert await counts(queue) == (0, 0, 0)

    async def test_an_abort_by_somebody_during_the_sweep_wins(self, queue: Queue) -> None:
        job, run = await stuck(queue, retries=9)
        sweeping = asyncio.create_task(queue.sweep(abort=5))
        await asyncio.sleep(0)
        await queue.abort(job, "unwanted")
        await run.finish(Status.ABORTED, error="unwanted")
        await sweeping
        assert (await stored(queue, job)).status is Status.ABORTED
        assert await counts(queue) == (0, 0, 0)

    async def test_a_key_with_a_new_life_is_left_alone(self, queue: Queue) -> None:
        job, run = await stuck(queue, ttl=-1)
        sweeping = asyncio.create_task(queue.sweep(abort=5))
        await asyncio.sleep(0)
        await run.finish(Status.ABORTED, error="swept")
        again = await put(queue, key=job.key, a=1)
        await sweeping
        assert (await stored(queue, again)).kwargs == {"a": 1}
        assert await counts(queue) == (1, 0, 1)

    async def test_many_stuck_jobs_are_waited_for_together(self, queue: Queue) -> None:
        for _ in range(50):
            await stuck(queue)
        swept = await asyncio.wait_for(queue.sweep(abort=0.05), 2)
        assert len(swept) == 50
        assert await counts(queue) == (50, 0, 50)

    async def test_a_silent_job_is_stopped_by_a_worker_that_sweeps_and_tried_again(self, queue: Queue) -> None:
        hanging = Hanging()
        job = await put(queue, "hang", timeout=0, heartbeat=1, retries=2)
        async with working(queue, hanging.hang, timers={"schedule": 1, "worker_info": 10, "sweep": 1, "abort": 1}):
            await wait_until(is_now(queue, job, Status.ABORTED), 15)
        assert hanging.runs == 2
        assert await counts(queue) == (0, 0, 0)
