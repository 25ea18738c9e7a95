"""Cancelling is noticed where it costs nothing, and what was done or paid for before is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import ProviderTimeout
from snapasset.event import ERROR, FINAL, tell
from snapasset.feed.memory import MemoryFeed
from snapasset.job import Status
from snapasset.records.files import FileRow
from tests.worker.engine import OWNER, Engine, engine, kind, wait_until, within
from worker.processors.trial import Nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worker.context import JobContext, Step


class Stage:
    """A processor that stops at a gate in each of its steps: `entered` and `gate` are of the step's number."""

    def __init__(self, steps: int, *, paid: bool = False) -> None:
        self.entered = [asyncio.Event() for _ in range(steps)]
        self.gate = [asyncio.Event() for _ in range(steps)]
        self._paid = paid

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        for number in range(len(self.gate)):

            async def work(step: Step, number: int = number) -> Nothing:
                self.entered[number].set()
                await self.gate[number].wait()
                step.keep(FileRow(f"{context.job.id}-{number}", "part", "p", f"p/{number}", "text/plain", 1))
                return Nothing()

            await context.step(str(number), work, output=Nothing, span=(0, 50), paid=self._paid)
        return Nothing()


async def cancel(e: Engine, job: str) -> None:
    await e.client.cancel(job, owner=OWNER)


def states(e: Engine, job: str) -> list[tuple[str, str]]:
    return [(body["step"], body["state"]) for body in e.story(job) if "state" in body]


async def hears(e: Engine, job: str) -> None:
    """Return once the running job hears the feed."""
    feed = e.switch.feed
    assert isinstance(feed, MemoryFeed)
    await wait_until(lambda: job in feed._receivers)  # pyright: ignore[reportPrivateUsage]


# --- before it runs


@pytest.mark.parametrize("delay", [0.0, 60.0])
async def test_what_has_not_begun_is_cancelled_at_once_and_never_runs(tmp_path: Path, delay: float):
    ran: list[str] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        ran.append(context.job.id)
        return Nothing()

    async with engine(tmp_path, kind(run), workers=0) as e:
        job = await e.submit(delay=delay)
        await cancel(e, job)
        assert (await e.job(job)).status == Status.CANCELLED
        await e.upkeep()
        await e.answer(e.executor())
        assert e.story(job)[-1]["type"] == FINAL
    assert ran == []


async def test_a_job_between_two_attempts_is_cancelled_at_once(tmp_path: Path):
    async def run(_context: JobContext[Nothing]) -> Nothing:
        raise ProviderTimeout

    async with engine(tmp_path, kind(run), retry_base_seconds=60.0) as e:
        job = await e.submit()
        await e.event(job, type=ERROR)
        await cancel(e, job)
        assert (await e.job(job)).status == Status.CANCELLED
        await e.upkeep()
        assert e.story(job)[-1]["status"] == Status.CANCELLED


# --- while it runs


@pytest.mark.parametrize("feed", [True, False], ids=["told by the feed", "told by the record"])
async def test_a_job_stops_before_its_next_step(tmp_path: Path, feed: bool):
    stage = Stage(2)
    async with engine(tmp_path, kind(stage.run), feed=feed) as e:
        job = await e.submit()
        await within(stage.entered[0].wait())
        await cancel(e, job)
        row = await e.job(job)
        assert (row.status, row.cancel_requested) == (Status.ACTIVE, 1)
        stage.gate[0].set()
        last = await e.event(job, type=FINAL)
        assert (last["status"], "error" in last, "result" in last) == (Status.CANCELLED, False, False)
        assert states(e, job) == [("0", "started"), ("0", "done")]
        assert [file.id for file in await e.files(job)] == [f"{job}-0"]


async def test_a_wish_that_came_before_the_first_step_is_found_when_that_begins(tmp_path: Path):
    begun, gate, worked = asyncio.Event(), asyncio.Event(), list[str]()

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(_step: Step) -> Nothing:
            worked.append(context.job.id)
            return Nothing()

        begun.set()
        await gate.wait()
        return await context.step("count", work, output=Nothing, span=(0, 100), paid=True)

    async with engine(tmp_path, kind(run), feed=False) as e:
        job = await e.submit()
        await within(begun.wait())
        await cancel(e, job)
        gate.set()
        assert (await e.event(job, type=FINAL))["status"] == Status.CANCELLED
    assert worked == []


async def test_the_heart_tells_a_long_step_when_the_feed_is_silent(tmp_path: Path):
    begun = asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        begun.set()
        await wait_until(lambda: context.cancel_requested)
        context.check_cancelled()
        return Nothing()

    async with engine(tmp_path, kind(run), feed=False, beat_seconds=0.02) as e:
        job = await e.submit()
        await within(begun.wait())
        await cancel(e, job)
        last = await e.event(job, type=FINAL)
        assert (last["status"], "result" in last) == (Status.CANCELLED, False)


