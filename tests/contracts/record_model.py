"""The record as plain Python: what each change does to a job, told without SQL. `test_record_machine.py` compares."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from snapasset.event import iso
from tests.contracts.record_model_dependencies import Kinship
from tests.contracts.record_model_jobs import LOST, ModelJob, ModelStep
from tests.contracts.record_model_queues import ModelQueue
from tests.contracts.record_model_schedules import ModelSchedules

if TYPE_CHECKING:
    from snapasset.records.costs import Charge


class Model:
    """The jobs, and the changes that can be made to them. Each says what the record must answer."""

    def __init__(self) -> None:
        self.now = 0
        self.jobs: dict[str, ModelJob] = {}
        self.kin = Kinship(self.jobs)
        self.schedules = ModelSchedules()
        self.queues = defaultdict[str, ModelQueue](ModelQueue)

    # --- what can be asked

    def live(self, owner: str) -> int:
        return sum(job.owner == owner and not job.ended for job in self.jobs.values())

    def ready(self, queue: str) -> list[ModelJob]:
        waiting = (job for job in self.jobs.values() if job.status == "waiting" and job.queue == queue)
        return sorted(waiting, key=lambda job: job.place)

    def room(self, queue: str) -> int | None:
        active = sum(job.status == "active" and job.queue == queue for job in self.jobs.values())
        return self.queues[queue].room(active, self.now)

    def next_due(self) -> int | None:
        return min((job.due_at - self.now for job in self._delayed() if job.due_at is not None), default=None)

    def next_expiry(self) -> int | None:
        return min((at - self.now for at, _ in self._mortal()), default=None)

    def held(self, job_id: str, fence: int) -> ModelJob | None:
        """The job, if whoever names this fence holds it."""
        job = self.jobs[job_id]
        return job if job.status == "active" and job.fence == fence else None

    def owned(self, job_id: str, owner: str) -> ModelJob | None:
        job = self.jobs[job_id]
        return job if job.owner == owner else None

    # --- what callers do

    def submit(self, job: ModelJob) -> None:
        self.kin.place(job, self.now)
        job.expires_at = None if job.ttl is None else job.ready_at + job.ttl
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
            self._end(job)

    def retry(self, *jobs: ModelJob) -> None:
        """Begin these again; whoever waits for another of them comes after it."""
        for job in jobs:
            job.run, job.attempt = job.run + 1, 0
            job.result = job.error = job.step = None
            job.progress, job.cancelling, job.begun = 0.0, False, False
            job.expires_at = None if job.ttl is None else self.now + job.ttl
            self.kin.place(job, self.now)
            job.tell("update")

    # --- what executors do

    def claim(self, queue: str, kinds: tuple[str, ...], worker: str) -> ModelJob | None:
        job = next((job for job in self.ready(queue) if job.kind in kinds), None)
        if self.room(queue) == 0:
            return None
        if job is not None:
            self.queues[queue].count(self.now)
            job.status, job.worker, job.beat, job.begun = "active", worker, 0, True
            job.fence += 1
            job.attempt += 1
            job.unbegun = job.attempt == job.attempts > 1 and job.error == LOST["code"]
            job.tell("update")
        return job

    def begin(self, job: ModelJob) -> None:
        job.unbegun = False
        job.beat += 1

    def beat(self, job: ModelJob, progress: float) -> None:
        job.beat += 1
        job.progress = max(job.progress, progress)

    def start_step(self, job: ModelJob, name: str, paid: bool, progress: float) -> ModelStep | None:
        self._move(job, name, progress)
        if job.cancelling:
            job.tell("update")
            return None
        step = job.steps.setdefault((job.run, name), ModelStep(paid))
        if step.state == "done":
            job.tell("update", ("done", step.output))
        else:
            step.state, step.fence = "started", job.fence
            job.tell("update", "started")
        return step

    def finish_step(self, job: ModelJob, name: str, output: str, progress: float, charge: Charge | None) -> None:
        self._move(job, name, progress)
        step = job.steps[job.run, name]
        step.state, step.output = "done", output
        if charge is not None:
            job.pay(job.run, name, job.fence, charge.micro_usd)
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
        self._end(job, ("result", result))
        return job

    def fail(self, job: ModelJob, error: dict[str, Any], *, retryable: bool, delay: int, doubtful: bool) -> ModelJob:
        again = retryable and job.attempt < job.attempts
        job.leave("cancelled" if job.cancelling else "delayed" if again else "failed")
        job.error, job.fence = error["code"], job.fence + 1
        if job.status == "delayed":
            job.due_at = self.now + delay
        self._leave_steps(job, doubtful=doubtful)
        self._tell_failure(job, error)
        return job

    def put_off(self, job: ModelJob, error: dict[str, Any], delay: int, *, doubtful: bool) -> ModelJob:
        job.leave("cancelled" if job.cancelling else "delayed")
        job.error, job.fence, job.attempt = error["code"], job.fence + 1, job.attempt - 1
        if job.status == "delayed":
            job.due_at = self.now + delay
        self._leave_steps(job, doubtful=doubtful)
        self._tell_failure(job, error)
        return job

    def _leave_steps(self, job: ModelJob, *, doubtful: bool) -> None:
        if doubtful:
            job.doubt_paid_calls()
        for step in job.under_way():
            step.state = "failed"

    def end_cancelled(self, job: ModelJob) -> ModelJob | None:
        if not job.cancelling:
            return None
        job.leave("cancelled")
        job.fence += 1
        job.doubt_paid_calls()
        self._end(job)
        return job

    def give_back(self, job: ModelJob) -> ModelJob:
        job.leave("cancelled" if job.cancelling else "waiting")
        job.fence += 1
        job.attempt -= 1
        job.doubt_paid_calls()
        if job.ended:
            self._end(job)
        else:
            job.tell("update")
        return job

    # --- what time does

    def promote(self) -> list[ModelJob]:
        due = [job for job in self._delayed() if job.due_at is not None and job.due_at <= self.now]
        for job in due:
            job.status, job.due_at = "waiting", None
            job.tell("update")
        return due

    def expire(self) -> list[ModelJob]:
        due = [job for at, job in self._mortal() if at <= self.now]
        for job in due:
            job.fail_unstarted("expired")
        for job in due:
            self.kin.settle(job, self.now)
        return due

    def reap(self, job: ModelJob) -> None:
        if job.unbegun:
            self.give_back(job)
            return
        job.leave("cancelled" if job.cancelling else "waiting" if job.attempt < job.attempts else "failed")
        job.error, job.fence = LOST["code"], job.fence + 1
        job.doubt_paid_calls()
        self._tell_failure(job, LOST)

    # ---

    def _delayed(self) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.status == "delayed"]

    def _mortal(self) -> list[tuple[int, ModelJob]]:
        """The jobs whose run nobody has begun and that will not wait for ever, and until when."""
        idle = (job for job in self.jobs.values() if not job.ended and job.status != "active" and not job.begun)
        return [(job.expires_at, job) for job in idle if job.expires_at is not None]

    def _end(self, job: ModelJob, detail: Any = None) -> None:
        job.tell("final", detail)
        self.kin.settle(job, self.now)

    def _move(self, job: ModelJob, step: str, progress: float) -> None:
        job.step, job.progress = step, max(job.progress, progress)

    def _tell_failure(self, job: ModelJob, error: dict[str, Any]) -> None:
        if job.status == "failed":
            self._end(job, ("error", error["code"]))
        elif job.ended:
            self._end(job)
        else:
            at = iso(self.now if job.due_at is None else job.due_at)
            job.tell("error", ("next", error["code"], error["retryable"], at))
