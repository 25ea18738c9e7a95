"""What was paid for: a row for each call that was charged or may have been. Rows outlive their jobs and are never taken back.

A row is named by the attempt that made the call (job, run, step, fence), so it is written once however often it is told; one
in doubt becomes a charged one when its answer comes after all. What a job has cost by now stands in its own row as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Statement, Write

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.job import Job

MICRO: Final = 1_000_000
"""Amounts are whole millionths of a US dollar; people are told dollars."""


class Charge(NamedTuple):
    """What a call that was paid for used and cost, as its provider said it; None for what it did not say.

    `micro_usd` by the table of prices of the day `priced` (YYYY-MM-DD); `size` (as `1024x1024`) and `quality` are what was
    really made; `usage` is a JSON object of the provider's counters; `request_id` is the provider's name for the call.
    """

    provider: str | None = None
    model: str | None = None
    request_id: str | None = None
    size: str | None = None
    quality: str | None = None
    usage: str | None = None
    priced: str | None = None
    micro_usd: int | None = None


@dataclass(frozen=True, slots=True)
class SaveCharge(Write[None]):
    """Write down what a call cost whose step is not saved by whoever holds the job: it was paid for all the same.

    `job` is the job as it was when the call was made. No event tells it.
    """

    job: Job
    step: str
    charge: Charge

    def touches(self) -> frozenset[str]:
        return frozenset((self.job.id,))

    def steps(self) -> Steps[None]:
        yield Statement("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", (self.job.id,))
        yield from enter(self.job, self.step, self.charge)


def enter(job: Job, step: str, charge: Charge) -> Steps[Job]:
    """Write down what the call of the attempt `job` cost. Returns the job with what it has cost by now."""
    yield Statement(
        "INSERT INTO costs (job_id, run, step, fence, owner, kind, generation_id, state, provider, model, request_id, size, "
        "quality, usage, priced, micro_usd, estimate, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, 'charged', $8, $9, $10, $11, $12, $13, $14, $15, $16, now_ms()) "
        "ON CONFLICT (job_id, run, step, fence) DO UPDATE SET state = 'charged', provider = excluded.provider, "
        "model = excluded.model, request_id = excluded.request_id, size = excluded.size, quality = excluded.quality, "
        "usage = excluded.usage, priced = excluded.priced, micro_usd = excluded.micro_usd WHERE costs.state = 'doubtful'",
        (job.id, job.run, step, job.fence, job.owner, job.kind, job.generation_id, *charge, job.estimate),
    )
    return (yield from _sum_up(job))


def doubt(job: Job) -> Steps[Job]:
    """For a job taken from its executor: paid calls that were under way may have been charged, and nobody knows.

    Returns the job with what it has cost by now.
    """
    rows = yield Statement(
        "UPDATE job_steps SET state = 'doubtful', doubts = doubts + 1 "
        "WHERE job_id = $1 AND run = $2 AND state = 'started' AND paid = 1 RETURNING step, fence",
        (job.id, job.run),
    )
    for step, fence in rows:
        yield Statement(
            "INSERT INTO costs (job_id, run, step, fence, owner, kind, generation_id, state, estimate, at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, 'doubtful', $8, now_ms()) "
            "ON CONFLICT (job_id, run, step, fence) DO NOTHING",
            (job.id, job.run, step, fence, job.owner, job.kind, job.generation_id, job.estimate),
        )
    return (yield from _sum_up(job)) if rows else job


def usd(micro: int) -> float:
    """Dollars, for people."""
    return micro / MICRO


def cost_json(calls: int, doubtful: int, unpriced: int, micro_usd: int) -> str:
    """What paid calls came to, as jobs and their events tell it."""
    told = {"usd": usd(micro_usd), "calls": calls, "doubtfulCalls": doubtful, "unpricedCalls": unpriced}
    return json.dumps(told, separators=(",", ":"))


def _sum_up(job: Job) -> Steps[Job]:
    """Bring what the job's own row says up to the rows of its calls; whoever calls has locked it."""
    (sums,) = yield Statement(
        "SELECT count(*), count(CASE WHEN state = 'doubtful' THEN 1 END), "
        "count(CASE WHEN state = 'charged' AND micro_usd IS NULL THEN 1 END), "
        "CAST(coalesce(sum(micro_usd), 0) AS bigint) FROM costs WHERE job_id = $1",
        (job.id,),
    )
    cost = cost_json(*sums)
    yield Statement("UPDATE jobs SET cost = $2 WHERE id = $1", (job.id, cost))
    return job._replace(cost=cost)
