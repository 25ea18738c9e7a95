"""The one door to jobs, for routes, flows and schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snapasset.errors import InvalidInput, NotFound
from snapasset.job import Job, Priority, new_id
from snapasset.job_type import Access
from snapasset.records.endings import Cancel, Retry
from snapasset.records.events import EventsAfter
from snapasset.records.idempotency import SubmitOnce
from snapasset.records.jobs import FindJobs, GetJob
from snapasset.records.submission import Submit

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.event import Event
    from snapasset.job_type import Catalogue, Wire
    from snapasset.records.idempotency import Once, Submitted
    from snapasset.settings import Settings
    from snapasset.switch import Switch

_PRIORITY_CEILING = {Access.SESSION: Priority.NORMAL, Access.USER: Priority.HIGH, Access.ADMIN: Priority.CRITICAL}


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """How a job is to be run.

    `priority` is clamped to what the caller may ask for, `attempts` to what the kind allows. `delay` is in seconds,
    `run_at` in ms since the epoch; giving both is `InvalidInput`.
    """

    priority: int = Priority.NORMAL
    attempts: int | None = None
    delay: float = 0.0
    run_at: int | None = None


class JobClient:
    """Submits, finds and steers jobs. Every method may raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, switch: Switch, catalogue: Catalogue, settings: Settings) -> None:
        self._database = database
        self._switch = switch
        self._catalogue = catalogue
        self._settings = settings

    async def submit(
        self, kind: str, args: Wire, *, owner: str, access: Access, options: SubmitOptions | None = None
    ) -> Job:
        """Put a job into the record, then ring for it. When this returns, the job is safe.

        Raises `UnknownKind`, `InvalidInput`, `TooManyJobs`.
        """
        job = await self._database.write(self._submission(kind, args, owner, access, options or SubmitOptions()))
        await self._ring(job)
        return job

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
        submitted = await self._database.write(SubmitOnce(submission, once))
        await self._ring(submitted.job)
        return submitted

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

    async def retry(self, job_id: str, *, owner: str, access: Access = Access.SESSION) -> Job:
        """Begin a new run of a failed or cancelled job, then ring for it.

        Raises `NotFound`, `Conflict` in any other state, `TooManyJobs`.
        """
        job = await self._database.write(Retry(job_id, owner, self._live_limit(access)))
        await self._ring(job)
        return job

    def _submission(self, kind: str, args: Wire, owner: str, access: Access, options: SubmitOptions) -> Submit:
        job_type = self._catalogue.get(kind)
        if options.delay and options.run_at is not None:
            raise InvalidInput(fields={"options.runAt": "give either delay or runAt, not both"})
        return Submit(
            job_id=new_id(),
            kind=kind,
            queue=job_type.queue,
            owner=owner,
            data=args.model_dump_json(),
            priority=min(options.priority, _PRIORITY_CEILING[access]),
            attempts=min(options.attempts or job_type.attempts, job_type.attempts),
            generation_id=new_id() if job_type.generation else None,
            delay_ms=round(options.delay * 1000),
            run_at=options.run_at,
            live_limit=self._live_limit(access),
        )

    def _live_limit(self, access: Access) -> int | None:
        return self._settings.live_jobs_per_owner if access < Access.ADMIN else None

    async def _ring(self, job: Job) -> None:
        if job.status == "waiting":
            await self._switch.ring(job.queue, job.id, job.kind, job.fence)
