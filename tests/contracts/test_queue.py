"""What every SAQ queue does, whichever backend carries it: enqueue, dequeue, finish, retry, schedule, abort, look, listen.

Races that SAQ's own backends lose are in `test_queue_races.py`, SAQ's worker at work in `test_queue_worker.py`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from saq.job import Job, Status

from tests.contracts.conftest import wait_until

if TYPE_CHECKING:
    from saq.queue.base import Queue

    from tests.contracts.conftest import MakeQueue


async def put(queue: Queue, function: str = "work", **options: object) -> Job:
    job = await queue.enqueue(function, **options)
    assert job is not None
    return job


async def take(queue: Queue) -> Job:
    job = await queue.dequeue(timeout=5)
    assert job is not None
    return job


async def begin(queue: Queue) -> Job:
    """Take a job and mark it as SAQ's worker does."""
    job = await take(queue)
    job.started = int(time.time() * 1000)
    job.attempts += 1
    job.worker_id = "w"
    await job.update(status=Status.ACTIVE)
    return job


async def stuck(queue: Queue, *, retries: int = 2, ttl: int = 600) -> tuple[Job, Job]:
    """A job whose run began in 1970 and may take a second: the caller's handle, and the run's."""
    job = await put(queue, timeout=1, retries=retries, ttl=ttl)
    run = await begin(queue)
    run.started = 1000
    await run.update()
    return job, run


async def stored(queue: Queue, job: Job) -> Job:
    found = await queue.job(job.key)
    assert found is not None
    return found


async def counts(queue: Queue) -> tuple[int, int, int]:
    """How many are queued, active and incomplete."""
    return await queue.count("queued"), await queue.count("active"), await queue.count("incomplete")


class TestEnqueue:
    async def test_an_accepted_job_waits_and_can_be_looked_up(self, queue: Queue) -> None:
        job = await put(queue, a=1, timeout=7, meta={"of": "x"})
        assert job.status is Status.QUEUED
        found = await stored(queue, job)
        assert (found.kwargs, found.timeout, found.meta, found.status) == ({"a": 1}, 7, {"of": "x"}, Status.QUEUED)
        assert found.queued > 0
        assert await counts(queue) == (1, 0, 1)

    async def test_a_key_is_refused_while_it_is_queued_active_or_scheduled(self, queue: Queue) -> None:
        await put(queue, key="one")
        assert await queue.enqueue("work", key="one") is None
        await take(queue)
        assert await queue.enqueue("work", key="one") is None
        await put(queue, key="two", scheduled=int(time.time()) + 60)
        assert await queue.enqueue("work", key="two") is None
        assert await counts(queue) == (0, 1, 2)

    @pytest.mark.parametrize("end", [Status.COMPLETE, Status.FAILED, Status.ABORTED])
    async def test_a_key_is_free_again_once_its_job_has_ended(self, queue: Queue, end: Status) -> None:
        await put(queue, key="one")
        await (await take(queue)).finish(end)
        again = await put(queue, key="one")
        assert (await stored(queue, again)).status is Status.QUEUED
        assert await take(queue) == again

    async def test_a_job_of_another_queue_is_refused(self, make_queue: MakeQueue) -> None:
        mine, other = await make_queue("mine"), await make_queue("other")
        job = await put(mine)
        with pytest.raises(ValueError, match="different queue"):
            await other.enqueue(job)

    async def test_queues_of_different_names_share_nothing(self, make_queue: MakeQueue) -> None:
        mine, other = await make_queue("mine"), await make_queue("other")
        job = await put(mine, key="one")
        await put(other, key="one")
        assert await take(mine) == job
        assert await counts(other) == (1, 0, 1)

    async def test_what_is_done_to_the_handle_later_does_not_reach_the_job(self, queue: Queue) -> None:
        picked = ["a"]
        job = await put(queue, picked=picked, meta={"n": 1})
        picked.append("b")
        job.meta["n"] = 2
        taken = await take(queue)
        assert (taken.kwargs, taken.meta) == ({"picked": ["a"]}, {"n": 1})

    async def test_what_cannot_be_serialised_is_refused_whole(self, queue: Queue) -> None:
        with pytest.raises(TypeError):
            await queue.enqueue("work", key="one", thing=object())
        assert await counts(queue) == (0, 0, 0)
        await put(queue, key="one")

    async def test_a_callback_sees_each_job_before_it_is_stored(self, queue: Queue) -> None:
        seen: list[str] = []

        async def note(job: Job) -> None:
            seen.append(job.key)
            job.meta["noted"] = True

        queue.register_before_enqueue(note)
        job = await put(queue)
        queue.unregister_before_enqueue(note)
        await put(queue)
        assert seen == [job.key]
        assert (await stored(queue, job)).meta == {"noted": True}


