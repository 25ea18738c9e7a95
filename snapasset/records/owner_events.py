"""The events of all jobs of an owner, as stored: one order for all of them, and places in it.

Whoever reads on from the cursor of an event gets each later one once, those of a job in the order of their seqs, whoever
commits meanwhile and in whatever order. What is committed while a transaction that began earlier is still under way comes
when that has ended (PostgreSQL).
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

OWNERS_AT_ONCE: Final = 256
_TEXTS: Final = (1, 16, OWNERS_AT_ONCE)

_CURSOR: Final = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})-([0-9]{1,18})")
"""Of numbers that every database can hold."""

# The first two conditions are the index's. A plain equation beside them would mislead both planners: the one would put the
# owner into the first condition, the other think that hardly any row meets all three, and sort what it finds.
_OF: Final = "FROM job_events WHERE substr(owner, 9, 12) = substr({0}, 9, 12) AND owner IS NOT NULL AND coalesce(owner = {0}, false)"
_THEIRS: Final = f"SELECT horizon, pos, job_id, seq, type, body, at, owner {_OF.format('$1')}"


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


class OwnerLook(NamedTuple):
    """One look at an owner's events: some of them, in order, and the place that comes before all that will be committed.

    `unsettled`: some have been committed that are not told yet, because an older transaction goes on.
    """

    events: list[OwnedEvent]
    now: Cursor
    unsettled: bool


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


@dataclass(frozen=True, slots=True)
class LookAfter(Read[OwnerLook]):
    """What `OwnerEventsAfter` finds, and what is known with it: with fewer than `limit`, that is all up to `now`.

    Without a cursor no events are wanted, only where to begin.
    """

    owner: str
    cursor: Cursor | None
    limit: int = 500

    def steps(self) -> Steps[OwnerLook]:
        events: list[OwnedEvent] = []
        if self.cursor is not None:
            events = yield from OwnerEventsAfter(self.owner, self.cursor, self.limit).steps()
        now = yield from CursorNow().steps()
        ((unsettled,),) = yield Statement(
            f"SELECT EXISTS (SELECT 1 {_OF.format('$1')} AND horizon >= settled_below())", (self.owner,)
        )
        return OwnerLook(events, now, bool(unsettled))


@dataclass(frozen=True, slots=True)
class OwnersBehind(Read[frozenset[str]]):
    """Those of these owners, at most `OWNERS_AT_ONCE`, of whom the record has events after their cursors."""

    watched: Sequence[tuple[str, Cursor]]

    def steps(self) -> Steps[frozenset[str]]:
        places = next(size for size in _TEXTS if size >= len(self.watched))
        nobody: tuple[None, ...] = (None, None, None)
        asked = chain.from_iterable((owner, cursor.horizon, cursor.pos) for owner, cursor in self.watched)
        rows = yield Statement(_behind(places), (*asked, *(nobody * (places - len(self.watched)))))
        return frozenset(owner for (owner,) in rows)


@cache
def _behind(places: int) -> str:
    values = "".join(f", ({marks(3, 1 + 3 * place)})" for place in range(1, places))
    theirs = f"SELECT 1 {_OF.format('watched.id')}"
    return (
        "WITH watched (id, low, place) AS "
        f"(VALUES (CAST($1 AS text), CAST($2 AS bigint), CAST($3 AS bigint)){values}) SELECT id FROM watched "
        f"WHERE EXISTS ({theirs} AND horizon = low AND pos > place) OR EXISTS ({theirs} AND horizon > low)"
    )
