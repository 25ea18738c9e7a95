"""Credits: reserved when a run begins, spent when what it paid for is saved, given back when nothing was; none counts twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Both
from snapasset.errors import Conflict, NotEnoughCredits
from snapasset.records.claims import GiveBack
from snapasset.records.costs import Charge, SaveCharge
from snapasset.records.credits import (
    AstrayReservations,
    GetCredits,
    GrantCredits,
    MendReservations,
    Reservations,
)
from snapasset.records.dependencies import MendBlocked
from snapasset.records.endings import Cancel, Complete, EndCancelled, Fail, PutOff
from snapasset.records.retention import RemoveJobs
from snapasset.records.revival import Retry
from snapasset.records.steps import FinishStep, SavePaidStep, StartStep
from snapasset.records.submission import SubmitAll
from snapasset.records.upkeep import Expire, HeldJobs, Reap
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import FAULT, OWNER, STRANGER, a_job, claimed, gone

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job
    from snapasset.records.submission import Submit
    from tests.contracts.record_backends import Clock, Record

STEP = "generate"


def taking(credits_: int = 2, **more: Any) -> Submit:
    return a_job(credits=credits_, estimate=1, **more)


async def give(database: Database, amount: int = 10, name: str = "a gift", owner: str = OWNER) -> int:
    return await database.write(GrantCredits(owner, amount, name))


async def left(database: Database, owner: str = OWNER) -> int:
    return await database.read(GetCredits(owner))


async def pay(database: Database, job: Job) -> None:
    await database.write(StartStep(job.id, job.fence, STEP, paid=True, progress=1))
    await database.write(FinishStep(job.id, job.fence, STEP, "1", 40.0, charge=Charge()))


async def fail(database: Database, job: Job) -> None:
    await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))


async def reasons(database: Database) -> list[Any]:
    return await database.read(Look("SELECT run, reason, amount FROM credits WHERE run > 0 ORDER BY run, reason"))


class TestGifts:
    async def test_they_add_up_and_may_be_taken_away_again(self, database: Database) -> None:
        assert await left(database) == 0
        assert await give(database) == 10
        assert await give(database, -3, "a mistake") == 7
        assert await left(database) == 7
        assert await left(database, STRANGER) == 0

    async def test_one_of_a_name_is_given_once(self, database: Database) -> None:
        for _ in range(2):
            assert await give(database) == 10
        for owner, amount in ((OWNER, 11), (STRANGER, 10)):
            with pytest.raises(Conflict):
                await give(database, amount, owner=owner)
        assert await left(database) == 10

    async def test_no_more_is_taken_away_than_is_left(self, database: Database, record: Record) -> None:
        await give(database, 10)
        await database.write(taking(4))
        with pytest.raises(Conflict, match="which is 6 credits"):
            await give(database, -7, "too much")
        assert await left(database) == 6
        databases = [database, await record.open()]
        answers = await asyncio.gather(
            *(give(databases[n % 2], -4, f"at once {n}") for n in range(6)), return_exceptions=True
        )
        assert sorted(map(str, answers)) == ["2", *["No more can be taken away than is left, which is 2 credits."] * 5]
        (name,) = (f"at once {n}" for n, answer in enumerate(answers) if answer == 2)
        await give(database, -2, "the rest")
        assert await give(database, -4, name) == 0, "it was taken away before, and is not again"
        await database.write(Do("UPDATE credits SET amount = amount - 5 WHERE job_id = 'a gift'"))
        assert await give(database, -4, name) == -5, "an older program has let it be"

    async def test_two_that_take_away_at_once_see_each_other(self, database: Database, record: Record) -> None:
        await give(database, 10)
        other = await record.open()
        slow = record.halfway(GrantCredits(OWNER, -6, "slow"))
        first = asyncio.create_task(database.write(slow))
        await slow.reached()
        second = asyncio.create_task(give(other, -6, "quick"))
        done, _ = await asyncio.wait({second}, timeout=0.3)
        slow.go_on()
        assert await first == 4
        with pytest.raises(Conflict, match="which is 4 credits"):
            await second
        assert not done

    async def test_what_a_job_sets_aside_is_not_taken_away(self, database: Database, record: Record) -> None:
        other = await record.open()
        for n in range(8):
            await give(database, 2, f"a gift {n}")
            answers = await asyncio.gather(
                database.write(taking(2)), give(other, -2, f"back {n}"), return_exceptions=True
            )
            assert sum(isinstance(answer, Conflict | NotEnoughCredits) for answer in answers) == 1
            assert await left(database) == 0


class TestReserving:
    async def test_a_job_sets_aside_what_it_takes(self, database: Database) -> None:
        await give(database, 5)
        await database.write(taking())
        assert await left(database) == 3
        await database.write(taking(3))
        with pytest.raises(NotEnoughCredits):
            await database.write(taking(1))
        await database.write(a_job())
        assert await database.read(Look("SELECT count(*) FROM jobs")) == [(3,)]

    async def test_many_jobs_are_taken_all_or_none(self, database: Database) -> None:
        await give(database, 5)
        with pytest.raises(NotEnoughCredits):
            await database.write(SubmitAll((taking(), taking(), taking()), (0, 1, 2)))
        assert await left(database) == 5
        await database.write(SubmitAll((taking(), taking(0), taking()), (0, 1, 2)))
        assert await left(database) == 1

    async def test_of_many_at_once_no_more_are_taken_than_there_is(self, database: Database, record: Record) -> None:
        await give(database, 5)
        databases = [database, await record.open()]
        answers = await asyncio.gather(*(databases[n % 2].write(taking()) for n in range(8)), return_exceptions=True)
        assert sum(isinstance(answer, NotEnoughCredits) for answer in answers) == 6
        assert await left(database) == 1


class TestEnds:
    async def test_what_was_paid_for_is_spent_whatever_becomes_of_the_job(self, database: Database) -> None:
        await give(database)
        for end in (Complete, Fail, EndCancelled):
            await database.write(taking())
            job = await claimed(database)
            await pay(database, job)
            if end is Fail:
                await fail(database, job)
            elif end is EndCancelled:
                await database.write(Cancel(job.id, OWNER))
                await database.write(EndCancelled(job.id, job.fence))
            else:
                await database.write(Complete(job.id, job.fence, "{}"))
        assert await left(database) == 4

    @pytest.mark.parametrize("how", ["failed", "cancelled", "cancelled before", "reaped", "expired", "completed"])
    async def test_what_was_not_is_given_back(self, database: Database, clock: Clock, how: str) -> None:
        await give(database)
        submitted = await database.write(taking(attempts=1, ttl_ms=1000))
        if how == "expired":
            clock.move(1000)
            await database.write(Expire())
        elif how == "cancelled before":
            await database.write(Cancel(submitted.id, OWNER))
        else:
            job = await claimed(database)
            await database.write(StartStep(job.id, job.fence, STEP, paid=True, progress=1))
            await self.end(database, job, how)
        assert await left(database) == 10
        assert await reasons(database) == [(1, "reserve", -2), (1, "return", 2)]

    async def end(self, database: Database, job: Job, how: str) -> None:
        if how == "failed":
            await fail(database, job)
        elif how == "cancelled":
            await database.write(Cancel(job.id, OWNER))
            await database.write(GiveBack(job.id, job.fence))
        elif how == "reaped":
            [seen] = await database.read(HeldJobs())
            await database.write(Reap(seen))
        else:
            await database.write(Complete(job.id, job.fence, "{}"))

    async def test_a_job_that_fails_with_the_one_it_waits_for_gets_its_own_back(self, database: Database) -> None:
        await give(database)
        first = await database.write(taking())
        await database.write(taking(depends_on=(first.id,)))
        assert await left(database) == 6
        await database.write(Cancel(first.id, OWNER))
        assert await left(database) == 10

    async def test_an_attempt_that_is_followed_by_another_gives_nothing_back(self, database: Database) -> None:
        await give(database)
        await database.write(taking())
        job = await claimed(database)
        await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=0))
        assert await left(database) == 8


class TestRuns:
    async def test_another_run_takes_them_again(self, database: Database) -> None:
        await give(database, 3)
        job = await database.write(taking())
        await database.write(Cancel(job.id, OWNER))
        await database.write(Retry(job.id, OWNER))
        assert await left(database) == 1
        await pay(database, await claimed(database))
        assert await reasons(database) == [(1, "reserve", -2), (1, "return", 2), (2, "reserve", -2), (2, "take", 0)]

    async def test_one_that_has_its_picture_takes_none(self, database: Database) -> None:
        await give(database, 3)
        await database.write(taking())
        job = await claimed(database)
        await pay(database, job)
        await fail(database, job)
        await database.write(Retry(job.id, OWNER))
        job = await claimed(database)
        await database.write(Complete(job.id, job.fence, "{}"))
        assert await left(database) == 1

    async def test_one_that_cannot_be_paid_is_not_begun(self, database: Database) -> None:
        await give(database, 2)
        job = await database.write(taking())
        await database.write(Cancel(job.id, OWNER))
        await give(database, -1, "taken away")
        with pytest.raises(NotEnoughCredits):
            await database.write(Retry(job.id, OWNER))


class TestLate:
    async def late(self, database: Database, job: Job) -> None:
        saved = SavePaidStep(job.id, job.run, STEP, "1", ())
        await database.write(Both(saved, SaveCharge(job, STEP, Charge())))

    async def test_an_answer_that_comes_while_the_job_waits_is_paid_with_them(self, database: Database) -> None:
        await give(database)
        await database.write(taking())
        old = await claimed(database)
        await database.write(StartStep(old.id, old.fence, STEP, paid=True, progress=1))
        await database.write(GiveBack(old.id, old.fence))
        await self.late(database, old)
        job = await claimed(database)
        await database.write(Complete(job.id, job.fence, "{}"))
        assert await left(database) == 8

    async def test_what_was_given_back_stays_so(self, database: Database) -> None:
        await give(database)
        await database.write(taking())
        old = await claimed(database)
        await database.write(StartStep(old.id, old.fence, STEP, paid=True, progress=1))
        await database.write(GiveBack(old.id, old.fence))
        await database.write(Cancel(old.id, OWNER))
        await self.late(database, old)
        assert await left(database) == 10
        assert await reasons(database) == [(1, "reserve", -2), (1, "return", 2)]


def by_an_older_program(job: Job, status: str = "failed") -> Do:
    """A run's end as it was written before there were credits."""
    return Do("UPDATE jobs SET status = $2, finished_at = now_ms() WHERE id = $1", (job.id, status))


