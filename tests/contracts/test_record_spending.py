"""What may be spent in a day: by one owner and by all, asked when a job comes and again when its call is about to be made."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both
from snapasset.errors import SpendCapReached
from snapasset.job import Status, new_id
from snapasset.records.costs import Charge
from snapasset.records.endings import Cancel, Complete, Fail, PutOff
from snapasset.records.queues import QueueRooms, ResumeQueue
from snapasset.records.spending import DAY_MS
from snapasset.records.steps import FinishStep, StartStep
from snapasset.records.submission import Submit, SubmitAll
from snapasset.records.upkeep import Promote
from snapasset.spend_settings import Caps
from tests.contracts.record_backends import Look
from tests.contracts.record_jobs import CLAIM, FAULT, OWNER, QUEUE, STRANGER, a_job, claimed, last_told, stored

if TYPE_CHECKING:
    from snapasset.database import Database, Write
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock, Record

CAPS = Caps(owner=100, everybody=150)
STEP = "generate"


def costly(estimate: int | None = 40, owner: str = OWNER, caps: Caps | None = CAPS, **more: Any) -> Submit:
    return a_job(owner=owner, estimate=estimate, caps=caps, **more)


async def refused(database: Database, submit: Write[Any]) -> SpendCapReached:
    with pytest.raises(SpendCapReached) as raised:
        await database.write(submit)
    return raised.value


async def start(database: Database, job: Job, caps: Caps | None = CAPS, *, paid: bool = True) -> bool:
    """Whether the paid step may begin."""
    try:
        return await database.write(StartStep(job.id, job.fence, STEP, paid, 10.0, caps)) is not None
    except SpendCapReached:
        return False


async def spend(database: Database, micro_usd: int | None, estimate: int = 40, owner: str = OWNER) -> Job:
    """A job whose picture is paid for, and that still runs."""
    await database.write(costly(estimate, owner, None))
    job = await claimed(database)
    assert await start(database, job, None)
    await database.write(FinishStep(job.id, job.fence, STEP, "1", 40.0, charge=Charge(micro_usd=micro_usd)))
    return job


class TestTaking:
    async def test_what_is_promised_counts_until_nothing_is_left(self, database: Database) -> None:
        for _ in range(2):
            await database.write(costly(40))
        await refused(database, costly(21))
        await database.write(costly(20))
        await refused(database, costly(1))

    async def test_another_owner_has_a_budget_of_his_own_and_all_share_one(self, database: Database) -> None:
        await database.write(costly(100))
        await refused(database, costly(51, STRANGER))
        await database.write(costly(50, STRANGER))

    async def test_one_limit_alone_is_kept_as_well(self, database: Database) -> None:
        for caps in (Caps(50, None), Caps(None, 50)):
            await refused(database, costly(51, caps=caps))
        await database.write(costly(50, caps=Caps(None, 50)))
        await refused(database, costly(1, STRANGER, caps=Caps(None, 50)))
        await database.write(costly(1, STRANGER, caps=Caps(50, None)))

    async def test_what_is_free_is_never_refused(self, database: Database) -> None:
        await database.write(costly(100))
        await database.write(costly(0))

    async def test_what_nobody_knows_the_price_of_is(self, database: Database) -> None:
        await refused(database, costly(None))
        await database.write(costly(None, caps=None))

    async def test_what_was_paid_counts_by_its_bill_and_no_longer_by_what_was_expected(
        self, database: Database
    ) -> None:
        job = await spend(database, 90, estimate=20)
        await refused(database, costly(11))
        await database.write(costly(10))
        await database.write(Complete(job.id, job.fence, "{}"))
        await refused(database, costly(1))

    async def test_what_was_paid_without_a_bill_counts_as_it_was_expected(self, database: Database) -> None:
        await spend(database, None, estimate=60)
        await refused(database, costly(41))
        await database.write(costly(40))

    async def test_a_doubtful_call_counts_as_if_it_had_been_charged(self, database: Database) -> None:
        await database.write(costly(60))
        job = await claimed(database)
        assert await start(database, job)
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0, doubtful=True))
        await refused(database, costly(41))
        await database.write(costly(40))

    async def test_what_came_to_nothing_before_it_was_paid_is_free_again(self, database: Database) -> None:
        job = await database.write(costly(100))
        await database.write(Cancel(job.id, OWNER))
        await database.write(costly(100))

    async def test_many_at_once_are_taken_all_or_none(self, database: Database) -> None:
        many = tuple(costly(estimate) for estimate in (50, 0, 50))
        await refused(database, SubmitAll((*many, costly(1)), (0, 1, 2, 3)))
        assert await database.read(Look("SELECT count(*) FROM jobs")) == [(0,)]
        await database.write(SubmitAll(many, (0, 1, 2)))

    async def test_of_many_at_once_no_more_are_taken_than_may_be_paid(self, database: Database, record: Record) -> None:
        others = [database, await record.open()]
        submits = [others[n % 2].write(costly(40, f"session:{n}", Caps(None, 150))) for n in range(12)]
        answers = await asyncio.gather(*submits, return_exceptions=True)
        taken = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert all(isinstance(answer, SpendCapReached) for answer in answers if isinstance(answer, BaseException))
        assert len(taken) == 3


class TestDays:
    async def test_a_new_day_is_a_new_budget_and_says_so_before(self, database: Database, clock: Clock) -> None:
        clock.now = 20_000 * DAY_MS + 60_000
        job = await spend(database, 100)
        await database.write(Complete(job.id, job.fence, "{}"))
        error = await refused(database, costly(1))
        assert error.retry_after_seconds == (DAY_MS - 60_000) / 1000
        assert "2024-10-05T00:00:00.000Z" in error.detail
        clock.move(DAY_MS - 60_001)
        await refused(database, costly(1))
        clock.move(1)
        await database.write(costly(100))

    async def test_what_still_waits_is_promised_on_every_day(self, database: Database, clock: Clock) -> None:
        await database.write(costly(100))
        clock.move(DAY_MS)
        await refused(database, costly(1))


class TestCalling:
    async def test_a_call_is_made_only_within_what_is_left(self, database: Database) -> None:
        await spend(database, 61)
        await database.write(costly(40, caps=None))
        job = await claimed(database)
        seq = job.seq
        assert not await start(database, job)
        assert (await stored(database, job.id)).seq == seq, "it has left a trace"
        assert await start(database, job, paid=False)

    async def test_calls_under_way_count_and_jobs_that_wait_do_not(self, database: Database) -> None:
        for _ in range(4):
            await database.write(costly(50, caps=None))
        jobs = [await claimed(database) for _ in range(3)]
        assert [await start(database, job) for job in jobs] == [True, True, False]
        await database.write(FinishStep(jobs[0].id, jobs[0].fence, STEP, "1", 40.0, charge=Charge(micro_usd=1)))
        assert not await start(database, jobs[2]), "49 are left, and 50 are asked for"
        await database.write(FinishStep(jobs[1].id, jobs[1].fence, STEP, "1", 40.0, charge=Charge(micro_usd=1)))
        assert await start(database, jobs[2])

    async def test_one_that_begins_again_does_not_stand_in_its_own_way(self, database: Database) -> None:
        await database.write(costly(100))
        job = await claimed(database)
        assert await start(database, job)
        assert await start(database, job)

    async def test_one_of_which_nothing_was_expected_waits_when_nothing_is_left(self, database: Database) -> None:
        await database.write(costly(None, caps=None))
        job = await claimed(database)
        assert await start(database, job)
        await database.write(FinishStep(job.id, job.fence, STEP, "1", 40.0, charge=Charge(micro_usd=100)))
        await database.write(costly(None, caps=None))
        assert not await start(database, await claimed(database))

    @pytest.mark.parametrize("estimate", [None, 0])
    async def test_what_its_executor_expects_counts_where_nobody_else_expected_anything(
        self, database: Database, estimate: int | None
    ) -> None:
        for _ in range(3):
            await database.write(costly(estimate, caps=None))
        jobs = [await claimed(database) for _ in range(3)]
        starts = [StartStep(job.id, job.fence, STEP, paid=True, progress=1.0, caps=CAPS, quote=50) for job in jobs]
        for change in starts[:2]:
            assert await database.write(change) is not None
        await refused(database, starts[2])
        assert [(await stored(database, job.id)).estimate for job in jobs] == [50, 50, estimate]

    async def test_what_was_expected_first_stays_and_what_is_free_has_no_price(self, database: Database) -> None:
        for estimate, paid in ((40, True), (0, False)):
            await database.write(costly(estimate, caps=None))
            job = await claimed(database)
            await database.write(StartStep(job.id, job.fence, STEP, paid, 1.0, CAPS, quote=50))
            assert (await stored(database, job.id)).estimate == estimate

    async def test_two_processes_do_not_both_take_what_is_left(self, database: Database, record: Record) -> None:
        databases = [database, await record.open()]
        jobs: list[Job] = []
        for n in range(8):
            await database.write(costly(40, f"session:{n}", None))
            jobs.append(await claimed(database))
        begun = await asyncio.gather(*(start(databases[n % 2], job, Caps(None, 150)) for n, job in enumerate(jobs)))
        assert sum(begun) == 3


class TestLater:
    """What is put off, or waits for others, stands in the way of its owner on its own day, and of nobody else's work."""

    async def test_what_is_put_off_counts_on_its_own_day(self, database: Database) -> None:
        await database.write(costly(100, delay_ms=DAY_MS))
        await database.write(costly(100))
        await refused(database, costly(1))
        for later in (costly(1, delay_ms=DAY_MS), costly(60, STRANGER, delay_ms=DAY_MS)):
            error = await refused(database, later)
            assert (error.retry_after_seconds, "2027-01-16" in error.detail) == (None, True)
        await database.write(costly(50, STRANGER, delay_ms=DAY_MS))
        await database.write(costly(100, delay_ms=2 * DAY_MS))

    async def test_when_its_day_has_come_it_counts_as_of_that_day(self, database: Database, clock: Clock) -> None:
        await database.write(costly(100, run_at=clock.now + DAY_MS))
        clock.move(DAY_MS - 1)
        await refused(database, costly(1))
        await database.write(costly(150, STRANGER, Caps(None, 150)))
        clock.move(1)
        await database.write(Promote())
        await refused(database, costly(1, STRANGER, Caps(None, 150)))

    async def test_what_is_due_later_today_keeps_nobody_else_waiting(self, database: Database) -> None:
        await database.write(costly(100, delay_ms=1000))
        await refused(database, costly(1))
        await refused(database, costly(51, STRANGER, delay_ms=1000))
        await database.write(costly(100, STRANGER))
        await refused(database, costly(51, "session:cleo"))
        await database.write(costly(50, "session:cleo"))

    async def test_nor_does_what_waits_for_another_job(self, database: Database) -> None:
        first = await database.write(a_job(delay_ms=30 * DAY_MS))
        await database.write(costly(100, depends_on=(first.id,)))
        await refused(database, costly(1))
        await database.write(costly(100, STRANGER))

    async def test_many_at_once_are_asked_about_day_by_day(self, database: Database) -> None:
        many = tuple(costly(50, delay_ms=days * DAY_MS) for days in (0, 0, 1, 1, 2))
        for day in range(2):
            error = await refused(database, SubmitAll((*many, costly(1, delay_ms=day * DAY_MS)), tuple(range(6))))
            assert (error.retry_after_seconds is None) == (day > 0)
        await database.write(SubmitAll(many, tuple(range(5))))

    async def test_who_was_put_off_until_tomorrow_counts_tomorrow(self, database: Database, clock: Clock) -> None:
        await database.write(costly(100))
        job = await claimed(database)
        await database.write(PutOff(job.id, job.fence, FAULT, DAY_MS))
        await database.write(costly(100))
        await refused(database, costly(1, delay_ms=DAY_MS))


