"""Claims jobs, keeps them alive while they run, and writes down how they ended. One per process.

Invariant: while an attempt is in `_attempts`, this executor holds its job's fence or will soon notice that it does not;
every change names the fence, so an executor that was overtaken can do no harm. It may be overtaken by itself: then two
attempts at one job are in `_attempts`, and only the later one counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from snapasset.database import Both, Liveness
from snapasset.errors import BadConfiguration, DatabaseUnavailable, SnapAssetError
from snapasset.records.claims import Beat, Claim, GiveBack
from snapasset.records.dependencies import ReadyDependants
from snapasset.records.steps import DoneSteps
from snapasset.records.upkeep import ReadyJobs
from worker.attempt import UNWIND_SECONDS, Attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.database import Database, Write
    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings
    from snapasset.switch import Switch
    from worker.context import JobContext

log = logging.getLogger(__name__)

T = TypeVar("T")


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
        self._settings = settings
        self._tools = {t.kind: tuple(tools[tool] for tool in t.tools) for t in catalogue}
        self._claims = {
            queue: Claim(queue, tuple(job_type.kind for job_type in catalogue.of_queue(queue)), worker_id)
            for queue in catalogue.queues
        }
        self._slots = {queue: asyncio.Semaphore(settings.job_max_concurrency) for queue in catalogue.queues}
        self._attempts: set[Attempt] = set()
        self._stuck: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._beating: asyncio.Task[None] | None = None

    @property
    def stuck(self) -> int:
        """How many processors ignore that they were cancelled: the process cannot end in an orderly way before them."""
        return len(self._stuck)

    async def open(self) -> None:
        """Make this executor known as alive and start its heart."""
        if isinstance(self._database, Liveness):
            await asyncio.to_thread(self._database.hold, self._worker_id)
        self._beating = asyncio.create_task(self._beat_on(), name="executor-beat")

    async def drain(self) -> None:
        """Claim nothing new, and wait until what runs has ended, `drain_seconds` at most."""
        self._stopping = True
        if not await self._idle_within(self._settings.drain_seconds):
            log.warning("the drain is over: running jobs go back", extra={"jobs": len(self._attempts)})

    async def close(self) -> None:
        """Stop the heart. The handlers must have been cancelled: that gives their jobs back."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        idle = await self._idle_within(UNWIND_SECONDS)
        if idle and isinstance(self._database, Liveness):
            await asyncio.to_thread(self._database.release, self._worker_id)

    async def answer(self, queue: str, record_id: str) -> None:
        """Answer a ring: run the most urgent jobs of `queue` while there are any, for a while, then ring again.

        A ring of another record, or of an unknown queue, runs nothing.
        """
        if record_id != self._database.record_id or queue not in self._claims:
            log.error("a ring that belongs to another record was ignored", extra={"queue": queue})
            return
        async with self._slots[queue]:
            until = time.monotonic() + self._settings.ring_drain_seconds
            try:
                job = None if self._stopping else await self._database.write(self._claims[queue])
            except DatabaseUnavailable:
                return  # the reconciler rings again when the record is back
            if job is None:
                return
            while job is not None:
                job = await self._run(job, until)
            if self._stopping or time.monotonic() < until:
                return
        await self._ring_again(queue)

    async def persist(self, change: Write[T], /) -> T:
        """Hand a change to the record until it answers: what was done or paid for must not be lost to an outage."""
        pause = 0.1
        while True:
            try:
                return await self._database.write(change)
            except DatabaseUnavailable as error:
                log.warning("a change waits for the database", extra={"error": error.detail})
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  spreads the callers
                pause = min(2.0, pause * 2)

    # --- one job

    async def _run(self, job: Job, until: float) -> Job | None:
        """Run one job to the end of this attempt. Returns the next one, already claimed, if there is time for it."""
        attempt = Attempt(job, self._catalogue.get(job.kind), self._tools[job.kind], self._settings)
        self._attempts.add(attempt)
        self._idle.clear()
        try:
            ending = await self._attempt(attempt)
            return None if ending is None else await self._end(ending, job.queue, until)
        except asyncio.CancelledError:
            await asyncio.shield(self.persist(GiveBack(job.id, job.fence)))
            raise
        finally:
            self._forget(attempt)

    async def _attempt(self, attempt: Attempt) -> Write[Job | None] | None:
        try:
            # The first claim ever finds no step done, so it need not ask.
            done = await self._done_steps(attempt.job) if attempt.job.fence > 1 else {}
            context = attempt.prepare(done, self.persist, self._publish)
        except SnapAssetError as error:
            return attempt.failure(error)
        await self._switch.feed.subscribe(attempt.job.id, context.hear)
        return await attempt.run(context)

    async def _end(self, ending: Write[Job | None], queue: str, until: float) -> Job | None:
        """Write down how a job ended and, in the same commit, claim the next one while there is time."""
        if self._stopping or time.monotonic() >= until:
            ended, claimed = await self.persist(ending), None
        else:
            ended, claimed = await self.persist(Both(ending, self._claims[queue]))
        if ended is not None and ended.dependants:
            await self._ring_dependants(ended)
        return claimed

    def _forget(self, attempt: Attempt) -> None:
        self._attempts.discard(attempt)
        if attempt.context is not None:
            self._switch.feed.unsubscribe(attempt.job.id, attempt.context.hear)
        if attempt.stuck is not None:
            self._stuck.add(attempt.stuck)
            attempt.stuck.add_done_callback(self._stuck.discard)
        if not self._attempts:
            self._idle.set()

    async def _done_steps(self, job: Job) -> dict[str, str]:
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                return await self._database.read(DoneSteps(job.id))
            await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311  spreads the callers

    async def _ring_again(self, queue: str) -> None:
        with contextlib.suppress(DatabaseUnavailable):
            for job in await self._database.read(ReadyJobs(queue, 1)):
                await self._switch.ring(queue, job.id, job.kind, job.fence)

    async def _ring_dependants(self, parent: Job) -> None:
        """Ring for the jobs that waited for this one: they may be of another queue, which nobody looks into now."""
        with contextlib.suppress(DatabaseUnavailable):
            for job in await self._database.read(ReadyDependants(parent.id)):
                await self._switch.ring(job.queue, job.id, job.kind, job.fence)

    # --- the heart

    def _publish(self, news: News) -> None:
        self._switch.feed.publish((news,))

    async def _idle_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._attempts:  # idle for a moment is not idle: the next job may have been claimed already
                    await self._idle.wait()
        return not self._attempts

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._settings.beat_seconds)
            contexts = [attempt.context for attempt in self._attempts if attempt.context is not None]
            await asyncio.gather(*(self._beat(context) for context in contexts))

    async def _beat(self, context: JobContext[Any]) -> None:
        with contextlib.suppress(DatabaseUnavailable):  # then nobody can take the job over either
            cancelled = await self._database.write(Beat(context.job.id, context.job.fence, context.progress))
            if cancelled is None:
                context.lost = True
            elif cancelled:
                context.cancel_requested = True
