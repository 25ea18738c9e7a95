"""T0: a job enters the record, alone or with others; and what would be said to that, asked beforehand."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.errors import (
    DependencyFailed,
    InvalidInput,
    NotEnoughCredits,
    NotFound,
    SpendCapReached,
    TooManyJobs,
)
from snapasset.event import UPDATE, tell
from snapasset.job import Job
from snapasset.records.budget import keep_to_budget, look_at_budget
from snapasset.records.credits import reserve
from snapasset.records.dependencies import note_parents, take_parents
from snapasset.records.generations import has_like
from snapasset.records.jobs import COLUMNS, first_job
from snapasset.records.rank import rank_offset
from snapasset.records.spending import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.database import Steps
    from snapasset.spend_settings import Caps


def keep_to_limit(owner: str, live_limit: int | None, more: int = 1) -> Steps[None]:
    """Refuse with `TooManyJobs` when `more` jobs would bring the owner above `live_limit` unended ones; None: no limit."""
    if live_limit is None:
        return
    ((live,),) = yield Statement(
        "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE owner = $1 AND finished_at IS NULL LIMIT $2) AS live",
        (owner, live_limit),
    )
    if live + more > live_limit:
        raise TooManyJobs(f"{live} of your jobs have not ended yet, and the most is {live_limit}.")


def _foreseen(submits: Sequence[Submit]) -> Steps[list[Submit]]:
    """These as they are to be put in; raises what `_look_for_room` raises."""
    foreseen = list(submits)
    for position, one in enumerate(submits):
        foreseen[position] = yield from _expected(one)
    yield from _look_for_room(foreseen)
    return foreseen


def _expected(one: Submit) -> Steps[Submit]:
    """This as it is to be put in: free, if it will be answered from a master that is there already."""
    alike = one.likeness is not None and (yield from has_like(one.owner, one.likeness))
    return replace(one, estimate=0) if alike else one


def _look_for_room(foreseen: Sequence[Submit]) -> Steps[None]:
    """Raises `SpendCapReached` and `NotEnoughCredits` where it is plain beforehand that there is no room for these."""
    ((now,),) = yield Statement("SELECT now_ms()")
    plans: list[Plan] = []
    wanted = 0
    for one in foreseen:
        if one.estimate != 0:
            due = one.run_at if one.run_at is not None else now + one.delay_ms
            plans.append(Plan(one.estimate, due, at_once=due <= now))
            wanted += one.credits
    yield from look_at_budget(foreseen[0].owner, foreseen[0].caps, plans, wanted)


def _keep_to_budget(first: Submit, jobs: Sequence[Job]) -> Steps[None]:
    costly = [job for job in jobs if job.estimate != 0]
    yield from keep_to_budget(first.owner, first.caps, costly, sum(job.credits for job in costly))


@dataclass(frozen=True, slots=True)
class Submit(Write[Job]):
    """Put a new job into the record.

    `delay_ms` counts from the database's now, `run_at` is ms since the epoch; at most one of them is given. A time in
    the past means at once. `live_limit` bounds the jobs of one owner that have not ended; one more is `TooManyJobs`.
    `depends_on` names jobs of the same owner that must complete first: `InvalidInput` for one that is none of them,
    `DependencyFailed` for one that has ended badly. A job that was not begun `ttl_ms` after it was to start fails.
    `estimate` is what it is expected to cost, see `Job`; what is not free keeps to `caps`, else `SpendCapReached`, and
    `credits` are reserved for it of the owner's: `NotEnoughCredits`. With a `likeness`, see `generations.FindLike`, it is
    taken on for free while a master like that is there.
    `generation_id` names a generation to be made, or one of the owner's that the job `adds` to: else `NotFound`.
    """

    job_id: str
    kind: str
    queue: str
    owner: str
    data: str
    priority: int
    attempts: int
    generation_id: str | None = None
    delay_ms: int = 0
    run_at: int | None = None
    live_limit: int | None = None
    depends_on: tuple[str, ...] = ()
    ttl_ms: int | None = None
    adds: bool = False
    estimate: int | None = 0
    caps: Caps | None = None
    credits: int = 0
    likeness: str | None = None

    def touches(self) -> frozenset[str]:
        # Of two that are counted against one limit, the second must see the first.
        limited = () if self.live_limit is None else (f"owner {self.owner}",)
        return frozenset((self.job_id, *self.depends_on, *limited))

    def steps(self) -> Steps[Job]:
        yield from keep_to_limit(self.owner, self.live_limit)
        submit = self
        if self.estimate != 0:
            (submit,) = yield from _foreseen((self,))
        job = yield from submit.insert()
        yield from _keep_to_budget(self, (job,))
        return job

    def insert(self) -> Steps[Job]:
        """Put the job in without asking for the owner's limits."""
        if self.adds:
            yield from self._find_generation()
        blockers = yield from take_parents(self.owner, self.depends_on)
        rows = yield Statement(
            "INSERT INTO jobs (id, kind, queue, owner, data, priority, attempts, generation_id, status, rank, due_at, "
            "created_at, updated_at, depends_on, blockers, ttl, expires_at, estimate, credits) "
            "SELECT $1, $2, $3, $4, $5, $6, $7, $8, "
            "CASE WHEN $13 > 0 THEN 'blocked' WHEN due > now THEN 'delayed' ELSE 'waiting' END, "
            "CASE WHEN due > now THEN due ELSE now END - $9, CASE WHEN due > now THEN due END, now, now, $12, $13, $14, "
            "CASE WHEN due > now THEN due ELSE now END + $14, $15, $16 "
            f"FROM (SELECT now_ms() AS now, coalesce($10, now_ms() + $11) AS due) AS clock RETURNING {COLUMNS}",
            (
                self.job_id,
                self.kind,
                self.queue,
                self.owner,
                self.data,
                self.priority,
                self.attempts,
                self.generation_id,
                rank_offset(self.priority),
                self.run_at,
                self.delay_ms,
                json.dumps(self.depends_on) if self.depends_on else None,
                blockers,
                self.ttl_ms,
                self.estimate,
                self.credits,
            ),
        )
        job = first_job(rows)
        assert job is not None  # an INSERT that did not raise returns its row
        yield from note_parents(self.job_id, self.depends_on)
        if self.generation_id is not None and not self.adds:
            yield Statement(
                "INSERT INTO generations (id, owner, job_id, request, created_at) VALUES ($1, $2, $3, $4, $5)",
                (self.generation_id, self.owner, self.job_id, self.data, job.created_at),
            )
        yield from reserve(job)
        yield tell(job, UPDATE, {"kind": job.kind})
        return job

    def _find_generation(self) -> Steps[None]:
        found = yield Statement(
            "SELECT 1 FROM generations WHERE id = $1 AND owner = $2 AND condemned_at IS NULL FOR SHARE",
            (self.generation_id, self.owner),
        )
        if not found:
            raise NotFound("There is no such generation.")


