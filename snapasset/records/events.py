"""The events of a job, as stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snapasset.database import Read, Statement
from snapasset.event import Event

if TYPE_CHECKING:
    from snapasset.database import Steps


@dataclass(frozen=True, slots=True)
class EventsAfter(Read[list[Event]]):
    """A job's events with a seq above `after`, in order, at most `limit` of them."""

    job_id: str
    after: int
    limit: int = 500

    def steps(self) -> Steps[list[Event]]:
        rows = yield Statement(
            "SELECT job_id, seq, type, body, at FROM job_events WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            (self.job_id, self.after, self.limit),
        )
        return [Event._make(row) for row in rows]
