"""Where a job stands: its place in the queue, and when it may be expected by what went before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snapasset.records.endings import Cancel, Complete
from snapasset.records.standing import SAMPLE, Estimate, GetStanding, Standing
from tests.contracts.record_backends import Do
from tests.contracts.record_jobs import KIND, OWNER, claimed, ended, held, stored, submitted

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock


async def standing(database: Database, job: Job) -> Standing:
    return await database.read(GetStanding(await stored(database, job.id)))


async def history(database: Database, clock: Clock, *durations: int, kind: str = KIND) -> None:
    """Completed jobs that ran for so many ms each."""
    for millis in durations:
        job = await submitted(database, kind=kind, priority=10)
        await database.write(
            Do("UPDATE jobs SET status = 'active', fence = 1, started_at = $2 WHERE id = $1", (job.id, clock.now))
        )
        clock.move(millis)
        await database.write(Complete(job.id, 1, "{}"))


class TestPosition:
    async def test_it_is_counted_as_claims_go(self, database: Database) -> None:
        jobs = [await submitted(database, priority=priority) for priority in (0, 0, 5, -5, 10)]
        places = [(await standing(database, job)).position for job in jobs]
        assert places == [3, 4, 2, 5, 1]
        for place in range(1, 6):
            assert places[[job.id for job in jobs].index((await claimed(database)).id)] == place

    async def test_it_moves_up_as_those_before_it_go(self, database: Database) -> None:
        first, second, third = [await submitted(database) for _ in range(3)]
        await ended(database, first)
        assert (await standing(database, third)).position == 2
        await database.write(Cancel(second.id, OWNER))
        assert (await standing(database, third)).position == 1

    async def test_other_queues_and_what_does_not_wait_are_not_before_it(self, database: Database) -> None:
        parent = await held(database)
        await submitted(database, queue="chores")
        await submitted(database, delay_ms=1000, priority=10)
        await submitted(database, depends_on=(parent.id,), priority=10)
        other_kind = await submitted(database, kind="clean")
        job = await submitted(database)
        assert (await standing(database, other_kind)).position == 1
        assert (await standing(database, job)).position == 2

    @pytest.mark.parametrize("state", ["delayed", "blocked", "active", "completed", "cancelled"])
    async def test_only_what_waits_has_one(self, database: Database, state: str) -> None:
        if state == "delayed":
            job = await submitted(database, delay_ms=1000)
        elif state == "blocked":
            job = await submitted(database, depends_on=((await submitted(database)).id,))
        elif state == "active":
            job = await held(database)
        else:
            job = await ended(database, await submitted(database), state)
        assert (await stored(database, job.id)).status == state
        assert (await standing(database, job)).position is None

    async def test_a_job_that_is_gone_by_now_is_no_trouble(self, database: Database) -> None:
        job = await submitted(database)
        await database.write(Do("DELETE FROM jobs"))
        assert await database.read(GetStanding(job)) == Standing(1, None)


class TestEstimate:
    async def test_without_a_history_of_its_kind_there_is_none(self, database: Database, clock: Clock) -> None:
        await history(database, clock, 5000, kind="clean")
        job = await submitted(database)
        assert await standing(database, job) == Standing(1, None)
        await claimed(database)
        assert await standing(database, job) == Standing(None, None)

    async def test_only_what_completed_counts(self, database: Database, clock: Clock) -> None:
        for status in ("failed", "cancelled"):
            await ended(database, await submitted(database), status)
        clock.move(1)
        job = await submitted(database)
        assert (await standing(database, job)).estimate is None

    async def test_the_next_one_starts_at_once_where_nothing_runs(self, database: Database, clock: Clock) -> None:
        await history(database, clock, 1000, 3000)
        job = await submitted(database)
        assert await standing(database, job) == Standing(1, Estimate(0, 2000, 2))

    async def test_those_before_it_take_their_turns_one_by_one(self, database: Database, clock: Clock) -> None:
        await history(database, clock, 2000)
        jobs = [await submitted(database) for _ in range(3)]
        assert [(await standing(database, job)).estimate for job in jobs] == [
            Estimate(0, 2000, 1),
            Estimate(2000, 4000, 1),
            Estimate(4000, 6000, 1),
        ]

    async def test_places_that_are_taken_come_free_half_a_turn_from_now_and_side_by_side(
        self, database: Database, clock: Clock
    ) -> None:
        await history(database, clock, 2000)
        for _ in range(2):
            await held(database)
        jobs = [await submitted(database) for _ in range(3)]
        estimates = [(await standing(database, job)).estimate for job in jobs]
        assert estimates == [Estimate(1000, 3000, 1), Estimate(2000, 4000, 1), Estimate(3000, 5000, 1)]

    async def test_what_runs_has_its_rest_before_it_and_never_less_than_nothing(
        self, database: Database, clock: Clock
    ) -> None:
        await history(database, clock, 2000)
        job = await held(database)
        for passed, left in ((0, 2000), (1500, 500), (1000, 0)):
            clock.move(passed)
            assert await standing(database, job) == Standing(None, Estimate(0, left, 1))

    async def test_the_last_fifty_are_looked_back_upon(self, database: Database, clock: Clock) -> None:
        await history(database, clock, *[60_000] * 3, *[1000] * SAMPLE)
        job = await submitted(database)
        assert await standing(database, job) == Standing(1, Estimate(0, 1000, 50))

    @pytest.mark.parametrize("state", ["delayed", "blocked", "completed"])
    async def test_what_neither_waits_nor_runs_has_none(self, database: Database, clock: Clock, state: str) -> None:
        await history(database, clock, 2000)
        if state == "completed":
            job = await ended(database, await submitted(database))
        elif state == "delayed":
            job = await submitted(database, delay_ms=1000)
        else:
            job = await submitted(database, depends_on=((await submitted(database)).id,))
        assert await standing(database, job) == Standing(None, None)
