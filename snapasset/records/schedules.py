"""T12: schedules, and the jobs that they begin. However many processes look, each time fires once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.cron import next_fire
from snapasset.database import Read, Statement, Write
from snapasset.job import Job, new_id
from snapasset.records.submission import Submit

if TYPE_CHECKING:
    from snapasset.database import Steps

_FIRINGS_KEPT_MS: Final = 30 * 86_400_000
"""How long a firing is remembered: longer than any clock may be set back."""


class ScheduleRow(NamedTuple):
    """One schedule as it stands; see `job_type.Schedule`. Times are ms since the epoch, `data` is a JSON text."""

    id: str
    owner: str
    kind: str
    queue: str
    data: str
    priority: int
    attempts: int
    cron: str
    zone: str
    next_run: int
    last_run: int | None
    last_job_id: str | None


_COLUMNS: Final = ", ".join(ScheduleRow._fields)


@dataclass(frozen=True, slots=True)
class PutSchedule(Write[None]):
    """Make a schedule, or bring the one of this id up to date.

    Its next time is only set anew when `cron` or `zone` has changed: a time that was missed while nothing ran still fires.
    Raises `InvalidInput` when they make no schedule.
    """

    id: str
    owner: str
    kind: str
    queue: str
    data: str
    priority: int
    attempts: int
    cron: str
    zone: str

    def steps(self) -> Steps[None]:
        ((now,),) = yield Statement("SELECT now_ms()")
        next_run = next_fire(self.cron, self.zone, now)
        yield Statement(
            "INSERT INTO schedules (id, owner, kind, queue, data, priority, attempts, cron, zone, next_run, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET "
            "owner = excluded.owner, kind = excluded.kind, queue = excluded.queue, data = excluded.data, "
            "priority = excluded.priority, attempts = excluded.attempts, cron = excluded.cron, zone = excluded.zone, "
            "next_run = CASE WHEN schedules.cron = excluded.cron AND schedules.zone = excluded.zone "
            "THEN schedules.next_run ELSE excluded.next_run END",
            (
                self.id,
                self.owner,
                self.kind,
                self.queue,
                self.data,
                self.priority,
                self.attempts,
                self.cron,
                self.zone,
                next_run,
                now,
            ),
        )


@dataclass(frozen=True, slots=True)
class RemoveSchedule(Write[bool]):
    """Remove a schedule; whether there was one. What it has begun goes on."""

    id: str

    def steps(self) -> Steps[bool]:
        return bool((yield Statement("DELETE FROM schedules WHERE id = $1 RETURNING 1", (self.id,))))


@dataclass(frozen=True, slots=True)
class SchedulesOf(Read[list[str]]):
    """The ids of an owner's schedules of one kind."""

    owner: str
    kind: str

    def steps(self) -> Steps[list[str]]:
        rows = yield Statement(
            "SELECT id FROM schedules WHERE owner = $1 AND kind = $2 ORDER BY id", (self.owner, self.kind)
        )
        return [schedule_id for (schedule_id,) in rows]


@dataclass(frozen=True, slots=True)
class DueSchedules(Read[list[ScheduleRow]]):
    """The schedules whose time has come."""

    def steps(self) -> Steps[list[ScheduleRow]]:
        rows = yield Statement(f"SELECT {_COLUMNS} FROM schedules WHERE next_run <= now_ms() ORDER BY next_run, id")
        return [ScheduleRow._make(row) for row in rows]


@dataclass(frozen=True, slots=True)
class FireSchedule(Write[Job | None]):
    """Begin a due schedule's job and move it to its next time; times that were missed become one.

    None when it has been fired, moved or removed since it was looked at: then nothing is done.
    """

    seen: ScheduleRow

    def steps(self) -> Steps[Job | None]:
        seen = self.seen
        ((now,),) = yield Statement("SELECT now_ms()")
        job_id = new_id()
        moved = yield Statement(
            "UPDATE schedules SET next_run = $3, last_run = $2 "
            "WHERE id = $1 AND next_run = $2 AND next_run <= now_ms() RETURNING 1",
            (seen.id, seen.next_run, next_fire(seen.cron, seen.zone, max(now, seen.next_run))),
        )
        if not moved:
            return None
        fresh = yield Statement(
            "INSERT INTO schedule_firings (schedule_id, fire_at, job_id) VALUES ($1, $2, $3) "
            "ON CONFLICT (schedule_id, fire_at) DO NOTHING RETURNING 1",
            (seen.id, seen.next_run, job_id),
        )
        if not fresh:
            return None
        yield Statement("UPDATE schedules SET last_job_id = $2 WHERE id = $1", (seen.id, job_id))
        yield Statement(
            "DELETE FROM schedule_firings WHERE schedule_id = $1 AND fire_at < $2", (seen.id, now - _FIRINGS_KEPT_MS)
        )
        submit = Submit(job_id, seen.kind, seen.queue, seen.owner, seen.data, seen.priority, seen.attempts)
        return (yield from submit.steps())
