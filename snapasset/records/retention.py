"""T13: what need not be kept for ever: the pictures of generations that came to nothing, and jobs that ended long ago.

What is found here may have changed until it is removed, so every removal asks again, in the statement that removes.
Times are ms since the epoch; where an `owner` is None, everybody's is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.job import Status
from snapasset.records.conditions import LOST, whose
from snapasset.records.credits import close_runs
from snapasset.records.files import NamedFile
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from snapasset.database import Steps

_BATCH_KEYS_KEPT_MS: Final = 90 * 86_400_000
"""How long the key of a batch is remembered: longer than any of its jobs may be put off."""

_AT_WORK: Final = (
    "EXISTS (SELECT 1 FROM jobs WHERE jobs.owner = generations.owner AND jobs.generation_id = generations.id "
    "AND jobs.finished_at IS NULL)"
)
_LONE: Final = (
    "NOT EXISTS (SELECT 1 FROM dependencies JOIN jobs AS child ON child.id = dependencies.job_id "
    "WHERE dependencies.parent_id = jobs.id AND child.finished_at IS NULL) "
    "AND NOT EXISTS (SELECT 1 FROM dependencies JOIN jobs AS parent ON parent.id = dependencies.parent_id "
    "WHERE dependencies.job_id = jobs.id AND parent.finished_at IS NULL) "
    "AND jobs.id <> (SELECT job_id FROM job_events ORDER BY pos DESC LIMIT 1)"
)
"""Of a job: no unended one depends on it or is depended on by it, and the newest event is not its own: that one stays."""


# --- generations that came to nothing


class LostGeneration(NamedTuple):
    """A generation that may be removed, with its files."""

    id: str
    files: tuple[NamedFile, ...]


@dataclass(frozen=True, slots=True)
class LostGenerations(Read[list[LostGeneration]]):
    """Generations that failed or were cancelled until `ended_before` and that no job works on, by id, those after `after`.

    With them, whatever their age, those whose removal was begun and not finished.
    """

    owner: str | None
    ended_before: int
    after: str
    limit: int

    def steps(self) -> Steps[list[LostGeneration]]:
        mine, params = whose("owner", self.owner, (self.ended_before, self.after, self.limit))
        rows = yield Statement(
            "SELECT id FROM generations WHERE id IN ("
            f"SELECT id FROM generations WHERE {LOST} AND ended_at <= $1 "
            "UNION SELECT id FROM generations WHERE condemned_at IS NOT NULL) "
            f"AND id > $2 AND NOT {_AT_WORK} {mine} ORDER BY id LIMIT $3",
            params,
        )
        found: list[LostGeneration] = []
        for (generation_id,) in rows:
            found.append(LostGeneration(generation_id, (yield from _files_of(generation_id))))
        return found


class Verdict(NamedTuple):
    """What became of condemning a generation: whether the record has it, whether it is condemned, and then its files."""

    known: bool
    condemned: bool
    files: tuple[NamedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class CondemnLost(Write[Verdict]):
    """Say of a generation, whosever it is, that it is to be removed, if it still is a lost one: see `LostGenerations`.

    From then on nothing is begun with it, and `generations.Forget` follows when its files are gone. Asking twice is
    harmless.
    """

    generation_id: str
    ended_before: int

    def steps(self) -> Steps[Verdict]:
        # Locked first: a job that is just being begun with it is then seen by the statement that asks for such jobs.
        yield Statement("SELECT 1 FROM generations WHERE id = $1 FOR UPDATE", (self.generation_id,))
        condemned = yield Statement(
            "UPDATE generations SET condemned_at = coalesce(condemned_at, now_ms()) WHERE id = $1 "
            f"AND (condemned_at IS NOT NULL OR ({LOST} AND ended_at <= $2)) AND NOT {_AT_WORK} RETURNING 1",
            (self.generation_id, self.ended_before),
        )
        if condemned:
            return Verdict(known=True, condemned=True, files=(yield from _files_of(self.generation_id)))
        known = yield Statement("SELECT 1 FROM generations WHERE id = $1", (self.generation_id,))
        return Verdict(known=bool(known), condemned=False)


# --- jobs that ended long ago


class EndedJob(NamedTuple):
    """A job that may be removed."""

    id: str
    finished_at: int


@dataclass(frozen=True, slots=True)
class EndedKinds(Read[list[str]]):
    """The kinds of which a job has ended."""

    def steps(self) -> Steps[list[str]]:
        rows = yield Statement("SELECT DISTINCT kind FROM jobs WHERE finished_at IS NOT NULL ORDER BY kind")
        return [kind for (kind,) in rows]


@dataclass(frozen=True, slots=True)
class SpentJobs(Read[list[EndedJob]]):
    """Jobs of a kind that ended in one of `statuses` and need not be kept, by their end, those after `after`.

    Kept are those that ended later than `ended_before`, the newest `keep` in any case, and those that an unended job
    depends on or that depend on one. `after` is the (finished_at, id) of the last one of the page before.
    """

    kind: str
    statuses: tuple[str, ...]
    ended_before: int
    keep: int
    after: tuple[int, str]
    limit: int

    def steps(self) -> Steps[list[EndedJob]]:
        ended = f"kind = $1 AND finished_at IS NOT NULL AND status IN ({marks(len(self.statuses), 7)})"
        rows = yield Statement(
            f"SELECT id, finished_at FROM jobs WHERE {ended} AND finished_at <= $2 AND (finished_at, id) > ($3, $4) "
            f"AND (finished_at, id) <= (SELECT finished_at, id FROM jobs WHERE {ended} "
            f"ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET $5) AND {_LONE} ORDER BY finished_at, id LIMIT $6",
            (self.kind, self.ended_before, *self.after, self.keep, self.limit, *self.statuses),
        )
        return [EndedJob._make(row) for row in rows]


@dataclass(frozen=True, slots=True)
class RemoveJobs(Write[frozenset[str]]):
    """Remove ended jobs with their events, steps, dependencies and used-up keys; returns the ids of those removed.

    Left alone is each that has been begun again, or that an unended job depends on or that depends on one. A job that
    depended on a completed one forgets it; that it depended on one that ended badly stays written down, and reads as that.
    Credits that they have left reserved, as an older program's may have, are the owner's again, or taken for what they paid for.
    """

    job_ids: tuple[str, ...]
    ended_before: int

    def steps(self) -> Steps[frozenset[str]]:
        gone = yield Statement(
            f"DELETE FROM jobs WHERE id IN ({marks(len(self.job_ids), 2)}) AND finished_at IS NOT NULL "
            f"AND finished_at <= $1 AND {_LONE} RETURNING id, owner, status",
            (self.ended_before, *self.job_ids),
        )
        if not gone:
            return frozenset()
        ids = tuple(job_id for job_id, _, _ in gone)
        owners = tuple({owner for _, owner, _ in gone})
        completed = tuple(job_id for job_id, _, status in gone if status == Status.COMPLETED)
        yield from close_runs(ids)
        yield Statement(f"DELETE FROM job_events WHERE job_id IN ({marks(len(ids))})", ids)
        yield Statement(f"DELETE FROM job_steps WHERE job_id IN ({marks(len(ids))})", ids)
        yield Statement(f"DELETE FROM dependencies WHERE job_id IN ({marks(len(ids))})", ids)
        yield Statement(f"DELETE FROM dependencies WHERE parent_id IN ({marks(len(completed))})", completed)
        yield Statement(
            f"DELETE FROM idempotency WHERE owner IN ({marks(len(owners))}) "
            f"AND job_id IN ({marks(len(ids), 1 + len(owners))}) "
            "AND jobs IS NULL",  # a batch's key is kept: others of its jobs may still be there
            (*owners, *ids),
        )
        yield Statement(
            f"DELETE FROM idempotency WHERE jobs IS NOT NULL AND created_at < now_ms() - {_BATCH_KEYS_KEPT_MS}"
        )
        return frozenset(ids)


@dataclass(frozen=True, slots=True)
class StillThere(Read[frozenset[str]]):
    """Those of these jobs that the record has."""

    job_ids: tuple[str, ...]

    def steps(self) -> Steps[frozenset[str]]:
        rows = yield Statement(f"SELECT id FROM jobs WHERE id IN ({marks(len(self.job_ids))})", self.job_ids)
        return frozenset(job_id for (job_id,) in rows)


def _files_of(generation_id: str) -> Steps[tuple[NamedFile, ...]]:
    rows = yield Statement("SELECT id, key, size FROM files WHERE generation_id = $1 ORDER BY key", (generation_id,))
    return tuple(NamedFile(*row) for row in rows)
