"""T5, T6, T8 and T9: how a run of a job ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from snapasset.database import Statement, Together, Write
from snapasset.errors import Conflict, NotFound
from snapasset.event import ERROR, FINAL, UPDATE, iso, tell
from snapasset.job import Job, Status
from snapasset.records.costs import doubt
from snapasset.records.jobs import COLUMNS, first_job
from snapasset.records.queues import PauseQueue
from snapasset.records.settling import settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.database import Steps

_COMPLETE: Final = (
    "UPDATE jobs SET status = CASE WHEN cancel_requested = 1 THEN 'cancelled' ELSE 'completed' END, "
    "result = $3, error = NULL, progress = CASE WHEN cancel_requested = 1 THEN progress ELSE 100 END, "
    "step = NULL, seq = seq + 1, worker_id = NULL, finished_at = now_ms(), updated_at = now_ms() "
    f"WHERE id = $1 AND fence = $2 AND status = 'active' RETURNING {COLUMNS}"
)


@dataclass(frozen=True, slots=True)
class Complete(Write[Job | None]):
    """End a held job well; as cancelled if that was asked for meanwhile, its result kept all the same.

    `result` is a JSON text; `doubtful`: a paid call was left under way. None when the job is no longer this executor's.
    """

    job_id: str
    fence: int
    result: str
    doubtful: bool = False

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[Job | None]:
        # What is in doubt changes the job once more before it is told.
        tells = None if self.doubtful else FINAL
        rows = yield Statement(_COMPLETE, (self.job_id, self.fence, self.result), Together.ROWS, tells)
        job = first_job(rows)
        if job is not None:
            if self.doubtful:
                job = yield from doubt(job)
            yield from settle(job, tell(job, FINAL, ready={"result": self.result}))
        return job


@dataclass(frozen=True, slots=True)
class Fail(Write[Job | None]):
    """End a held job's attempt badly: tried again after `delay_ms` if that may help and attempts are left, else failed.

    `error` is `{code, message, retryable}`. As cancelled if that was asked for meanwhile. `doubtful`: a paid call was
    sent and its outcome is not known; else whatever step was under way is known not to have been charged. None when the
    job is no longer this executor's.
    """

    job_id: str
    fence: int
    error: Mapping[str, Any]
    retryable: bool
    delay_ms: int
    doubtful: bool = False

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[Job | None]:
        error = json.dumps(self.error)
        rows = yield Statement(
            "UPDATE jobs SET status = CASE WHEN cancel_requested = 1 THEN 'cancelled' "
            "WHEN $4 = 1 AND attempt < attempts THEN 'delayed' ELSE 'failed' END, "
            "due_at = CASE WHEN cancel_requested = 0 AND $4 = 1 AND attempt < attempts THEN now_ms() + $5 END, "
            "finished_at = CASE WHEN cancel_requested = 1 OR $4 = 0 OR attempt >= attempts THEN now_ms() END, "
            "error = $3, fence = fence + 1, seq = seq + 1, worker_id = NULL, updated_at = now_ms() "
            f"WHERE id = $1 AND fence = $2 AND status = 'active' RETURNING {COLUMNS}",
            (self.job_id, self.fence, error, int(self.retryable), self.delay_ms),
            Together.ROWS,
        )
        job = first_job(rows)
        if job is None:
            return None
        job = yield from _leave_steps(job, error, doubtful=self.doubtful)
        yield from tell_failure(job, self.error)
        return job


@dataclass(frozen=True, slots=True)
class PutOff(Write[Job | None]):
    """Let a held job wait for `delay_ms` because of what is nobody's fault; its attempt is not counted, and `error` is told.

    With `pauses` its whole queue waits until somebody resumes it. As cancelled if that was asked for meanwhile. `doubtful`
    as for `Fail`. None when the job is no longer this executor's.
    """

    job_id: str
    fence: int
    error: Mapping[str, Any]
    delay_ms: int
    pauses: bool = False
    doubtful: bool = False

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[Job | None]:
        error = json.dumps(self.error)
        rows = yield Statement(
            "UPDATE jobs SET status = CASE WHEN cancel_requested = 1 THEN 'cancelled' ELSE 'delayed' END, "
            "due_at = CASE WHEN cancel_requested = 0 THEN now_ms() + $4 END, "
            "finished_at = CASE WHEN cancel_requested = 1 THEN now_ms() END, "
            "attempt = attempt - 1, error = $3, fence = fence + 1, seq = seq + 1, worker_id = NULL, updated_at = now_ms() "
            f"WHERE id = $1 AND fence = $2 AND status = 'active' RETURNING {COLUMNS}",
            (self.job_id, self.fence, error, self.delay_ms),
            Together.ROWS,
        )
        job = first_job(rows)
        if job is not None:
            job = yield from _leave_steps(job, error, doubtful=self.doubtful)
            yield from tell_failure(job, self.error)
            if self.pauses:
                yield from PauseQueue(job.queue, self.error["code"]).steps()
        return job


def _leave_steps(job: Job, error: str, *, doubtful: bool) -> Steps[Job]:
    """What was under way when the attempt failed by `error`, a JSON text, has failed too, or is in doubt if it was paid."""
    if doubtful:
        job = yield from doubt(job)
    yield Statement(
        "UPDATE job_steps SET state = 'failed', error = $3, finished_at = now_ms() "
        "WHERE job_id = $1 AND run = $2 AND state = 'started'",
        (job.id, job.run, error),
    )
    return job


def tell_failure(job: Job, error: Mapping[str, Any]) -> Steps[None]:
    """Tell that an attempt has failed: `error` with what happens next, or the run's `final` with all that follows."""
    if job.ended:
        yield from settle(job, tell(job, FINAL, {"error": dict(error)} if job.status == Status.FAILED else None))
        return
    next_at = iso(job.due_at if job.due_at is not None else job.updated_at)
    yield tell(job, ERROR, {**error, "nextAttemptAt": next_at})


