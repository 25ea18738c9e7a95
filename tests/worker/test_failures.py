"""Whatever a processor does, its attempt ends in a named error, and its slot is free again."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset import errors
from snapasset.errors import ProviderTimeout
from snapasset.event import ERROR, FINAL, iso
from snapasset.job import Status
from tests.worker.engine import Clock, engine, kind, opened_at_last, wait_until, within
from worker.processors.trial import NOOP, WALK, Nothing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from worker.context import JobContext, Step

    Run = Callable[[JobContext[Nothing]], Awaitable[Nothing]]

SECRET = "password=hunter2"


class OutOfBounds(BaseException):
    """No `Exception`, and nobody's in particular."""


def raising(error: BaseException) -> Run:
    async def run(_context: JobContext[Nothing]) -> Nothing:
        raise error

    return run


def raising_in_a_step_beside_another(error: BaseException) -> Run:
    """The step runs in a task of its own, whose failure nobody but the loop would see."""

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def bad(_step: Step) -> Nothing:
            raise error

        async def good(_step: Step) -> Nothing:
            return Nothing()

        await asyncio.gather(
            context.step("good", good, output=Nothing, span=(0, 50)),
            context.step("bad", bad, output=Nothing, span=(50, 100)),
        )
        return Nothing()

    return run


def raising_in_a_task_group(*raised: BaseException) -> Run:
    async def run(context: JobContext[Nothing]) -> Nothing:
        all_there = asyncio.Barrier(len(raised))

        async def bad(error: BaseException) -> None:
            await all_there.wait()
            raise error

        async with asyncio.TaskGroup() as group:
            for error in raised:
                group.create_task(bad(error))
        return Nothing()

    return run


# --- again, and when


async def test_a_failed_attempt_is_tried_again_after_two_then_four_seconds(tmp_path: Path):
    clock = Clock()
    async with engine(tmp_path, kind(raising(ProviderTimeout())), clock=clock, retry_base_seconds=2.0) as e:
        job = await e.submit()
        for attempt, pause in ((1, 2_000), (2, 4_000)):
            told = await e.event(job, type=ERROR, attempt=attempt)
            row = await e.job(job)
            assert (row.status, row.attempt) == (Status.DELAYED, attempt)
            assert row.due_at is not None
            assert pause * 0.8 <= row.due_at - clock.now <= pause * 1.2
            assert told["nextAttemptAt"] == iso(row.due_at)
            assert (told["code"], told["message"], told["retryable"]) == (
                "provider_timeout",
                ProviderTimeout.sentence,
                True,
            )
            clock.now = row.due_at - 1
            await e.upkeep()
            assert (await e.job(job)).status == Status.DELAYED
            clock.now += 1
            await e.upkeep()
        last = await e.event(job, type=FINAL)
        assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 3, "provider_timeout")


async def test_what_waits_to_be_mended_is_tried_ever_more_seldom_and_uses_up_no_attempt(tmp_path: Path):
    clock = Clock()
    unusable = errors.StorageUnusable("SUPABASE_SERVICE_KEY is refused.")
    async with engine(
        tmp_path, kind(raising(unusable)), clock=clock, retry_base_seconds=2.0, retry_max_seconds=300.0
    ) as e:
        job = await e.submit()
        begun = clock.now
        for number, (waited, pause) in enumerate(((0, 2_000), (80_000, 10_000), (10_000_000, 300_000))):
            clock.now = max(clock.now, begun + waited)
            await e.upkeep()
            row = await e.job_where(
                job,
                lambda row, before=number: (
                    row.status == Status.DELAYED and sum(told["type"] == ERROR for told in e.story(job)) > before
                ),
            )
            assert row.attempt == 0
            assert row.due_at is not None
            assert pause * 0.8 <= row.due_at - row.updated_at <= pause * 1.2
            assert e.story(job)[-1]["message"] == unusable.detail


async def test_a_used_up_quota_says_in_the_log_how_its_queue_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with engine(tmp_path, kind(raising(errors.ProviderQuotaExceeded()))) as e:
        await e.event(await e.submit(), type=ERROR)
    (said,) = [record for record in caplog.records if "waits to be resumed" in record.message]
    assert "set ADMIN_TOKEN" in said.__dict__["why"]
    assert "POST /api/queues/trial/resume" in said.__dict__["why"]


