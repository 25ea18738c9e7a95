"""Who works: each process that takes jobs says so again and again, and what it can do. Silence means that it is gone.

Nothing is decided by these rows about jobs: a job is taken back when its own beat stands still.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from snapasset.database import Read, Statement, Write

if TYPE_CHECKING:
    from snapasset.database import Row, Steps


class WorkerRow(NamedTuple):
    """A process as it tells of itself. `id` is what it claims jobs under; `role` is `worker` or `api`, `mode` its switch's."""

    id: str
    role: str
    host: str
    pid: int
    version: str
    kinds: tuple[str, ...]
    queues: tuple[str, ...]
    mode: str = "memory"


class WorkerSeen(NamedTuple):
    """A process that was heard of lately. Times are ms since the epoch; `running` are the ids of the jobs that it holds."""

    id: str
    role: str
    host: str
    pid: int
    version: str
    kinds: tuple[str, ...]
    queues: tuple[str, ...]
    mode: str
    started_at: int
    seen_at: int
    running: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkerBeat(Write[None]):
    """Say that a process lives; the first time makes its row."""

    worker: WorkerRow

    def touches(self) -> frozenset[str]:
        return frozenset((f"worker {self.worker.id}",))

    def steps(self) -> Steps[None]:
        worker = self.worker
        yield Statement(
            "INSERT INTO workers (id, role, host, pid, version, kinds, queues, mode, started_at, seen_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now_ms(), now_ms()) ON CONFLICT (id) DO UPDATE SET "
            "role = excluded.role, host = excluded.host, pid = excluded.pid, version = excluded.version, "
            "kinds = excluded.kinds, queues = excluded.queues, mode = excluded.mode, seen_at = excluded.seen_at",
            worker._replace(kinds=json.dumps(worker.kinds), queues=json.dumps(worker.queues)),
        )


@dataclass(frozen=True, slots=True)
class Dismiss(Write[None]):
    """Remove the row of a process that ends. What it still holds is not touched."""

    worker_id: str

    def touches(self) -> frozenset[str]:
        return frozenset((f"worker {self.worker_id}",))

    def steps(self) -> Steps[None]:
        yield Statement("DELETE FROM workers WHERE id = $1", (self.worker_id,))


@dataclass(frozen=True, slots=True)
class LiveWorkers(Read[list[WorkerSeen]]):
    """The processes that were heard of within the last `gone_ms`, the longest at work first.

    One that is said to speak from further ahead than that spoke before the record's clock was set back, and no more since.
    """

    gone_ms: int

    def steps(self) -> Steps[list[WorkerSeen]]:
        rows = yield Statement(
            "SELECT id, role, host, pid, version, kinds, queues, mode, started_at, seen_at FROM workers "
            "WHERE seen_at > now_ms() - $1 AND seen_at <= now_ms() + $1 ORDER BY started_at, id",
            (self.gone_ms,),
        )
        held = yield Statement("SELECT worker_id, id FROM jobs WHERE status = 'active'")
        running: dict[str, list[str]] = {}
        for worker_id, job_id in held:
            running.setdefault(worker_id, []).append(job_id)
        return [_seen(row, tuple(sorted(running.get(row[0], ())))) for row in rows]


@dataclass(frozen=True, slots=True)
class PurgeWorkers(Write[int]):
    """Remove the rows of processes that have been silent for `older_ms` or longer, or lie so far ahead; returns how many."""

    older_ms: int

    def steps(self) -> Steps[int]:
        sql = "DELETE FROM workers WHERE seen_at <= now_ms() - $1 OR seen_at > now_ms() + $1 RETURNING 1"
        return len((yield Statement(sql, (self.older_ms,))))


def _seen(row: Row, running: tuple[str, ...]) -> WorkerSeen:
    id_, role, host, pid, version, kinds, queues, mode, started_at, seen_at = row
    knows, serves = tuple(json.loads(kinds)), tuple(json.loads(queues))
    return WorkerSeen(id_, role, host, pid, version, knows, serves, mode, started_at, seen_at, running)
