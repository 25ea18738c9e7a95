"""Jobs as they are: the columns of a job, and the questions about jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement
from snapasset.job import Job
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from snapasset.database import Row, Steps

COLUMNS: Final = ", ".join(Job._fields)
"""The columns of `jobs` that make a `Job`, in its order; `rank` is the claim's alone and is left out."""

_FIND_LIMIT: Final = 200
_UNENDED: Final = ("waiting", "delayed", "blocked", "active")


def first_job(rows: list[Row]) -> Job | None:
    """The job in the first row of a statement that returned `COLUMNS`, if it returned any."""
    return Job._make(rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class GetJob(Read[Job | None]):
    """One job by its id; with `owner` set, only if it is theirs, so that a stranger's and a missing one look alike."""

    job_id: str
    owner: str | None = None

    def steps(self) -> Steps[Job | None]:
        sql = f"SELECT {COLUMNS} FROM jobs WHERE id = $1"
        if self.owner is None:
            return first_job((yield Statement(sql, (self.job_id,))))
        return first_job((yield Statement(f"{sql} AND owner = $2", (self.job_id, self.owner))))


@dataclass(frozen=True, slots=True)
class FindJobs(Read[list[Job]]):
    """An owner's jobs, newest first.

    `before` is the (created_at, id) of the last job of the page before; times are ms since the epoch, both ends
    included. `limit` is brought to between 1 and 200.
    """

    owner: str
    statuses: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    created_after: int | None = None
    created_before: int | None = None
    before: tuple[int, str] | None = None
    limit: int = 50

    def steps(self) -> Steps[list[Job]]:
        where = ["owner = $1"]
        params: list[str | int] = [self.owner]

        def add(condition: str, *values: str | int) -> None:
            where.append(condition.format(marks(len(values), 1 + len(params))))
            params.extend(values)

        if self.statuses:
            add("status IN ({})", *self.statuses)
        if self.kinds:
            add("kind IN ({})", *self.kinds)
        if self.created_after is not None:
            add("created_at >= {}", self.created_after)
        if self.created_before is not None:
            add("created_at <= {}", self.created_before)
        if self.before is not None:
            add("(created_at, id) < ({})", *self.before)
        params.append(max(1, min(self.limit, _FIND_LIMIT)))
        rows = yield Statement(
            f"SELECT {COLUMNS} FROM jobs WHERE {' AND '.join(where)} "
            f"ORDER BY created_at DESC, id DESC LIMIT ${len(params)}",
            tuple(params),
        )
        return [Job._make(row) for row in rows]


@dataclass(frozen=True, slots=True)
class CountByQueue(Read[dict[str, dict[str, int]]]):
    """For each queue that has any: how many of its jobs are waiting, delayed, blocked, active."""

    def steps(self) -> Steps[dict[str, dict[str, int]]]:
        counts: dict[str, dict[str, int]] = {}
        # One statement a status: each has an index of its own that holds only such rows.
        for status in _UNENDED:
            rows = yield Statement(f"SELECT queue, count(*) FROM jobs WHERE status = '{status}' GROUP BY queue")
            for queue, count in rows:
                counts.setdefault(queue, dict.fromkeys(_UNENDED, 0))[status] = count
        return counts


class QueueDepth(NamedTuple):
    """How many jobs of a queue have not ended; `oldest_ms`: for how long the oldest ready one has been ready, None: none is."""

    waiting: int
    delayed: int
    blocked: int
    active: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True)
class QueueDepths(Read[dict[str, QueueDepth]]):
    """For each queue that has any jobs that have not ended: its depth.

    Ages are those of jobs of `kinds`, where that is given: of other kinds a job may wait for long, and nobody is late.
    """

    kinds: tuple[str, ...] | None = None

    def steps(self) -> Steps[dict[str, QueueDepth]]:
        counts = yield from CountByQueue().steps()
        of_kinds = f"AND kind IN ({marks(len(self.kinds))})" if self.kinds else ""
        ages = yield Statement(
            f"SELECT queue, now_ms() - min(updated_at) FROM jobs WHERE status = 'waiting' {of_kinds} GROUP BY queue",
            self.kinds or (),
        )
        oldest = {queue: max(0, age) for queue, age in ages}
        return {queue: QueueDepth(**count, oldest_ms=oldest.get(queue)) for queue, count in counts.items()}


@dataclass(frozen=True, slots=True)
class ReadyKinds(Read[dict[str, dict[str, int]]]):
    """For each queue: how many jobs of each kind are ready, of kinds that this program does not know as well."""

    def steps(self) -> Steps[dict[str, dict[str, int]]]:
        rows = yield Statement(
            "SELECT queue, kind, count(*) FROM jobs WHERE status = 'waiting' GROUP BY queue, kind ORDER BY queue, kind"
        )
        counts: dict[str, dict[str, int]] = {}
        for queue, kind, count in rows:
            counts.setdefault(queue, {})[kind] = count
        return counts
