"""T3 and T4: the steps of a job. What is done stays done, through deaths, retries and new runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from snapasset.database import Ahead, Read, Statement, Together, Write
from snapasset.event import UPDATE, tell
from snapasset.records.blobs import Blob, KeepBlob, drop_unfiled, insert_blob
from snapasset.records.budget import done_before, keep_to_budget_now, look_at_call
from snapasset.records.costs import enter
from snapasset.records.credits import take
from snapasset.records.jobs import COLUMNS, first_job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.database import Steps
    from snapasset.job import Job
    from snapasset.records.costs import Charge
    from snapasset.records.files import FileRow
    from snapasset.spend_settings import Caps


class StepState(StrEnum):
    """How a step stands, in events and timelines."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


class StartedStep(NamedTuple):
    """What starting a step answers: whether cancelling was asked for, and how often a paid call's outcome was lost.

    When cancelling was asked for, the step is not started: nothing is to be sent, so nothing can be in doubt.
    `output` is set when there is nothing left to do: an executor that had lost the job saved the step meanwhile.
    """

    cancel_requested: bool
    doubts: int
    output: str | None = None


@dataclass(frozen=True, slots=True)
class StartStep(Write[StartedStep | None]):
    """Write down that a step begins, before anything is done or paid for. None: the job is someone else's now.

    One that is paid for keeps to `caps`, else `SpendCapReached`, and has its credits reserved, else `NotEnoughCredits`.
    `quote`: what its executor expects it to cost, which stands in for the job's estimate where whoever took the job knew
    none or took it for free. One that was paid for in an earlier run is not begun: its output is the answer.
    """

    job_id: str
    fence: int
    step: str
    paid: bool
    progress: float
    caps: Caps | None = None
    quote: int | None = None

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[StartedStep | None]:
        if self.paid and self.caps is not None:
            yield from look_at_call(self.job_id, self.fence, self.step, self.caps, self.quote)
        job = yield from _move(self.job_id, self.fence, self.step, self.progress)
        if job is None:
            return None
        if job.cancel_requested:
            yield tell(job, UPDATE)
            return StartedStep(cancel_requested=True, doubts=0)
        output = (yield from done_before(job.id, self.step)) if self.paid else None
        if output is not None:
            return (yield from self._known(job, output))
        if self.paid and self.quote and not job.estimate:
            yield Statement("UPDATE jobs SET estimate = $2 WHERE id = $1", (job.id, self.quote))
            job = job._replace(estimate=self.quote)
        rows = yield Statement(
            "INSERT INTO job_steps (job_id, run, step, state, paid, fence, started_at) "
            "VALUES ($1, $2, $3, 'started', $4, $5, now_ms()) "
            "ON CONFLICT (job_id, run, step) DO UPDATE SET state = 'started', paid = excluded.paid, "
            "fence = excluded.fence, started_at = excluded.started_at, finished_at = NULL, error = NULL "
            "WHERE job_steps.state <> 'done' RETURNING doubts",
            (self.job_id, job.run, self.step, int(self.paid), self.fence),
        )
        if not rows:
            ((output,),) = yield Statement(
                "SELECT output FROM job_steps WHERE job_id = $1 AND run = $2 AND step = $3",
                (self.job_id, job.run, self.step),
            )
            return (yield from self._known(job, output))
        yield tell(job, UPDATE, {"state": StepState.STARTED})
        if self.paid:
            yield from keep_to_budget_now(job, self.caps)
        return StartedStep(cancel_requested=False, doubts=rows[0][0])

    def _known(self, job: Job, output: str) -> Steps[StartedStep]:
        yield tell(job, UPDATE, {"state": StepState.DONE}, ready={"output": output})
        return StartedStep(cancel_requested=False, doubts=0, output=output)


@dataclass(frozen=True, slots=True)
class FinishStep(Write[bool | None]):
    """Write down a step's output, the files it made and what it cost, in one commit.

    `output` is a JSON text: it goes into the event, and is what the step returns when the job runs again. `made` is one
    as well: how the job's generation came to be, which is kept with the generation, and so is `likeness`, see
    `generations.FindLike`. Returns whether cancelling was asked
    for; None, and nothing is written, when the job is someone else's now.
    """

    job_id: str
    fence: int
    step: str
    output: str
    progress: float
    files: tuple[FileRow, ...] = ()
    made: str | None = None
    charge: Charge | None = None
    likeness: str | None = None

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def ahead(self) -> Ahead[bool | None] | None:
        blobs, files = _parted(self.files)
        return Ahead(*blobs, replace(self, files=files)) if blobs else None

    def steps(self) -> Steps[bool | None]:
        job = yield from _move(self.job_id, self.fence, self.step, self.progress)
        if job is None:
            return None
        yield Statement(
            "UPDATE job_steps SET state = 'done', output = $4, finished_at = now_ms() "
            "WHERE job_id = $1 AND run = $2 AND step = $3",
            (self.job_id, job.run, self.step, self.output),
            Together.ROWS,
        )
        yield from _keep(job, self.files, self.made, self.likeness)
        if self.charge is not None:
            job = yield from enter(job, self.step, self.charge)
            yield from take(job)
        yield tell(job, UPDATE, {"state": StepState.DONE}, ready={"output": self.output})
        return bool(job.cancel_requested)