class TestDequeue:
    async def test_first_in_first_out(self, queue: Queue) -> None:
        put_in = [await put(queue) for _ in range(20)]
        assert [await take(queue) for _ in range(20)] == put_in
        assert await counts(queue) == (0, 20, 20)

    async def test_an_empty_queue_gives_nothing_when_the_time_is_over(self, queue: Queue) -> None:
        assert await queue.dequeue(timeout=0.05) is None
        assert await queue.dequeue(timeout=0.05, poll_interval=0.01) is None

    async def test_without_a_timeout_it_waits_for_a_job(self, queue: Queue) -> None:
        waiting = asyncio.create_task(queue.dequeue())
        await asyncio.sleep(0)
        job = await put(queue)
        assert await asyncio.wait_for(waiting, 5) == job
        assert await counts(queue) == (0, 1, 1)

    async def test_one_job_goes_to_one_of_those_who_wait(self, queue: Queue) -> None:
        waiting = [asyncio.create_task(queue.dequeue(timeout=0.3)) for _ in range(3)]
        await asyncio.sleep(0)
        job = await put(queue)
        assert [got for got in await asyncio.gather(*waiting) if got] == [job]
        assert await counts(queue) == (0, 1, 1)

    async def test_many_jobs_reach_many_takers_each_once(self, queue: Queue) -> None:
        waiting = [asyncio.create_task(queue.dequeue(timeout=5)) for _ in range(50)]
        put_in = await asyncio.gather(*(put(queue) for _ in range(50)))
        got = await asyncio.gather(*waiting)
        assert sorted(job.key for job in got if job) == sorted(job.key for job in put_in)

    async def test_a_taker_has_a_handle_of_its_own(self, queue: Queue) -> None:
        job = await put(queue, items=[1])
        taken = await take(queue)
        assert taken == job
        assert taken is not job
        assert taken.kwargs is not None
        taken.kwargs["items"].append(2)
        assert (await stored(queue, job)).kwargs == {"items": [1]}
        assert job.kwargs == {"items": [1]}


class TestFinish:
    @pytest.mark.parametrize(
        ("status", "result", "error"),
        [(Status.COMPLETE, {"a": [1]}, None), (Status.FAILED, None, "it broke"), (Status.ABORTED, None, "unwanted")],
    )
    async def test_the_end_is_kept(self, queue: Queue, status: Status, result: object, error: str | None) -> None:
        job = await put(queue)
        await (await take(queue)).finish(status, result=result, error=error)
        found = await stored(queue, job)
        assert (found.status, found.result, found.error) == (status, result, error)
        assert found.completed > 0
        assert await counts(queue) == (0, 0, 0)

    async def test_the_caller_of_enqueue_may_finish_too(self, queue: Queue) -> None:
        job = await put(queue)
        await take(queue)
        await job.finish(Status.COMPLETE, result=1)
        assert (await stored(queue, job)).result == 1
        assert await counts(queue) == (0, 0, 0)

    async def test_ttl_below_zero_keeps_nothing(self, queue: Queue) -> None:
        job = await put(queue, ttl=-1)
        await (await take(queue)).finish(Status.COMPLETE)
        assert await queue.job(job.key) is None
        with pytest.raises(RuntimeError):
            await job.refresh()

    async def test_ttl_counts_from_the_end_and_zero_means_for_ever(self, queue: Queue) -> None:
        short, endless = await put(queue, ttl=1), await put(queue, ttl=0)
        for _ in range(2):
            await (await take(queue)).finish(Status.COMPLETE)
        assert (await stored(queue, short)).status is Status.COMPLETE

        async def gone() -> bool:
            return await queue.job(short.key) is None

        await wait_until(gone)
        assert (await stored(queue, endless)).status is Status.COMPLETE

    async def test_a_result_that_cannot_be_serialised_leaves_the_job_running(self, queue: Queue) -> None:
        job = await put(queue)
        taken = await take(queue)
        with pytest.raises(TypeError):
            await taken.finish(Status.COMPLETE, result=object())
        assert await counts(queue) == (0, 1, 1)
        await taken.finish(Status.FAILED, error="no such result")
        assert (await stored(queue, job)).status is Status.FAILED


class TestRetry:
    async def test_a_retried_job_waits_again_behind_the_others(self, queue: Queue) -> None:
        job, other = await put(queue, retries=2), await put(queue)
        taken = await take(queue)
        taken.attempts += 1
        await taken.retry("try again")
        found = await stored(queue, job)
        assert (found.status, found.error, found.attempts, found.started) == (Status.QUEUED, "try again", 1, 0)
        assert await counts(queue) == (2, 0, 2)
        assert [await take(queue), await take(queue)] == [other, job]
        assert queue.retried == 1

    async def test_a_pause_holds_it_back_until_it_is_scheduled(self, queue: Queue) -> None:
        job = await put(queue, retries=2, retry_delay=0.2)
        await (await take(queue)).retry("later")
        assert await counts(queue) == (0, 0, 1)
        assert (await stored(queue, job)).status is Status.QUEUED

        async def ready() -> int:
            await queue.schedule(1)
            return await queue.count("queued")

        await wait_until(ready)
        assert await take(queue) == job

    async def test_who_looked_a_finished_job_up_may_have_it_run_again(self, queue: Queue) -> None:
        job = await put(queue)
        await (await take(queue)).finish(Status.FAILED, error="broke")
        await (await stored(queue, job)).retry("asked for")
        assert await counts(queue) == (1, 0, 1)
        assert await take(queue) == job