async def test_jobs_that_failed_together_are_not_tried_again_together(tmp_path: Path):
    clock = Clock()
    async with engine(
        tmp_path, kind(raising(ProviderTimeout())), clock=clock, retry_base_seconds=200.0, job_max_concurrency=20
    ) as e:
        jobs = [await e.submit() for _ in range(20)]
        for job in jobs:
            await e.event(job, type=ERROR)
        pauses = {(await e.job(job)).due_at for job in jobs}
    assert len(pauses) > 10


async def test_the_pause_between_attempts_has_a_ceiling(tmp_path: Path):
    clock = Clock()
    async with engine(
        tmp_path, kind(raising(ProviderTimeout())), clock=clock, retry_base_seconds=1_000.0, retry_max_seconds=10.0
    ) as e:
        job = await e.submit()
        await e.event(job, type=ERROR)
        due_at = (await e.job(job)).due_at
    assert due_at is not None
    assert 8_000 <= due_at - clock.now <= 12_000


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidInput("That is no use."),
        errors.InvalidPrompt(),
        errors.UnknownPlatform(),
        errors.ContentPolicy(),
        errors.OutcomeUnknown(),
        errors.StorageQuotaExceeded(),
        errors.FileMissing(),
        errors.BadPicture(),
    ],
    ids=lambda error: error.code,
)
async def test_what_trying_again_cannot_mend_is_never_tried_again(tmp_path: Path, error: errors.SnapAssetError):
    async with engine(tmp_path, kind(raising(error))) as e:
        job = await e.submit()
        last = await e.event(job, type=FINAL)
        assert (last["status"], last["attempt"]) == (Status.FAILED, 1)
        assert last["error"] == {"code": error.code, "message": error.detail, "retryable": False}
        assert json.loads((await e.job(job)).error or "") == last["error"]


@pytest.mark.parametrize(
    "error",
    [
        errors.ProviderError(),
        errors.ProviderTimeout(),
        errors.DownloadFailed(),
        errors.StorageFailed(),
        errors.StorageUnavailable(),
        errors.DatabaseUnavailable(),
    ],
    ids=lambda error: error.code,
)
async def test_what_may_go_away_is_tried_again(tmp_path: Path, error: errors.SnapAssetError):
    failing = [error]

    async def run(_context: JobContext[Nothing]) -> Nothing:
        if failing:
            raise failing.pop()
        return Nothing()

    async with engine(tmp_path, kind(run)) as e:
        last = await e.final(await e.submit())
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 2)


# --- what a processor may do wrong


async def test_an_error_of_the_kind_s_own_code_is_named_but_not_quoted(tmp_path: Path):
    async with engine(tmp_path, kind(raising(LookupError(SECRET)))) as e:
        job = await e.submit()
        last = await e.final(job)
        assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 3, "internal_error")
        assert "LookupError" in last["error"]["message"]
        row = await e.job(job)
        assert not [text for text in (*map(str, e.story(job)), str(row)) if SECRET in text]


@pytest.mark.parametrize(
    ("place", "error"),
    [
        # Raised in a task that the engine never sees, SystemExit and KeyboardInterrupt go to the loop itself.
        (raising_in_a_task_group, GeneratorExit(SECRET)),
        (raising_in_a_task_group, OutOfBounds(SECRET)),
        *itertools.product(
            (raising, raising_in_a_step_beside_another),
            (SystemExit(SECRET), KeyboardInterrupt(SECRET), GeneratorExit(SECRET), OutOfBounds(SECRET)),
        ),
    ],
    ids=lambda given: given.__name__ if callable(given) else type(given).__name__,
)
async def test_not_even_what_ends_programs_ends_the_worker(
    tmp_path: Path, place: Callable[[BaseException], Run], error: BaseException
):
    async with engine(tmp_path, kind(place(error), attempts=1), NOOP) as e:
        job = await e.submit()
        last = await e.event(job, type=FINAL)
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, "internal_error")
        assert type(error).__name__ in last["error"]["message"]
        assert SECRET not in str(e.story(job))
        assert (await e.final(await e.submit("noop")))["status"] == Status.COMPLETED


