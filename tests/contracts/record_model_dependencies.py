"""Jobs that wait for others, as plain Python. Nothing is counted here: who waits for whom is looked up each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contracts.record_model_jobs import ModelJob

BAD = ("failed", "cancelled")


class Kinship:
    """Who waits for whom among `jobs`, which others change."""

    def __init__(self, jobs: dict[str, ModelJob]) -> None:
        self._jobs = jobs

    def parents(self, job: ModelJob) -> list[ModelJob]:
        return [self._jobs[parent] for parent in job.parents]

    def blockers(self, job: ModelJob) -> int:
        return sum(parent.status != "completed" for parent in self.parents(job))

    def has_bad_parent(self, job: ModelJob) -> bool:
        return any(parent.status in BAD for parent in self.parents(job))

    def dependants(self, job: ModelJob) -> list[ModelJob]:
        return [other for other in self._jobs.values() if job.id in other.parents]

    def settle(self, ended: ModelJob, now: int) -> None:
        """What an ending causes: dependants are free, or fail, and theirs with them."""
        for job in self.dependants(ended):
            if job.status != "blocked":
                continue
            if ended.status != "completed":
                job.fail_unstarted("dependency_failed")
                self.settle(job, now)
            elif not self.blockers(job):
                self.place(job, now)
                job.tell("update")

    def place(self, job: ModelJob, now: int) -> None:
        """Where a job stands that nobody has: behind its parents, before its time, or in its queue."""
        later = job.due_at is not None and job.due_at > now
        job.status = "blocked" if self.blockers(job) else "delayed" if later else "waiting"
        job.ready_at = job.due_at if later and job.due_at is not None else now
        job.due_at = job.due_at if later else None

    def revived(self, tried_again: ModelJob) -> list[ModelJob]:
        """Who comes back when this one is tried again: all that failed for nothing but those that come back, too."""
        back = [tried_again]
        for job in back:
            for dependant in self.dependants(job):
                bad = [parent for parent in self.parents(dependant) if parent.status in BAD]
                if dependant not in back and dependant.error == "dependency_failed" and all(p in back for p in bad):
                    back.append(dependant)
        return back
