"""Submissions that may be sent again: a key of the caller's choice makes one job, however often it arrives.

The key is looked up and kept in the commit that makes the job, so fifty requests at once make one job, and one whose
answer was lost finds it. (IETF draft, The Idempotency-Key HTTP Header Field.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from snapasset.database import Statement, Write
from snapasset.errors import KeyReused
from snapasset.records.jobs import COLUMNS, first_job

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.job import Job
    from snapasset.records.submission import Submit


class Once(NamedTuple):
    """A key of the caller's choice, and the fingerprint of all that is asked with it."""

    key: str
    fingerprint: str


class Submitted(NamedTuple):
    """A job that a submission made, or found made: `status` is the one of the first answer."""

    job: Job
    status: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class SubmitOnce(Write[Submitted]):
    """Carry out `submit` unless its owner's key has made a job before; then return that job.

    Raises `KeyReused` when the key came with another request before, and what `submit` raises.
    """

    submit: Submit
    once: Once

    def steps(self) -> Steps[Submitted]:
        owner = self.submit.owner
        known = yield Statement(
            "SELECT fingerprint, job_id, status FROM idempotency WHERE owner = $1 AND key = $2", (owner, self.once.key)
        )
        if known:
            fingerprint, job_id, status = known[0]
            if fingerprint != self.once.fingerprint:
                raise KeyReused
            job = first_job((yield Statement(f"SELECT {COLUMNS} FROM jobs WHERE id = $1", (job_id,))))
            if job is not None:
                return Submitted(job, status, replayed=True)
        job = yield from self.submit.steps()
        yield Statement(
            "INSERT INTO idempotency (owner, key, fingerprint, job_id, status, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner, key) DO UPDATE SET "
            "job_id = excluded.job_id, status = excluded.status, created_at = excluded.created_at",
            (owner, *self.once, job.id, job.status, job.created_at),
        )
        return Submitted(job, job.status, replayed=False)