class Foreseen(NamedTuple):
    """What a submission would be told now.

    `estimate` as in `Job`; `credits` would be set aside for it; `refusal`: why it would be refused for what its owner may have and
    spend, None where it would not be.
    """

    estimate: int | None
    credits: int
    refusal: TooManyJobs | SpendCapReached | NotEnoughCredits | None


@dataclass(frozen=True, slots=True)
class Foresee(Read[Foreseen]):
    """What `submit` would be told now, were it carried out. Jobs and generations that it names are not looked for."""

    submit: Submit

    def steps(self) -> Steps[Foreseen]:
        expected = self.submit if self.submit.estimate == 0 else (yield from _expected(self.submit))
        refusal = None
        try:
            yield from keep_to_limit(expected.owner, expected.live_limit)
            if expected.estimate != 0:
                yield from _look_for_room((expected,))
        except (TooManyJobs, SpendCapReached, NotEnoughCredits) as error:
            refusal = error
        return Foreseen(expected.estimate, expected.credits if expected.estimate != 0 else 0, refusal)


@dataclass(frozen=True, slots=True)
class SubmitAll(Write[list[Job]]):
    """Put several jobs of one owner into the record, all or none; they come back in the order given.

    `order` are the positions in which they are put in: each after those of them that it depends on. What is wrong with one
    of them is told with its position, as `jobs.3.options.dependsOn.0`.
    """

    submits: tuple[Submit, ...]
    order: tuple[int, ...]

    def touches(self) -> frozenset[str]:
        return frozenset[str]().union(*(submit.touches() for submit in self.submits))

    def steps(self) -> Steps[list[Job]]:
        first = self.submits[0]
        yield from keep_to_limit(first.owner, first.live_limit, len(self.submits))
        submits: Sequence[Submit] = self.submits
        if any(one.estimate != 0 for one in submits):
            submits = yield from _foreseen(submits)
        jobs: dict[int, Job] = {}
        for position in self.order:
            try:
                jobs[position] = yield from submits[position].insert()
            except InvalidInput as error:
                raise at_position(error, position) from None
            except (NotFound, DependencyFailed) as error:
                raise type(error)(f"jobs.{position}: {error.detail}") from None
        answers = [jobs[position] for position in range(len(submits))]
        yield from _keep_to_budget(first, answers)
        return answers


def at_position(error: InvalidInput, position: int) -> InvalidInput:
    """What is wrong with one job of a batch, told with its position."""
    fields = {f"jobs.{position}.{field}": complaint for field, complaint in error.fields.items()}
    return type(error)(error.detail, fields)