async def mend(database: Database) -> int:
    page = await database.read(AstrayReservations())
    return await database.write(MendReservations(page.astray)) if page.astray else 0


class TestMending:
    """What a run has left reserved that ended in ways of another program."""

    async def test_what_an_older_program_has_left_is_given_back_once(self, database: Database, record: Record) -> None:
        await give(database)
        job = await database.write(taking())
        await database.write(by_an_older_program(job))
        assert (await left(database), await database.read(AstrayReservations())) == (8, Reservations((job.id,), None))
        both = [one.write(MendReservations((job.id,))) for one in (database, await record.open())]
        assert sorted(await asyncio.gather(*both)) == [0, 1]
        assert (await left(database), await mend(database)) == (10, 0)
        assert await reasons(database) == [(1, "reserve", -2), (1, "return", 2)]
        assert await database.read(AstrayReservations()) == Reservations((), None)

    async def test_what_it_paid_for_and_kept_is_taken(self, database: Database) -> None:
        await give(database)
        await database.write(taking())
        job = await claimed(database)
        await database.write(StartStep(job.id, job.fence, STEP, paid=True, progress=1))
        await database.write(Do("UPDATE job_steps SET state = 'done', output = '1' WHERE job_id = $1", (job.id,)))
        await database.write(by_an_older_program(job))
        assert await mend(database) == 0
        assert await reasons(database) == [(1, "reserve", -2), (1, "take", 0)]

    async def test_a_picture_that_it_has_kept_is_taken_by_who_ends_the_job(self, database: Database) -> None:
        await give(database)
        await database.write(taking())
        job = await claimed(database)
        await database.write(StartStep(job.id, job.fence, STEP, paid=True, progress=1))
        await database.write(Do("UPDATE job_steps SET state = 'done', output = '1' WHERE job_id = $1", (job.id,)))
        await database.write(Complete(job.id, job.fence, "{}"))
        assert (await left(database), await mend(database)) == (8, 0)

    async def test_a_job_that_is_gone_has_nothing_reserved(self, database: Database) -> None:
        await give(database)
        job = await database.write(taking())
        await gone(database, job.id)
        assert (await mend(database), await left(database)) == (1, 10)

    async def test_nor_has_a_run_that_another_has_followed(self, database: Database) -> None:
        await give(database)
        job = await database.write(taking())
        await database.write(by_an_older_program(job))
        await database.write(Retry(job.id, OWNER))
        assert (await left(database), await mend(database), await left(database)) == (6, 1, 8)
        await pay(database, await claimed(database))
        assert await left(database) == 8

    async def test_a_run_that_an_older_program_began_reserves_when_it_pays(self, database: Database) -> None:
        await give(database, 3)
        job = await database.write(taking())
        await database.write(Cancel(job.id, OWNER))
        await database.write(
            Do("UPDATE jobs SET status = 'waiting', run = 2, finished_at = NULL WHERE id = $1", (job.id,))
        )
        assert await left(database) == 3
        await pay(database, await claimed(database))
        assert (await left(database), await reasons(database)) == (
            1,
            [(1, "reserve", -2), (1, "return", 2), (2, "reserve", -2), (2, "take", 0)],
        )

    async def test_who_removes_a_job_gives_back_what_it_has_left(self, database: Database, clock: Clock) -> None:
        await give(database)
        saved, lost = [await database.write(taking()) for _ in range(2)]
        job = await claimed(database)
        await database.write(StartStep(job.id, job.fence, STEP, paid=True, progress=1))
        await database.write(Do("UPDATE job_steps SET state = 'done', output = '1' WHERE job_id = $1", (saved.id,)))
        for one in (saved, lost):
            await database.write(by_an_older_program(one))
        await database.write(a_job())
        assert len(await database.write(RemoveJobs((saved.id, lost.id), clock.now))) == 2
        assert (await left(database), await mend(database)) == (8, 0)

    @pytest.mark.parametrize("status", ["waiting", "delayed", "blocked", "active"])
    async def test_what_has_not_ended_keeps_what_it_has_reserved(self, database: Database, status: str) -> None:
        await give(database)
        parent = (await database.write(a_job(delay_ms=1))).id if status == "blocked" else None
        await database.write(taking(delay_ms=int(status == "delayed"), depends_on=() if parent is None else (parent,)))
        if status == "active":
            await claimed(database)
        assert await database.read(Look("SELECT status FROM jobs WHERE credits > 0")) == [(status,)]
        assert (await mend(database), await left(database)) == (0, 8)
        jobs = await database.read(Look("SELECT id FROM jobs WHERE credits > 0"))
        assert (await database.write(MendReservations((jobs[0][0],))), await left(database)) == (0, 8)

    async def test_it_is_looked_for_page_by_page(self, database: Database) -> None:
        await give(database)
        jobs = [await database.write(taking()) for _ in range(3)]
        for job in (jobs[0], jobs[2]):
            await database.write(by_an_older_program(job))
        first = await database.read(AstrayReservations(limit=2))
        assert first == Reservations((jobs[0].id,), (jobs[1].id, 1))
        assert await database.read(AstrayReservations(first.next or ("", 0), 2)) == Reservations((jobs[2].id,), None)

    async def test_who_is_failed_for_a_lost_parent_or_cancelled_while_put_off_gets_its_own_back(
        self, database: Database
    ) -> None:
        await give(database)
        parent = await database.write(a_job())
        await database.write(taking(depends_on=(parent.id,)))
        await gone(database, parent.id)
        await database.write(MendBlocked())
        assert await left(database) == 10
        await database.write(taking())
        job = await claimed(database)
        await database.write(Cancel(job.id, OWNER))
        await database.write(PutOff(job.id, job.fence, FAULT, 1))
        assert await left(database) == 10
