"""No call is paid for twice without saying so, and what was paid for is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snapasset import errors
from snapasset.errors import AnswerLost, ContentPolicy, InvalidPrompt, ProviderTimeout, StorageFailed
from snapasset.event import ERROR, FINAL
from snapasset.job import Status
from snapasset.job_type import Wire
from snapasset.records.files import FileRow
from snapasset.records.steps import FinishStep
from tests.worker.engine import OWNER, changes_of, engine, kind, wait_until, within
from worker.processors.trial import Nothing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from snapasset.database import Read, Write
    from worker.context import JobContext, Step


class Bill(Wire):
    """What a paid step leaves: the number of the call, from 1."""

    number: int


class Till:
    """A paid call and how often it was billed; it raises its `mishaps` one after the other, then succeeds."""

    def __init__(self, *mishaps: BaseException) -> None:
        self.bills = 0
        self._mishaps = list(mishaps)

    async def pay(self, _step: Step) -> Bill:
        self.bills += 1
        if self._mishaps:
            raise self._mishaps.pop(0)
        return Bill(number=self.bills)

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        await context.step("pay", self.pay, output=Bill, span=(0, 50), paid=True)
        return Nothing()


class Shop:
    """A paid call that takes as long as the test wants: `asked` says it was sent, `answer` lets it come back."""

    def __init__(self) -> None:
        self.bills = 0
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.paid = True

    async def buy(self, step: Step) -> Bill:
        self.bills += 1
        number = self.bills
        self.asked.set()
        await self.answer.wait()
        step.keep(FileRow(f"file-{number}", "master", "m", f"m/{number}", "image/png", 1))
        return Bill(number=number)

    async def run(self, context: JobContext[Nothing]) -> Nothing:
        await context.step("buy", self.buy, output=Bill, span=(0, 50), paid=self.paid)
        return Nothing()


# --- doubts


@pytest.mark.parametrize(
    "mishap",
    [AnswerLost(), StorageFailed(), LookupError(), SystemExit()],
    ids=lambda mishap: type(mishap).__name__,
)
async def test_a_call_of_unknown_outcome_is_repeated_once_and_the_doubt_is_kept(tmp_path: Path, mishap: BaseException):
    till = Till(mishap)
    async with engine(tmp_path, kind(till.run)) as e:
        job = await e.submit()
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 2)
        step = (await e.steps(job))["pay"]
        assert (step.state, step.doubts, step.output) == ("done", 1, '{"number":2}')
    assert till.bills == 2


async def test_a_second_doubt_ends_the_run(tmp_path: Path):
    till = Till(AnswerLost(), AnswerLost())
    async with engine(tmp_path, kind(till.run, attempts=5)) as e:
        job = await e.submit()
        last = await e.final(job)
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, "outcome_unknown")
        assert (last["attempt"], last["error"]["retryable"]) == (2, False)
        assert (await e.steps(job))["pay"].doubts == 2
    assert till.bills == 2


async def test_whoever_wants_to_be_asked_has_no_call_repeated(tmp_path: Path):
    till = Till(AnswerLost())
    async with engine(tmp_path, kind(till.run), paid_doubt="ask") as e:
        job = await e.submit()
        last = await e.final(job)
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, "outcome_unknown")
        assert last["attempt"] == 1
        # Asked and told to go on: the next run begins without doubts.
        await e.client.retry(job, owner=OWNER)
        assert (await e.final(job, run=2))["status"] == Status.COMPLETED
    assert till.bills == 2


@pytest.mark.parametrize(
    "mishap",
    [
        errors.ProviderError(),
        errors.ProviderTimeout(),
        ContentPolicy(),
        InvalidPrompt(),
    ],
    ids=lambda mishap: mishap.code,
)
async def test_a_failure_that_the_provider_names_is_no_doubt(tmp_path: Path, mishap: errors.SnapAssetError):
    till = Till(mishap, mishap, mishap)
    async with engine(tmp_path, kind(till.run)) as e:
        job = await e.submit()
        last = await e.final(job)
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, mishap.code)
        step = (await e.steps(job))["pay"]
        assert (step.state, step.doubts) == ("failed", 0)
    assert till.bills == (3 if mishap.retryable else 1)


async def test_an_attempt_that_runs_out_of_time_in_a_paid_call_leaves_a_doubt(tmp_path: Path):
    shop = Shop()

    async def run(context: JobContext[Nothing]) -> Nothing:
        if context.job.attempt == 2:
            shop.answer.set()
        return await shop.run(context)

    async with engine(tmp_path, kind(run, timeout=0.5)) as e:
        job = await e.submit()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert (await e.event(job, type=ERROR))["code"] == "job_timeout"
        assert (await e.steps(job))["buy"].doubts == 1
    assert shop.bills == 2


async def test_a_paid_call_that_came_back_is_not_doubted_for_what_failed_after_it(tmp_path: Path):
    first, second = Till(), Till(ProviderTimeout())

    async def run(context: JobContext[Nothing]) -> Nothing:
        await context.step("first", first.pay, output=Bill, span=(0, 30), paid=True)
        await context.step("second", second.pay, output=Bill, span=(30, 60), paid=True)
        if context.job.attempt == 2:
            raise StorageFailed
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert {step.step: step.doubts for step in (await e.steps(job)).values()} == {"first": 0, "second": 0}
    assert (first.bills, second.bills) == (1, 2)


async def test_a_failed_call_that_the_processor_got_over_leaves_no_doubt_behind(tmp_path: Path):
    cheap, dear = Till(ProviderTimeout(), ProviderTimeout()), Till(ProviderTimeout())

    async def run(context: JobContext[Nothing]) -> Nothing:
        try:
            await context.step("cheap", cheap.pay, output=Bill, span=(0, 30), paid=True)
        except ProviderTimeout:
            await context.step("dear", dear.pay, output=Bill, span=(30, 60), paid=True)
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert {step.doubts for step in (await e.steps(job)).values()} == {0}
    assert (cheap.bills, dear.bills) == (2, 2)


async def test_a_call_under_way_beside_one_that_failed_is_doubted(tmp_path: Path):
    shop, failing = Shop(), ContentPolicy()

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def refused(_step: Step) -> Bill:
            await shop.asked.wait()
            raise failing

        await asyncio.gather(
            context.step("buy", shop.buy, output=Bill, span=(0, 50), paid=True),
            context.step("refused", refused, output=Bill, span=(50, 100), paid=True),
        )
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        assert (await e.final(job))["error"]["code"] == "content_policy"
        assert (await e.steps(job))["buy"].doubts == 1
        # Its answer comes late and is kept all the same.
        shop.answer.set()
        await e.step_done(job, "buy")


async def test_a_job_given_back_in_a_paid_call_leaves_a_doubt(tmp_path: Path):
    shop = Shop()
    async with engine(tmp_path, kind(shop.run)) as e:
        job = await e.submit()
        await within(shop.asked.wait())
        await within(e.runners[0].stop())
        row, step = await e.job(job), (await e.steps(job))["buy"]
        assert (row.status, row.attempt, step.state, step.doubts) == (Status.WAITING, 0, "doubtful", 1)
        shop.answer.set()
        await e.start()
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert shop.bills == 2


async def test_an_answer_that_was_not_saved_yet_when_the_worker_stops_is_saved_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    shop, saving, allowed = Shop(), asyncio.Event(), asyncio.Event()

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if isinstance(operation, FinishStep):
            saving.set()
            await allowed.wait()

    shop.answer.set()
    async with engine(tmp_path, kind(shop.run)) as e:
        e.database.guard = guard
        job = await e.submit()
        await within(saving.wait())
        await within(e.runners[0].stop())
        assert (await e.job(job)).status == Status.WAITING
        assert [(one.levelname, one.message) for one in caplog.records if one.name == "worker.attempt"] == [
            ("WARNING", "what a stopped job has paid for is still being saved")
        ]
        allowed.set()
        assert (await e.step_done(job, "buy")).output == '{"number":1}'
        e.database.guard = None
        await e.start()
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert [file.id for file in await e.files(job)] == ["file-1"]
    assert shop.bills == 1


# --- a job that was taken away


async def test_what_was_paid_for_by_an_executor_that_lost_the_job_is_kept_without_a_word(tmp_path: Path):
    shop = Shop()
    async with engine(tmp_path, kind(shop.run)) as e:
        job = await e.submit()
        await within(shop.asked.wait())
        await e.take_away(job)
        told = e.story(job)
        shop.answer.set()
        step = await e.step_done(job, "buy")
        assert (step.output, step.doubts) == ('{"number":1}', 1)
        assert [file.id for file in await e.files(job)] == ["file-1"]
        assert e.story(job) == told
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert shop.bills == 1


async def test_what_was_not_paid_for_by_an_executor_that_lost_the_job_is_dropped(tmp_path: Path):
    shop = Shop()
    shop.paid = False
    async with engine(tmp_path, kind(shop.run)) as e:
        job = await e.submit()
        await within(shop.asked.wait())
        await e.take_away(job)
        shop.answer.set()
        await e.upkeep()
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 2)
        assert (await e.steps(job))["buy"].output == '{"number":2}'
        assert [file.id for file in await e.files(job)] == ["file-2"]
    assert shop.bills == 2


async def test_a_late_answer_does_not_replace_one_that_is_there(tmp_path: Path):
    early, late, calls = asyncio.Event(), asyncio.Event(), list[int]()

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def buy(step: Step) -> Bill:
            calls.append(context.job.attempt)
            number = len(calls)
            await (late if number == 1 else early).wait()
            step.keep(FileRow(f"file-{number}", "master", "m", f"m/{number}", "image/png", 1))
            return Bill(number=number)

        try:
            await context.step("buy", buy, output=Bill, span=(0, 50), paid=True)
        finally:
            if context.job.attempt == 1:
                over.set()
        return Nothing()

    over = asyncio.Event()
    async with engine(tmp_path, kind(run)) as e:
        job = await e.submit()
        await e.event(job, state="started", attempt=1)
        await e.take_away(job)
        await e.upkeep()
        await e.event(job, state="started", attempt=2)
        early.set()
        await e.event(job, type=FINAL)
        told = e.story(job)
        late.set()
        await within(over.wait())
        assert (await e.steps(job))["buy"].output == '{"number":2}'
        assert [file.id for file in await e.files(job)] == ["file-2"]
        assert e.story(job) == told
    assert calls == [1, 2]


async def test_nothing_new_is_paid_for_once_the_job_is_known_to_be_lost(tmp_path: Path):
    steps: Sequence[Till] = (Till(), Till())
    taken, gate = asyncio.Event(), asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        for number, till in enumerate(steps):
            await context.step(str(number), till.pay, output=Bill, span=(0, 50), paid=True)
            if context.job.attempt == 1:
                taken.set()
                await gate.wait()
        return Nothing()

    async with engine(tmp_path, kind(run), workers=0) as e:
        job = await e.submit()
        executor = e.executor()
        answering = asyncio.create_task(e.answer(executor))
        await within(taken.wait())
        await e.take_away(job)
        gate.set()
        await answering
        assert steps[1].bills == 0
        assert (await e.job(job)).status == Status.WAITING
        await e.start()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert [till.bills for till in steps] == [1, 1]


async def test_whoever_is_cancelled_while_it_saves_gives_the_job_back_with_the_step_done(tmp_path: Path):
    till, saving, go_on = Till(), asyncio.Event(), asyncio.Event()
    processors: list[asyncio.Task[Any]] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        task = asyncio.current_task()
        assert task is not None
        processors.append(task)
        await context.step("buy", till.pay, output=Bill, span=(0, 50), paid=True)
        return Nothing()

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if any(isinstance(one, FinishStep) for one in changes_of(operation)):
            saving.set()
            await go_on.wait()

    async with engine(tmp_path, kind(run), workers=0) as e:
        e.database.guard = guard
        runner = await e.start()
        job = await e.submit()
        await within(saving.wait())
        stopping = asyncio.create_task(runner.stop())
        await wait_until(processors[0].cancelling)
        go_on.set()
        await within(stopping)
        assert (await e.job(job)).status == Status.WAITING
        assert [body["state"] for body in e.story(job) if "state" in body] == ["started", "done"], "it was in time"
        await e.start()
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert till.bills == 1
