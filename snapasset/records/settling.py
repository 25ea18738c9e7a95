"""What follows, in the same commit, when a run of a job ends: its generation knows, and so do the jobs that wait for it.

Whatever ends a job says so through `settle`; so no ending can forget whom it concerns.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from snapasset.database import Statement
from snapasset.errors import DependencyFailed, wire_error
from snapasset.event import FINAL, UPDATE, Event, tell
from snapasset.job import Job, Status
from snapasset.records.credits import give_back
from snapasset.records.jobs import COLUMNS
from snapasset.records.placeholders import marks
from snapasset.records.rank import RANK_OFFSET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.database import Steps

FREE: Final = (
    "status = CASE WHEN due_at > now_ms() THEN 'delayed' ELSE 'waiting' END, "
    "due_at = CASE WHEN due_at > now_ms() THEN due_at END, "
    f"rank = CASE WHEN due_at > now_ms() THEN due_at ELSE now_ms() END - {RANK_OFFSET}, "
    "blockers = 0, seq = seq + 1, updated_at = now_ms()"
)
"""What becomes of a blocked job when the last of its parents has completed."""


_WAIT_FOR: Final = "id IN (SELECT job_id FROM dependencies WHERE parent_id IN ({all}))"


def settle(job: Job, final: Event) -> Steps[None]:
    """Tell the `final` of `job`, whose run has just ended, and let follow what follows from it."""
    yield final
    yield from _note(job)
    if not job.dependants:
        return
    if job.status == Status.COMPLETED:
        yield from _free_dependants(job.id)
    else:
        yield from fail_blocked(_WAIT_FOR, [job.id])


def fail_blocked(where: str, params: Sequence[str]) -> Steps[list[Job]]:
    """Fail the blocked jobs that `where` (SQL, its parameters from $2 on) selects, and all that wait for those."""
    error = wire_error(DependencyFailed())
    failed: list[Job] = []
    while True:
        rows = yield Statement(
            "UPDATE jobs SET status = 'failed', error = $1, due_at = NULL, fence = fence + 1, seq = seq + 1, "
            "finished_at = now_ms(), updated_at = now_ms() "
            f"WHERE status = 'blocked' AND {where.format(all=marks(len(params), 2))} RETURNING {COLUMNS}",
            (json.dumps(error), *params),
        )
        jobs = [Job._make(row) for row in rows]
        for job in jobs:
            yield tell(job, FINAL, {"error": error})
            yield from _note(job)
        failed += jobs
        where, params = _WAIT_FOR, [job.id for job in jobs if job.dependants]
        if not params:
            return failed


def _note(job: Job) -> Steps[None]:
    """What an ending means to its generation, and to its owner's credits."""
    yield from give_back(job)
    if job.generation_id is not None:
        yield Statement(
            "UPDATE generations SET outcome = $3, ended_at = $4 WHERE id = $1 AND job_id = $2",
            (job.generation_id, job.id, job.status, job.finished_at),
        )


def _free_dependants(parent_id: str) -> Steps[None]:
    dependants = "id IN (SELECT job_id FROM dependencies WHERE parent_id = $1) AND status = 'blocked'"
    yield Statement(f"UPDATE jobs SET blockers = blockers - 1 WHERE {dependants}", (parent_id,))
    rows = yield Statement(
        f"UPDATE jobs SET {FREE} WHERE {dependants} AND blockers <= 0 RETURNING {COLUMNS}", (parent_id,)
    )
    for row in rows:
        yield tell(Job._make(row), UPDATE)