async def test_a_processor_that_cancels_itself_has_failed(tmp_path: Path):
    async with engine(tmp_path, kind(raising(asyncio.CancelledError()))) as e:
        last = await e.final(await e.submit())
        assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 3, "internal_error")


async def test_a_processor_that_returns_what_is_no_result_has_failed(tmp_path: Path):
    async def run(_context: JobContext[Nothing]) -> Any:
        return None

    async with engine(tmp_path, kind(run)) as e:
        last = await e.final(await e.submit())
        assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 3, "internal_error")


async def test_of_several_errors_the_one_that_trying_again_cannot_mend_counts(tmp_path: Path):
    group = raising_in_a_task_group(LookupError(), ProviderTimeout(), errors.ContentPolicy())
    async with engine(tmp_path, kind(group)) as e:
        last = await e.final(await e.submit())
        assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 1, "content_policy")


async def test_an_error_s_sentence_may_hold_any_text(tmp_path: Path):
    async with engine(tmp_path, kind(raising(errors.InvalidInput("half a pair: \ud83d, \x00, \u2028")))) as e:
        last = await e.final(await e.submit())
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, "invalid_input")


# --- data that no longer suits


async def test_a_job_whose_data_no_longer_suits_its_kind_fails_and_the_next_one_runs(tmp_path: Path):
    async with engine(tmp_path, WALK, workers=0) as e:
        odd = await e.put("walk", "walk", '{"steps":0}')
        older = await e.put("walk", "walk", '{"stride":3}')
        fine = await e.put("walk", "walk", '{"steps":1}')
        await e.answer(e.executor(), "walk")
        for job in (odd, older):
            last = await e.event(job, type=FINAL)
            assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 1, "invalid_input")
        assert (await e.event(fine, type=FINAL))["status"] == Status.COMPLETED


async def test_a_kind_whose_own_check_raises_fails_the_job(tmp_path: Path):
    class Odd(Nothing):
        def model_post_init(self, _context: object) -> None:
            raise LookupError(SECRET)

    async with engine(tmp_path, kind(raising(AssertionError()), args=Odd), workers=0) as e:
        job = await e.put(attempts=1)
        await e.answer(e.executor())
        last = await e.event(job, type=FINAL)
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, "internal_error")
        assert SECRET not in str(last)


# --- time


async def test_an_attempt_that_takes_too_long_is_stopped_and_tried_again(tmp_path: Path):
    stopped: list[int] = []

    async def run(context: JobContext[Nothing]) -> Nothing:
        if context.job.attempt == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.append(context.job.attempt)
                raise
        return Nothing()

    async with engine(tmp_path, kind(run, timeout=0.05)) as e:
        job = await e.submit()
        assert (await e.final(job))["status"] == Status.COMPLETED
        failed = await e.event(job, type=ERROR)
        assert (failed["code"], failed["retryable"]) == ("job_timeout", True)
        assert "0.05 s" in failed["message"]
    assert stopped == [1]


async def test_a_processor_that_ignores_being_stopped_loses_its_slot_and_its_say(tmp_path: Path):
    let_go, refused = asyncio.Event(), asyncio.Event()

    async def run(context: JobContext[Nothing]) -> Nothing:
        async def stubborn(step: Step) -> Nothing:
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue
            step.tick(0.9)
            return Nothing()

        try:
            await context.step("stubborn", stubborn, output=Nothing, span=(0, 100))
        finally:
            refused.set()
        return Nothing()

    async with engine(tmp_path, kind(run, timeout=0.5, attempts=1), job_max_concurrency=1) as e:
        with opened_at_last(let_go):
            job = await e.submit()
            await e.event(job, state="started")
            behind = await e.submit()
            await e.event(job, type=FINAL, status=Status.FAILED)
            # Its slot is free: the next job of the queue starts, and is as stubborn.
            await e.event(behind, state="started")
            assert e.runners[0].stuck == 1
            story, news = e.story(job), await e.news(job)
        await within(refused.wait())
        await wait_until(lambda: e.runners[0].stuck == 0)
        await e.event(behind, type=FINAL)
        assert e.story(job) == story
        assert news == []
        assert (await e.job(job)).status == Status.FAILED
        assert (await e.steps(job))["stubborn"].state == "failed"
