"""The record goes away, the event loop stands still, the job is taken over: nothing is lost and nothing done twice."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database.sqlite import SqliteDatabase
from snapasset.errors import DatabaseUnavailable, ProviderTimeout
from snapasset.event import ERROR, FINAL
from snapasset.job import Status
from snapasset.reconciler import Reconciler
from snapasset.records.claims import Beat, Claim
from snapasset.records.endings import Complete, EndCancelled, Fail
from snapasset.records.steps import DoneSteps, FailStep, FinishStep, SavePaidStep, StartStep
from snapasset.records.upkeep import HeldJobs
from snapasset.switch import Switch
from tests.worker.engine import OWNER, Engine, changes_of, engine, kind, wait_until, within
from worker.processors.trial import Nothing

if TYPE_CHECKING:
    from pathlib import Path

    from snapasset.database import Read, Write
    from worker.context import JobContext, Step


class Outage:
    """Refuses operations of some types: the first `times` of them."""

    def __init__(self, *types: type, times: int = 2) -> None:
        self._types = types
        self._left = times
        self.over = asyncio.Event()

    async def __call__(self, operation: Write[Any] | Read[Any]) -> None:
        if self._left and any(isinstance(change, self._types) for change in changes_of(operation)):
            self._left -= 1
            if not self._left:
                self.over.set()
            raise DatabaseUnavailable


class Work:
    """A processor of two steps that counts how often each was done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        for name in ("first", "second"):

            async def work(_step: Step, name: str = name) -> Nothing:
                self.done.append(name)
                return Nothing()

            await context.step(name, work, output=Nothing, span=(0, 50))
        return Nothing()


# --- the record is away


@pytest.mark.parametrize("change", [StartStep, FinishStep, Complete], ids=lambda change: change.__name__)
async def test_a_running_job_waits_for_the_record_and_goes_on(tmp_path: Path, change: type):
    work = Work()
    async with engine(tmp_path, kind(work.run)) as e:
        e.database.guard = outage = Outage(change)
        job = await e.submit()
        last = await e.final(job)
        assert outage.over.is_set()
        assert (last["status"], last["attempt"], last["seq"]) == (Status.COMPLETED, 1, 7)
    assert work.done == ["first", "second"]


async def test_a_claim_that_the_record_refused_is_made_when_it_is_back(tmp_path: Path):
    work = Work()
    async with engine(tmp_path, kind(work.run), workers=0) as e:
        e.database.guard = outage = Outage(Claim, times=1)
        job = await e.put()
        await e.answer(e.executor())
        assert outage.over.is_set()
        assert (await e.job(job)).status == Status.WAITING
        await e.start()
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert work.done == ["first", "second"]


async def test_an_attempt_waits_to_know_what_was_done_before_it_begins(tmp_path: Path):
    work = Work()

    async def run(context: JobContext[Nothing]) -> Nothing:
        if context.job.attempt == 2:
            return await work.run(context)
        await context.step("first", _nothing, output=Nothing, span=(0, 50))
        raise ProviderTimeout

    async with engine(tmp_path, kind(run)) as e:
        e.database.guard = outage = Outage(DoneSteps, times=1)
        assert (await e.final(await e.submit()))["status"] == Status.COMPLETED
        assert outage.over.is_set()
    assert work.done == ["second"]


async def _nothing(_step: Step) -> Nothing:
    return Nothing()


async def test_a_failure_and_a_cancelling_wait_for_the_record_too(tmp_path: Path):
    begun, gate = asyncio.Event(), asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        if context.job.attempt == 1:
            try:
                await context.step("first", _failing, output=Nothing, span=(0, 50))
            except ProviderTimeout as error:
                await context.give_up("first", error)
                raise
        begun.set()
        await gate.wait()
        context.check_cancelled()
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        e.database.guard = Outage(FailStep, times=1)
        job = await e.submit()
        await e.event(job, type=ERROR)
        e.database.guard = Outage(Fail, EndCancelled, times=1)
        await e.upkeep()
        await within(begun.wait())
        await e.client.cancel(job, owner=OWNER)
        gate.set()
        assert (await e.final(job))["status"] == Status.CANCELLED
        assert [body["seq"] for body in e.story(job)] == list(range(1, len(e.story(job)) + 1))


async def _failing(_step: Step) -> Nothing:
    raise ProviderTimeout


async def test_a_heart_that_could_not_beat_beats_again(tmp_path: Path):
    gate = asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        await gate.wait()
        context.check_cancelled()
        return Nothing()

    async with engine(tmp_path, kind(run), feed=False, beat_seconds=0.01) as e:
        e.database.guard = outage = Outage(Beat, times=3)
        job = await e.submit()
        await within(outage.over.wait())
        await e.client.cancel(job, owner=OWNER)
        await e.job_where(job, lambda row: row.beat >= 2)
        gate.set()
        assert (await e.event(job, type=FINAL))["status"] == Status.CANCELLED


async def test_with_the_whole_record_away_everything_stands_and_then_goes_on(tmp_path: Path):
    work = Work()
    begun, gate = asyncio.Event(), asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        begun.set()
        await gate.wait()
        return await work.run(context)

    refusals: list[str] = []

    async def away(operation: Write[Any] | Read[Any]) -> None:
        refusals.append(type(operation).__name__)
        raise DatabaseUnavailable

    async with engine(tmp_path, kind(run), job_max_concurrency=1, beat_seconds=0.01, lease_seconds=0.02) as e:
        job, behind = await e.submit(), await e.submit()
        await within(begun.wait())
        e.database.guard = away
        gate.set()
        await wait_until(lambda: {"StartStep", "Beat"} <= set(refusals))
        with pytest.raises(DatabaseUnavailable):
            await e.upkeep()
        e.database.guard = None
        for one in (job, behind):
            last = await e.final(one)
            assert (last["status"], last["attempt"]) == (Status.COMPLETED, 1)
    assert work.done == ["first", "second"] * 2


