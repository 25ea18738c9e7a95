"""A ring says that there is work; which work, the record says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadConfiguration
from snapasset.job import Priority, Status
from snapasset.records.jobs import CountByQueue
from tests.worker.engine import Clock, asked_until, engine, kind, within
from worker.processors.trial import NOOP, Nothing

if TYPE_CHECKING:
    from pathlib import Path

    from worker.context import JobContext

_HOUR_MS = 3_600_000


class Diary:
    """Which jobs ran, in order; `Diary.run` is a processor."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        self.ran.append(context.job.id)
        return Nothing()


class Room:
    """A processor that waits for `gate`, and how many are in it at once, now and at most."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.inside = 0
        self.most = 0

    async def run(self, _context: JobContext[Nothing]) -> Nothing:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.gate.wait()
        self.inside -= 1
        return Nothing()


# --- which job is run


async def test_a_ring_runs_the_most_urgent_job_first(tmp_path: Path):
    diary = Diary()
    async with engine(tmp_path, kind(diary.run), workers=0, job_max_concurrency=1) as e:
        normal = await e.submit()
        low = await e.submit(priority=Priority.LOW)
        critical = await e.submit(priority=Priority.CRITICAL)
        high = await e.submit(priority=Priority.HIGH)
        await e.start()
        await e.final(low)
    assert diary.ran == [critical, high, normal, low]


async def test_waiting_makes_a_job_more_urgent_but_never_as_urgent_as_a_critical_one(tmp_path: Path):
    diary, clock = Diary(), Clock()
    async with engine(tmp_path, kind(diary.run), clock=clock, workers=0, job_max_concurrency=1) as e:
        aged = await e.submit()
        clock.now += _HOUR_MS
        twin = await e.submit()
        high = await e.submit(priority=Priority.HIGH)
        clock.now += 100 * _HOUR_MS
        critical = await e.submit(priority=Priority.CRITICAL)
        await e.start()
        await e.final(twin)
    assert diary.ran == [critical, aged, high, twin]


async def test_each_job_is_run_once_however_often_it_is_rung_for(tmp_path: Path):
    diary = Diary()
    async with engine(tmp_path, kind(diary.run), workers=2) as e:
        jobs = [await e.submit() for _ in range(20)]
        for job in jobs:
            await e.switch.ring("trial", job, "trial", 0)
            await e.upkeep()
        for job in jobs:
            assert (await e.final(job))["status"] == Status.COMPLETED
    assert sorted(diary.ran) == sorted(jobs)


async def test_a_surplus_ring_runs_nothing(tmp_path: Path):
    async with engine(tmp_path, kind(Diary().run), workers=0) as e:
        job = await e.submit()
        executor = e.executor()
        await e.answer(executor)
        told = len(e.events)
        await e.answer(executor)
        assert len(e.events) == told
        assert (await e.job(job)).fence == 1


async def test_a_ring_that_belongs_to_another_record_runs_nothing(tmp_path: Path):
    async with engine(tmp_path, kind(Diary().run)) as e:
        job = await e.put()
        stray = {"job_id": job, "kind": "trial", "record_id": "another"}
        ring = await e.switch.queues["trial"].enqueue("ring", kwargs=stray)
        assert ring is not None
        await asked_until(lambda: e.switch.queues["trial"].job(ring.key), lambda left: left is None)
        assert (await e.job(job)).status == Status.WAITING


async def test_a_ring_of_a_queue_that_is_not_served_here_runs_nothing(tmp_path: Path):
    async with engine(tmp_path, kind(Diary().run), workers=0) as e:
        job = await e.put(queue="elsewhere")
        await e.answer(e.executor(), "elsewhere")
        assert (await e.job(job)).status == Status.WAITING


async def test_a_kind_that_this_worker_does_not_know_stays_waiting_and_others_go_on(tmp_path: Path):
    async with engine(tmp_path, kind(Diary().run)) as e:
        unknown = await e.put(kind="from-the-future")
        known = await e.submit()
        assert (await e.final(known))["status"] == Status.COMPLETED
        assert (await e.job(unknown)).status == Status.WAITING


async def test_jobs_that_nobody_rang_for_are_rung_for_by_the_reconciler(tmp_path: Path):
    async with engine(tmp_path, NOOP) as e:
        job = await e.put("noop", "noop")
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED


# --- how long one ring goes on


async def test_one_ring_goes_on_while_work_waits(tmp_path: Path):
    diary = Diary()
    async with engine(tmp_path, kind(diary.run), workers=0, ring_drain_seconds=60) as e:
        jobs = [await e.put() for _ in range(5)]
        await e.answer(e.executor())
        assert diary.ran == jobs
        assert await e.switch.waiting_rings("trial") == 0


async def test_a_ring_whose_time_is_over_runs_one_job_and_rings_for_the_rest(tmp_path: Path):
    diary = Diary()
    async with engine(tmp_path, kind(diary.run), workers=0, ring_drain_seconds=0) as e:
        jobs = [await e.put() for _ in range(3)]
        await e.answer(e.executor())
        assert diary.ran == jobs[:1]
        assert await e.switch.waiting_rings("trial") == 1
        await e.start()
        await e.final(jobs[-1])
        assert diary.ran == jobs


async def test_a_ring_that_found_nothing_to_run_does_not_ring_again(tmp_path: Path):
    # Else a job that nobody here can run would keep a core busy.
    async with engine(tmp_path, kind(Diary().run), workers=0, ring_drain_seconds=0) as e:
        await e.put(kind="from-the-future")
        await e.answer(e.executor())
        assert await e.switch.waiting_rings("trial") == 0


# --- how many at once


async def test_no_more_jobs_of_a_queue_run_at_once_than_allowed_whoever_brings_the_rings(tmp_path: Path):
    left, right = Room(), Room()
    kinds = kind(left.run, "left", queue="left"), kind(right.run, "right", queue="right")
    async with engine(tmp_path, *kinds, workers=0, job_max_concurrency=2) as e:
        jobs = [await e.put(name, name) for name in ("left", "right") for _ in range(6)]
        executor = e.executor()
        rings = [asyncio.create_task(e.answer(executor, name)) for name in ("left", "right") for _ in range(6)]
        for job in (*jobs[:2], *jobs[6:8]):
            await e.event(job, status=Status.ACTIVE)
        await e.put("left", "left")  # changes are carried out in turn: whatever else was claimed is claimed by now
        counts = await e.record.read(CountByQueue())
        assert counts["left"]["active"] == counts["right"]["active"] == 2
        left.gate.set()
        right.gate.set()
        await asyncio.gather(*rings)
    assert (left.most, right.most) == (2, 2)


async def test_a_queue_that_is_full_does_not_hold_up_another(tmp_path: Path):
    room = Room()
    async with engine(tmp_path, kind(room.run), NOOP, job_max_concurrency=2) as e:
        slow = [await e.submit() for _ in range(4)]
        await e.event(slow[1], status=Status.ACTIVE)
        quick = [await e.submit("noop") for _ in range(4)]
        for job in quick:
            assert (await e.final(job))["status"] == Status.COMPLETED
        assert room.inside == 2
        room.gate.set()
        for job in slow:
            await e.final(job)
    assert room.most == 2


# --- starting and stopping


async def test_a_kind_whose_tool_is_missing_is_refused_before_anything_runs(tmp_path: Path):
    async with engine(tmp_path, kind(Diary().run, tools=(dict, Room)), workers=0, tools={dict: {}}) as e:
        with pytest.raises(BadConfiguration, match="trial wants Room,"):
            e.runner()


async def test_tools_are_given_to_the_processor_in_the_order_it_asked_for(tmp_path: Path):
    given: list[object] = []

    async def run(_context: JobContext[Nothing], *tools: object) -> Nothing:
        given.extend(tools)
        return Nothing()

    async with engine(tmp_path, kind(run, tools=(str, int)), tools={int: 7, str: "seven", dict: {}}) as e:
        await e.final(await e.submit())
    assert given == ["seven", 7]


async def test_a_worker_is_known_to_be_alive_from_its_start_to_its_stop(tmp_path: Path):
    async with engine(tmp_path, NOOP, workers=0) as e:
        runner = e.runner(database=e.record)
        mark = e.path.with_name(f"{e.path.name}-workers") / f"{runner.worker_id}.lock"
        await runner.start()
        assert mark.exists()
        assert e.record.dead({runner.worker_id}) == frozenset()
        await runner.stop()
        assert not mark.exists()


async def test_a_worker_may_be_stopped_at_once_twice_and_without_ever_having_started(tmp_path: Path):
    async with engine(tmp_path, NOOP, workers=0) as e:
        await within(e.runner().stop())
        runner = e.runner()
        await runner.start()
        await within(runner.stop())
        await within(runner.stop())


async def test_a_worker_that_has_stopped_answers_no_more_rings(tmp_path: Path):
    diary = Diary()
    async with engine(tmp_path, kind(diary.run), workers=0) as e:
        runner = await e.start()
        await within(runner.stop())
        job = await e.submit()
        executor = e.executor()
        await executor.drain()
        await e.answer(executor)
        assert (await e.job(job)).status == Status.WAITING
    assert diary.ran == []