class TestPutOff:
    async def test_it_waits_says_why_and_has_not_used_an_attempt(self, database: Database, clock: Clock) -> None:
        await database.write(costly())
        job = await claimed(database)
        answer = await database.write(PutOff(job.id, job.fence, FAULT, 5_000))
        assert answer is not None
        row = await stored(database, job.id)
        assert (row.status, row.attempt, row.fence, row.due_at) == (Status.DELAYED, 0, job.fence + 1, clock.now + 5_000)
        event = await last_told(database, job.id)
        assert (event["type"], event["code"], event["status"]) == ("error", FAULT["code"], "delayed")
        assert json.loads(row.error or "{}") == FAULT
        clock.move(5_000)
        await database.write(Promote())
        assert (await claimed(database)).attempt == 1

    async def test_one_that_is_to_be_cancelled_is(self, database: Database) -> None:
        await database.write(costly())
        job = await claimed(database)
        await database.write(Cancel(job.id, OWNER))
        await database.write(PutOff(job.id, job.fence, FAULT, 5_000))
        row = await stored(database, job.id)
        assert (row.status, row.due_at, row.finished_at is None) == (Status.CANCELLED, None, False)
        assert (await last_told(database, job.id))["type"] == "final"

    async def test_its_whole_queue_waits_where_that_is_said(self, database: Database, clock: Clock) -> None:
        await database.write(costly())
        job = await claimed(database)
        _, following = await database.write(Both(PutOff(job.id, job.fence, FAULT, 0, pauses=True), CLAIM))
        await database.write(Promote())
        assert (await stored(database, job.id)).status == Status.WAITING
        assert (following, await database.write(CLAIM)) == (None, None)
        assert (await database.read(QueueRooms()))[QUEUE].reason == FAULT["code"]
        await database.write(ResumeQueue(QUEUE))
        assert (await claimed(database)).attempt == 1

    async def test_who_has_lost_the_job_cannot(self, database: Database) -> None:
        await database.write(costly())
        job = await claimed(database)
        assert await database.write(PutOff(job.id, job.fence - 1, FAULT, 0)) is None
        assert await database.write(PutOff(new_id(), 1, FAULT, 0, pauses=True)) is None
        assert await database.read(QueueRooms()) == {}
