"""A worker that stops lets its jobs end, or gives them back as if it had never taken them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import DatabaseUnavailable
from snapasset.event import FINAL
from snapasset.job import Status
from snapasset.records.claims import Claim, GiveBack
from snapasset.records.endings import Complete
from tests.worker.engine import OWNER, Engine, changes_of, engine, kind, opened_at_last, wait_until, within
from worker.processors.trial import Nothing

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from snapasset.database import Read, Write
    from worker.context import JobContext, Step


class Stage:
    """A processor of two steps that waits for `gate` in the second; `reached` says that it waits."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.attempts: list[int] = []

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        await context.step("first", self._first, output=Nothing, span=(0, 50))

        async def second(_step: Step) -> Nothing:
            self.attempts.append(context.job.attempt)
            self.reached.set()
            await self.gate.wait()
            return Nothing()

        return await context.step("second", second, output=Nothing, span=(50, 100))

    async def _first(self, _step: Step) -> Nothing:
        return Nothing()


async def is_given_back(e: Engine, job: str) -> None:
    row = await e.job(job)
    assert (row.status, row.attempt, row.worker_id) == (Status.WAITING, 0, None)
    last = e.story(job)[-1]
    assert (last["type"], last["status"], last["attempt"]) == ("update", Status.WAITING, 0)


async def answer_and_cancel(e: Engine, reached: asyncio.Event) -> asyncio.Task[None]:
    """The handler of a ring, cancelled while its job runs."""
    handler = asyncio.create_task(e.executor().answer("trial", e.record.record_id))
    await within(reached.wait())
    handler.cancel()
    return handler


async def over(handler: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await within(handler)


# --- a worker that stops


async def test_stopping_waits_for_what_runs_and_claims_nothing_new(tmp_path: Path):
    stage = Stage()
    async with engine(tmp_path, kind(stage.run), drain_seconds=60, job_max_concurrency=1) as e:
        job, behind = await e.submit(), await e.submit()
        await within(stage.reached.wait())
        stopping = asyncio.create_task(e.runners[0].stop())
        await e.put()  # a turn of the record: whatever stopping did at once is done
        assert not stopping.done()
        assert (await e.job(job)).status == Status.ACTIVE
        stage.gate.set()
        await within(stopping)
        assert (await e.job(job)).status == Status.COMPLETED
        assert (await e.job(behind)).status == Status.WAITING
    assert stage.attempts == [1]


async def test_what_does_not_end_within_the_drain_goes_back_uncounted(tmp_path: Path):
    stage = Stage()
    async with engine(tmp_path, kind(stage.run), drain_seconds=0.05) as e:
        job = await e.submit()
        await within(stage.reached.wait())
        await within(e.runners[0].stop())
        await is_given_back(e, job)
        stage.gate.set()
        await e.start()
        await e.upkeep()
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 1)
        firsts = [body["state"] for body in e.story(job) if body["step"] == "first" and "state" in body]
    assert firsts == ["started", "done"]


async def test_a_job_that_was_to_be_cancelled_ends_so_when_it_is_given_back(tmp_path: Path):
    stage = Stage()
    async with engine(tmp_path, kind(stage.run)) as e:
        job = await e.submit()
        await within(stage.reached.wait())
        await e.client.cancel(job, owner=OWNER)
        await within(e.runners[0].stop())
        last = await e.event(job, type=FINAL)
        assert (last["status"], last["attempt"]) == (Status.CANCELLED, 0)


async def test_a_job_may_be_given_back_more_often_than_it_may_be_attempted(tmp_path: Path):
    stage = Stage()
    async with engine(tmp_path, kind(stage.run, attempts=1), workers=0) as e:
        job = await e.submit()
        for _ in range(3):
            stage.reached.clear()
            await over(await answer_and_cancel(e, stage.reached))
            await is_given_back(e, job)
        stage.gate.set()
        await e.start()
        assert (await e.final(job))["status"] == Status.COMPLETED


async def test_a_processor_that_ignores_the_stop_is_counted_and_does_not_keep_its_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def run(_context: JobContext[Nothing]) -> Nothing:
        begun.set()
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await let_go.wait()
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        with opened_at_last(let_go):
            job = await e.submit()
            await within(begun.wait())
            await within(e.runners[0].stop())
            await is_given_back(e, job)
            assert e.runners[0].stuck == 1
            assert "a processor ignores that it is cancelled" in caplog.messages
        await wait_until(lambda: e.runners[0].stuck == 0)
        await is_given_back(e, job)


