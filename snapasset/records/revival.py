"""T10: a new run of a job that failed or was cancelled, and of those that failed because of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapasset.database import Statement, Write
from snapasset.errors import Conflict, DependencyFailed
from snapasset.event import UPDATE, tell
from snapasset.job import Job, Status
from snapasset.records.budget import keep_to_budget, look_at_budget
from snapasset.records.credits import reserve
from snapasset.records.dependencies import parents_left
from snapasset.records.endings import owned_job
from snapasset.records.generations import has_like
from snapasset.records.jobs import COLUMNS, first_job
from snapasset.records.placeholders import marks
from snapasset.records.rank import RANK_OFFSET
from snapasset.records.spending import Plan
from snapasset.records.submission import keep_to_limit

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.spend_settings import Caps

_TRIED_AGAIN: Final = (Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Retry(Write[Job]):
    """Begin a new run of an owner's failed or cancelled job; steps that are done stay done.

    With `cascade`, the jobs that failed because of it wait for it again, and so on down. Raises `NotFound`, `Conflict`
    when the job is in another state or its pictures are being removed, `DependencyFailed` while a job that it depends on
    has itself ended badly, or `TooManyJobs`, `SpendCapReached` and `NotEnoughCredits` as a submit does: for what is still to
    be paid for. With a `likeness`, see `generations.FindLike`, that is nothing while a master like that is there.
    """

    job_id: str
    owner: str
    live_limit: int | None = None
    cascade: bool = False
    caps: Caps | None = None
    likeness: str | None = None

    def steps(self) -> Steps[Job]:
        # Before all else, as whoever ends it does: so nobody who keeps what was paid for waits crosswise.
        yield Statement("SELECT 1 FROM jobs WHERE id = $1 AND owner = $2 FOR UPDATE", (self.job_id, self.owner))
        job = yield from owned_job(self.job_id, self.owner)
        if job.status not in _TRIED_AGAIN:
            raise Conflict(f"Only a failed or cancelled job can be tried again: this one is {job.status}.")
        left = (yield from parents_left(job.id)) if job.depends_on is not None else 0
        yield from _keep_generation(job)
        yield from keep_to_limit(self.owner, self.live_limit)
        if self.likeness is not None and (yield from has_like(self.owner, self.likeness)):
            job = job._replace(estimate=0)
        costs = yield from _is_to_be_paid(job)
        if costs:
            plan = Plan(job.estimate, None, at_once=not left)
            yield from look_at_budget(self.owner, self.caps, (plan,), job.credits)
        fresh = yield from _begin_again(job, left)
        costly = [fresh] if costs else []
        if self.cascade and fresh.dependants:
            costly += yield from self._revive_dependants([fresh.id])
        reserved = 0
        for one in costly:
            reserved += yield from reserve(one)
        yield from keep_to_budget(self.owner, self.caps, costly, reserved)
        return fresh

    def _revive_dependants(self, parents: list[str]) -> Steps[list[Job]]:
        """Returns those of them that are still to be paid for."""
        costly: list[Job] = []
        while parents:
            rows = yield Statement(
                f"SELECT {COLUMNS} FROM jobs WHERE status = 'failed' "
                f"AND id IN (SELECT job_id FROM dependencies WHERE parent_id IN ({marks(len(parents))})) ORDER BY id",
                tuple(parents),
            )
            parents = []
            for job in map(Job._make, rows):
                if json.loads(job.error or "{}").get("code") != DependencyFailed.code:
                    continue
                try:
                    left = yield from parents_left(job.id)
                    yield from _keep_generation(job)
                except (DependencyFailed, Conflict):
                    continue  # it has another parent that ended badly: that one has to be tried again first
                yield from keep_to_limit(self.owner, self.live_limit)
                revived = yield from _begin_again(job, left)
                if (yield from _is_to_be_paid(revived)):
                    costly.append(revived)
                if revived.dependants:
                    parents.append(revived.id)
        return costly


def _is_to_be_paid(job: Job) -> Steps[bool]:
    """Whether a run of the job is expected to cost anything: what an earlier one has paid for and kept costs nothing again."""
    if job.estimate == 0:
        return False
    saved = "SELECT 1 FROM job_steps WHERE job_id = $1 AND paid = 1 AND state = 'done' LIMIT 1"
    return not (yield Statement(saved, (job.id,)))


def _begin_again(job: Job, left: int) -> Steps[Job]:
    rows = yield Statement(
        "UPDATE jobs SET status = CASE WHEN $2 > 0 THEN 'blocked' ELSE 'waiting' END, blockers = $2, run = run + 1, "
        "attempt = 0, result = NULL, error = NULL, step = NULL, progress = 0, cancel_requested = 0, finished_at = NULL, "
        f"started_at = NULL, seq = seq + 1, rank = now_ms() - {RANK_OFFSET}, expires_at = now_ms() + ttl, estimate = $3, "
        f"updated_at = now_ms() WHERE id = $1 AND status IN ('failed', 'cancelled') RETURNING {COLUMNS}",
        (job.id, left, job.estimate),
    )
    fresh = first_job(rows)
    if fresh is None:
        raise Conflict("The job has been tried again already.")
    if fresh.generation_id is not None:
        yield Statement(
            "UPDATE generations SET outcome = NULL, ended_at = NULL WHERE id = $1 AND job_id = $2",
            (fresh.generation_id, fresh.id),
        )
    yield tell(fresh, UPDATE)
    return fresh


def _keep_generation(job: Job) -> Steps[None]:
    """Refuse to go on with pictures that are being removed, or have been."""
    if job.generation_id is None:
        return
    kept = yield Statement(
        "SELECT 1 FROM generations WHERE id = $1 AND condemned_at IS NULL FOR SHARE", (job.generation_id,)
    )
    if not kept:
        raise Conflict("Its pictures have been removed; make a new job of it.")
