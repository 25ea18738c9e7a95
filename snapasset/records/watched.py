"""What streams ask the record: how a job is, all at once, and which of many jobs have moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from snapasset.database import Read, Statement
from snapasset.records.events import EventsAfter
from snapasset.records.jobs import GetJob
from snapasset.records.placeholders import marks
from snapasset.records.standing import GetStanding

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.event import Event
    from snapasset.job import Job
    from snapasset.records.standing import Standing


class Watched(NamedTuple):
    """A job as it is now, where it stands, and its events up to here: those after the seq that was asked for."""

    job: Job
    standing: Standing
    events: list[Event]


@dataclass(frozen=True, slots=True)
class GetWatched(Read[Watched | None]):
    """A job for who begins to watch it. `after`: the seq up to which its events are known; None: they are not wanted."""

    job_id: str
    after: int | None = None
    limit: int = 500

    def steps(self) -> Steps[Watched | None]:
        job = yield from GetJob(self.job_id).steps()
        if job is None:
            return None
        standing = yield from GetStanding(job).steps()
        events: list[Event] = []
        if self.after is not None and job.seq > self.after:
            events = yield from EventsAfter(job.id, self.after, self.limit).steps()
        return Watched(job, standing, events)


@dataclass(frozen=True, slots=True)
class GetSeqs(Read[dict[str, int]]):
    """The newest seq of each of these jobs, by its id; a job that is no more is left out. At most 500 at once."""

    job_ids: tuple[str, ...]

    def steps(self) -> Steps[dict[str, int]]:
        places = marks(len(self.job_ids))
        return dict((yield Statement(f"SELECT id, seq FROM jobs WHERE id IN ({places})", self.job_ids)))
