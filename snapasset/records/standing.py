"""Where a job stands: its place in the queue, and when it may be expected, judged by the jobs that went before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement
from snapasset.job import Job, Status

if TYPE_CHECKING:
    from snapasset.database import Steps

SAMPLE: Final = 50
"""Jobs of the kind that are looked back upon: enough to even out, few enough to follow a change."""

_COUNTED: Final = 10_000
"""Furthest place that is counted: beyond it, the exact place tells nobody anything."""


class Estimate(NamedTuple):
    """When a job may start and end, in ms from now, by the mean of `sample_size` completed jobs of its kind."""

    starts_in: int
    finishes_in: int
    sample_size: int


class Standing(NamedTuple):
    """`position`: 1 is next; None when the job does not wait. `estimate`: None without a history, or with no end in sight."""

    position: int | None
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class GetStanding(Read[Standing]):
    """Where `job` stands now."""

    job: Job

    def steps(self) -> Steps[Standing]:
        ahead = yield from self._ahead()
        position = None if ahead is None else 1 + sum(ahead.values())
        if position is None and self.job.status != Status.ACTIVE:
            return Standing(None, None)
        sample, mean = yield from self._history(self.job.kind)
        if mean is None:
            return Standing(position, None)
        ((now, side_by_side),) = yield Statement(
            "SELECT now_ms(), count(*) FROM jobs WHERE status = 'active' AND queue = $1", (self.job.queue,)
        )
        if position is None:
            left = max(0, round(mean) - (now - (self.job.started_at or now)))
            return Standing(None, Estimate(0, left, sample))
        work = 0.0
        for kind, count in (ahead or {}).items():
            others = (yield from self._history(kind))[1] if kind != self.job.kind else mean
            work += count * (mean if others is None else others)
        # Of those that run now, one half is done on average; whoever waits takes the places that come free.
        starts_in = round(work / max(1, side_by_side) + (0.5 * mean if side_by_side else 0))
        return Standing(position, Estimate(starts_in, starts_in + round(mean), sample))

    def _ahead(self) -> Steps[dict[str, int] | None]:
        """How many jobs of each kind are claimed before this one, which waits; None when it does not."""
        if self.job.status != Status.WAITING:
            return None
        rows = yield Statement(
            "SELECT kind, count(*) FROM (SELECT kind FROM jobs, "
            "(SELECT queue AS q, rank AS r FROM jobs WHERE id = $1) AS mine "
            "WHERE status = 'waiting' AND queue = q AND (rank, id) < (r, $1) LIMIT $2) AS ahead GROUP BY kind",
            (self.job.id, _COUNTED),
        )
        return dict(rows)

    def _history(self, kind: str) -> Steps[tuple[int, float | None]]:
        """How many completed jobs of a kind are looked back upon, and how long they took in the mean, in ms."""
        ((sample, mean),) = yield Statement(
            "SELECT count(*), avg(CAST(finished_at - started_at AS double precision)) "
            "FROM (SELECT finished_at, started_at FROM jobs "
            "WHERE kind = $1 AND status = 'completed' AND finished_at IS NOT NULL AND started_at IS NOT NULL "
            "ORDER BY finished_at DESC LIMIT $2) AS recent",
            (kind, SAMPLE),
        )
        return sample, mean