# --- the job is taken over


def take_over_from_elsewhere(e: Engine) -> None:
    """Another process on the same record: it sees no beat for a lease and takes the jobs back."""

    async def elsewhere() -> None:
        now = [0.0]
        record = SqliteDatabase(e.path, synchronous="NORMAL")
        await record.open()
        switch = Switch((), e.settings, ring_timeout=700)
        reconciler = Reconciler(record, switch, {}, e.settings, monotonic=lambda: now[0])
        while any(held.fence == 1 for held in await record.read(HeldJobs())):
            await reconciler.tick()
            now[0] += 1.0
        await record.close()

    asyncio.run(elsewhere())


async def test_a_worker_whose_loop_stood_still_is_overtaken_once_and_its_commits_are_refused(tmp_path: Path):
    runs: list[int] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        runs.append(context.job.attempt)

        async def freeze(_step: Step) -> Nothing:
            if context.job.attempt == 1:
                elsewhere = threading.Thread(target=take_over_from_elsewhere, args=(e,))
                elsewhere.start()
                elsewhere.join()
            return Nothing()

        await context.step("freeze", freeze, output=Nothing, span=(0, 50))
        return await context.step("after", _nothing, output=Nothing, span=(50, 100))

    async with engine(tmp_path, kind(run), lease_seconds=20.0) as e:
        job = await e.submit()
        await wait_until(lambda: runs)
        await e.upkeep()
        last = await e.final(job)
        row = await e.job(job)
        # claimed, taken back, claimed again; nothing of the first attempt was written after it had been taken back
        assert (last["status"], row.attempt, row.fence) == (Status.COMPLETED, 2, 3)
        assert last["seq"] == len(e.story(job)) + 1  # the taking back was told in the other process
        done = [(body["step"], body["attempt"]) for body in e.story(job) if body.get("state") == "done"]
        assert done == [("freeze", 2), ("after", 2)]
    assert runs == [1, 2]


async def test_the_heart_notices_that_the_job_is_lost_and_the_next_step_does_not_begin(tmp_path: Path):
    lost, steps = asyncio.Event(), list[int]()

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def work(_step: Step) -> Nothing:
            steps.append(context.job.attempt)
            return Nothing()

        if context.job.attempt == 1:
            begun.set()
            await wait_until(lambda: context.lost)
            e.database.guard = refuse_all
            lost.set()
        return await context.step("step", work, output=Nothing, span=(0, 100))

    async def refuse_all(operation: Write[Any] | Read[Any]) -> None:
        raise AssertionError(f"a lost job was written to: {operation}")

    begun = asyncio.Event()
    async with engine(tmp_path, kind(run), workers=0, beat_seconds=0.01) as e:
        job, executor = await e.submit(), e.executor()
        await executor.open()
        answering = asyncio.create_task(e.answer(executor))
        await within(begun.wait())
        await e.take_away(job)
        await within(lost.wait())
        await answering
        e.database.guard = None
        await executor.close()
        await e.start()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert steps == [2]


async def test_a_worker_that_overtakes_itself_keeps_the_job_alive(tmp_path: Path):
    """The older attempt ends while the newer one runs: the newer one's heart goes on, and stopping waits for it."""
    gates = {1: asyncio.Event(), 2: asyncio.Event()}
    ended = asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        try:
            await gates[context.job.attempt].wait()
            return await context.step("step", _nothing, output=Nothing, span=(0, 100))
        finally:
            ended.set()

    async with engine(tmp_path, kind(run), beat_seconds=0.01, drain_seconds=60) as e:
        job = await e.submit()
        await e.event(job, status=Status.ACTIVE, attempt=1)
        await e.take_away(job)
        await e.upkeep()
        await e.event(job, status=Status.ACTIVE, attempt=2)
        gates[1].set()
        await within(ended.wait())
        beat = (await e.job(job)).beat
        await e.job_where(job, lambda row: row.beat >= beat + 3)
        stopping = asyncio.create_task(e.runners[0].stop())
        await e.put()
        assert not stopping.done()
        gates[2].set()
        await within(stopping)
        row = await e.job(job)
        assert (row.status, row.attempt, row.fence) == (Status.COMPLETED, 2, 3)


async def test_a_step_that_was_saved_late_is_not_done_again(tmp_path: Path):
    """The answer to the first attempt's paid call is saved after the second attempt has asked what is done."""
    sent, answer, ready, go_on = (asyncio.Event() for _ in range(4))
    calls: list[int] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def pay(_step: Step) -> Nothing:
            calls.append(context.job.attempt)
            sent.set()
            await answer.wait()
            return Nothing()

        if context.job.attempt == 2:
            ready.set()
            await go_on.wait()
        return await context.step("pay", pay, output=Nothing, span=(0, 100), paid=True)

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        await within(sent.wait())
        await e.take_away(job)
        await e.upkeep()
        await within(ready.wait())
        e.database.guard = saved = Outage(SavePaidStep, times=1)
        answer.set()
        await within(saved.over.wait())
        await e.step_done(job, "pay")
        go_on.set()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert calls == [1]
