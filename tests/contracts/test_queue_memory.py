"""What only `MemoryQueue` promises: clocks that jump do no harm, and memory stays bounded."""

# That nothing is left can only be seen inside.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from saq.job import Status

from snapasset.queue.memory import MemoryQueue
from snapasset.queue.memory_entries import Agenda, Entry
from snapasset.queue.memory_waiting import Mailbox
from tests.contracts.conftest import wait_until, working
from tests.contracts.test_queue import begin, counts, put, stored, take
from tests.contracts.test_queue_views import show_worker

if TYPE_CHECKING:
    from tests.contracts.test_queue_worker import Ctx

HOUR = 3600.0


class Clocks:
    """A wall clock that can be set, and time that can pass on both."""

    def __init__(self) -> None:
        self._set_by = 0.0
        self._passed = 0.0

    def wall(self) -> float:
        return time.time() + self._passed + self._set_by

    def monotonic(self) -> float:
        return time.monotonic() + self._passed

    def set_wall(self, by: float) -> None:
        self._set_by += by

    def pass_time(self, seconds: float) -> None:
        self._passed += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def queue(clocks: Clocks) -> MemoryQueue:
    return MemoryQueue(wall=clocks.wall, monotonic=clocks.monotonic, max_ended=100)


class TestClocks:
    @pytest.mark.parametrize("jump", [HOUR, -HOUR])
    async def test_locks_last_as_long_as_they_should_whatever_the_wall_clock_says(
        self, queue: MemoryQueue, clocks: Clocks, jump: float
    ) -> None:
        async def stuck_and_due() -> None:
            await put(queue)
            run = await begin(queue)
            run.started = 1000
            await run.update(timeout=1)
            await put(queue, scheduled=1)

        await stuck_and_due()
        assert len(await queue.schedule(60)) == 1
        assert len(await queue.sweep(60, abort=0)) == 1
        await stuck_and_due()
        clocks.set_wall(jump)
        assert await queue.schedule(60) == []
        assert await queue.sweep(60, abort=0) == []
        clocks.pass_time(61)
        assert len(await queue.schedule(60)) == 1
        assert len(await queue.sweep(60, abort=0)) == 1

    @pytest.mark.parametrize("jump", [HOUR, -HOUR, 24 * HOUR])
    async def test_a_running_job_is_not_stuck_because_the_wall_clock_was_set(
        self, queue: MemoryQueue, clocks: Clocks, jump: float
    ) -> None:
        await put(queue, timeout=600, heartbeat=30)
        run = await begin(queue)
        clocks.set_wall(jump)
        assert await queue.sweep(0, abort=0) == []
        run.touched = int(clocks.wall() * 1000)  # as SAQ does after a clock was set
        await queue._update(run)
        assert await queue.sweep(0, abort=0) == []

    @pytest.mark.parametrize("jump", [HOUR, -HOUR, 0])
    async def test_a_job_that_runs_too_long_is_stuck_though_the_wall_clock_was_set(
        self, queue: MemoryQueue, clocks: Clocks, jump: float
    ) -> None:
        job = await put(queue, timeout=600)
        await begin(queue)
        clocks.set_wall(jump)
        clocks.pass_time(599)
        assert await queue.sweep(0, abort=0) == []
        clocks.pass_time(2)
        assert await queue.sweep(0, abort=0) == [job.id]

    async def test_results_are_kept_for_their_time(self, queue: MemoryQueue, clocks: Clocks) -> None:
        job, endless = await put(queue, ttl=60), await put(queue, ttl=0)
        for _ in range(2):
            await (await take(queue)).finish(Status.COMPLETE)
        clocks.set_wall(HOUR)
        clocks.pass_time(59)
        assert (await stored(queue, job)).status is Status.COMPLETE
        clocks.pass_time(2)
        assert await queue.job(job.key) is None
        assert [found.key async for found in queue.iter_jobs()] == [endless.key]

    async def test_a_pause_before_a_retry_outlives_a_clock_that_is_set_back(
        self, queue: MemoryQueue, clocks: Clocks
    ) -> None:
        job = await put(queue, retries=3, retry_delay=10)
        await (await begin(queue)).retry("later")
        clocks.set_wall(-HOUR)
        clocks.pass_time(9)
        assert await queue.schedule(0) == []
        clocks.pass_time(2)
        assert await queue.schedule(0) == [job.id]
        assert await queue.schedule(0) == []
        assert await counts(queue) == (1, 0, 1)

    async def test_pauses_grow_and_never_exceed_their_bound(self, queue: MemoryQueue, clocks: Clocks) -> None:
        await put(queue, retries=10, retry_delay=4, retry_backoff=16)
        for _ in range(6):
            await (await begin(queue)).retry("later")
            clocks.pass_time(16.1)
            await queue.schedule(0)
            assert await counts(queue) == (1, 0, 1)

    async def test_a_job_for_a_time_of_day_follows_the_wall_clock(self, queue: MemoryQueue, clocks: Clocks) -> None:
        job = await put(queue, scheduled=int(clocks.wall() + HOUR))
        clocks.set_wall(HOUR + 1)
        assert await queue.schedule(0) == [job.id]

    async def test_a_refused_key_is_free_when_its_time_is_over(self, queue: MemoryQueue, clocks: Clocks) -> None:
        job = await put(queue, key="one")
        run = await begin(queue)
        await queue.abort(job, "unwanted", ttl=5)
        clocks.set_wall(HOUR)
        assert await queue.enqueue("work", key="one") is None
        clocks.pass_time(6)
        again = await put(queue, key="one")
        await run.finish(Status.COMPLETE)
        assert (await stored(queue, again)).status is Status.QUEUED

    async def test_silent_workers_are_forgotten(self, queue: MemoryQueue, clocks: Clocks) -> None:
        await show_worker(queue, "w", ttl=10)
        clocks.pass_time(11)
        await show_worker(queue, "x", ttl=10)
        assert set((await queue.info())["workers"]) == {"x"}
        assert set(queue._workers) == {"x"}


