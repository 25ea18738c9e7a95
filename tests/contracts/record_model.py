"""The record as plain Python: what each change does to a job, told without SQL. `test_record_machine.py` compares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from snapasset.event import iso

LEVEL_MS = 60_000
"""Waiting this long is worth one level of priority."""

LOST: dict[str, Any] = {"code": "worker_lost", "retryable": True}


class Told(NamedTuple):
    """What of an event the model foretells; `detail` is a step's state, an error, a result."""

    type: str
    run: int
    attempt: int
    status: str
    step: str | None
    progress: float
    cancelling: bool
    detail: Any


@dataclass
class ModelStep:
    paid: bool
    state: str = "started"
    output: str | None = None
    doubts: int = 0


@dataclass
class ModelJob:
    id: str
    kind: str
    queue: str
    owner: str
    priority: int
    attempts: int
    ready_at: int
    """When it became ready or will: with the priority, this is its place among those that wait."""
    due_at: int | None
    status: str = "waiting"
    run: int = 1
    attempt: int = 0
    fence: int = 0
    beat: int = 0
    step: str | None = None
    progress: float = 0.0
    cancelling: bool = False
    worker: str | None = None
    result: str | None = None
    error: str | None = None
    steps: dict[tuple[int, str], ModelStep] = field(default_factory=dict[tuple[int, str], ModelStep])
    told: list[Told] = field(default_factory=list[Told])

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    @property
    def place(self) -> tuple[bool, int, str]:
        return self.priority < 10, self.ready_at - self.priority * LEVEL_MS, self.id

    def tell(self, type_: str, detail: Any = None) -> None:
        self.told.append(
            Told(type_, self.run, self.attempt, self.status, self.step, self.progress, self.cancelling, detail)
        )

    def done(self) -> dict[str, str | None]:
        """The outputs of finished steps, of the newest run where several have one."""
        return {name: step.output for (_, name), step in sorted(self.steps.items()) if step.state == "done"}

    def under_way(self) -> list[ModelStep]:
        return [step for (run, _), step in self.steps.items() if run == self.run and step.state == "started"]

    def doubt_paid_calls(self) -> None:
        for step in self.under_way():
            if step.paid:
                step.state, step.doubts = "doubtful", step.doubts + 1

    def leave(self, status: str) -> None:
        """Its executor has it no longer."""
        self.status, self.worker = status, None


