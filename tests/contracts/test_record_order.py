"""Who is claimed first, and what stays out of a claim's way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import TooManyJobs
from snapasset.records.claims import Claim, GiveBack
from snapasset.records.endings import Cancel, Fail
from snapasset.records.rank import AGEING_MS
from snapasset.records.revival import Retry
from snapasset.records.upkeep import PROMOTE_LIMIT, HeldJobs, NextDue, Promote, ReadyJob, ReadyJobs, Reap
from tests.contracts.record_backends import Look
from tests.contracts.record_jobs import (
    CLAIM,
    FAULT,
    KIND,
    OWNER,
    QUEUE,
    STRANGER,
    WORKER,
    a_job,
    claimed,
    held,
    last_told,
    stored,
    submitted,
)

if TYPE_CHECKING:
    from snapasset.database import Database
    from tests.contracts.record_backends import Clock

MINUTE = 60_000


async def order(database: Database) -> list[str]:
    """The ids of what waits, as they are claimed, one after the other."""
    ids = [job.id for job in await database.read(ReadyJobs(QUEUE, (KIND,), 100))]
    assert [(await claimed(database)).id for _ in ids] == ids
    return ids


class TestRank:
    async def test_first_come_first_served_also_within_a_millisecond(self, database: Database) -> None:
        jobs = [await submitted(database) for _ in range(5)]
        assert await order(database) == [job.id for job in jobs]

    async def test_the_higher_priority_goes_first(self, database: Database) -> None:
        low, normal, high, critical = [await submitted(database, priority=p) for p in (-5, 0, 5, 10)]
        assert await order(database) == [critical.id, high.id, normal.id, low.id]

    async def test_a_high_job_passes_only_normal_ones_less_than_five_minutes_older(
        self, database: Database, clock: Clock
    ) -> None:
        assert AGEING_MS == MINUTE
        old = await submitted(database)
        clock.move(1)
        less_old = await submitted(database)
        clock.move(5 * MINUTE - 1)
        high = await submitted(database, priority=5)
        # Exactly five minutes older: a draw, and the older one has the lower id.
        assert await order(database) == [old.id, high.id, less_old.id]

    async def test_a_critical_one_passes_whatever_has_waited_however_long(
        self, database: Database, clock: Clock
    ) -> None:
        old = await submitted(database, priority=9)
        clock.move(10 * 365 * 24 * 60 * MINUTE)
        critical = await submitted(database, priority=10)
        assert await order(database) == [critical.id, old.id]

    async def test_a_delayed_one_queues_up_when_it_is_due(self, database: Database, clock: Clock) -> None:
        delayed = await submitted(database, delay_ms=5000)
        clock.move(4000)
        before = await submitted(database)
        clock.move(2000)
        after = await submitted(database)
        await database.write(Promote())
        assert await order(database) == [before.id, delayed.id, after.id]

    async def test_one_that_was_given_back_or_failed_or_reaped_keeps_its_place(
        self, database: Database, clock: Clock
    ) -> None:
        jobs = [await submitted(database) for _ in range(3)]
        back, failed, lost = [await claimed(database) for _ in jobs]
        clock.move(1000)
        later = await submitted(database)
        await database.write(GiveBack(back.id, back.fence))
        await database.write(Fail(failed.id, failed.fence, FAULT, retryable=True, delay_ms=0))
        await database.write(Promote())
        [seen] = await database.read(HeldJobs())
        await database.write(Reap(seen))
        assert await order(database) == [back.id, failed.id, lost.id, later.id]

    async def test_one_that_is_tried_again_by_its_owner_queues_up_anew(self, database: Database, clock: Clock) -> None:
        again = await submitted(database, priority=5)
        await database.write(Cancel(again.id, OWNER))
        clock.move(10 * MINUTE)
        other = await submitted(database, priority=5)
        clock.move(1)
        await database.write(Retry(again.id, OWNER))
        assert await order(database) == [other.id, again.id]


class TestClaim:
    async def test_what_an_executor_does_not_know_stays_for_one_that_does(self, database: Database) -> None:
        odd = await submitted(database, kind="odd", priority=10)
        known = await submitted(database)
        assert (await claimed(database)).id == known.id
        assert await database.write(CLAIM) is None
        assert (await claimed(database, Claim(QUEUE, (KIND, "odd"), WORKER))).id == odd.id

    async def test_one_that_knows_nothing_claims_nothing(self, database: Database) -> None:
        await submitted(database)
        assert await database.write(Claim(QUEUE, (), WORKER)) is None

    async def test_queues_are_apart(self, database: Database) -> None:
        await submitted(database, queue="chores")
        assert await database.write(CLAIM) is None
        assert await database.read(ReadyJobs(QUEUE, (KIND,), 10)) == []

    async def test_it_says_who_has_the_job_and_since_when(self, database: Database, clock: Clock) -> None:
        job = await submitted(database)
        clock.move(250)
        mine = await claimed(database)
        assert mine == await stored(database, job.id)
        assert (mine.worker_id, mine.started_at, mine.updated_at, mine.created_at) == (
            WORKER,
            clock.now,
            clock.now,
            job.created_at,
        )

    async def test_ready_jobs_say_what_a_ring_needs_and_no_more_than_asked_for(self, database: Database) -> None:
        await submitted(database, kind="unheard-of", priority=10)
        jobs = [await submitted(database) for _ in range(3)]
        assert await database.read(ReadyJobs(QUEUE, (KIND,), 2)) == [
            ReadyJob(job.id, KIND, QUEUE, 0) for job in jobs[:2]
        ]
        assert await database.read(ReadyJobs(QUEUE, (), 2)) == []
        assert len(await database.read(ReadyJobs(QUEUE, (KIND, "unheard-of"), 9))) == 4


class TestPromotion:
    async def test_nothing_is_ready_before_its_time_and_everything_at_its_time(
        self, database: Database, clock: Clock
    ) -> None:
        job = await submitted(database, delay_ms=1000)
        assert (job.status, job.due_at) == ("delayed", clock.now + 1000)
        assert await database.read(NextDue()) == 1000
        clock.move(999)
        assert await database.write(Promote()) == []
        clock.move(1)
        assert await database.read(NextDue()) == 0
        [ready] = await database.write(Promote())
        assert (await last_told(database, job.id))["status"] == "waiting"
        assert (ready.id, ready.status, ready.due_at, ready.seq) == (job.id, "waiting", None, 2)
        assert await database.read(NextDue()) is None

    async def test_a_date_is_a_date_and_one_that_has_passed_is_now(self, database: Database, clock: Clock) -> None:
        future = await submitted(database, run_at=clock.now + 1)
        assert (future.status, future.due_at) == ("delayed", clock.now + 1)
        for run_at in (clock.now, clock.now - 1, 0):
            assert (await submitted(database, run_at=run_at)).status == "waiting"

    async def test_a_flood_is_let_in_by_the_longest_due_first_and_not_at_once(
        self, database: Database, clock: Clock
    ) -> None:
        jobs = [a_job(delay_ms=1000 + n) for n in reversed(range(PROMOTE_LIMIT + 5))]
        await asyncio.gather(*(database.write(job) for job in jobs))
        clock.move(10_000)
        first = {job.id for job in await database.write(Promote())}
        assert first == {job.job_id for job in jobs[5:]}
        assert len(await database.write(Promote())) == 5


class TestLiveLimit:
    async def test_an_owner_may_have_so_many_that_have_not_ended_and_no_more(
        self, database: Database, clock: Clock
    ) -> None:
        limit = {"live_limit": 4}
        ended = await submitted(database, **limit)
        await database.write(Cancel(ended.id, OWNER))
        held_one = await held(database, **limit)
        await submitted(database, delay_ms=1000, **limit)
        waiting = [await submitted(database, **limit) for _ in range(2)]
        with pytest.raises(TooManyJobs):
            await submitted(database, **limit)
        with pytest.raises(TooManyJobs):
            await database.write(Retry(ended.id, OWNER, 4))
        assert (await stored(database, ended.id)).run == 1
        await submitted(database, owner=STRANGER, **limit)
        await submitted(database)
        for job_id in (waiting[0].id, waiting[1].id):
            await database.write(Cancel(job_id, OWNER))
        assert (await database.write(Retry(ended.id, OWNER, 4))).status == "waiting"
        assert (await stored(database, held_one.id)).status == "active"

    async def test_the_refusal_says_how_many(self, database: Database) -> None:
        await submitted(database)
        with pytest.raises(TooManyJobs, match=r"^1 of your jobs"):
            await submitted(database, live_limit=1)
        assert await database.read(Look("SELECT count(*) FROM jobs")) == [(1,)]
