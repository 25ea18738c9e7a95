"""Events, as stored: those of jobs by their seqs, those of an owner by a cursor.

The events of all jobs of an owner have one order, and a `Cursor` is a place in it: whoever reads on from the cursor of an
event gets each later one once, those of a job in the order of their seqs, whoever commits meanwhile and in whatever order.
What was committed while a transaction that began earlier is still under way comes when that has ended (PostgreSQL).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement
from snapasset.event import Event
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.database import Row, Steps

_CURSOR: Final = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})-([0-9]{1,18})")
"""Of numbers that every database can hold."""

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


# --- all jobs of an owner


# The first two conditions are the index's. A plain `owner = $1` beside them would mislead both planners: the one would put
# the owner into the first condition, the other think that hardly any row meets all three, and sort what it finds.
_THEIRS: Final = (
    "SELECT horizon, pos, job_id, seq, type, body, at, owner FROM job_events "
    "WHERE substr(owner, 9, 12) = substr($1, 9, 12) AND owner IS NOT NULL AND coalesce(owner = $1, false)"
)


class Cursor(NamedTuple):
    """A place in the order of an owner's events. As a text it is opaque: ids of frames are made of it.

    `era` names the time in which the numbers mean what they do: an import begins another one. Compared are cursors of
    one era.
    """

    era: str
    horizon: int
    pos: int

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """The cursor that a client brings back; None when it cannot be one."""
        match = _CURSOR.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]), int(match[3]))

    def leads_on_to(self, now: Cursor) -> bool:
        """Whether this record may have handed it out until `now`; from any other one nothing can be resumed."""
        return self.era == now.era and self <= now

    def __str__(self) -> str:
        return f"{self.era}-{self.horizon}-{self.pos}"


class OwnedEvent(NamedTuple):
    """An event, and the place in its owner's order from which the next ones follow."""

    event: Event
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class CursorNow(Read[Cursor]):
    """The place, in every owner's order, that comes before all that will be committed from now on.

    Some of what was committed a moment ago may come after it, too.
    """

    def steps(self) -> Steps[Cursor]:
        # Of the horizons that are settled, no position higher than the highest there is will ever be given out.
        [row] = yield Statement(
            "SELECT era, settled_below() - 1, (SELECT coalesce(max(pos), 0) FROM job_events) FROM record"
        )
        return Cursor._make(row)


@dataclass(frozen=True, slots=True)
class OwnerEventsAfter(Read[list[OwnedEvent]]):
    """An owner's events after `cursor`, which `leads_on_to` now, in order, at most `limit` of them.

    One that has been committed may be missing for as long as an older transaction goes on; nothing after it comes before it.
    """

    owner: str
    cursor: Cursor
    limit: int = 500

    def steps(self) -> Steps[list[OwnedEvent]]:
        # In two halves: SQLite does not go by an index to a pair of which one is the row's own number.
        rows = yield Statement(
            f"SELECT * FROM ({_THEIRS} AND horizon = $2 AND pos > $3 ORDER BY horizon, pos LIMIT $4) AS of_one_horizon "
            f"UNION ALL SELECT * FROM ({_THEIRS} AND horizon > $2 AND horizon < settled_below() "
            "ORDER BY horizon, pos LIMIT $4) AS of_later_ones ORDER BY horizon, pos LIMIT $4",
            (self.owner, self.cursor.horizon, self.cursor.pos, self.limit),
        )
        return [self._owned(row) for row in rows]

    def _owned(self, row: Row) -> OwnedEvent:
        horizon, pos, *event = row
        return OwnedEvent(Event._make(event), Cursor(self.cursor.era, horizon, pos))
