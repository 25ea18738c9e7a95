"""Queues that are paused or limited: only these have a row, and only their claims are counted.

A limit holds for all processes together: whoever claims from a limited queue locks its row first, so one counts at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Together, Write
from snapasset.errors import InvalidInput

if TYPE_CHECKING:
    from snapasset.database import Row, Steps

_MOST: Final = 10_000
"""Largest bound: each claim within the window of a rate is a row, and counted."""

_SHORTEST_SECONDS: Final = 0.001
_LONGEST_SECONDS: Final = 86_400

_IN_WINDOW: Final = "queue = queues.name AND at > now_ms() - rate_ms AND at <= now_ms() + rate_ms"
"""Of a claim: it counts. One that lies further ahead was written before the server's clock was set back."""

_ROOMS: Final = (
    "SELECT name, paused, concurrency, rate_jobs, rate_ms, reason, "
    "(SELECT count(*) FROM jobs WHERE status = 'active' AND queue = queues.name) AS running, "
    f"(SELECT count(*) FROM queue_claims WHERE {_IN_WINDOW}) AS claimed FROM queues"
)
_TIDY: Final = "DELETE FROM queues WHERE name = $1 AND paused = 0 AND concurrency IS NULL AND rate_jobs IS NULL AND rate_ms IS NULL"


class QueueRoom(NamedTuple):
    """A queue that is paused or limited.

    `concurrency`: most jobs that may be active at once; `rate_jobs`: most claims within any `rate_ms`; None: no bound.
    `room`: how many jobs may be claimed now; None: no bound, 0 when it is paused. `reason`: the code of the error because of
    which it has paused itself; None when somebody has paused it.
    """

    paused: bool
    concurrency: int | None
    rate_jobs: int | None
    rate_ms: int | None
    room: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PauseQueue(Write[None]):
    """Let nobody claim from a queue; what runs goes on. A claim that was under way may still come through.

    With a `reason`, the code of an error, it pauses itself; one that is paused already stays paused for its first reason,
    unless it is now somebody who wants it.
    """

    name: str
    reason: str | None = None

    def steps(self) -> Steps[None]:
        yield Statement(
            "INSERT INTO queues (name, paused, reason, updated_at) VALUES ($1, 1, $2, now_ms()) "
            "ON CONFLICT (name) DO UPDATE SET paused = 1, updated_at = excluded.updated_at, reason = "
            "CASE WHEN queues.paused = 1 AND excluded.reason IS NOT NULL THEN queues.reason ELSE excluded.reason END",
            (self.name, self.reason),
        )


@dataclass(frozen=True, slots=True)
class ResumeQueue(Write[None]):
    """Let a paused queue be claimed from again, within its limits."""

    name: str

    def steps(self) -> Steps[None]:
        yield Statement(
            "UPDATE queues SET paused = 0, reason = NULL, updated_at = now_ms() WHERE name = $1", (self.name,)
        )
        yield Statement(_TIDY, (self.name,))


@dataclass(frozen=True, slots=True)
class LimitQueue(Write[None]):
    """Set both limits of a queue anew; None takes one away. `rate_jobs` and `rate_ms` belong together.

    What is active counts at once, whenever it was claimed. The rate counts claims from now on, and those that a rate set
    before has counted. A claim that was under way may still come through.
    """

    name: str
    concurrency: int | None
    rate_jobs: int | None
    rate_ms: int | None

    def steps(self) -> Steps[None]:
        yield Statement(
            "INSERT INTO queues (name, concurrency, rate_jobs, rate_ms, updated_at) VALUES ($1, $2, $3, $4, now_ms()) "
            "ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency, rate_jobs = excluded.rate_jobs, "
            "rate_ms = excluded.rate_ms, updated_at = excluded.updated_at",
            (self.name, self.concurrency, self.rate_jobs, self.rate_ms),
        )
        yield Statement(_TIDY, (self.name,))
        if self.rate_jobs is None:
            yield Statement("DELETE FROM queue_claims WHERE queue = $1", (self.name,))


@dataclass(frozen=True, slots=True)
class QueueRooms(Read[dict[str, QueueRoom]]):
    """The queues that are paused or limited, by name; any other one has no bound."""

    def steps(self) -> Steps[dict[str, QueueRoom]]:
        rows = yield Statement(f"{_ROOMS} ORDER BY name")
        return {row[0]: _room(row) for row in rows}


def check_limits(concurrency: int | None, rate_jobs: int | None, rate_seconds: float | None) -> int | None:
    """The window of a rate in ms, None for no rate. Raises `InvalidInput` with the fields that make no limit."""
    wrong = {
        field: f"must be a whole number from 1 to {_MOST}"
        for field, value in (("concurrency", concurrency), ("rateJobs", rate_jobs))
        if value is not None and (type(value) is not int or not 1 <= value <= _MOST)
    }
    if rate_seconds is not None and not _SHORTEST_SECONDS <= rate_seconds <= _LONGEST_SECONDS:
        wrong["rateSeconds"] = f"must be from {_SHORTEST_SECONDS} to {_LONGEST_SECONDS}"
    if (rate_jobs is None) != (rate_seconds is None):
        wrong["rateSeconds" if rate_seconds is None else "rateJobs"] = "give both, the jobs and the seconds, or neither"
    if wrong:
        raise InvalidInput(fields=wrong)
    return None if rate_seconds is None else round(rate_seconds * 1000)


def room_of(queue: str) -> Steps[QueueRoom | None]:
    """A queue as it stands now; None when it is neither paused nor limited."""
    rows = yield Statement(f"{_ROOMS} WHERE name = $1", (queue,))
    return _room(rows[0]) if rows else None


def lock_queue(queue: str) -> Steps[bool]:
    """Keep others from counting, and from changing the limits, until the change is committed.

    False when the row has gone while it was waited for: nothing is locked then, though there may be another one already.
    """
    return bool((yield Statement("SELECT 1 FROM queues WHERE name = $1 FOR UPDATE", (queue,), Together.ALONE)))


def count_claim(queue: str, rate_ms: int) -> Steps[None]:
    """Let a claim that was just made take its place in the window of the queue's rate. What becomes of it does not matter."""
    yield Statement("INSERT INTO queue_claims (queue, at) VALUES ($1, now_ms())", (queue,))
    yield Statement(
        "DELETE FROM queue_claims WHERE queue = $1 AND (at <= now_ms() - $2 OR at > now_ms() + $2)", (queue, rate_ms)
    )


def _room(row: Row) -> QueueRoom:
    _, paused, concurrency, rate_jobs, rate_ms, reason, running, claimed = row
    bounds = [most - used for most, used in ((concurrency, running), (rate_jobs, claimed)) if most is not None]
    room = 0 if paused else max(0, min(bounds)) if bounds else None
    return QueueRoom(bool(paused), concurrency, rate_jobs, rate_ms, room, reason if paused else None)
