"""Schedules as plain Python: they fire at whole multiples of a period."""

from __future__ import annotations

from dataclasses import dataclass, field

PERIODS = {"* * * * *": 60_000, "*/2 * * * *": 120_000, "*/5 * * * *": 300_000}
"""Crontab lines in UTC, and how many ms lie between the times they mean."""


def following(cron: str, now: int) -> int:
    """The first of its times after `now`."""
    return now - now % PERIODS[cron] + PERIODS[cron]


@dataclass
class ModelSchedule:
    id: str
    cron: str
    next_run: int
    last_run: int | None = None


@dataclass
class ModelSchedules:
    rows: dict[str, ModelSchedule] = field(default_factory=dict[str, ModelSchedule])
    fired: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])

    def put(self, id_: str, cron: str, now: int) -> None:
        known = self.rows.get(id_)
        if known is None:
            self.rows[id_] = ModelSchedule(id_, cron, following(cron, now))
        elif known.cron != cron:
            known.cron, known.next_run = cron, following(cron, now)

    def remove(self, id_: str) -> bool:
        return self.rows.pop(id_, None) is not None

    def due(self, now: int) -> list[str]:
        rows = sorted(self.rows.values(), key=lambda row: (row.next_run, row.id))
        return [row.id for row in rows if row.next_run <= now]

    def fire(self, id_: str, cron: str, at: int, now: int) -> bool:
        """Whether a job begins when somebody who saw that time fires now; however many times were missed, it is one."""
        row = self.rows.get(id_)
        if row is None or row.next_run != at or at > now:
            return False
        row.last_run, row.next_run = at, following(cron, now)
        fresh = (id_, at) not in self.fired
        self.fired.add((id_, at))
        return fresh
