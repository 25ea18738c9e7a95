"""T7, T11 and T15: what time alone causes. Done by whichever process is first; the others find nothing to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.errors import Expired, WorkerLost, wire_error
from snapasset.event import UPDATE, tell
from snapasset.job import Job
from snapasset.records.claims import LOST, take_back_unbegun
from snapasset.records.costs import doubt
from snapasset.records.endings import tell_failure
from snapasset.records.jobs import COLUMNS, first_job
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from snapasset.database import Steps

PROMOTE_LIMIT: Final = 200
"""Most delayed jobs made ready, or jobs expired, in one commit: a flood of them must not hold up other changes."""


_MAY_EXPIRE: Final = "expires_at IS NOT NULL AND finished_at IS NULL AND status IN ('waiting', 'delayed', 'blocked') AND started_at IS NULL"
"""A run that was begun in time goes on: what it made, or paid for, is not thrown away because of a second attempt."""


@dataclass(frozen=True, slots=True)
class NextDue(Read[int | None]):
    """In how many ms the next delayed job is due (0 or less: now); None when none is delayed."""

    def steps(self) -> Steps[int | None]:
        ((due,),) = yield Statement("SELECT min(due_at) - now_ms() FROM jobs WHERE status = 'delayed'")
        return due


@dataclass(frozen=True, slots=True)
class Promote(Write[list[Job]]):
    """Make delayed jobs ready whose time has come, the longest due first, at most `PROMOTE_LIMIT` of them."""

    def steps(self) -> Steps[list[Job]]:
        rows = yield Statement(
            "UPDATE jobs SET status = 'waiting', due_at = NULL, seq = seq + 1, updated_at = now_ms() "
            "WHERE id IN (SELECT id FROM jobs WHERE status = 'delayed' AND due_at <= now_ms() "
            f"ORDER BY due_at LIMIT $1) AND status = 'delayed' RETURNING {COLUMNS}",
            (PROMOTE_LIMIT,),
        )
        jobs = [Job._make(row) for row in rows]
        for job in jobs:
            yield tell(job, UPDATE)
        return jobs


@dataclass(frozen=True, slots=True)
class NextExpiry(Read[int | None]):
    """In how many ms (0 or less: now) the time to live of the next job that was not begun is over; None: of none."""

    def steps(self) -> Steps[int | None]:
        ((due,),) = yield Statement(f"SELECT min(expires_at) - now_ms() FROM jobs WHERE {_MAY_EXPIRE}")
        return due


@dataclass(frozen=True, slots=True)
class Expire(Write[list[Job]]):
    """Fail the jobs whose time to live is over before they were begun, at most `PROMOTE_LIMIT` of them."""

    def steps(self) -> Steps[list[Job]]:
        error = wire_error(Expired())
        rows = yield Statement(
            "UPDATE jobs SET status = 'failed', error = $1, due_at = NULL, fence = fence + 1, seq = seq + 1, "
            "finished_at = now_ms(), updated_at = now_ms() "
            f"WHERE id IN (SELECT id FROM jobs WHERE {_MAY_EXPIRE} AND expires_at <= now_ms() "
            f"ORDER BY expires_at LIMIT $2) AND {_MAY_EXPIRE} RETURNING {COLUMNS}",
            (json.dumps(error), PROMOTE_LIMIT),
        )
        jobs = [Job._make(row) for row in rows]
        for job in jobs:
            yield from tell_failure(job, error)
        return jobs


class HeldJob(NamedTuple):
    """A running job as the reconciler watches it."""

    id: str
    fence: int
    beat: int
    worker_id: str
    unbegun: int = 0
    """1: it was claimed to run alone and waits for that."""


@dataclass(frozen=True, slots=True)
class HeldJobs(Read[list[HeldJob]]):
    """All jobs that an executor holds."""

    def steps(self) -> Steps[list[HeldJob]]:
        rows = yield Statement("SELECT id, fence, beat, worker_id, unbegun FROM jobs WHERE status = 'active'")
        return [HeldJob._make(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Reap(Write[Job | None]):
    """Take a job from an executor that is dead or silent: ready again, or failed when its attempts are used up.

    As cancelled if that was asked for. An attempt that has not begun is not counted, and nothing failed. None when the job has
    moved since it was watched: then nothing is done.
    """

    watched: HeldJob

    def touches(self) -> frozenset[str]:
        return frozenset((self.watched.id,))

    def steps(self) -> Steps[Job | None]:
        if self.watched.unbegun:
            return (yield from take_back_unbegun(self.watched.id, self.watched.fence, self.watched.beat))
        error = wire_error(WorkerLost())
        rows = yield Statement(
            "UPDATE jobs SET status = CASE WHEN cancel_requested = 1 THEN 'cancelled' "
            "WHEN attempt < attempts THEN 'waiting' ELSE 'failed' END, "
            "finished_at = CASE WHEN cancel_requested = 1 OR attempt >= attempts THEN now_ms() END, "
            "error = $4, fence = fence + 1, seq = seq + 1, worker_id = NULL, updated_at = now_ms() "
            f"WHERE id = $1 AND fence = $2 AND beat = $3 AND status = 'active' RETURNING {COLUMNS}",
            (self.watched.id, self.watched.fence, self.watched.beat, LOST),
        )
        job = first_job(rows)
        if job is not None:
            job = yield from doubt(job)
            yield from tell_failure(job, error)
        return job


@dataclass(frozen=True, slots=True)
class Touch(Write[None]):
    """Write a job's row as it is: proves that the record takes writes, and so could have taken a beat."""

    job_id: str

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[None]:
        yield Statement("UPDATE jobs SET beat = beat WHERE id = $1", (self.job_id,))


class ReadyJob(NamedTuple):
    """A waiting job, as far as a ring needs it."""

    id: str
    kind: str
    queue: str
    fence: int


@dataclass(frozen=True, slots=True)
class ReadyJobs(Read[list[ReadyJob]]):
    """The most urgent waiting jobs of one queue among `kinds`, at most `limit`. Whether the queue lets them go is not asked."""

    queue: str
    kinds: tuple[str, ...]
    limit: int

    def steps(self) -> Steps[list[ReadyJob]]:
        rows = yield Statement(
            "SELECT id, kind, queue, fence FROM jobs WHERE status = 'waiting' AND queue = $1 "
            f"AND kind IN ({marks(len(self.kinds), 3)}) ORDER BY rank, id LIMIT $2",
            (self.queue, self.limit, *self.kinds),
        )
        return [ReadyJob._make(row) for row in rows]