@dataclass(frozen=True, slots=True)
class ShowFile(Write[bool | None]):
    """File something unfinished of a step under way, if it is not filed yet, and tell of it; see `records.previews`.

    `told`, a JSON text, is the field `name` of the event. Returns whether cancelling was asked for; None, and nothing is
    written, when the job is someone else's now.
    """

    job_id: str
    fence: int
    step: str
    progress: float
    file: FileRow
    name: str
    told: str

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[bool | None]:
        job = yield from _move(self.job_id, self.fence, self.step, self.progress)
        if job is None:
            return None
        yield self.file.insert(job)
        yield tell(job, UPDATE, ready={self.name: self.told})
        return bool(job.cancel_requested)


@dataclass(frozen=True, slots=True)
class SavePaidStep(Write[None]):
    """Keep what was paid for by an executor that lost its job meanwhile, unless the step has an output already.

    What it cost is told by `costs.SaveCharge`. No event tells it: whoever runs the job next finds the step done. Files of a generation that has been removed meanwhile
    are not filed: in the storage they belong to nobody, and the clean-up finds them.
    """

    job_id: str
    run: int
    step: str
    output: str
    files: tuple[FileRow, ...]
    made: str | None = None
    likeness: str | None = None

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def ahead(self) -> Ahead[None] | None:
        blobs, files = _parted(self.files)
        return Ahead(*blobs, replace(self, files=files)) if blobs else None

    def steps(self) -> Steps[None]:
        # Before its steps, as whoever holds a job does: two that come in another order would wait for each other.
        locked = yield Statement(f"SELECT {COLUMNS} FROM jobs WHERE id = $1 FOR UPDATE", (self.job_id,))
        rows = yield Statement(
            "UPDATE job_steps SET state = 'done', output = $4, finished_at = now_ms() "
            "WHERE job_id = $1 AND run = $2 AND step = $3 AND state <> 'done' RETURNING 1",
            (self.job_id, self.run, self.step, self.output),
        )
        job = first_job(locked)
        if rows and job is not None:
            yield from take(job._replace(run=self.run))
            if (yield from _has_room(job)):
                yield from _keep(job, self.files, self.made, self.likeness)
        for file in self.files:
            yield drop_unfiled(file.key, file.id)


@dataclass(frozen=True, slots=True)
class FailStep(Write[bool | None]):
    """Write down that a step came to nothing while the job goes on; `error` is `{code, message, retryable}`."""

    job_id: str
    fence: int
    step: str
    error: Mapping[str, Any]
    progress: float

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[bool | None]:
        job = yield from _move(self.job_id, self.fence, self.step, self.progress)
        if job is None:
            return None
        yield Statement(
            "UPDATE job_steps SET state = 'failed', error = $4, finished_at = now_ms() "
            "WHERE job_id = $1 AND run = $2 AND step = $3 AND state <> 'done'",
            (self.job_id, job.run, self.step, json.dumps(self.error)),
        )
        yield tell(job, UPDATE, {"state": StepState.FAILED, "error": dict(self.error)})
        return bool(job.cancel_requested)


@dataclass(frozen=True, slots=True)
class DoneSteps(Read[dict[str, str]]):
    """The outputs (JSON texts) of a job's finished steps, by name; the newest run's where several have one."""

    job_id: str

    def steps(self) -> Steps[dict[str, str]]:
        rows = yield Statement(
            "SELECT step, output FROM job_steps WHERE job_id = $1 AND state = 'done' ORDER BY run", (self.job_id,)
        )
        return dict(rows)


def _move(job_id: str, fence: int, step: str, progress: float) -> Steps[Job | None]:
    """Set a held job's step and progress (which never goes back within a run); None when it is not held."""
    rows = yield Statement(
        "UPDATE jobs SET step = $3, seq = seq + 1, updated_at = now_ms(), "
        "progress = CASE WHEN $4 > progress THEN $4 ELSE progress END "
        f"WHERE id = $1 AND fence = $2 AND status = 'active' RETURNING {COLUMNS}",
        (job_id, fence, step, progress),
        Together.ROWS,
    )
    return first_job(rows)


def _keep(job: Job, files: tuple[FileRow, ...], made: str | None, likeness: str | None) -> Steps[None]:
    """File what a step has made."""
    for file in files:
        yield file.insert(job)
        if file.data is not None:
            yield insert_blob(Blob(file.key, file.content_type, file.data))
    if made is not None and job.generation_id is not None:
        yield Statement(
            "UPDATE generations SET made = $2, likeness = $3 WHERE id = $1", (job.generation_id, made, likeness)
        )


def _parted(files: tuple[FileRow, ...]) -> tuple[tuple[tuple[KeepBlob, ...], int] | None, tuple[FileRow, ...]]:
    """What keeps the bytes of those that come with them, with their size, if there are any; and all files without."""
    kept = tuple(KeepBlob(Blob(file.key, file.content_type, file.data)) for file in files if file.data is not None)
    size = sum(len(one.blob.data) for one in kept)
    return ((kept, size) if kept else None), tuple(replace(file, data=None) for file in files)


def _has_room(job: Job) -> Steps[bool]:
    """Whether the job's generation, if it has one, takes files."""
    if job.generation_id is None:
        return True
    kept = yield Statement(
        "SELECT 1 FROM generations WHERE id = $1 AND condemned_at IS NULL FOR SHARE", (job.generation_id,)
    )
    return bool(kept)
