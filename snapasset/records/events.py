"""The events of jobs, as stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement
from snapasset.event import Event
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.database import Steps

JOBS_AT_ONCE: Final = 64
_TEXTS: Final = (1, 4, 16, JOBS_AT_ONCE)

# A row from before events had owners is still its job's.
_COLUMNS: Final = (
    "job_events.job_id, seq, type, body, at, "
    "coalesce(job_events.owner, (SELECT jobs.owner FROM jobs WHERE jobs.id = job_events.job_id))"
)


@dataclass(frozen=True, slots=True)
class EventsAfter(Read[list[Event]]):
    """A job's events with a seq above `after`, in order, at most `limit` of them."""

    job_id: str
    after: int
    limit: int = 500

    def steps(self) -> Steps[list[Event]]:
        rows = yield Statement(
            f"SELECT {_COLUMNS} FROM job_events WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            (self.job_id, self.after, self.limit),
        )
        return [Event._make(row) for row in rows]


class Missing(NamedTuple):
    """Of one job, the events with seqs above `after`, up to `up_to`."""

    job_id: str
    after: int
    up_to: int


@dataclass(frozen=True, slots=True)
class MissingEvents(Read[list[Event]]):
    """The events of several jobs, at most `JOBS_AT_ONCE`, that somebody knows to be missing; those of a job in order."""

    wanted: Sequence[Missing]

    def steps(self) -> Steps[list[Event]]:
        # Of few texts, so that each is known: a database asks or plans anew for one that it has not seen.
        places = next(size for size in _TEXTS if size >= len(self.wanted))
        nothing: tuple[None, ...] = (None, None, None)
        params = (*chain.from_iterable(self.wanted), *(nothing * (places - len(self.wanted))))
        rows = yield Statement(_missing(places), params)
        return [Event._make(row) for row in rows]


@cache
def _missing(places: int) -> str:
    values = ", ".join(f"({marks(3, 1 + 3 * place)})" for place in range(1, places))
    return (
        "WITH wanted (id, low, high) AS (VALUES (CAST($1 AS text), CAST($2 AS bigint), CAST($3 AS bigint))"
        f"{values and ', '}{values}) SELECT {_COLUMNS} FROM wanted "
        "JOIN job_events ON job_events.job_id = wanted.id AND seq > low AND seq <= high ORDER BY job_events.job_id, seq"
    )
