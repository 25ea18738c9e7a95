"""Claims jobs, runs them, and writes down how they ended. One per process, however many queues it serves.

Invariant: while a job is in `_runs`, this executor holds its fence or will soon notice that it does not; every change
names the fence, so an executor that was overtaken can do no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from snapasset.database import Liveness
from snapasset.errors import (
    AnswerLost,
    BadConfiguration,
    DatabaseUnavailable,
    InvalidInput,
    JobTimeout,
    ProcessorFailed,
    ProviderError,
    SnapAssetError,
)
from snapasset.records.claims import Beat, Claim, GiveBack
from snapasset.records.endings import Complete, EndCancelled, Fail
from snapasset.records.steps import DoneSteps
from snapasset.records.upkeep import ReadyJobs
from worker.context import CancelNoticed, JobContext, JobLost, wire_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.database import Database, Write
    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.job_type import Catalogue, JobType, Wire
    from snapasset.settings import Settings
    from snapasset.switch import Switch

log = logging.getLogger(__name__)

T = TypeVar("T")

UNWIND_SECONDS: Final = 5.0
"""How long a processor may take to stop when it is cancelled; one that takes longer is left to itself."""


class Executor:
    """Runs the jobs of a catalogue. Raises `BadConfiguration` when a kind wants a tool that is not in `tools`."""

    def __init__(
        self,
        *,
        worker_id: str,
        database: Database,
        switch: Switch,
        catalogue: Catalogue,
        tools: Mapping[type, object],
        settings: Settings,
    ) -> None:
        for job_type in catalogue:
            missing = [tool.__name__ for tool in job_type.tools if tool not in tools]
            if missing:
                raise BadConfiguration(f"the kind {job_type.kind} wants {', '.join(missing)}, which is not set up")
        self._worker_id = worker_id
        self._database = database
        self._switch = switch
        self._catalogue = catalogue
        self._tools = tools
        self._settings = settings
        self._kinds = {queue: tuple(t.kind for t in catalogue.of_queue(queue)) for queue in catalogue.queues}
        self._slots = {queue: asyncio.Semaphore(settings.job_max_concurrency) for queue in catalogue.queues}
        self._runs: dict[str, JobContext[Any]] = {}
        self._left_to_themselves: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._beating: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make this executor known as alive and start its heart."""
        if isinstance(self._database, Liveness):
            await asyncio.to_thread(self._database.hold, self._worker_id)
        self._beating = asyncio.create_task(self._beat_on(), name="executor-beat")

    async def drain(self) -> None:
        """Claim nothing new, and wait until what runs has ended, `drain_seconds` at most."""
        self._stopping = True
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("the drain is over, jobs go back", extra={"jobs": len(self._runs)})

    async def close(self) -> None:
        """Stop the heart. The handlers must have ended: cancelling them gives their jobs back."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNWIND_SECONDS):
                await self._idle.wait()
        if isinstance(self._database, Liveness) and not self._runs:
            await asyncio.to_thread(self._database.release, self._worker_id)

    @property
    def stuck(self) -> int:
        """How many processors ignore that they were cancelled: the process cannot end in an orderly way before them."""
        return len(self._left_to_themselves)

    async def answer(self, queue: str, record_id: str) -> None:
        """Answer a ring: run the most urgent jobs of `queue` while there are any, for a while, then ring again.

        A ring of another record, or of an unknown queue, runs nothing.
        """
        if record_id != self._database.record_id or queue not in self._kinds:
            log.error("a ring that belongs to another record was ignored", extra={"queue": queue})
            return
        async with self._slots[queue]:
            until = time.monotonic() + self._settings.ring_drain_seconds
            while not self._stopping:
                try:
                    job = await self._database.write(Claim(queue, self._kinds[queue], self._worker_id))
                except DatabaseUnavailable:
                    return  # the reconciler rings again when the record is back
                if job is None:
                    return
                await self._run(job)
                if time.monotonic() >= until:
                    break
        await self._ring_again(queue)

    async def _ring_again(self, queue: str) -> None:
        try:
            left = await self._database.read(ReadyJobs(queue, 1))
        except DatabaseUnavailable:
            return
        for job in left:
            await self._switch.ring(queue, job.id, job.kind, job.fence)

    # --- one job

    async def _run(self, job: Job) -> None:
        job_type = self._catalogue.get(job.kind)
        context: JobContext[Any] | None = None
        try:
            context = await self._prepare(job, job_type)
            await self._switch.feed.subscribe(job.id, context.hear)
            result = await self._process(job_type, context)
            await self.persist(Complete(job.id, job.fence, result.model_dump_json()))
        except CancelNoticed:
            await self.persist(EndCancelled(job.id, job.fence))
        except JobLost:
            log.warning("a job was taken over by another worker", extra={"jobId": job.id, "queue": job.queue})
        except asyncio.CancelledError:
            await asyncio.shield(self.persist(GiveBack(job.id, job.fence)))
            raise
        except SnapAssetError as error:
            await self._fail(job, context, error)
        except Exception as error:
            log.exception("a processor raised", extra={"jobId": job.id, "queue": job.queue, "kind": job.kind})
            await self._fail(job, context, ProcessorFailed(f"{ProcessorFailed.sentence} ({type(error).__name__})"))
        finally:
            self._forget(job, context)

    async def _prepare(self, job: Job, job_type: JobType[Any, Any]) -> JobContext[Any]:
        self._idle.clear()
        try:
            args: Wire = job_type.args.model_validate_json(job.data)
        except ValidationError as error:
            raise InvalidInput(f"The job's data no longer suits its kind: {error.errors()[0]['msg']}") from error
        # The first claim ever finds no step done, so it need not ask.
        done = await self._read_done(job) if job.fence > 1 else {}
        context = JobContext(
            job,
            args,
            done=done,
            persist=self.persist,
            publish=self._publish,
            doubts_allowed=1 if self._settings.paid_doubt == "repeat" else 0,
        )
        self._runs[job.id] = context
        return context

    async def _read_done(self, job: Job) -> dict[str, str]:
        while True:
            try:
                return await self._database.read(DoneSteps(job.id))
            except DatabaseUnavailable:
                await self._pause(1.0)

    async def _process(self, job_type: JobType[Any, Any], context: JobContext[Any]) -> Wire:
        """Run the processor in a task of its own, so that one which ignores its cancelling cannot hold the slot."""
        tools = [self._tools[tool] for tool in job_type.tools]
        task = asyncio.create_task(_contained(job_type, context, tools), name=f"job-{context.job.id}")
        try:
            await asyncio.wait({task}, timeout=job_type.timeout)
            if not task.done():
                raise JobTimeout(f"The job ran longer than the {job_type.timeout:g} s its kind allows.")
        finally:
            if not task.done():
                await self._unwind(task, context)
        if task.cancelled():
            raise ProcessorFailed("The job's own code cancelled itself.")
        return task.result()

    async def _unwind(self, task: asyncio.Task[Any], context: JobContext[Any]) -> None:
        task.cancel()
        await asyncio.wait({task}, timeout=UNWIND_SECONDS)
        context.lost = True
        if not task.done():
            log.error("a processor ignores that it is cancelled", extra={"jobId": context.job.id})
            self._left_to_themselves.add(task)
            task.add_done_callback(self._left_to_themselves.discard)

    async def _fail(self, job: Job, context: JobContext[Any] | None, error: SnapAssetError) -> None:
        # A provider that names its failure says by that whether it charged; anything else in a paid call says nothing.
        unbilled = isinstance(error, ProviderError) and not isinstance(error, AnswerLost)
        doubtful = context is not None and bool(context.paid_calls) and not unbilled
        pause = min(self._settings.retry_max_seconds, self._settings.retry_base_seconds * 2 ** (job.attempt - 1))
        pause *= random.uniform(0.8, 1.2)  # noqa: S311  spreads the retries of jobs that failed together
        ended = await self.persist(
            Fail(
                job.id,
                job.fence,
                error=wire_error(error),
                retryable=error.retryable,
                delay_ms=round(pause * 1000),
                doubtful=doubtful,
            )
        )
        if ended is not None:
            log.warning(
                "an attempt failed",
                extra={"jobId": job.id, "queue": job.queue, "code": error.code, "status": ended.status},
            )

    def _forget(self, job: Job, context: JobContext[Any] | None) -> None:
        self._runs.pop(job.id, None)
        if context is not None:
            context.close()
            self._switch.feed.unsubscribe(job.id, context.hear)
        if not self._runs:
            self._idle.set()

    # --- the record, and the heart

    async def persist(self, change: Write[T], /) -> T:
        """Hand a change to the record until it answers: what was done or paid for must not be lost to an outage."""
        pause = 0.1
        while True:
            try:
                return await self._database.write(change)
            except DatabaseUnavailable as error:
                log.warning("a change waits for the database", extra={"error": error.detail})
                await self._pause(pause)
                pause = min(2.0, pause * 2)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311  spreads the callers

    def _publish(self, news: News) -> None:
        self._switch.feed.publish((news,))

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._settings.beat_seconds)
            await asyncio.gather(*(self._beat(context) for context in tuple(self._runs.values())))

    async def _beat(self, context: JobContext[Any]) -> None:
        try:
            cancelled = await self._database.write(Beat(context.job.id, context.job.fence, context.progress))
        except DatabaseUnavailable:
            return  # nobody can take the job over meanwhile either
        if cancelled is None:
            context.lost = True
        elif cancelled:
            context.cancel_requested = True


async def _contained(job_type: JobType[Any, Any], context: JobContext[Any], tools: list[object]) -> Wire:
    """The processor, with what would bring the whole process down (SystemExit and its like) made a plain failure."""
    try:
        return await job_type.run(context, *tools)
    except (SystemExit, KeyboardInterrupt) as error:
        raise ProcessorFailed(f"The job's own code raised {type(error).__name__}.") from error
