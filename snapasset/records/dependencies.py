"""Jobs that wait for others: who their parents are, how they stand, and what a crash may have left astray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.errors import DependencyFailed, InvalidInput
from snapasset.event import UPDATE, tell
from snapasset.job import Job, Status
from snapasset.records.jobs import COLUMNS
from snapasset.records.placeholders import marks
from snapasset.records.settling import FREE, fail_blocked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.database import Steps

PARENTS_LIMIT: Final = 20
"""Most jobs that one job may depend on."""

_ENDED_BADLY: Final = (Status.FAILED, Status.CANCELLED)
_ASTRAY_LIMIT: Final = 100


class Parent(NamedTuple):
    """A job that another depends on."""

    id: str
    status: str


def take_parents(owner: str, parent_ids: Sequence[str]) -> Steps[int]:
    """Note on each parent that a job depends on it; returns how many have not completed yet.

    Raises `InvalidInput` naming each that is none of the owner's, `DependencyFailed` when one has ended badly.
    """
    if not parent_ids:
        return 0
    if len(parent_ids) > PARENTS_LIMIT:
        raise InvalidInput(fields={"options.dependsOn": f"takes at most {PARENTS_LIMIT} jobs"})
    if len(set(parent_ids)) < len(parent_ids):
        raise InvalidInput(fields={"options.dependsOn": "names a job twice"})
    mine = f"id IN ({marks(len(parent_ids), 2)}) AND owner = $1"
    # Looked at first: a refusal that has changed nothing costs the others in its commit nothing.
    rows = yield Statement(f"SELECT id, status FROM jobs WHERE {mine}", (owner, *parent_ids))
    _check(parent_ids, rows)
    rows = yield Statement(
        f"UPDATE jobs SET dependants = dependants + 1 WHERE {mine} RETURNING id, status", (owner, *parent_ids)
    )
    return _check(parent_ids, rows)


def parents_left(job_id: str) -> Steps[int]:
    """How many parents of a job have not completed. Raises `DependencyFailed` when one has ended badly.

    A parent that is gone ended badly: when a completed one is removed, nothing depends on it any more.
    """
    rows = yield Statement(
        "SELECT dependencies.parent_id, coalesce(jobs.status, 'failed') FROM dependencies "
        "LEFT JOIN jobs ON jobs.id = dependencies.parent_id WHERE dependencies.job_id = $1",
        (job_id,),
    )
    return _left([Parent._make(row) for row in rows])


def note_parents(job_id: str, parent_ids: Sequence[str]) -> Steps[None]:
    """Write down whom a new job depends on."""
    for parent_id in parent_ids:
        yield Statement("INSERT INTO dependencies (parent_id, job_id) VALUES ($1, $2)", (parent_id, job_id))


def _check(parent_ids: Sequence[str], rows: Sequence[tuple[str, str]]) -> int:
    parents = {parent.id: parent for parent in map(Parent._make, rows)}
    missing = {
        f"options.dependsOn.{position}": "is none of your jobs"
        for position, parent_id in enumerate(parent_ids)
        if parent_id not in parents
    }
    if missing:
        raise InvalidInput(fields=missing)
    return _left(list(parents.values()))


def _left(parents: Sequence[Parent]) -> int:
    bad = next((parent for parent in parents if parent.status in _ENDED_BADLY), None)
    if bad is not None:
        raise DependencyFailed(f"It depends on the job {bad.id}, which is {bad.status}.")
    return sum(parent.status != Status.COMPLETED for parent in parents)


_PARENTS: Final = (
    "SELECT 1 FROM dependencies LEFT JOIN jobs AS parents ON parents.id = dependencies.parent_id "
    "WHERE dependencies.job_id = jobs.id AND coalesce(parents.status, 'failed')"
)
_UNFINISHED: Final = f"{_PARENTS} <> 'completed'"
_FAILED: Final = f"{_PARENTS} IN ('failed', 'cancelled')"


@dataclass(frozen=True, slots=True)
class BlockedAstray(Read[bool]):
    """Whether a blocked job waits for nobody: its parents have all completed, or one has ended badly."""

    def steps(self) -> Steps[bool]:
        rows = yield Statement(
            f"SELECT 1 FROM jobs WHERE status = 'blocked' AND (NOT EXISTS ({_UNFINISHED}) OR EXISTS ({_FAILED})) LIMIT 1"
        )
        return bool(rows)


@dataclass(frozen=True, slots=True)
class MendBlocked(Write[list[Job]]):
    """Free, or fail, the blocked jobs that wait for nobody; returns them."""

    def steps(self) -> Steps[list[Job]]:
        failed = yield from fail_blocked(f"EXISTS ({_FAILED})", ())
        rows = yield Statement(
            f"UPDATE jobs SET {FREE} WHERE id IN (SELECT id FROM jobs WHERE status = 'blocked' "
            f"AND NOT EXISTS ({_UNFINISHED}) LIMIT $1) AND status = 'blocked' RETURNING {COLUMNS}",
            (_ASTRAY_LIMIT,),
        )
        freed = [Job._make(row) for row in rows]
        for job in freed:
            yield tell(job, UPDATE)
        return [*failed, *freed]


class ReadyDependant(NamedTuple):
    """A job that may run now, as far as a ring needs it."""

    id: str
    kind: str
    queue: str
    fence: int


@dataclass(frozen=True, slots=True)
class ReadyDependants(Read[list[ReadyDependant]]):
    """The waiting jobs that depend on a job."""

    parent_id: str

    def steps(self) -> Steps[list[ReadyDependant]]:
        rows = yield Statement(
            "SELECT id, kind, queue, fence FROM jobs "
            "WHERE id IN (SELECT job_id FROM dependencies WHERE parent_id = $1) AND status = 'waiting'",
            (self.parent_id,),
        )
        return [ReadyDependant._make(row) for row in rows]
