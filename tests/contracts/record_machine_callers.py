"""What callers do in the record's state machine: submit, cancel, try again."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from snapasset.errors import Conflict, DependencyFailed, InvalidInput, NotFound, SnapAssetError, TooManyJobs
from snapasset.job import new_id
from snapasset.records.endings import Cancel
from snapasset.records.revival import Retry
from snapasset.records.submission import Submit
from tests.contracts.record_machine import OWNERS, Machine, choose, numbers
from tests.contracts.record_model_dependencies import BAD
from tests.contracts.record_model_jobs import ModelJob
from tests.contracts.record_view import KINDS, QUEUES

NOBODY = "nobody"
"""A parent that there is not."""

limits = st.sampled_from([None, None, 3])


class CallerRules(Machine):
    @precondition(Machine.has_room)
    @rule(
        kind=numbers,
        queue=numbers,
        owner=st.sampled_from(OWNERS),
        priority=st.sampled_from([-5, 0, 0, 5, 10]),
        attempts=st.integers(1, 3),
        wait=st.sampled_from([0, 0, 0, -5, 1, 1000, 70_000]),
        by_date=st.booleans(),
        limit=limits,
        parents=st.lists(numbers, max_size=3),
        ttl=st.sampled_from([None, None, 1000, 70_000]),
    )
    def submit(
        self,
        kind: int,
        queue: int,
        owner: str,
        priority: int,
        attempts: int,
        wait: int,
        by_date: bool,
        limit: int | None,
        parents: list[int],
        ttl: int | None,
    ) -> None:
        when: dict[str, Any] = {"run_at": self.model.now + wait} if by_date else {"delay_ms": wait}
        names = choose(kind, KINDS[:1], KINDS), choose(queue, QUEUES[:1], QUEUES)
        depends_on = self.some_parents(owner, parents)
        job = ModelJob(new_id(), *names, owner, priority, attempts, 0, self.model.now + wait, depends_on, ttl)
        change = Submit(
            job.id, *names, owner, "{}", priority, attempts, new_id(), live_limit=limit, depends_on=depends_on,
            ttl_ms=ttl, **when,
        )  # fmt: skip
        refusal = self.refusal_of(job, limit)
        if refusal is not None:
            self.refused(change, refusal)
        else:
            self.model.submit(job)
            self.same(self.world.write(change), job)

    def some_parents(self, owner: str, picks: list[int]) -> tuple[str, ...]:
        """Mostly jobs that may be depended on; else any, a stranger's, or one that there is not."""
        jobs = self.model.jobs.values()
        likely = [job.id for job in jobs if job.owner == owner and job.status not in BAD]
        return tuple(dict.fromkeys(choose(pick, likely, [*self.model.jobs, NOBODY]) for pick in picks))

    def refusal_of(self, job: ModelJob, limit: int | None) -> type[SnapAssetError] | None:
        if limit is not None and self.model.live(job.owner) >= limit:
            return TooManyJobs
        parents = [self.model.jobs.get(parent) for parent in job.parents]
        if any(parent is None or parent.owner != job.owner for parent in parents):
            return InvalidInput
        return DependencyFailed if self.model.kin.has_bad_parent(job) else None

    @rule(
        what=st.sampled_from(["cancel", "retry", "retry"]),
        n=numbers,
        owner=numbers,
        limit=limits,
        cascade=st.booleans(),
    )
    def steer(self, what: str, n: int, owner: int, limit: int | None, cascade: bool) -> None:
        if what == "cancel":
            job = self.some_job(n, "waiting", "delayed", "blocked", "active")
            self.cancel(job, choose(owner, [job.owner], OWNERS))
        else:
            job = self.some_job(n, *BAD)
            self.retry(job, choose(owner, [job.owner], OWNERS), limit, cascade)

    def cancel(self, job: ModelJob, owner: str) -> None:
        change = Cancel(job.id, owner)
        if owner != job.owner:
            self.refused(change, NotFound)
        elif job.ended:
            self.refused(change, Conflict)
        else:
            self.model.cancel(job)
            self.same(self.world.write(change), job)

    def retry(self, job: ModelJob, owner: str, limit: int | None, cascade: bool) -> None:
        change = Retry(job.id, owner, limit, cascade)
        jobs = self.model.kin.revived(job) if cascade else [job]
        if owner != job.owner:
            self.refused(change, NotFound)
        elif job.status not in BAD:
            self.refused(change, Conflict)
        elif self.model.kin.has_bad_parent(job):
            self.refused(change, DependencyFailed)
        elif limit is not None and self.model.live(owner) + len(jobs) > limit:
            self.refused(change, TooManyJobs)
        else:
            self.model.retry(*jobs)
            self.same(self.world.write(change), job)