@dataclass(frozen=True, slots=True)
class EndCancelled(Write[Job | None]):
    """End a held job as cancelled: its executor has noticed the wish and stopped."""

    job_id: str
    fence: int

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[Job | None]:
        rows = yield Statement(
            "UPDATE jobs SET status = 'cancelled', fence = fence + 1, seq = seq + 1, worker_id = NULL, "
            "finished_at = now_ms(), updated_at = now_ms() "
            f"WHERE id = $1 AND fence = $2 AND status = 'active' AND cancel_requested = 1 RETURNING {COLUMNS}",
            (self.job_id, self.fence),
        )
        job = first_job(rows)
        if job is not None:
            job = yield from doubt(job)  # a paid step beside the one that noticed
            yield from settle(job, tell(job, FINAL))
        return job


@dataclass(frozen=True, slots=True)
class Cancel(Write[Job]):
    """Cancel an owner's job: at once when it is not running, else by asking its executor.

    Asking twice is harmless. Raises `NotFound`, or `Conflict` when the job has ended.
    """

    job_id: str
    owner: str

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[Job]:
        rows = yield Statement(
            "UPDATE jobs SET status = 'cancelled', due_at = NULL, fence = fence + 1, seq = seq + 1, "
            "finished_at = now_ms(), updated_at = now_ms() WHERE id = $1 AND owner = $2 "
            f"AND status IN ('waiting', 'delayed', 'blocked') RETURNING {COLUMNS}",
            (self.job_id, self.owner),
        )
        job = first_job(rows)
        if job is not None:
            yield from settle(job, tell(job, FINAL))
            return job
        rows = yield Statement(
            "UPDATE jobs SET cancel_requested = 1, seq = seq + 1, updated_at = now_ms() WHERE id = $1 AND owner = $2 "
            f"AND status = 'active' AND cancel_requested = 0 RETURNING {COLUMNS}",
            (self.job_id, self.owner),
        )
        job = first_job(rows)
        if job is not None:
            yield tell(job, UPDATE)
            return job
        job = yield from owned_job(self.job_id, self.owner)
        if job.ended:
            raise Conflict(f"The job has ended already: it is {job.status}.")
        return job


def owned_job(job_id: str, owner: str) -> Steps[Job]:
    """One of the owner's jobs. Raises `NotFound`."""
    rows = yield Statement(f"SELECT {COLUMNS} FROM jobs WHERE id = $1 AND owner = $2", (job_id, owner))
    job = first_job(rows)
    if job is None:
        raise NotFound("There is no such job.")
    return job
