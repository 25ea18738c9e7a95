"""What was paid for is written down once for each call, in the commit that tells of it, and is never lost or taken back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both
from snapasset.records.claims import GiveBack
from snapasset.records.costs import Charge, SaveCharge, cost_json
from snapasset.records.endings import Cancel, Complete, EndCancelled, Fail, PutOff
from snapasset.records.retention import RemoveJobs
from snapasset.records.revival import Retry
from snapasset.records.steps import FinishStep, SavePaidStep, StartedStep, StartStep
from snapasset.records.upkeep import HeldJobs, Reap
from tests.contracts.record_backends import Look
from tests.contracts.record_jobs import FAULT, OWNER, a_job, claimed, held, last_told, steps_of, stored, told

if TYPE_CHECKING:
    from snapasset.database import Database, Write
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock

CHARGE = Charge("openai", "gpt-image-2", "req_1", "1024x1024", "high", '{"output_tokens":1000}', "2026-11-01", 30_100)
STEP = "generate"


async def pay(database: Database, job: Job, charge: Charge = CHARGE, step: str = STEP) -> None:
    await start(database, job, step)
    await finish(database, job, charge, step)


async def start(database: Database, job: Job, step: str = STEP, *, paid: bool = True) -> None:
    await database.write(StartStep(job.id, job.fence, step, paid, 10.0))


async def finish(database: Database, job: Job, charge: Charge | None = CHARGE, step: str = STEP) -> None:
    assert await database.write(FinishStep(job.id, job.fence, step, "1", 40.0, charge=charge)) is not None


async def lose(database: Database) -> None:
    [seen] = await database.read(HeldJobs())
    assert await database.write(Reap(seen)) is not None


async def rows(database: Database, columns: str = "run, step, fence, state, micro_usd") -> list[Any]:
    return await database.read(Look(f"SELECT {columns} FROM costs ORDER BY job_id, run, step, fence"))


async def cost(database: Database, job: Job) -> Any:
    return json.loads((await stored(database, job.id)).cost or "null")


def came_to(usd: float, calls: int, doubtful: int = 0, unpriced: int = 0) -> Any:
    return {"usd": usd, "calls": calls, "doubtfulCalls": doubtful, "unpricedCalls": unpriced}


class TestCharged:
    async def test_a_call_is_written_down_with_all_that_is_known_of_it(self, database: Database, clock: Clock) -> None:
        job = await held(database, generation_id="g-1", estimate=50_000)
        await pay(database, job)
        columns = (
            "job_id, run, step, fence, owner, kind, generation_id, state, provider, model, request_id, size, quality, "
            "usage, priced, micro_usd, estimate, at"
        )
        assert await rows(database, columns) == [
            (job.id, 1, STEP, job.fence, OWNER, job.kind, "g-1", "charged", *CHARGE, 50_000, clock.now)
        ]

    async def test_the_job_and_its_events_tell_what_it_came_to(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        assert "cost" not in await last_told(database, job.id)
        await finish(database, job)
        assert await cost(database, job) == came_to(0.0301, 1)
        await database.write(Complete(job.id, job.fence, "{}"))
        events = await told(database, job.id)
        assert [event["cost"] for event in events if "cost" in event] == [came_to(0.0301, 1)] * 2

    async def test_what_was_not_told_is_counted_and_not_guessed(self, database: Database) -> None:
        job = await held(database)
        await pay(database, job, Charge())
        await pay(database, job, step="again")
        assert await cost(database, job) == came_to(0.0301, 2, unpriced=1)

    async def test_what_is_free_is_not_in_it(self, database: Database) -> None:
        job = await held(database)
        await start(database, job, paid=False)
        await finish(database, job, None)
        await database.write(GiveBack(job.id, job.fence))
        assert (await rows(database), await cost(database, job)) == ([], None)

    async def test_a_commit_whose_answer_was_lost_is_no_second_call(self, database: Database) -> None:
        job = await held(database)
        await pay(database, job)
        await finish(database, job, CHARGE._replace(micro_usd=1))
        assert await rows(database) == [(1, STEP, job.fence, "charged", 30_100)]

    async def test_one_that_is_refused_leaves_nothing(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        change = FinishStep(job.id, job.fence - 1, STEP, "1", 40.0, charge=CHARGE)
        assert await database.write(change) is None
        assert await rows(database) == []


def ending(how: str, job: Job) -> Write[Any]:
    """What ends an attempt with a paid call under way."""
    match how:
        case "given back":
            return GiveBack(job.id, job.fence)
        case "failed":
            return Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0, doubtful=True)
        case "cancelled":
            return EndCancelled(job.id, job.fence)
        case "put off":
            return PutOff(job.id, job.fence, FAULT, 0, doubtful=True)
        case _:
            return Complete(job.id, job.fence, "{}", doubtful=True)


class TestDoubt:
    @pytest.mark.parametrize("how", ["reaped", "given back", "failed", "cancelled", "put off", "completed"])
    async def test_a_call_that_nobody_knows_of_is_written_down_as_that(self, database: Database, how: str) -> None:
        job = await held(database, estimate=7)
        await start(database, job)
        if how == "cancelled":
            await database.write(Cancel(job.id, OWNER))
        await (lose(database) if how == "reaped" else database.write(ending(how, job)))
        assert await rows(database, "fence, state, provider, micro_usd, estimate") == [
            (job.fence, "doubtful", None, None, 7)
        ]
        assert await cost(database, job) == came_to(0, 1, doubtful=1)
        assert (await last_told(database, job.id))["cost"] == came_to(0, 1, doubtful=1)

    async def test_each_attempt_has_its_own(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await lose(database)
        again = await claimed(database)
        await pay(database, again)
        assert [row[2:] for row in await rows(database)] == [
            (job.fence, "doubtful", None),
            (again.fence, "charged", 30_100),
        ]
        assert await cost(database, job) == came_to(0.0301, 2, doubtful=1)

    async def test_a_failure_that_the_provider_names_cost_nothing(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=0))
        assert await rows(database) == []

    @pytest.mark.parametrize("pauses", [False, True])
    async def test_nor_did_one_that_is_put_off(self, database: Database, pauses: bool) -> None:
        job = await held(database)
        await start(database, job)
        await database.write(PutOff(job.id, job.fence, FAULT, 0, pauses=pauses))
        [step] = await steps_of(database, job.id)
        assert (step.state, step.doubts) == ("failed", 0)
        assert (await rows(database), await cost(database, job)) == ([], None)

    async def test_a_step_that_was_to_be_cancelled_first_is_not_begun_and_not_in_doubt(
        self, database: Database
    ) -> None:
        job = await held(database)
        await database.write(Cancel(job.id, OWNER))
        begun = await database.write(StartStep(job.id, job.fence, STEP, paid=True, progress=10.0))
        assert begun == StartedStep(cancel_requested=True, doubts=0)
        assert await database.write(EndCancelled(job.id, job.fence)) is not None
        assert (await steps_of(database, job.id), await rows(database)) == ([], [])
        assert await cost(database, job) is None


class TestLate:
    async def test_an_answer_that_comes_after_all_ends_the_doubt(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await lose(database)
        before = await told(database, job.id)
        late = SavePaidStep(job.id, job.run, STEP, '"late"', ())
        await database.write(Both(late, SaveCharge(job, STEP, CHARGE)))
        assert await rows(database) == [(1, STEP, job.fence, "charged", 30_100)]
        assert await cost(database, job) == came_to(0.0301, 1)
        assert await told(database, job.id) == before, "only who holds the job may tell"

    async def test_it_is_paid_for_though_the_step_has_another(self, database: Database) -> None:
        old = await held(database)
        await start(database, old)
        await lose(database)
        await pay(database, await claimed(database))
        for _ in range(2):
            await database.write(SaveCharge(old, STEP, CHARGE._replace(micro_usd=7)))
        assert await cost(database, old) == came_to(0.030107, 2)

    async def test_it_is_paid_for_though_its_job_has_gone(self, database: Database, clock: Clock) -> None:
        job = await held(database)
        await start(database, job)
        await database.write(Cancel(job.id, OWNER))
        await database.write(EndCancelled(job.id, job.fence))
        await database.write(a_job())
        assert await database.write(RemoveJobs((job.id,), clock.now))
        await database.write(SaveCharge(job, STEP, CHARGE))
        assert await rows(database) == [(1, STEP, job.fence, "charged", 30_100)]

    async def test_a_doubt_that_comes_after_the_bill_changes_nothing(self, database: Database) -> None:
        job = await held(database)
        await start(database, job)
        await database.write(SaveCharge(job, STEP, CHARGE))
        await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=0, doubtful=True))
        assert await cost(database, job) == came_to(0.0301, 1)


async def test_it_adds_up_over_the_runs_of_a_job_and_outlives_it(database: Database, clock: Clock) -> None:
    job = await held(database)
    await pay(database, job, step="first")
    await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
    await database.write(Retry(job.id, OWNER))
    again = await claimed(database)
    await pay(database, again, step="second")
    await database.write(Complete(again.id, again.fence, "{}"))
    assert await cost(database, job) == came_to(0.0602, 2)
    await database.write(a_job())
    assert await database.write(RemoveJobs((job.id,), clock.now))
    assert [row[:2] for row in await rows(database)] == [(1, "first"), (2, "second")]


def test_what_is_told_is_in_dollars() -> None:
    assert json.loads(cost_json(3, 1, 1, 1_234_567)) == came_to(1.234567, 3, 1, 1)
