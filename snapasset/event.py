"""News of a job. Depends on nothing but `job`.

An `Event` is a row: it has a seq, and every reader gets it exactly once and in order. A `Tick` is news only: no row,
no seq, the newest replaces the others. Both carry their JSON body ready-made, so that nobody encodes it again.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.job import Job

UPDATE: Final = "update"
ERROR: Final = "error"
FINAL: Final = "final"


class Event(NamedTuple):
    """One row of `job_events`. `body` is the JSON object that goes to readers; `at` is in ms since the epoch.

    `owner` is the job's: whoever watches all jobs of an owner gets it by that.
    """

    job_id: str
    seq: int
    type: str
    body: str
    at: int
    owner: str


class Tick(NamedTuple):
    """Progress within a step, at most four a second and job.

    `owner` is empty in one that another process told to whoever watches the job: they know whose it is. `after` is the seq
    of the newest event that whoever told it had told before, 0 when that is not known: who has a newer one drops the tick.
    """

    job_id: str
    body: str
    owner: str
    after: int = 0


News = Event | Tick


@lru_cache(maxsize=1024)
def iso(millis: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC, to the millisecond.

    Jobs that change together bear the same time: to spell it out would be half of what an event costs.
    """
    seconds, rest = divmod(millis, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def tell(
    job: Job, type_: str, extra: Mapping[str, Any] | None = None, *, ready: Mapping[str, str] | None = None
) -> Event:
    """The event that tells what `job` has just become; `job` is the row as the change left it.

    `extra` adds or replaces fields of the body; `ready` adds fields whose values are JSON texts already. For changes that are
    told as soon as they are made, `snapasset.database.postgres_telling` composes the same in SQL.
    """
    fields: dict[str, Any] = {
        "type": type_,
        "jobId": job.id,
        "seq": job.seq,
        "run": job.run,
        "attempt": job.attempt,
        "status": job.status,
        "step": job.step,
        "progress": job.progress,
        "at": iso(job.updated_at),
    }
    if job.cancel_requested:
        fields["cancelRequested"] = True
    if extra:
        fields.update(extra)
    body = to_json(fields).decode()
    if ready is not None:
        for name, text in ready.items():
            body = f'{body[:-1]},"{name}":{text}}}'
    if job.cost is not None:
        body = f'{body[:-1]},"cost":{job.cost}}}'
    return Event(job.id, job.seq, type_, body, job.updated_at, job.owner)


def tick(job: Job, step: str | None, progress: float) -> Tick:
    """News of progress (0 to 100) within `step`, for a job this process runs."""
    fields = {
        "type": UPDATE,
        "tick": True,
        "jobId": job.id,
        "run": job.run,
        "attempt": job.attempt,
        "status": "active",
        "step": step,
        "progress": round(progress, 1),
    }
    return Tick(job.id, to_json(fields).decode(), job.owner)
