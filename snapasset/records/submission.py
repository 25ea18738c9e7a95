"""T0: a job enters the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapasset.database import Statement, Write
from snapasset.errors import TooManyJobs
from snapasset.event import UPDATE, tell
from snapasset.job import Job, Priority
from snapasset.records.jobs import COLUMNS, first_job

if TYPE_CHECKING:
    from snapasset.database import Steps

AGEING_MS: Final = 60_000
"""Waiting this long is worth one level of priority: a high job (5) passes normal ones up to five minutes older."""

_CRITICAL_MS: Final = 10**13
"""Added once for critical jobs: further than any two dates, so that no waiting ever catches up with them."""


def rank_offset(priority: int) -> int:
    """What to take from the time a job became ready to get its rank; the lowest rank is claimed first.

    A rank never changes while a job waits: time passes for all ranks alike, so older jobs age by themselves.
    """
    return priority * AGEING_MS + (_CRITICAL_MS if priority >= Priority.CRITICAL else 0)


def keep_to_limit(owner: str, live_limit: int | None) -> Steps[None]:
    """Refuse with `TooManyJobs` when the owner has `live_limit` jobs that have not ended; None is no limit."""
    if live_limit is None:
        return
    ((live,),) = yield Statement(
        "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE owner = $1 AND finished_at IS NULL LIMIT $2) AS live",
        (owner, live_limit),
    )
    if live >= live_limit:
        raise TooManyJobs(f"{live} of your jobs have not ended yet, and that is the most.")


@dataclass(frozen=True, slots=True)
class Submit(Write[Job]):
    """Put a new job into the record.

    `delay_ms` counts from the database's now, `run_at` is ms since the epoch; at most one of them is given. A time in
    the past means at once. `live_limit` bounds the jobs of one owner that have not ended; one more is `TooManyJobs`.
    """

    job_id: str
    kind: str
    queue: str
    owner: str
    data: str
    priority: int
    attempts: int
    generation_id: str | None = None
    delay_ms: int = 0
    run_at: int | None = None
    live_limit: int | None = None

    def steps(self) -> Steps[Job]:
        yield from keep_to_limit(self.owner, self.live_limit)
        rows = yield Statement(
            "INSERT INTO jobs (id, kind, queue, owner, data, priority, attempts, generation_id, status, rank, due_at, "
            "created_at, updated_at) "
            "SELECT $1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN due > now THEN 'delayed' ELSE 'waiting' END, "
            "CASE WHEN due > now THEN due ELSE now END - $9, CASE WHEN due > now THEN due END, now, now "
            f"FROM (SELECT now_ms() AS now, coalesce($10, now_ms() + $11) AS due) AS clock RETURNING {COLUMNS}",
            (
                self.job_id,
                self.kind,
                self.queue,
                self.owner,
                self.data,
                self.priority,
                self.attempts,
                self.generation_id,
                rank_offset(self.priority),
                self.run_at,
                self.delay_ms,
            ),
        )
        job = first_job(rows)
        assert job is not None  # an INSERT that did not raise returns its row
        if self.generation_id is not None:
            yield Statement(
                "INSERT INTO generations (id, owner, job_id, request, created_at) VALUES ($1, $2, $3, $4, $5)",
                (self.generation_id, self.owner, self.job_id, self.data, job.created_at),
            )
        yield tell(job, UPDATE, {"kind": job.kind})
        return job