class TestSchedule:
    async def test_nothing_runs_before_its_time(self, queue: Queue) -> None:
        await put(queue, scheduled=int(time.time()) + 60)
        assert await counts(queue) == (0, 0, 1)
        assert await queue.schedule() == []
        assert await counts(queue) == (0, 0, 1)

    async def test_what_is_due_becomes_ready_in_the_order_of_time(self, queue: Queue) -> None:
        now = int(time.time())
        late, early, never = [await put(queue, scheduled=at) for at in (now - 1, now - 5, now + 60)]
        assert await queue.schedule() == [early.id, late.id]
        assert await counts(queue) == (2, 0, 3)
        assert [await take(queue), await take(queue)] == [early, late]
        assert (await stored(queue, never)).status is Status.QUEUED

    async def test_only_one_of_many_workers_schedules_at_a_time(self, queue: Queue) -> None:
        await put(queue, scheduled=1)
        assert len(await queue.schedule(60)) == 1
        await put(queue, scheduled=1)
        assert await queue.schedule(60) == []

    async def test_what_becomes_ready_wakes_who_waits(self, queue: Queue) -> None:
        job = await put(queue, scheduled=1)
        waiting = asyncio.create_task(queue.dequeue())
        await asyncio.sleep(0)
        await queue.schedule()
        assert await asyncio.wait_for(waiting, 5) == job


class TestAbort:
    async def test_a_waiting_job_ends_at_once(self, queue: Queue) -> None:
        job = await put(queue)
        await queue.abort(job, "unwanted")
        assert job.status is Status.ABORTED
        found = await stored(queue, job)
        assert (found.status, found.error) == (Status.ABORTED, "unwanted")
        assert await counts(queue) == (0, 0, 0)
        assert await queue.dequeue(timeout=0.05) is None
        assert queue.aborted == 1

    async def test_a_running_job_is_asked_to_stop_and_its_key_is_refused_meanwhile(self, queue: Queue) -> None:
        job = await put(queue, key="one")
        await take(queue)
        await queue.abort(job, "unwanted")
        found = await stored(queue, job)
        assert (found.status, found.error) == (Status.ABORTING, "unwanted")
        assert await counts(queue) == (0, 0, 0)
        assert await queue.enqueue("work", key="one") is None

        await queue.finish_abort(found)
        assert (await stored(queue, job)).status is Status.ABORTED
        await put(queue, key="one")

    async def test_the_key_of_a_job_that_never_answers_is_free_after_a_while(self, queue: Queue) -> None:
        job = await put(queue, key="one")
        await take(queue)
        await queue.abort(job, "unwanted", ttl=1)

        async def taken_again() -> Job | None:
            return await queue.enqueue("work", key="one")

        await wait_until(taken_again)

    async def test_an_abort_may_come_before_the_enqueue(self, queue: Queue) -> None:
        await queue.abort(Job("work", key="one", queue=queue), "unwanted")
        assert await queue.enqueue("work", key="one") is None

    async def test_a_batch_that_fails_takes_its_jobs_back(self, queue: Queue) -> None:
        jobs: list[Job] = []

        async def submit() -> None:
            async with queue.batch():
                jobs.extend([await put(queue), await put(queue)])
                raise LookupError

        with pytest.raises(LookupError):
            await submit()
        assert [job.status for job in jobs] == [Status.ABORTED, Status.ABORTED]
        assert await counts(queue) == (0, 0, 0)


class TestSweep:
    async def test_a_stuck_job_is_tried_again_while_it_has_attempts_left(self, queue: Queue) -> None:
        again, last = (await stuck(queue, retries=2))[0], (await stuck(queue, retries=1))[0]
        assert sorted(await queue.sweep(abort=0.01)) == sorted([again.id, last.id])
        found = await stored(queue, again)
        assert (found.status, found.error, found.attempts) == (Status.QUEUED, queue.swept_error_message, 1)
        assert (await stored(queue, last)).status is Status.ABORTED
        assert await counts(queue) == (1, 0, 1)

    async def test_healthy_waiting_and_ended_jobs_are_left_alone(self, queue: Queue) -> None:
        ended, run = await stuck(queue)
        await run.finish(Status.COMPLETE)
        for timeout, heartbeat in ((0, 0), (60, 60)):
            await put(queue, timeout=timeout, heartbeat=heartbeat)
            await begin(queue)
        await put(queue, timeout=1)
        assert await queue.sweep(abort=0.01) == []
        assert await counts(queue) == (1, 2, 3)
        assert (await stored(queue, ended)).status is Status.COMPLETE

    async def test_only_one_of_many_workers_sweeps_at_a_time(self, queue: Queue) -> None:
        assert await queue.sweep(60) == []
        await stuck(queue)
        assert await queue.sweep(60) == []
        assert await counts(queue) == (0, 1, 1)
