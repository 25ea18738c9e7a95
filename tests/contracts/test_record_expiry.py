"""A job with a time to live fails when that is over and nobody runs it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.records.claims import GiveBack
from snapasset.records.endings import Cancel, Complete, Fail
from snapasset.records.revival import Retry
from snapasset.records.upkeep import PROMOTE_LIMIT, Expire, HeldJobs, NextExpiry, Promote, Reap
from tests.contracts.record_jobs import (
    CLAIM,
    FAULT,
    OWNER,
    a_job,
    claimed,
    ended,
    held,
    last_told,
    stored,
    submitted,
    told,
)

if TYPE_CHECKING:
    from snapasset.database import Database
    from tests.contracts.record_backends import Clock

TTL: dict[str, Any] = {"ttl_ms": 1000}


async def expired(database: Database) -> list[str]:
    return [job.id for job in await database.write(Expire())]


async def test_it_lives_to_the_last_moment_and_not_longer(database: Database, clock: Clock) -> None:
    job = await submitted(database, **TTL)
    assert job.expires_at == clock.now + 1000
    assert await database.read(NextExpiry()) == 1000
    clock.move(999)
    assert await database.read(NextExpiry()) == 1
    assert await expired(database) == []
    clock.move(1)
    assert await database.read(NextExpiry()) == 0
    assert await expired(database) == [job.id]
    assert await database.read(NextExpiry()) is None
    assert await expired(database) == []


async def test_it_fails_as_expired_and_tells_so(database: Database, clock: Clock) -> None:
    job = await submitted(database, generation_id="g-1", **TTL)
    clock.move(1500)
    [answer] = await database.write(Expire())
    assert answer == await stored(database, job.id)
    assert (answer.status, answer.fence, answer.finished_at, answer.due_at) == ("failed", 1, clock.now, None)
    error = json.loads(answer.error or "")
    assert (error["code"], error["retryable"]) == ("expired", False)
    event = await last_told(database, job.id)
    assert (event["type"], event["status"], event["error"]) == ("final", "failed", error)


async def test_without_a_time_to_live_it_waits_for_ever(database: Database, clock: Clock) -> None:
    job = await submitted(database)
    assert job.expires_at is None
    assert await database.read(NextExpiry()) is None
    clock.move(10**12)
    assert await expired(database) == []


async def test_the_time_counts_from_when_it_was_to_start(database: Database, clock: Clock) -> None:
    by_delay = await submitted(database, delay_ms=5000, **TTL)
    by_date = await submitted(database, run_at=clock.now + 7000, **TTL)
    past = await submitted(database, run_at=clock.now - 7000, **TTL)
    assert [job.expires_at for job in (by_delay, by_date, past)] == [
        clock.now + 6000,
        clock.now + 8000,
        clock.now + 1000,
    ]


@pytest.mark.parametrize("state", ["waiting", "delayed", "blocked"])
async def test_whatever_it_waits_for(database: Database, clock: Clock, state: str) -> None:
    if state == "blocked":
        parent = await submitted(database)
        job = await submitted(database, depends_on=(parent.id,), **TTL)
    elif state == "delayed":
        job = await submitted(database, delay_ms=10, **TTL)
    else:
        job = await submitted(database, **TTL)
    clock.move(1010)
    assert await expired(database) == [job.id]
    assert (await stored(database, job.id)).due_at is None
    await database.write(Promote())
    assert (await stored(database, job.id)).status == "failed"


@pytest.mark.parametrize("state", ["given back", "tried again later", "taken from a dead worker"])
async def test_one_that_was_begun_in_time_goes_on(database: Database, clock: Clock, state: str) -> None:
    job = await held(database, **TTL)
    if state == "given back":
        await database.write(GiveBack(job.id, job.fence))
    elif state == "tried again later":
        await database.write(Fail(job.id, job.fence, FAULT, retryable=True, delay_ms=60_000))
    else:
        [watched] = await database.read(HeldJobs())
        await database.write(Reap(watched))
    clock.move(70_000)
    assert await database.read(NextExpiry()) is None
    assert await expired(database) == []
    await database.write(Promote())
    assert (await stored(database, job.id)).status == "waiting"


async def test_one_that_runs_or_has_ended_is_left_alone(database: Database, clock: Clock) -> None:
    done = await ended(database, await submitted(database, **TTL))
    cancelled = await submitted(database, **TTL)
    await database.write(Cancel(cancelled.id, OWNER))
    running = await held(database, **TTL)
    clock.move(1001)
    assert await database.read(NextExpiry()) is None
    assert await expired(database) == []
    for job in (done, cancelled):
        assert (await stored(database, job.id)).status != "failed"
    assert await database.write(Complete(running.id, running.fence, "{}")) is not None


async def test_a_claim_in_time_saves_it(database: Database, clock: Clock) -> None:
    await submitted(database, **TTL)
    clock.move(999)
    job = await claimed(database)
    clock.move(10)
    assert await expired(database) == []
    assert (await stored(database, job.id)).status == "active"


async def test_nobody_claims_it_any_more(database: Database, clock: Clock) -> None:
    await submitted(database, **TTL)
    clock.move(1000)
    await expired(database)
    assert await database.write(CLAIM) is None


async def test_trying_it_again_renews_its_time(database: Database, clock: Clock) -> None:
    job = await submitted(database, delay_ms=5000, **TTL)
    clock.move(6000)
    assert await expired(database) == [job.id]
    clock.move(500)
    again = await database.write(Retry(job.id, OWNER))
    assert (again.status, again.expires_at) == ("waiting", clock.now + 1000)
    clock.move(1000)
    assert await expired(database) == [job.id]
    assert [event["run"] for event in await told(database, job.id) if event["type"] == "final"] == [1, 2]


async def test_of_those_that_expire_together_each_tells_its_own_reason(database: Database, clock: Clock) -> None:
    parent = await submitted(database, **TTL)
    child = await submitted(database, depends_on=(parent.id,), **TTL)
    grandchild = await submitted(database, depends_on=(child.id,))
    clock.move(1000)
    assert set(await expired(database)) == {parent.id, child.id}
    reasons = [(await last_told(database, job.id))["error"]["code"] for job in (parent, child, grandchild)]
    assert reasons == ["expired", "expired", "dependency_failed"]
    assert [len(await told(database, job.id)) for job in (parent, child, grandchild)] == [2, 2, 2]


async def test_a_flood_ends_by_the_longest_overdue_first_and_not_at_once(database: Database, clock: Clock) -> None:
    jobs = [a_job(ttl_ms=1000 + n) for n in reversed(range(PROMOTE_LIMIT + 5))]
    await asyncio.gather(*(database.write(job) for job in jobs))
    clock.move(10_000)
    assert set(await expired(database)) == {job.job_id for job in jobs[5:]}
    assert len(await expired(database)) == 5
