"""A key of the caller's choice makes one job, however often and from wherever it arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import KeyReused, TooManyJobs
from snapasset.records.endings import Cancel
from snapasset.records.idempotency import Once, SubmitOnce, Submitted
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import OWNER, STRANGER, a_job, job_of, stored, told

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.records.submission import Submit
    from tests.contracts.record_backends import Record

ONCE = Once("key-1", "fingerprint-1")


async def submit(database: Database, job: Submit, once: Once) -> Submitted:
    (submitted,) = await database.write(SubmitOnce(job.owner, job, once))
    return submitted


async def count(database: Database) -> int:
    [(jobs,)] = await database.read(Look("SELECT count(*) FROM jobs"))
    return jobs


async def test_the_first_makes_the_job_and_the_others_find_it(database: Database) -> None:
    first = await submit(database, a_job(), ONCE)
    again = await submit(database, a_job(), ONCE)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.job == first.job == await stored(database, first.job_id)
    assert len(await told(database, first.job_id)) == await count(database) == 1


async def test_the_status_is_the_first_answers_and_the_job_is_as_it_is_now(database: Database) -> None:
    first = await submit(database, a_job(delay_ms=1000), ONCE)
    await database.write(Cancel(first.job_id, OWNER))
    again = await submit(database, a_job(), ONCE)
    assert (again.status, job_of(again).status) == ("delayed", "cancelled")


async def test_many_at_once_from_several_processes_make_one(record: Record, database: Database) -> None:
    databases = [database, await record.open()]
    answers = await asyncio.gather(*(submit(databases[n % 2], a_job(), ONCE) for n in range(50)))
    assert len({answer.job_id for answer in answers}) == await count(database) == 1
    assert sum(not answer.replayed for answer in answers) == 1


async def test_the_key_with_another_request_is_refused_and_changes_nothing(database: Database) -> None:
    first = await submit(database, a_job(), ONCE)
    with pytest.raises(KeyReused):
        await submit(database, a_job(), ONCE._replace(fingerprint="fingerprint-2"))
    assert (await submit(database, a_job(), ONCE)).job == first.job
    assert await count(database) == 1


async def test_a_key_belongs_to_its_owner(database: Database) -> None:
    mine = await submit(database, a_job(), ONCE)
    theirs = await submit(database, a_job(owner=STRANGER), ONCE._replace(fingerprint="fingerprint-2"))
    assert mine.job_id != theirs.job_id
    assert theirs.replayed is False


async def test_a_refused_submission_leaves_its_key_free(database: Database) -> None:
    with pytest.raises(TooManyJobs):
        await submit(database, a_job(live_limit=0), ONCE)
    assert (await submit(database, a_job(live_limit=1), ONCE)).replayed is False


async def test_the_limit_does_not_count_against_a_job_that_is_there(database: Database) -> None:
    first = await submit(database, a_job(live_limit=1), ONCE)
    assert (await submit(database, a_job(live_limit=1), ONCE)).job == first.job


async def test_when_the_job_has_been_cleared_away_the_key_makes_another(database: Database) -> None:
    first = await submit(database, a_job(), ONCE)
    await database.write(Do("DELETE FROM jobs WHERE id = $1", (first.job_id,)))
    second = await submit(database, a_job(), ONCE)
    assert second.replayed is False
    assert (await submit(database, a_job(), ONCE)).job_id == second.job_id
