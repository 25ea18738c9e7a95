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
    """A job that a submission made, or found made: `status` is the one of the first answer."""

    job: Job
    status: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class SubmitOnce(Write[list[Submitted]]):
    """Carry out `submit` unless its owner's key has made jobs before; then return those jobs, in the same order.

    Raises `KeyReused` when the key came with another request before, and what `submit` raises.
    """

    owner: str
    submit: Submit | SubmitAll
    once: Once

    def steps(self) -> Steps[list[Submitted]]:
        known = yield Statement(
            "SELECT fingerprint, job_id, status, jobs FROM idempotency WHERE owner = $1 AND key = $2",
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
        yield Statement(
            "INSERT INTO idempotency (owner, key, fingerprint, job_id, status, created_at, jobs) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (owner, key) DO UPDATE SET "
            "job_id = excluded.job_id, status = excluded.status, created_at = excluded.created_at, jobs = excluded.jobs",
            (self.owner, *self.once, jobs[0].id, jobs[0].status, jobs[0].created_at, several),
        )
        return [Submitted(job, job.status, replayed=False) for job in jobs]


def _replay(made: list[list[str]]) -> Steps[list[Submitted]]:
    """The jobs of an earlier answer; none when one of them has been cleaned up since: then the key is free again."""
    found: list[Submitted] = []
    for job_id, status in made:
        job = first_job((yield Statement(f"SELECT {COLUMNS} FROM jobs WHERE id = $1", (job_id,))))
        if job is None:
            return []
        found.append(Submitted(job, status, replayed=True))
    return found
