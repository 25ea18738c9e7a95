"""The whole record in one look, and how it reads in the words of `record_model.py`."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.event import Event
from snapasset.job import Job
from snapasset.records.dependencies import BlockedAstray
from snapasset.records.jobs import COLUMNS, CountByQueue
from snapasset.records.queues import QueueRooms
from snapasset.records.upkeep import NextDue, NextExpiry, ReadyJobs
from tests.contracts.record_model_jobs import DOUBT, ModelJob, Told

if TYPE_CHECKING:
    from snapasset.database import Steps

KINDS = ("draw", "clean", "unheard-of")
QUEUES = ("pictures", "chores")
TABLES = (
    "jobs", "job_events", "job_steps", "dependencies", "generations", "files", "schedules", "schedule_firings",
    "queues", "queue_claims", "costs",
)  # fmt: skip


class Stored(NamedTuple):
    """All that the record holds; `steps` are state, output and doubts by job, run and name.

    `outcomes` are what the generations know of their jobs, `schedules` the crontab line, next and last time of each; `rooms`
    is how many jobs may be claimed from a queue that is paused or limited; `costs` are what calls came to, by job, run, step
    and fence.
    """

    jobs: dict[str, Job]
    events: list[Event]
    steps: dict[tuple[str, int, str], tuple[str, str | None, int]]
    ready: dict[str, list[str]]
    next_due: int | None
    counts: dict[str, dict[str, int]]
    unfinished: Counter[str]
    next_expiry: int | None
    blockers: dict[str, int]
    astray: bool
    outcomes: dict[str, tuple[str | None, int | None]]
    schedules: dict[str, tuple[str, int, int | None]]
    fired: set[tuple[str, int]]
    rooms: dict[str, int | None]
    costs: dict[tuple[str, int, str, int], int | str | None]


class Everything(Read[Stored]):
    def steps(self) -> Steps[Stored]:
        jobs = [Job._make(row) for row in (yield Statement(f"SELECT {COLUMNS} FROM jobs"))]
        events = yield Statement("SELECT job_id, seq, type, body, at, owner FROM job_events ORDER BY pos")
        rows = yield Statement("SELECT job_id, run, step, state, output, doubts FROM job_steps")
        ready: dict[str, list[str]] = {}
        for queue in QUEUES:
            ready[queue] = [job.id for job in (yield from ReadyJobs(queue, KINDS, 1000).steps())]
        owners = yield Statement("SELECT owner FROM jobs WHERE finished_at IS NULL")
        blockers = yield Statement("SELECT id, blockers FROM jobs WHERE status = 'blocked'")
        outcomes = yield Statement("SELECT job_id, outcome, ended_at FROM generations")
        schedules = yield Statement("SELECT id, cron, next_run, last_run FROM schedules")
        costs = yield Statement("SELECT job_id, run, step, fence, state, micro_usd FROM costs")
        fired = yield Statement("SELECT schedule_id, fire_at FROM schedule_firings")
        return Stored(
            {job.id: job for job in jobs},
            [Event._make(row) for row in events],
            {(job_id, run, step): (state, output, doubts) for job_id, run, step, state, output, doubts in rows},
            ready,
            (yield from NextDue().steps()),
            (yield from CountByQueue().steps()),
            Counter(owner for (owner,) in owners),
            (yield from NextExpiry().steps()),
            dict(blockers),
            (yield from BlockedAstray().steps()),
            {job_id: (outcome, ended_at) for job_id, outcome, ended_at in outcomes},
            {id_: (cron, next_run, last_run) for id_, cron, next_run, last_run in schedules},
            {(id_, fire_at) for id_, fire_at in fired},
            {name: room.room for name, room in (yield from QueueRooms().steps()).items()},
            {tuple(key): DOUBT if state == "doubtful" else micro for *key, state, micro in costs},
        )


class Wipe(Write[None]):
    """The record is as new."""

    def steps(self) -> Steps[None]:
        for table in TABLES:
            yield Statement(f"DELETE FROM {table}")


def seen_in(job: Job) -> tuple[Any, ...]:
    """What of a job's row the model foretells."""
    return (
        job.status, job.run, job.attempt, job.fence, job.beat, job.step, job.progress, bool(job.cancel_requested),
        job.worker_id, job.due_at, job.result, json.loads(job.error)["code"] if job.error else None,
        job.finished_at is not None, tuple(json.loads(job.depends_on or "[]")), job.expires_at, json.loads(job.cost or "null"),
    )  # fmt: skip


def foretold(job: ModelJob) -> tuple[Any, ...]:
    return (
        job.status, job.run, job.attempt, job.fence, job.beat, job.step, job.progress, job.cancelling,
        job.worker, job.due_at, job.result, job.error,
        job.ended, job.parents, job.expires_at, job.cost(),
    )  # fmt: skip


def told_by(body: dict[str, Any]) -> Told:
    """What of an event's body the model foretells."""
    detail: Any = body.get("state")
    match body:
        case {"state": "done", "output": output}:
            detail = ("done", json.dumps(output))
        case {"state": "failed", "error": {"code": code}}:
            detail = ("failed", code)
        case {"type": "final", "result": result}:
            detail = ("result", json.dumps(result))
        case {"type": "final", "error": {"code": code}}:
            detail = ("error", code)
        case {"type": "error", "code": code, "retryable": retryable, "nextAttemptAt": at}:
            detail = ("next", code, retryable, at)
        case _:
            pass
    return Told(
        body["type"], body["run"], body["attempt"], body["status"], body["step"], body["progress"],
        body.get("cancelRequested", False), detail,
    )  # fmt: skip
