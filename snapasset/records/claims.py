"""T1, T2 and T14: an executor takes a job, keeps it, or gives it back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from snapasset.database import Statement, Together, Write
from snapasset.event import FINAL, UPDATE, tell
from snapasset.job import Job, Status
from snapasset.records.costs import doubt
from snapasset.records.jobs import COLUMNS, first_job
from snapasset.records.placeholders import marks
from snapasset.records.queues import count_claim, lock_queue, room_of
from snapasset.records.settling import settle

if TYPE_CHECKING:
    from snapasset.database import Steps


_FREE: Final = "CASE WHEN EXISTS (SELECT 1 FROM queues WHERE name = $2) THEN NULL ELSE $2 END"
"""The queue $2 if it is neither paused nor limited, so that nobody counts its claims. A condition of its own would be looked
at for each job that waits."""


@cache
def _taking(queue: str, kinds: int) -> str:
    return (
        "UPDATE jobs SET status = 'active', fence = fence + 1, attempt = attempt + 1, beat = 0, seq = seq + 1, "
        "worker_id = $1, due_at = NULL, started_at = now_ms(), updated_at = now_ms() "
        f"WHERE id = (SELECT id FROM jobs WHERE status = 'waiting' AND kind IN ({marks(kinds, 3)}) "
        f"AND queue = {queue} ORDER BY rank, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}"
    )


@dataclass(frozen=True, slots=True)
class Claim(Write[Job | None]):
    """Take the most urgent ready job of `queue` among `kinds`; None when there is none, or the queue lets none go.

    The job comes back active, with a new fence that every later change by this executor must name. A claim from a queue with
    a rate counts in its window for good, also when the job is given back and its attempt is not counted.
    """

    queue: str
    kinds: tuple[str, ...]
    worker_id: str

    def touches(self) -> frozenset[str]:
        return frozenset()  # who counts claims, in a queue with limits, says so by `Together.ALONE`

    def steps(self) -> Steps[Job | None]:
        job = yield from self._take(_FREE, Together.TAKES, UPDATE)
        if job is None:
            job = yield from self._take_if_room()
        if job is not None:
            yield tell(job, UPDATE)
        return job

    def _take_if_room(self) -> Steps[Job | None]:
        """The claim from a queue that is paused or limited; None when it is neither."""
        glimpse = yield from room_of(self.queue)
        if glimpse is None or glimpse.room == 0:
            return None
        if not (yield from lock_queue(self.queue)):
            return None  # the limits are being changed; the reconciler rings again
        limits = yield from room_of(self.queue)  # asked again: only now nobody else can take what is left
        if limits is None or limits.room == 0:
            return None
        job = yield from self._take()
        if job is not None and limits.rate_ms is not None:
            yield from count_claim(self.queue, limits.rate_ms)
        return job

    def _take(self, queue: str = "$2", together: Together | None = None, tells: str | None = None) -> Steps[Job | None]:
        sql = _taking(queue, len(self.kinds))
        rows = yield Statement(sql, (self.worker_id, self.queue, *self.kinds), together, tells)
        return first_job(rows)

    def abandoned(self, answer: Job | None) -> Write[Any] | None:
        return GiveBack(answer.id, answer.fence) if answer is not None else None


@dataclass(frozen=True, slots=True)
class Beat(Write[bool | None]):
    """Say that the job is being worked on, and how far it is (0 to 100).

    Returns whether cancelling was asked for; None when the job is no longer this executor's.
    """

    job_id: str
    fence: int
    progress: float

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[bool | None]:
        rows = yield Statement(
            "UPDATE jobs SET beat = beat + 1, progress = CASE WHEN $3 > progress THEN $3 ELSE progress END "
            "WHERE id = $1 AND fence = $2 AND status = 'active' RETURNING cancel_requested",
            (self.job_id, self.fence, self.progress),
            Together.ROWS,
        )
        return bool(rows[0][0]) if rows else None


@dataclass(frozen=True, slots=True)
class GiveBack(Write[Job | None]):
    """Return a job unfinished through no fault of its own: its attempt is not counted, its finished steps stay.

    If cancelling was asked for meanwhile, it ends as cancelled. None when the job was no longer this executor's.
    """

    job_id: str
    fence: int

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[Job | None]:
        rows = yield Statement(
            "UPDATE jobs SET status = CASE WHEN cancel_requested = 1 THEN 'cancelled' ELSE 'waiting' END, "
            "finished_at = CASE WHEN cancel_requested = 1 THEN now_ms() END, "
            "attempt = attempt - 1, fence = fence + 1, seq = seq + 1, worker_id = NULL, updated_at = now_ms() "
            f"WHERE id = $1 AND fence = $2 AND status = 'active' RETURNING {COLUMNS}",
            (self.job_id, self.fence),
            Together.ROWS,
        )
        job = first_job(rows)
        if job is not None:
            job = yield from doubt(job)
            if job.status == Status.CANCELLED:
                yield from settle(job, tell(job, FINAL))
            else:
                yield tell(job, UPDATE)
        return job
