"""SAQ's own worker on every queue: what it runs, retries, aborts, gives back and sweeps."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from saq.job import Job, Status
from saq.queue.base import JobError

from tests.contracts.conftest import QuietWorker, wait_until, working
from tests.contracts.test_queue import counts, put, stored

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from saq.queue.base import Queue

Ctx = dict[str, Any]


async def add(_ctx: Ctx, *, a: int, b: int = 0) -> int:
    return a + b


async def broken(_ctx: Ctx) -> None:
    raise ValueError("broken on purpose")


def blocking(_ctx: Ctx, *, a: int) -> int:
    return a


class Hanging:
    """A job function that says when it has begun, and then waits for ever."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.stopped = asyncio.Event()
        self.runs = 0

    async def hang(self, _ctx: Ctx) -> None:
        self.runs += 1
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()


def is_now(queue: Queue, job: Job, status: Status) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        found = await queue.job(job.key)
        return found is not None and found.status is status

    return check


async def test_a_job_runs_and_its_result_is_kept(queue: Queue) -> None:
    async with working(queue, add, blocking) as worker:
        job, other = await put(queue, "add", a=2, b=3), await put(queue, "blocking", a=7)
        await wait_until(is_now(queue, job, Status.COMPLETE))
        await wait_until(is_now(queue, other, Status.COMPLETE))
    await job.refresh()
    assert (job.result, job.attempts, job.progress, job.worker_id) == (5, 1, 1.0, worker.id)
    assert job.queued <= job.started <= job.completed
    assert (await stored(queue, other)).result == 7


async def test_apply_and_map_bring_results_and_errors(queue: Queue) -> None:
    async with working(queue, add, broken):
        assert await queue.apply("add", a=1, b=1, poll_interval=0.02, timeout=5) == 2
        assert await queue.map("add", [{"a": 1}, {"a": 2}], poll_interval=0.02, timeout=5) == [1, 2]
        assert await queue.apply("add", a=1, ttl=-1, poll_interval=0.02, timeout=5) is None
        with pytest.raises(JobError, match="broken on purpose"):
            await queue.apply("broken", poll_interval=0.02, timeout=5)


async def test_a_job_that_raises_is_retried_and_then_fails(queue: Queue) -> None:
    statuses: list[Status] = []

    async def settled(ctx: Ctx) -> None:
        statuses.append(ctx["job"].status)

    job = await put(queue, "broken", retries=2)
    async with working(queue, broken, after_process=settled):
        await wait_until(is_now(queue, job, Status.FAILED))
    found = await stored(queue, job)
    assert found.attempts == 2
    assert found.error is not None
    assert "broken on purpose" in found.error
    assert statuses == [Status.QUEUED, Status.FAILED]


async def test_a_job_that_takes_too_long_is_stopped_and_fails(queue: Queue) -> None:
    hanging = Hanging()
    job = await put(queue, "hang", timeout=0.05)
    async with working(queue, hanging.hang):
        await wait_until(is_now(queue, job, Status.FAILED))
    assert hanging.stopped.is_set()
    assert await counts(queue) == (0, 0, 0)


async def test_a_running_job_is_aborted(queue: Queue) -> None:
    hanging = Hanging()
    statuses: list[Status] = []

    async def settled(ctx: Ctx) -> None:
        statuses.append(ctx["job"].status)

    job = await put(queue, "hang", key="one")
    async with working(queue, hanging.hang, after_process=settled) as worker:
        await hanging.begun.wait()
        await queue.abort(job, "unwanted")
        assert await queue.enqueue("hang", key="one") is None
        await worker.abort(0)
        await wait_until(is_now(queue, job, Status.ABORTED))
        await hanging.stopped.wait()
        assert await counts(queue) == (0, 0, 0)
    assert (await stored(queue, job)).error == "unwanted"
    assert statuses == [Status.ABORTED]
    assert hanging.runs == 1


async def test_a_worker_that_stops_gives_its_jobs_back(queue: Queue) -> None:
    hanging = Hanging()
    job = await put(queue, "hang", timeout=0)
    async with working(queue, hanging.hang, concurrency=1):
        await hanging.begun.wait()
        assert (await stored(queue, job)).status is Status.ACTIVE
    found = await stored(queue, job)
    assert (found.status, found.error, found.attempts, found.started) == (Status.QUEUED, "cancelled", 1, 0)
    assert await counts(queue) == (1, 0, 1)
    hanging.begun.clear()
    async with working(queue, hanging.hang, concurrency=1):
        await hanging.begun.wait()
    assert hanging.runs == 2


async def test_a_scheduled_job_runs_when_it_is_due(queue: Queue) -> None:
    job = await put(queue, "add", a=1, scheduled=int(time.time()) - 1)
    async with working(queue, add):
        await wait_until(is_now(queue, job, Status.COMPLETE))


async def test_a_job_may_enqueue_another(queue: Queue) -> None:
    async def chain(_ctx: Ctx, *, left: int) -> None:
        if left:
            await queue.enqueue("chain", key=f"link-{left - 1}", left=left - 1)

    await put(queue, "chain", key="link-5", left=5)
    async with working(queue, chain, concurrency=1):

        async def last() -> bool:
            found = await queue.job("link-0")
            return found is not None and found.status is Status.COMPLETE

        await wait_until(last)


async def test_many_workers_run_each_of_many_jobs_once(queue: Queue) -> None:
    ran: list[int] = []

    async def count(_ctx: Ctx, *, n: int) -> None:
        ran.append(n)
        await asyncio.sleep(0)

    async with working(queue, count), working(queue, count), working(queue, count):
        for n in range(1500):
            await put(queue, "count", n=n, ttl=-1)

        async def all_done() -> bool:
            return await queue.count("incomplete") == 0

        await wait_until(all_done, 20)
    assert sorted(ran) == list(range(1500))


async def test_a_worker_in_burst_mode_ends_when_nothing_is_left(queue: Queue) -> None:
    jobs = [await put(queue, "add", a=n) for n in range(3)]
    await queue.sweep(60)
    worker = QuietWorker(queue, functions=[("add", add)], burst=True, dequeue_timeout=0.05, concurrency=2)
    await asyncio.wait_for(worker.start(), 10)
    assert [found.result for found in await queue.jobs(job.key for job in jobs) if found] == [0, 1, 2]
