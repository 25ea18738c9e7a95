"""The one door to jobs, for routes, flows and schedules."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from snapasset.batch import parents_first, positions_of
from snapasset.errors import BadConfiguration, InvalidInput, NotFound, UnknownKind
from snapasset.job import Job, Priority, new_id
from snapasset.job_type import Access
from snapasset.records.credits import GrantCredits
from snapasset.records.endings import Cancel
from snapasset.records.events import EventsAfter
from snapasset.records.idempotency import SubmitOnce, Submitted, submitted
from snapasset.records.jobs import FindJobs, GetJob
from snapasset.records.queues import LimitQueue, PauseQueue, ResumeQueue, check_limits
from snapasset.records.revival import Retry
from snapasset.records.schedules import PutSchedule, RemoveSchedule, SchedulesOf
from snapasset.records.submission import Foresee, Submit, SubmitAll, at_position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snapasset.database import Database
    from snapasset.event import Event
    from snapasset.job_type import Catalogue, JobType, Wire
    from snapasset.records.idempotency import Once
    from snapasset.records.submission import Foreseen
    from snapasset.settings import Settings
    from snapasset.switch import Switch

SYSTEM: Final = "system"
"""Who owns what schedules begin: no caller can be it."""

_PRIORITY_CEILING = {Access.SESSION: Priority.NORMAL, Access.USER: Priority.HIGH, Access.ADMIN: Priority.CRITICAL}


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """How a job is to be run.

    `priority` is clamped to what the caller may ask for, `attempts` to what the kind allows. `delay` and `ttl` are in
    seconds, `run_at` in ms since the epoch; giving both `delay` and `run_at` is `InvalidInput`. `depends_on` names jobs of
    the same owner, in a batch also its references.
    """

    priority: int = Priority.NORMAL
    attempts: int | None = None
    delay: float = 0.0
    run_at: int | None = None
    ttl: float | None = None
    depends_on: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """One job that a caller wants. `ref` is what the others of its batch call it."""

    kind: str
    args: Wire
    options: SubmitOptions
    ref: str | None = None


class JobClient:
    """Submits, finds and steers jobs. Every method may raise `DatabaseUnavailable`."""

    def __init__(
        self,
        database: Database,
        switch: Switch,
        catalogue: Catalogue,
        settings: Settings,
        tools: Mapping[type, object] | None = None,
    ) -> None:
        """`tools`: those of the kinds, by which they say what a job will cost; without them nobody knows."""
        self._tools = tools or {}
        self._database = database
        self._switch = switch
        self._catalogue = catalogue
        self._settings = settings

    async def submit(
        self, kind: str, args: Wire, *, owner: str, access: Access, options: SubmitOptions | None = None
    ) -> Job:
        """Put a job into the record, then ring for it. When this returns, the job is safe.

        Raises `UnknownKind`, `InvalidInput`, `TooManyJobs`, `SpendCapReached`, `NotEnoughCredits`, `DependencyFailed`,
        and `NotFound` for a generation that is not the owner's.
        """
        job = await self._database.write(self._submission(kind, args, owner, access, options or SubmitOptions()))
        await self._ring(job)
        return job

    async def foresee(self, kind: str, args: Wire, *, owner: str, access: Access, options: SubmitOptions) -> Foreseen:
        """What `submit` would be told now of the cost; nothing is made. Raises `UnknownKind`, `InvalidInput`."""
        return await self._database.read(Foresee(self._submission(kind, args, owner, access, options)))

    async def submit_once(
        self,
        kind: str,
        args: Wire,
        *,
        owner: str,
        access: Access,
        once: Once,
        options: SubmitOptions | None = None,
    ) -> Submitted:
        """`submit`, unless the owner's key has made a job before: then that job, and nothing new.

        Raises `KeyReused` when the key came with another request.
        """
        submission = self._submission(kind, args, owner, access, options or SubmitOptions())
        (answer,) = await self._database.write(SubmitOnce(owner, submission, once))
        await self._ring(answer.job)
        return answer

    async def submit_all(
        self, wanted: Sequence[Wanted], *, owner: str, access: Access, once: Once | None = None
    ) -> list[Submitted]:
        """Put several jobs into the record, all or none, and answer them in the order given.

        One may depend on others by their `ref`, in any order but in no circle. Raises what `submit` raises; what is wrong
        with one of them is told with its position, as `jobs.3.options.dependsOn.0`.
        """
        positions = positions_of([one.ref for one in wanted])
        order = parents_first([one.options.depends_on for one in wanted], positions)
        ids = [new_id() for _ in wanted]
        submits: list[Submit] = []
        for job_id, one in zip(ids, wanted, strict=True):
            parents = tuple(ids[positions[name]] if name in positions else name for name in one.options.depends_on)
            try:
                submit = self._submission(one.kind, one.args, owner, access, one.options)
            except InvalidInput as error:
                raise at_position(error, len(submits)) from None
            submits.append(replace(submit, job_id=job_id, depends_on=parents))
        batch = SubmitAll(tuple(submits), order)
        if once is None:
            answers = [submitted(job) for job in await self._database.write(batch)]
        else:
            answers = await self._database.write(SubmitOnce(owner, batch, once))
        await asyncio.gather(*(self._ring(one.job) for one in answers))  # a queue that hangs costs its patience once
        return answers

    async def get(self, job_id: str, *, owner: str) -> Job:
        """One of the owner's jobs. Raises `NotFound`, for a stranger's as for a missing one."""
        job = await self._database.read(GetJob(job_id, owner))
        if job is None:
            raise NotFound("There is no such job.")
        return job

    async def find(self, query: FindJobs) -> list[Job]:
        """An owner's jobs, newest first."""
        return await self._database.read(query)

    async def timeline(self, job_id: str, *, owner: str, after: int = 0, limit: int = 500) -> list[Event]:
        """The events of one of the owner's jobs with a seq above `after`, in order. Raises `NotFound`."""
        await self.get(job_id, owner=owner)
        return await self._database.read(EventsAfter(job_id, after, limit))

    async def cancel(self, job_id: str, *, owner: str) -> Job:
        """Cancel at once what is not running, else ask for it. Raises `NotFound`, `Conflict` when it has ended."""
        return await self._database.write(Cancel(job_id, owner))

    async def retry(self, job_id: str, *, owner: str, access: Access = Access.SESSION, cascade: bool = False) -> Job:
        """Begin a new run of a failed or cancelled job, then ring for it; see `records.revival.Retry`."""
        likeness = self._likeness_of(await self.get(job_id, owner=owner))
        limit, caps = self._live_limit(access), self._settings.spend_caps
        job = await self._database.write(Retry(job_id, owner, limit, cascade, caps, likeness))
        await self._ring(job)
        return job

    async def pause(self, queue: str) -> None:
        """Have nobody claim from a queue; what runs goes on. Raises `NotFound` for one that no kind has."""
        self._check_queue(queue)
        await self._database.write(PauseQueue(queue))

    async def resume(self, queue: str) -> None:
        """Have a paused queue claimed from again, within its limits. Raises `NotFound`."""
        self._check_queue(queue)
        await self._database.write(ResumeQueue(queue))

    async def limit(
        self,
        queue: str,
        concurrency: int | None = None,
        rate_jobs: int | None = None,
        rate_seconds: float | None = None,
    ) -> None:
        """Bound a queue, all processes together: `concurrency` jobs at once, `rate_jobs` claims within any `rate_seconds`.

        What is not given is not bounded any more. Raises `NotFound`, or `InvalidInput` with the fields.
        """
        self._check_queue(queue)
        rate_ms = check_limits(concurrency, rate_jobs, rate_seconds)
        await self._database.write(LimitQueue(queue, concurrency, rate_jobs, rate_ms))

    async def grant(self, owner: str, amount: int, name: str) -> int:
        """Give an owner credits, once for each `name`; returns how many are left. Raises `Conflict`, see `GrantCredits`."""
        return await self._database.write(GrantCredits(owner, amount, name))

    async def keep_schedules(self) -> None:
        """Bring the record's schedules up to what the kinds say; those of kinds that are not known here are left alone.

        Raises `BadConfiguration` for one that is none.
        """
        for job_type in self._catalogue:
            wanted = {f"{SYSTEM}:{job_type.kind}:{one.name}": one for one in job_type.schedules if one.cron is not None}
            for schedule_id in await self._database.read(SchedulesOf(SYSTEM, job_type.kind)):
                if schedule_id not in wanted:
                    await self._database.write(RemoveSchedule(schedule_id))
            for schedule_id, schedule in wanted.items():
                put = PutSchedule(
                    id=schedule_id,
                    owner=SYSTEM,
                    kind=job_type.kind,
                    queue=job_type.queue,
                    data=schedule.data.model_dump_json(),
                    priority=Priority.LOW,
                    attempts=job_type.attempts,
                    cron=schedule.cron or "",
                    zone=schedule.zone,
                )
                try:
                    await self._database.write(put)
                except InvalidInput as error:
                    complaints = "; ".join(f"{field} {complaint}" for field, complaint in error.fields.items())
                    raise BadConfiguration(f"The schedule of {job_type.kind} cannot be used: {complaints}.") from error

    def _submission(self, kind: str, args: Wire, owner: str, access: Access, options: SubmitOptions) -> Submit:
        job_type = self._catalogue.get(kind)
        if options.delay and options.run_at is not None:
            raise InvalidInput(fields={"options.runAt": "give either delay or runAt, not both"})
        adds = job_type.generation == "existing"
        existing: str | None = getattr(args, "generation_id", None) if adds else None
        estimate = self._estimate(job_type, args)
        return Submit(
            job_id=new_id(),
            kind=kind,
            queue=job_type.queue,
            owner=owner,
            data=args.model_dump_json(),
            priority=min(options.priority, _PRIORITY_CEILING[access]),
            attempts=min(options.attempts or job_type.attempts, job_type.attempts),
            generation_id=existing if adds else new_id() if job_type.generation == "new" else None,
            delay_ms=round(options.delay * 1000),
            run_at=options.run_at,
            live_limit=self._live_limit(access),
            depends_on=options.depends_on,
            ttl_ms=None if options.ttl is None else round(options.ttl * 1000),
            adds=adds,
            estimate=estimate,
            caps=self._settings.spend_caps,
            credits=self._settings.credits_per_picture if estimate != 0 and access < Access.ADMIN else 0,
            likeness=self._likeness(job_type, args) if estimate != 0 else None,
        )

    def _estimate(self, job_type: JobType[Any, Any], args: Wire) -> int | None:
        if job_type.quote is None:
            return 0
        tools = self._tools_of(job_type)
        return None if tools is None else job_type.quote(args, *tools)

    def _likeness(self, job_type: JobType[Any, Any], args: Wire) -> str | None:
        tools = self._tools_of(job_type)
        return None if job_type.likeness is None or tools is None else job_type.likeness(args, *tools)

    def _likeness_of(self, job: Job) -> str | None:
        """The mark of what a job's next run would pay for, if it would and its kind is known here."""
        try:
            job_type = self._catalogue.get(job.kind)
            return self._likeness(job_type, job_type.args.model_validate_json(job.data)) if job.estimate != 0 else None
        except (UnknownKind, ValidationError):
            return None

    def _tools_of(self, job_type: JobType[Any, Any]) -> list[object] | None:
        if any(tool not in self._tools for tool in job_type.tools):
            return None
        return [self._tools[tool] for tool in job_type.tools]

    def _check_queue(self, queue: str) -> None:
        if queue not in self._catalogue.queues:
            raise NotFound("There is no such queue.")

    def _live_limit(self, access: Access) -> int | None:
        return self._settings.live_jobs_per_owner if access < Access.ADMIN else None

    async def _ring(self, job: Job | None) -> None:
        if job is not None and job.status == "waiting":
            await self._switch.ring(job.queue, job.id, job.kind, job.fence)