class Model:
    """The jobs, and the changes that can be made to them. Each says what the record must answer."""

    def __init__(self) -> None:
        self.now = 0
        self.jobs: dict[str, ModelJob] = {}

    # --- what can be asked

    def live(self, owner: str) -> int:
        return sum(job.owner == owner and not job.ended for job in self.jobs.values())

    def ready(self, queue: str) -> list[ModelJob]:
        waiting = (job for job in self.jobs.values() if job.status == "waiting" and job.queue == queue)
        return sorted(waiting, key=lambda job: job.place)

    def next_due(self) -> int | None:
        return min((job.due_at - self.now for job in self.jobs.values() if job.due_at is not None), default=None)

    def held(self, job_id: str, fence: int) -> ModelJob | None:
        """The job, if whoever names this fence holds it."""
        job = self.jobs[job_id]
        return job if job.status == "active" and job.fence == fence else None

    def owned(self, job_id: str, owner: str) -> ModelJob | None:
        job = self.jobs[job_id]
        return job if job.owner == owner else None

    # --- what callers do

    def submit(self, job: ModelJob) -> None:
        if job.due_at is not None and job.due_at > self.now:
            job.status, job.ready_at = "delayed", job.due_at
        else:
            job.due_at, job.ready_at = None, self.now
        self.jobs[job.id] = job
        job.tell("update")

    def cancel(self, job: ModelJob) -> None:
        if job.status == "active":
            if not job.cancelling:
                job.cancelling = True
                job.tell("update")
        else:
            job.status, job.due_at = "cancelled", None
            job.fence += 1
            job.tell("final")

    def retry(self, job: ModelJob) -> None:
        job.status, job.ready_at = "waiting", self.now
        job.run, job.attempt = job.run + 1, 0
        job.result = job.error = job.step = None
        job.progress, job.cancelling = 0.0, False
        job.tell("update")

    # --- what executors do

    def claim(self, queue: str, kinds: tuple[str, ...], worker: str) -> ModelJob | None:
        job = next((job for job in self.ready(queue) if job.kind in kinds), None)
        if job is not None:
            job.status, job.worker, job.beat = "active", worker, 0
            job.fence += 1
            job.attempt += 1
            job.tell("update")
        return job

    def beat(self, job: ModelJob, progress: float) -> None:
        job.beat += 1
        job.progress = max(job.progress, progress)

    def start_step(self, job: ModelJob, name: str, paid: bool, progress: float) -> ModelStep:
        self._move(job, name, progress)
        step = job.steps.setdefault((job.run, name), ModelStep(paid))
        if step.state == "done":
            job.tell("update", ("done", step.output))
        else:
            step.state = "started"
            job.tell("update", "started")
        return step

    def finish_step(self, job: ModelJob, name: str, output: str, progress: float) -> None:
        self._move(job, name, progress)
        step = job.steps[job.run, name]
        step.state, step.output = "done", output
        job.tell("update", ("done", output))

    def save_late(self, job: ModelJob, run: int, name: str, output: str) -> None:
        step = job.steps[run, name]
        if step.state != "done":
            step.state, step.output = "done", output

    def fail_step(self, job: ModelJob, name: str, error: dict[str, Any], progress: float) -> None:
        self._move(job, name, progress)
        step = job.steps[job.run, name]
        if step.state != "done":
            step.state = "failed"
        job.tell("update", ("failed", error["code"]))

    def complete(self, job: ModelJob, result: str, *, doubtful: bool = False) -> ModelJob:
        job.leave("cancelled" if job.cancelling else "completed")
        job.result, job.error, job.step = result, None, None
        job.progress = job.progress if job.cancelling else 100.0
        if doubtful:
            job.doubt_paid_calls()
        job.tell("final", ("result", result))
        return job

    def fail(self, job: ModelJob, error: dict[str, Any], *, retryable: bool, delay: int, doubtful: bool) -> ModelJob:
        again = retryable and job.attempt < job.attempts
        job.leave("cancelled" if job.cancelling else "delayed" if again else "failed")
        job.error, job.fence = error["code"], job.fence + 1
        if job.status == "delayed":
            job.due_at = self.now + delay
        if doubtful:
            job.doubt_paid_calls()
        for step in job.under_way():
            step.state = "failed"
        self._tell_failure(job, error)
        return job

    def end_cancelled(self, job: ModelJob) -> ModelJob | None:
        if not job.cancelling:
            return None
        job.leave("cancelled")
        job.fence += 1
        job.doubt_paid_calls()
        job.tell("final")
        return job

    def give_back(self, job: ModelJob) -> ModelJob:
        job.leave("cancelled" if job.cancelling else "waiting")
        job.fence += 1
        job.attempt -= 1
        job.doubt_paid_calls()
        job.tell("final" if job.ended else "update")
        return job

    # --- what time does

    def promote(self) -> list[ModelJob]:
        due = [job for job in self.jobs.values() if job.due_at is not None and job.due_at <= self.now]
        for job in due:
            job.status, job.due_at = "waiting", None
            job.tell("update")
        return due

    def reap(self, job: ModelJob) -> None:
        job.leave("cancelled" if job.cancelling else "waiting" if job.attempt < job.attempts else "failed")
        job.error, job.fence = LOST["code"], job.fence + 1
        job.doubt_paid_calls()
        self._tell_failure(job, LOST)

    # ---

    def _move(self, job: ModelJob, step: str, progress: float) -> None:
        job.step, job.progress = step, max(job.progress, progress)

    def _tell_failure(self, job: ModelJob, error: dict[str, Any]) -> None:
        if job.status == "failed":
            job.tell("final", ("error", error["code"]))
        elif job.ended:
            job.tell("final")
        else:
            at = iso(self.now if job.due_at is None else job.due_at)
            job.tell("error", ("next", error["code"], error["retryable"], at))