# --- a handler that is cancelled


async def test_a_cancelled_handler_gives_its_job_back_at_once(tmp_path: Path):
    stage = Stage()
    async with engine(tmp_path, kind(stage.run), workers=0, drain_seconds=60) as e:
        job = await e.submit()
        await over(await answer_and_cancel(e, stage.reached))
        await is_given_back(e, job)


async def test_a_handler_that_is_cancelled_again_still_gives_its_job_back(tmp_path: Path):
    stage, giving, allowed = Stage(), asyncio.Event(), asyncio.Event()

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if isinstance(operation, GiveBack):
            giving.set()
            await allowed.wait()

    async with engine(tmp_path, kind(stage.run), workers=0) as e:
        e.database.guard = guard
        job = await e.submit()
        handler = await answer_and_cancel(e, stage.reached)
        await within(giving.wait())
        handler.cancel()
        await over(handler)
        allowed.set()
        await e.event(job, status=Status.WAITING, seq=6)
        await is_given_back(e, job)


async def test_a_job_is_given_back_when_the_record_returns(tmp_path: Path):
    stage, refused = Stage(), asyncio.Event()

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if isinstance(operation, GiveBack) and not refused.is_set():
            refused.set()
            raise DatabaseUnavailable

    async with engine(tmp_path, kind(stage.run), workers=0) as e:
        e.database.guard = guard
        job = await e.submit()
        await over(await answer_and_cancel(e, stage.reached))
        assert refused.is_set()
        await is_given_back(e, job)


async def test_an_ending_that_the_cancelled_handler_no_longer_wrote_is_made_up_for(tmp_path: Path):
    """The processor has ended, the record is away, and SAQ loses patience: the next attempt finds every step done."""
    stage, refused = Stage(), asyncio.Event()

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if any(isinstance(change, Complete) for change in changes_of(operation)):
            refused.set()
            raise DatabaseUnavailable

    stage.gate.set()
    async with engine(tmp_path, kind(stage.run), workers=0) as e:
        e.database.guard = guard
        job = await e.submit()
        await over(await answer_and_cancel(e, refused))
        await is_given_back(e, job)
        e.database.guard = None
        await e.start()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert stage.attempts == [1]


# --- a claim whose caller goes away


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    """Another process in the middle of a change: the record's writer has to wait."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("COMMIT")


async def test_a_claim_that_is_committed_after_its_caller_went_away_is_given_back(tmp_path: Path):
    stage, asked = Stage(), asyncio.Event()

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if isinstance(operation, Claim):
            asked.set()

    async with engine(tmp_path, kind(stage.run), workers=0) as e:
        e.database.guard = guard
        job = await e.submit()
        with _locked(e.path):
            handler = asyncio.create_task(e.executor().answer("trial", e.record.record_id))
            await within(asked.wait())
            await wait_until(vars(e.record)["_changes"].empty)  # the writer has it in hand
            handler.cancel()
            await over(handler)
        await e.event(job, status=Status.WAITING, seq=3)
        await is_given_back(e, job)
    assert stage.attempts == []


@pytest.mark.parametrize("first", [True, False], ids=["the first job of a ring", "the next one"])
async def test_a_claim_that_is_answered_just_as_its_caller_goes_away_is_given_back(tmp_path: Path, first: bool):
    stage = Stage()
    stage.gate.set()
    async with engine(tmp_path, kind(stage.run), workers=0) as e:
        jobs = [await e.submit(), await e.submit()]
        claimed = jobs[0] if first else jobs[1]

        def cancel(events: object) -> None:
            if any(body["status"] == Status.ACTIVE and body["step"] is None for body in e.story(claimed)):
                loop.call_soon(handler.cancel)

        loop = asyncio.get_running_loop()
        e.database.listen(cancel)
        handler = asyncio.create_task(e.executor().answer("trial", e.record.record_id))
        await over(handler)
        await e.event(claimed, status=Status.WAITING, seq=3)
        await is_given_back(e, claimed)
