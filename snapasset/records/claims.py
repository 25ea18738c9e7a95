"""T1, T2 and T14: an executor takes a job, keeps it, or gives it back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from snapasset.database import Statement, Together, Write
from snapasset.errors import WorkerLost, wire_error
from snapasset.event import FINAL, UPDATE, tell
from snapasset.job import Job, Status
from snapasset.records.costs import doubt
from snapasset.records.jobs import COLUMNS, first_job
from snapasset.records.placeholders import marks
from snapasset.records.queues import count_claim, lock_queue, room_of
from snapasset.records.settling import settle

if TYPE_CHECKING:
    from snapasset.database import Row, Steps


_FREE: Final = "CASE WHEN EXISTS (SELECT 1 FROM queues WHERE name = $2) THEN NULL ELSE $2 END"
"""The queue $2 if it is neither paused nor limited, so that nobody counts its claims. A condition of its own would be looked
at for each job that waits."""

LOST: Final = json.dumps(wire_error(WorkerLost()))
"""The error of a job whose last attempt was lost with its worker, as it is stored."""

_UNBEGUN: Final = f"CASE WHEN attempt + 1 = attempts AND attempts > 1 AND error = '{LOST}' THEN 1 ELSE 0 END"
"""Whether an attempt is to run alone and so does not begin with its claim; of the row as it was before."""


@cache
def _taking(queue: str, kinds: int) -> str:
    return (
        "UPDATE jobs SET status = 'active', fence = fence + 1, attempt = attempt + 1, beat = 0, seq = seq + 1, "
        f"unbegun = {_UNBEGUN}, worker_id = $1, due_at = NULL, started_at = now_ms(), updated_at = now_ms() "
        f"WHERE id = (SELECT id FROM jobs WHERE status = 'waiting' AND kind IN ({marks(kinds, 3)}) "
        f"AND queue = {queue} ORDER BY rank, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}"
    )


@dataclass(frozen=True, slots=True)
class Claim(Write[Job | None]):
    """Take the most urgent ready job of `queue` among `kinds`; None when there is none, or the queue lets none go.

    The job comes back active, with a new fence that every later change by this executor must name. One that lost its worker
    and has this one attempt left (`is_suspect`) is to run alone, after `Begin`. A claim from a queue with a rate counts in its
    window for good, also when the job is given back and its attempt is not counted.
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


def is_suspect(job: Job) -> bool:
    """Whether a job that was just claimed lost its attempt before with its worker, and has no more than this one."""
    return job.attempt == job.attempts > 1 and job.error == LOST


@dataclass(frozen=True, slots=True)
class Begin(Write[bool]):
    """Say that the attempt of a job that waited to run alone begins: from here it counts, also if its worker is lost.

    False when the job is no longer this executor's. Said again, it changes nothing but the beat.
    """

    job_id: str
    fence: int

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[bool]:
        # With a beat: whoever has seen the attempt unbegun takes nothing back any more.
        rows = yield Statement(
            "UPDATE jobs SET unbegun = 0, beat = beat + 1 WHERE id = $1 AND fence = $2 AND status = 'active' RETURNING 1",
            (self.job_id, self.fence),
        )
        return bool(rows)


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
        rows = yield Statement(_GIVING_BACK.format(also=""), (self.job_id, self.fence), Together.ROWS)
        return (yield from _given_back(rows))


def take_back_unbegun(job_id: str, fence: int, beat: int) -> Steps[Job | None]:
    """T7 of a job whose attempt has not begun: it goes back as if its executor had given it back.

    None when it has moved since it was seen with this beat: then nothing is done.
    """
    sql = _GIVING_BACK.format(also=" AND beat = $3 AND unbegun = 1")
    return (yield from _given_back((yield Statement(sql, (job_id, fence, beat)))))


_GIVING_BACK: Final = (
    "UPDATE jobs SET status = CASE WHEN cancel_requested = 1 THEN 'cancelled' ELSE 'waiting' END, "
    "finished_at = CASE WHEN cancel_requested = 1 THEN now_ms() END, "
    "attempt = attempt - 1, fence = fence + 1, seq = seq + 1, unbegun = 0, worker_id = NULL, updated_at = now_ms() "
    f"WHERE id = $1 AND fence = $2 AND status = 'active'{{also}} RETURNING {COLUMNS}"
)


def _given_back(rows: list[Row]) -> Steps[Job | None]:
    job = first_job(rows)
    if job is not None:
        job = yield from doubt(job)
        if job.status == Status.CANCELLED:
            yield from settle(job, tell(job, FINAL))
        else:
            yield tell(job, UPDATE)
    return job
