"""What is done stays done; how far a job is, is told in order and never backwards."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from snapasset.errors import InvalidInput, ProviderTimeout, StorageFailed
from snapasset.event import FINAL, Event, Tick
from snapasset.job import Status
from snapasset.job_type import Wire
from snapasset.records.files import FileRow
from tests.worker.engine import OWNER, Body, engine, kind
from worker.context import TICK_SECONDS
from worker.processors.trial import WALK, Nothing, Walk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from snapasset.event import News
    from worker.context import JobContext, Step


class Count(Wire):
    """What a counted step leaves: which time it was done, from 1."""

    time: int


class Counter:
    """Work for a step that counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0

    async def work(self, _step: Step) -> Count:
        self.done += 1
        return Count(time=self.done)


def progress_of(news: Sequence[News]) -> list[Any]:
    return [body["progress"] for body in bodies(news)]


def bodies(news: Sequence[News]) -> list[Body]:
    return [json.loads(item.body) for item in news]


# --- saved outputs


async def test_a_step_that_is_done_returns_its_output_in_the_next_attempt(tmp_path: Path):
    async with engine(tmp_path, WALK) as e:
        job = await e.submit("walk", Walk(mishap="fail", mishap_at=2, mishaps=2))
        await e.final(job)
        walked = [(mark["step"], mark["attempt"]) for mark in (await e.event(job, type=FINAL))["result"]["footprints"]]
    assert walked == [(1, 1), (2, 3), (3, 3)]


async def test_a_step_that_is_done_returns_its_output_in_the_next_run(tmp_path: Path):
    counter, returned = Counter(), list[Count]()

    async def run(context: JobContext[Nothing]) -> Nothing:
        returned.append(await context.step("count", counter.work, output=Count, span=(0, 50)))
        if context.job.run == 1:
            raise InvalidInput
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        assert (await e.final(job))["status"] == Status.FAILED
        await e.client.retry(job, owner=OWNER)
        assert (await e.final(job, run=2))["status"] == Status.COMPLETED
        assert "count" not in {body["step"] for body in e.story(job) if body["run"] == 2}
    assert counter.done == 1
    assert returned == [Count(time=1), Count(time=1)]


async def test_the_newest_run_s_output_is_the_one_that_counts(tmp_path: Path):
    # A step that failed in one run and was done in the next is done for all that follow.
    done_in: list[int] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(_step: Step) -> Count:
            if context.job.run == 1:
                raise StorageFailed
            done_in.append(context.job.run)
            return Count(time=context.job.run)

        await context.step("count", work, output=Count, span=(0, 50))
        if context.job.run < 3:
            raise InvalidInput
        return Nothing()

    async with engine(tmp_path, kind(run, attempts=1)) as e:
        job = await e.submit()
        await e.final(job)
        for number in (2, 3):
            await e.client.retry(job, owner=OWNER)
            last = await e.final(job, run=number)
    assert last["status"] == Status.COMPLETED
    assert done_in == [2]


async def test_asking_for_a_done_step_twice_in_one_attempt_does_it_once(tmp_path: Path):
    counter = Counter()

    async def run(context: JobContext[Nothing]) -> Nothing:
        first = await context.step("count", counter.work, output=Count, span=(0, 50))
        assert await context.step("count", counter.work, output=Count, span=(0, 50)) == first
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        assert (await e.final(await e.submit()))["status"] == Status.COMPLETED
    assert counter.done == 1


async def test_a_step_that_came_to_nothing_is_told_and_done_again_in_the_next_attempt(tmp_path: Path):
    attempts: list[int] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        attempts.append(context.job.attempt)
        if len(attempts) == 1:
            try:
                await context.step("first", _failing, output=Nothing, span=(0, 50))
            except StorageFailed as error:
                await context.give_up("first", error)
        else:
            await context.step("first", Counter().work, output=Count, span=(0, 50))
        if len(attempts) == 1:
            raise ProviderTimeout
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        assert (await e.final(job))["status"] == Status.COMPLETED
        failed = await e.event(job, state="failed")
        assert failed["step"] == "first"
        assert failed["error"] == {
            "code": "storage_upload_failed",
            "message": StorageFailed.sentence,
            "retryable": True,
        }
        assert (await e.steps(job))["first"].state == "done"


