"""Submissions that may be sent again: a key of the caller's choice makes its jobs once, however often it arrives.

The key is looked up and kept in the commit that makes them, so fifty requests at once make one job, and one whose
answer was lost finds it. (IETF draft, The Idempotency-Key HTTP Header Field.)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from snapasset.database import Statement, Write
from snapasset.errors import KeyReused
from snapasset.records.jobs import COLUMNS, first_job

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.job import Job
    from snapasset.records.submission import Submit, SubmitAll


class Once(NamedTuple):
    """A key of the caller's choice, and the fingerprint of all that is asked with it."""

    key: str
    fingerprint: str


class Submitted(NamedTuple):
    """A job that a submission made, or found made: `status` is the one of the first answer.

    `job` is None for one that has been removed since; its ids are all that is left of it.
    """

    job_id: str
    generation_id: str | None
    status: str
    job: Job | None
    replayed: bool


def submitted(job: Job) -> Submitted:
    """What a job's first submission answers."""
    return Submitted(job.id, job.generation_id, job.status, job, replayed=False)


@dataclass(frozen=True, slots=True)
class SubmitOnce(Write[list[Submitted]]):
    """Carry out `submit` unless its owner's key has made jobs before; then return those jobs, in the same order.

    Raises `KeyReused` when the key came with another request before, and what `submit` raises.
    """

    owner: str
    submit: Submit | SubmitAll
    once: Once

    def touches(self) -> frozenset[str]:
        return self.submit.touches() | {f"key {self.owner} {self.once.key}"}

    def steps(self) -> Steps[list[Submitted]]:
        known = yield Statement(
            "SELECT fingerprint, job_id, status, jobs FROM idempotency WHERE owner = $1 AND key = $2 FOR UPDATE",
            (self.owner, self.once.key),
        )
        if known:
            fingerprint, job_id, status, several = known[0]
            if fingerprint != self.once.fingerprint:
                raise KeyReused
            replayed = yield from _replay(json.loads(several) if several else [[job_id, status]])
            if replayed:
                return replayed
        made = yield from self.submit.steps()
        jobs = made if isinstance(made, list) else [made]
        several = json.dumps([[job.id, job.status] for job in jobs]) if isinstance(made, list) else None
        # Where another process has kept the same key meanwhile, this breaks the table's rule; run again, it finds that key.
        yield Statement(
            "UPDATE idempotency SET job_id = $4, status = $5, created_at = $6, jobs = $7 "
            "WHERE owner = $1 AND key = $2 AND fingerprint = $3"
            if known
            else "INSERT INTO idempotency (owner, key, fingerprint, job_id, status, created_at, jobs) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            (self.owner, *self.once, jobs[0].id, jobs[0].status, jobs[0].created_at, several),
        )
        return [submitted(job) for job in jobs]


def _replay(made: list[list[str]]) -> Steps[list[Submitted]]:
    """The jobs of an earlier answer; none when all of them have been removed since: then the key is free again.

    While one of them is there, they are not made a second time, whatever became of the others.
    """
    found: list[Submitted] = []
    for job_id, status in made:
        job = first_job((yield Statement(f"SELECT {COLUMNS} FROM jobs WHERE id = $1", (job_id,))))
        generations = yield Statement("SELECT id FROM generations WHERE job_id = $1", (job_id,))
        generation_id = job.generation_id if job else generations[0][0] if generations else None
        found.append(Submitted(job_id, generation_id, status, job, replayed=True))
    return found if any(one.job for one in found) else []