async def test_a_job_that_did_its_last_step_ends_as_cancelled_with_its_result(tmp_path: Path):
    stage = Stage(1)
    async with engine(tmp_path, kind(stage.run)) as e:
        job = await e.submit()
        await within(stage.entered[0].wait())
        await cancel(e, job)
        stage.gate[0].set()
        last = await e.event(job, type=FINAL)
        assert (last["status"], last["result"]) == (Status.CANCELLED, {})
        assert (await e.job(job)).result == "{}"
        assert states(e, job) == [("0", "started"), ("0", "done")]


async def test_a_paid_step_s_output_outlives_the_cancelling_and_serves_the_next_run(tmp_path: Path):
    stage = Stage(2, paid=True)
    async with engine(tmp_path, kind(stage.run)) as e:
        job = await e.submit()
        await within(stage.entered[0].wait())
        await cancel(e, job)
        stage.gate[0].set()
        await e.event(job, type=FINAL, status=Status.CANCELLED)
        kept = (await e.steps(job))["0"]
        assert (kept.state, kept.output) == ("done", "{}")
        assert len(await e.files(job)) == 1
        stage.gate[1].set()
        await e.client.retry(job, owner=OWNER)
        assert (await e.final(job, run=2))["status"] == Status.COMPLETED
        assert states(e, job).count(("0", "started")) == 1
        assert len(await e.files(job)) == 2


async def test_an_attempt_that_fails_while_it_is_cancelled_ends_as_cancelled(tmp_path: Path):
    begun, gate = asyncio.Event(), asyncio.Event()

    async def run(_context: JobContext[Nothing]) -> Nothing:
        begun.set()
        await gate.wait()
        raise ProviderTimeout

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        await within(begun.wait())
        await cancel(e, job)
        gate.set()
        last = await e.event(job, type=FINAL)
        assert (last["status"], last["attempt"]) == (Status.CANCELLED, 1)


async def test_a_processor_that_tolerates_failures_does_not_swallow_that_it_should_stop(tmp_path: Path):
    stage, went_on = Stage(1), list[str]()

    async def run(context: JobContext[Nothing]) -> Nothing:
        await stage.run(context)
        for name in "abc":
            try:
                await context.step(name, _nothing, output=Nothing, span=(50, 100))
            except Exception:  # noqa: BLE001  as a tolerant processor would
                went_on.append(name)
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        await within(stage.entered[0].wait())
        await cancel(e, job)
        stage.gate[0].set()
        last = await e.event(job, type=FINAL)
        assert (last["status"], "result" in last) == (Status.CANCELLED, False)
    assert went_on == []


async def _nothing(_step: Step) -> Nothing:
    return Nothing()


async def _side_by_side(context: JobContext[Nothing], work: Callable[[Step], object]) -> None:
    async with asyncio.TaskGroup() as group:
        for name in "ab":
            group.create_task(context.step(name, work, output=Nothing, span=(0, 50)))  # pyright: ignore[reportArgumentType]


async def test_steps_in_a_task_group_stop_together(tmp_path: Path):
    begun, gate = asyncio.Event(), asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        begun.set()
        await gate.wait()
        await _side_by_side(context, _nothing)
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        await within(begun.wait())
        await cancel(e, job)
        gate.set()
        last = await e.event(job, type=FINAL)
        assert (last["status"], "error" in last) == (Status.CANCELLED, False)


async def test_asking_twice_is_harmless(tmp_path: Path):
    stage = Stage(1)
    async with engine(tmp_path, kind(stage.run)) as e:
        job = await e.submit()
        await within(stage.entered[0].wait())
        await cancel(e, job)
        await cancel(e, job)
        stage.gate[0].set()
        assert (await e.event(job, type=FINAL))["status"] == Status.CANCELLED
        assert [body["seq"] for body in e.story(job)] == list(range(1, len(e.story(job)) + 1))


async def test_late_news_of_an_earlier_run_cancels_nothing(tmp_path: Path):
    stage = Stage(3)
    async with engine(tmp_path, kind(stage.run)) as e:
        job = await e.submit()
        await within(stage.entered[0].wait())
        await cancel(e, job)
        wish = next(event for event in e.events if event.job_id == job and "cancelRequested" in event.body)
        stage.gate[0].set()
        await e.event(job, type=FINAL)
        await e.client.retry(job, owner=OWNER)
        await within(stage.entered[1].wait())
        await hears(e, job)
        e.switch.feed.publish((wish,))
        stage.gate[1].set()
        stage.gate[2].set()
        assert (await e.final(job, run=2))["status"] == Status.COMPLETED


async def test_other_news_of_the_job_cancels_nothing(tmp_path: Path):
    stage = Stage(2)
    async with engine(tmp_path, kind(stage.run)) as e:
        job = await e.submit()
        await within(stage.entered[0].wait())
        row = await e.job(job)
        await hears(e, job)
        e.switch.feed.publish((tell(row._replace(seq=row.seq + 1), "update", {"say": '"cancelRequested":true'}),))
        stage.gate[0].set()
        stage.gate[1].set()
        assert (await e.final(job))["status"] == Status.COMPLETED