async def _failing(_step: Step) -> Nothing:
    raise StorageFailed


async def test_files_that_a_step_keeps_enter_the_record_with_its_output(tmp_path: Path):
    file = FileRow("f1", "master", "m", "generations/g/m.png", "image/png", 5, 2, 3)

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(step: Step) -> Nothing:
            step.keep(file)
            assert await e.files(context.job.id) == []
            return Nothing()

        await context.step("make", work, output=Nothing, span=(0, 50))
        (row,) = await e.files(context.job.id)
        assert (row.id, row.owner, row.key, row.width, row.height) == ("f1", OWNER, file.key, 2, 3)
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        assert (await e.final(await e.submit()))["status"] == Status.COMPLETED


# --- what is told


async def test_a_walk_is_told_step_by_step_without_a_gap(tmp_path: Path):
    async with engine(tmp_path, WALK) as e:
        job = await e.submit("walk", Walk(steps=2))
        await e.final(job)
        told = [
            (body["type"], body["status"], body["step"], body.get("state"), body["progress"]) for body in e.story(job)
        ]
        assert [body["seq"] for body in e.story(job)] == list(range(1, len(told) + 1))
        done = await e.event(job, step="walk:2", state="done")
        assert done["output"] == {"step": 2, "run": 1, "attempt": 1, "fence": 1}
    assert told == [
        ("update", "waiting", None, None, 0),
        ("update", "active", None, None, 0),
        ("update", "active", "walk:1", "started", 0),
        ("update", "active", "walk:1", "done", 50),
        ("update", "active", "walk:2", "started", 50),
        ("update", "active", "walk:2", "done", 100),
        ("final", "completed", None, None, 100),
    ]


async def test_two_steps_run_side_by_side(tmp_path: Path):
    both = asyncio.Barrier(2)

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(_step: Step) -> Nothing:
            await both.wait()
            return Nothing()

        await asyncio.gather(
            *(context.step(name, work, output=Nothing, span=span) for name, span in (("a", (0, 40)), ("b", (40, 90))))
        )
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        await e.final(job)
        states = [body["state"] for body in e.story(job) if "state" in body]
        assert states == ["started", "started", "done", "done"]
        assert {name: row.state for name, row in (await e.steps(job)).items()} == {"a": "done", "b": "done"}


async def test_progress_never_falls_when_steps_run_side_by_side(tmp_path: Path):
    ticked, behind_is_done = asyncio.Event(), asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def ahead(step: Step) -> Nothing:
            step.tick(0.8)
            ticked.set()
            await behind_is_done.wait()
            return Nothing()

        async def behind(step: Step) -> Nothing:
            await ticked.wait()
            step.tick(0.5)
            return Nothing()

        async def stay_behind() -> None:
            await context.step("behind", behind, output=Nothing, span=(0, 50))
            behind_is_done.set()

        await asyncio.gather(stay_behind(), context.step("ahead", ahead, output=Nothing, span=(50, 100)))
        return await context.step("back", _nothing, output=Nothing, span=(10, 20))

    async with engine(tmp_path, kind(run), workers=0) as e:
        job = await e.submit()
        news = await e.news(job)
        await e.answer(e.executor())
        assert any(isinstance(item, Tick) for item in news)
        assert progress_of(news) == sorted(progress_of(news))


async def _nothing(_step: Step) -> Nothing:
    return Nothing()


# --- ticks


async def test_ticks_come_at_most_four_times_a_second_and_the_newest_wins(tmp_path: Path):
    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(step: Step) -> Nothing:
            for part in range(1001):
                step.tick(part / 1000)
            while len([item for item in news if isinstance(item, Tick)]) < 2:
                await again.wait()
                again.clear()
            return Nothing()

        return await context.step("count", work, output=Nothing, span=(20, 60))

    def hear(item: News) -> None:
        news.append(item)
        heard_at.append(time.monotonic())
        again.set()

    news, heard_at, again = list[Event | Tick](), list[float](), asyncio.Event()
    async with engine(tmp_path, kind(run), workers=0) as e:
        job = await e.submit()
        await e.switch.feed.subscribe(job, hear)
        await e.answer(e.executor())
    ticks = [(body["progress"], at) for body, at in zip(bodies(news), heard_at, strict=True) if body.get("tick")]
    assert [progress for progress, _ in ticks] == [20.0, 60.0]
    assert ticks[1][1] - ticks[0][1] >= TICK_SECONDS - 0.01


