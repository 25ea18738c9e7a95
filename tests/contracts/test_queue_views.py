"""What every SAQ queue shows: updates, news, pages, counts and workers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import pytest
from saq.job import Job, Status

from tests.contracts.conftest import wait_until
from tests.contracts.test_queue import put, stored, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saq.queue.base import Queue
    from saq.types import CountKind


class TestUpdate:
    async def test_an_update_is_kept_and_the_status_stays(self, queue: Queue) -> None:
        job = await put(queue)
        taken = await take(queue)
        await taken.update(status=Status.ACTIVE)
        taken.meta["seen"] = 3
        await taken.update(progress=0.5)
        found = await stored(queue, job)
        assert (found.progress, found.meta, found.status) == (0.5, {"seen": 3}, Status.ACTIVE)
        assert found.touched > 0

    async def test_a_waiting_job_can_be_changed(self, queue: Queue) -> None:
        job = await put(queue, a=1)
        job.kwargs = {"a": 2}
        await job.update()
        assert (await take(queue)).kwargs == {"a": 2}


class TestListen:
    async def test_a_listener_hears_each_change_until_it_has_had_enough(self, queue: Queue) -> None:
        job = await put(queue)
        heard: list[tuple[str, Status]] = []

        def enough(key: str, status: Status) -> bool:
            heard.append((key, status))
            return status is Status.COMPLETE

        listening = asyncio.create_task(queue.listen([job.key], enough, timeout=5))
        await _begun(job, heard)
        taken = await take(queue)
        await taken.update(status=Status.ACTIVE)
        await taken.retry("again")
        await (await take(queue)).finish(Status.COMPLETE)
        await listening
        assert heard[-3:] == [(job.key, status) for status in (Status.ACTIVE, Status.QUEUED, Status.COMPLETE)]

    async def test_the_callback_may_be_a_coroutine(self, queue: Queue) -> None:
        job = await put(queue)
        heard: list[object] = []

        async def first(_key: str, status: Status) -> bool:
            heard.append(status)
            return True

        listening = asyncio.create_task(queue.listen([job.key], first, timeout=5))
        await _begun(job, heard)
        await listening

    async def test_silence_is_a_timeout(self, queue: Queue) -> None:
        job = await put(queue)
        with pytest.raises(TimeoutError):
            await queue.listen([job.key], lambda _key, _status: True, timeout=0.05)

    async def test_listening_to_nothing_ends(self, queue: Queue) -> None:
        await queue.listen([], lambda _key, _status: True, timeout=5)


class TestLooking:
    async def test_many_jobs_are_looked_up_in_the_order_asked_for(self, queue: Queue) -> None:
        one, two = await put(queue), await put(queue)
        assert await queue.jobs(key for key in [two.key, "unknown", one.key]) == [two, None, one]

    async def test_all_jobs_of_some_statuses_can_be_walked(self, queue: Queue) -> None:
        jobs = [await put(queue, ttl=0) for _ in range(25)]
        ended = [await take(queue) for _ in range(10)]
        for job in ended:
            await job.finish(Status.COMPLETE)
        keys = [job.key async for job in queue.iter_jobs(batch_size=7)]
        assert sorted(keys) == sorted(job.key for job in jobs)
        found = [job async for job in queue.iter_jobs([Status.COMPLETE], batch_size=3)]
        assert sorted(job.key for job in found) == sorted(job.key for job in ended)
        assert {job.status for job in found} == {Status.COMPLETE}

    async def test_an_unknown_count_is_an_error(self, queue: Queue) -> None:
        with pytest.raises(ValueError, match="count"):
            await queue.count(cast("CountKind", "nonsense"))

    async def test_info_counts_and_pages(self, queue: Queue) -> None:
        assert (await queue.info(jobs=True))["jobs"] == []
        active, waiting = await put(queue, n=1), await put(queue, n=2)
        later = await put(queue, scheduled=int(time.time()) + 60)
        await take(queue)
        info = await queue.info(jobs=True)
        assert (info["name"], info["queued"], info["active"], info["scheduled"]) == ("default", 1, 1, 1)
        assert {job["key"] for job in info["jobs"]} == {active.key, waiting.key, later.key}
        assert (await queue.info())["jobs"] == []

    async def test_ids_and_keys_belong_together(self, queue: Queue) -> None:
        job = await put(queue, key="a:b")
        assert job.id == queue.job_id("a:b")

    async def test_workers_are_shown_until_they_fall_silent(self, queue: Queue) -> None:
        await show_worker(queue, "short", ttl=1)
        await show_worker(queue, "lasting", ttl=60)
        workers = (await queue.info())["workers"]
        assert set(workers) == {"lasting", "short"}
        assert workers["lasting"]["metadata"] == {"host": "here"}
        assert workers["lasting"]["queue_key"] == "default"

        async def gone() -> bool:
            return set((await queue.info())["workers"]) == {"lasting"}

        await wait_until(gone)


async def show_worker(queue: Queue, worker_id: str, ttl: int) -> None:
    await queue.worker_info(worker_id, queue.name, {"host": "here"}, ttl)  # pyright: ignore[reportUnknownMemberType]


async def _begun(job: Job, heard: Sequence[object]) -> None:
    """Touch the job until its listener hears it: nothing else tells that it listens."""

    async def does_hear() -> bool:
        await job.update()
        return bool(heard)

    await wait_until(does_hear)
