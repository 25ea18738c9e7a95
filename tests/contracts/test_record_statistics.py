"""How the jobs are doing: counts as they stand, and how the last day went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.records.claims import Claim
from snapasset.records.endings import Cancel, Complete, Fail
from snapasset.records.revival import Retry
from snapasset.records.statistics import DAY_MS, GetOverview, LastDay, Overview
from snapasset.records.upkeep import Expire, Promote
from tests.contracts.record_jobs import FAULT, KIND, OWNER, QUEUE, STRANGER, WORKER, claimed, ended, held, submitted

if TYPE_CHECKING:
    from snapasset.database import Database, Write
    from tests.contracts.record_backends import Clock

NOTHING = LastDay(completed=0, failed=0, cancelled=0, retried=0, mean=None, p95=None, errors={})


async def last_day(database: Database, owner: str | None = OWNER) -> LastDay:
    return (await database.read(GetOverview(owner))).last_day


async def run_for(database: Database, clock: Clock, millis: int, owner: str = OWNER) -> None:
    job = await held(database, owner=owner)
    clock.move(millis)
    await database.write(Complete(job.id, job.fence, "{}"))


async def test_an_empty_record_has_nothing_to_tell(database: Database) -> None:
    for owner in (OWNER, None):
        assert await database.read(GetOverview(owner)) == Overview({}, NOTHING)


async def test_each_kind_is_counted_in_each_status_that_occurs(database: Database) -> None:
    running = await held(database)
    await submitted(database, depends_on=(running.id,))
    for _ in range(2):
        await submitted(database)
    await submitted(database, delay_ms=1000)
    for status in ("completed", "failed", "cancelled"):
        await ended(database, await submitted(database, kind="clean"), status)
    overview = await database.read(GetOverview(OWNER))
    assert overview.by_kind == {
        KIND: {"active": 1, "blocked": 1, "waiting": 2, "delayed": 1},
        "clean": {"completed": 1, "failed": 1, "cancelled": 1},
    }
    assert (overview.last_day.completed, overview.last_day.failed, overview.last_day.cancelled) == (1, 1, 1)


async def test_an_owner_sees_their_own_and_the_operator_everybodys(database: Database, clock: Clock) -> None:
    await run_for(database, clock, 1000)
    await run_for(database, clock, 3000, owner=STRANGER)
    for owner, completed, mean in ((OWNER, 1, 1000), (STRANGER, 1, 3000), (None, 2, 2000), ("session:nobody", 0, None)):
        overview = await database.read(GetOverview(owner))
        assert (overview.last_day.completed, overview.last_day.mean) == (completed, mean)
        assert overview.by_kind == ({KIND: {"completed": completed}} if completed else {})


async def test_a_day_is_a_day(database: Database, clock: Clock) -> None:
    await run_for(database, clock, 1000)
    clock.move(DAY_MS - 1)
    assert (await last_day(database)).completed == 1
    clock.move(1)
    assert await last_day(database) == NOTHING
    assert (await database.read(GetOverview(OWNER))).by_kind == {KIND: {"completed": 1}}


@pytest.mark.parametrize(
    ("durations", "mean", "p95"),
    [
        ([7], 7, 7),
        ([1, 3], 2, 3),
        ([*range(1, 21)], 10.5, 19),
        ([*range(1, 22)], 11, 20),
        ([5] * 18 + [90, 100], 14, 90),
    ],
)
async def test_durations_are_of_what_completed(
    database: Database, clock: Clock, durations: list[int], mean: float, p95: int
) -> None:
    for millis in durations:
        await run_for(database, clock, millis)
    failing = await held(database)
    clock.move(100_000)
    await database.write(Fail(failing.id, failing.fence, FAULT, retryable=False, delay_ms=0))
    day = await last_day(database)
    assert (day.mean, day.p95) == (pytest.approx(mean), p95)


async def test_errors_are_counted_by_code_and_only_where_they_ended_a_run(database: Database, clock: Clock) -> None:
    for _ in range(2):
        await ended(database, await submitted(database), "failed")
    parent = await submitted(database, ttl_ms=1)
    await submitted(database, depends_on=(parent.id,))
    clock.move(1)
    await database.write(Expire())
    cancelled = await held(database)
    await database.write(Fail(cancelled.id, cancelled.fence, FAULT, retryable=True, delay_ms=60_000))
    await database.write(Cancel(cancelled.id, OWNER))
    day = await last_day(database)
    assert day.errors == {"provider_failed": 2, "expired": 1, "dependency_failed": 1}
    assert (day.failed, day.cancelled) == (4, 1)


async def test_a_job_that_took_more_than_one_attempt_or_run_was_retried(database: Database) -> None:
    for how in ("at once", "second attempt", "second run"):
        job = await held(database)
        if how != "at once":
            retryable = how == "second attempt"
            changes: list[Write[Any]] = [
                Fail(job.id, job.fence, FAULT, retryable=retryable, delay_ms=0),
                Promote() if retryable else Retry(job.id, OWNER),
            ]
            for change in changes:
                await database.write(change)
            job = await claimed(database, Claim(QUEUE, (KIND,), WORKER))
        await database.write(Complete(job.id, job.fence, "{}"))
    day = await last_day(database)
    assert (day.completed, day.failed, day.retried) == (3, 0, 2)