async def test_a_tick_says_how_far_within_its_step_the_job_is(tmp_path: Path):
    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(step: Step) -> Nothing:
            step.tick(0.25)
            return Nothing()

        return await context.step("count", work, output=Nothing, span=(20, 60))

    async with engine(tmp_path, kind(run), workers=0) as e:
        job = await e.submit()
        news = await e.news(job)
        await e.answer(e.executor())
        (tick,) = (body for body in bodies(news) if body.get("tick"))
    assert tick == {
        "type": "update",
        "tick": True,
        "jobId": job,
        "run": 1,
        "attempt": 1,
        "status": "active",
        "step": "count",
        "progress": 30.0,
    }


async def test_absurd_fractions_stay_within_the_step(tmp_path: Path):
    shown: list[float] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(step: Step) -> Nothing:
            for fraction in (-1.0, float("nan"), 0.5, 0.2, 7.0, float("inf")):
                step.tick(fraction)
                shown.append(context.progress)
            return Nothing()

        return await context.step("count", work, output=Nothing, span=(20, 60))

    async with engine(tmp_path, kind(run)) as e:
        await e.final(await e.submit())
    assert shown == [20, 20, 40, 40, 60, 60]


async def test_nothing_is_told_after_the_end_by_a_tick_that_was_held_back(tmp_path: Path):
    async def hasty(step: Step) -> Nothing:
        step.tick(0.1)
        step.tick(0.2)
        return Nothing()

    async def patient(step: Step) -> Nothing:
        await hasty(step)
        await told_again.wait()
        return Nothing()

    async def run(context: JobContext[Nothing]) -> Nothing:
        work = patient if context.job.id == second else hasty
        return await context.step("count", work, output=Nothing, span=(0, 100))

    def hear(item: News) -> None:
        if isinstance(item, Tick) and '"progress":20.0' in item.body:
            told_again.set()

    told_again = asyncio.Event()
    async with engine(tmp_path, kind(run), workers=0, job_max_concurrency=1) as e:
        first, second = await e.submit(), await e.submit()
        news = await e.news(first)
        await e.switch.feed.subscribe(second, hear)
        # The second job's tick is held back as long as the first one's was, from a later moment on.
        await e.answer(e.executor())
        assert told_again.is_set()
        assert [type(item) for item in news[-2:]] == [Event, Event]
        assert bodies(news)[-1]["type"] == FINAL


async def test_nothing_is_told_after_the_end_by_work_that_was_left_behind(tmp_path: Path):
    left: list[Step] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(step: Step) -> Nothing:
            left.append(step)
            return Nothing()

        return await context.step("count", work, output=Nothing, span=(0, 100))

    async with engine(tmp_path, kind(run), workers=0) as e:
        job = await e.submit()
        news = await e.news(job)
        await e.answer(e.executor())
        told = len(news)
        left[0].tick(0.9)
        assert len(news) == told


async def test_the_heart_saves_how_far_the_job_is(tmp_path: Path):
    gate = asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(step: Step) -> Nothing:
            step.tick(0.5)
            await gate.wait()
            return Nothing()

        return await context.step("count", work, output=Nothing, span=(0, 100))

    async with engine(tmp_path, kind(run), beat_seconds=0.02) as e:
        job = await e.submit()
        await e.event(job, state="started")
        assert (await e.job_where(job, lambda row: row.progress == 50)).beat > 0
        gate.set()
        await e.final(job)


async def test_whoever_heard_a_job_s_news_is_forgotten_when_it_ends(tmp_path: Path):
    async with engine(tmp_path, WALK) as e:
        for mishap in ("none", "fail", "refuse", "raise"):
            await e.final(await e.submit("walk", Walk(mishap=mishap)))
        await e.runners[0].stop()
        assert vars(e.switch.feed)["_receivers"] == {}
