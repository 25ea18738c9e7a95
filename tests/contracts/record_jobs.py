"""Jobs as the record's suites make them and look at them. What a test does not say does not matter to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from snapasset.job import Job, new_id
from snapasset.records.claims import Claim
from snapasset.records.endings import Cancel, Complete, Fail
from snapasset.records.events import EventsAfter
from snapasset.records.jobs import GetJob
from snapasset.records.submission import Submit
from snapasset.records.upkeep import HeldJobs, Reap
from tests.contracts.record_backends import Do, Look

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snapasset.database import Database
    from snapasset.event import Event
    from snapasset.records.idempotency import Submitted

QUEUE, KIND, OWNER, STRANGER, WORKER = "pictures", "draw", "session:anna", "session:ben", "worker-1"

CLAIM = Claim(QUEUE, (KIND,), WORKER)
FAULT = {"code": "provider_failed", "message": "The provider failed.", "retryable": True}


def a_job(job_id: str | None = None, *, kind: str = KIND, owner: str = OWNER, **more: Any) -> Submit:
    """A submit of a job."""
    fields: dict[str, Any] = {"queue": QUEUE, "data": '{"prompt":"a hill"}', "priority": 0, "attempts": 3, **more}
    return Submit(job_id=job_id or new_id(), kind=kind, owner=owner, **fields)


async def submitted(database: Database, **more: Any) -> Job:
    return await database.write(a_job(**more))


async def held(database: Database, **more: Any) -> Job:
    """A job that an executor holds: the only one that was waiting."""
    await submitted(database, **more)
    return await claimed(database)


async def claimed(database: Database, claim: Claim = CLAIM) -> Job:
    job = await database.write(claim)
    assert job is not None, "there was nothing to claim"
    return job


async def lost(database: Database) -> Job | None:
    """The one job that is held, once it was taken from its worker."""
    [seen] = await database.read(HeldJobs())
    return await database.write(Reap(seen))


async def ended(database: Database, job: Job, status: str = "completed", result: str = "{}") -> Job:
    """Bring a job that waits to its end; of those of its kind that wait, it must be the next."""
    if status == "cancelled":
        return await database.write(Cancel(job.id, job.owner))
    mine = await claimed(database, Claim(job.queue, (job.kind,), WORKER))
    assert mine.id == job.id, "another job was before it"
    good = Complete(mine.id, mine.fence, result)
    after = await database.write(
        good if status == "completed" else Fail(mine.id, mine.fence, FAULT, retryable=False, delay_ms=0)
    )
    assert after is not None
    assert after.status == status
    return after


async def gone(database: Database, job_id: str) -> None:
    """Remove a job as nobody should: alone."""
    await database.write(Do("DELETE FROM jobs WHERE id = $1", (job_id,)))


async def stored(database: Database, job_id: str) -> Job:
    job = await database.read(GetJob(job_id))
    assert job is not None, "the record does not know the job"
    return job


async def told(database: Database, job_id: str, after: int = 0) -> list[dict[str, Any]]:
    """The bodies of a job's events."""
    return bodies(await database.read(EventsAfter(job_id, after)))


async def last_told(database: Database, job_id: str) -> dict[str, Any]:
    return (await told(database, job_id))[-1]


def bodies(events: Iterable[Event]) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in events]


class StepRow(NamedTuple):
    run: int
    step: str
    state: str
    output: str | None
    doubts: int


async def steps_of(database: Database, job_id: str) -> list[StepRow]:
    rows = await database.read(
        Look("SELECT run, step, state, output, doubts FROM job_steps WHERE job_id = $1 ORDER BY run, step", (job_id,))
    )
    return [StepRow._make(row) for row in rows]


def job_of(answer: Submitted) -> Job:
    """The job that a submission answers, which is there."""
    assert answer.job is not None
    return answer.job