class TestMemory:
    async def test_nothing_is_left_of_jobs_without_a_ttl(self, queue: MemoryQueue) -> None:
        async def work(_ctx: Ctx) -> None: ...

        async with working(queue, work):
            for _ in range(3000):
                await put(queue, "work", ttl=-1)

            async def all_done() -> bool:
                return await queue.count("incomplete") == 0

            await wait_until(all_done, 20)
        entries = queue._entries
        held = [entries.by_key, entries.ready, entries.active, entries.scheduled, entries.held]
        assert not any(held)
        assert len(entries._endings) == 0

    async def test_no_more_ended_jobs_are_kept_than_allowed(self, queue: MemoryQueue) -> None:
        endless = await put(queue, ttl=0)
        await (await take(queue)).finish(Status.COMPLETE)
        last = endless
        for _ in range(300):
            last = await put(queue, ttl=600)
            await (await take(queue)).finish(Status.COMPLETE)
        await queue.job("any")
        assert len(queue._entries.by_key) <= 101
        assert (await stored(queue, last)).status is Status.COMPLETE
        assert (await stored(queue, endless)).status is Status.COMPLETE

    async def test_expired_jobs_go_without_a_sweep(self, queue: MemoryQueue, clocks: Clocks) -> None:
        for _ in range(50):
            await put(queue, ttl=10)
            await (await take(queue)).finish(Status.COMPLETE)
        clocks.pass_time(11)
        await put(queue)
        assert len(queue._entries.by_key) == 1

    async def test_refused_keys_are_forgotten_in_time(self, queue: MemoryQueue, clocks: Clocks) -> None:
        for _ in range(20):
            for _ in range(50):
                await put(queue, ttl=-1)
                run = await begin(queue)
                await queue.abort(run, "unwanted", ttl=5)
                await run.finish(Status.ABORTED)
                await queue.abort(run, "unknown by now", ttl=5)
            clocks.pass_time(6)
        assert len(queue._entries._aborting) <= 200

    async def test_jobs_put_off_and_taken_back_leave_no_lines(self, queue: MemoryQueue) -> None:
        for _ in range(1000):
            await queue.abort(await put(queue, scheduled=10_000_000_000, ttl=-1), "unwanted")
        assert len(queue._entries._by_wall) <= 65
        assert not queue._entries.by_key

    async def test_a_slow_listener_keeps_the_newest_of_each_job(self) -> None:
        box = Mailbox()
        for n in range(5000):
            box.put(f"job-{n % 10}", Status.ACTIVE)
        box.put("job-3", Status.COMPLETE)
        assert len(box._news) <= 1025
        box.close()
        last: dict[str, Status] = {}
        while (news := await box.take()) is not None:
            last[news[0]] = news[1]
        assert last["job-3"] is Status.COMPLETE
        assert len(last) == 10

    def test_an_agenda_gives_what_is_due_in_order_and_nothing_that_moved_on(self) -> None:
        agenda = Agenda()
        entries = [Entry(str(n), n, turn=n) for n in range(200)]
        for entry in reversed(entries):
            agenda.add(float(entry.generation), entry)
        for entry in entries[::2]:
            entry.turn = 1000
        assert [entry.key for entry in agenda.due(9)] == ["1", "3", "5", "7", "9"]
        assert [entry.key for entry in agenda.due(9)] == []
