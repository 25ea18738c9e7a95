"""Claims jobs, runs them, and writes down how they ended. One per process; its heart keeps the jobs alive meanwhile.

Invariant: while an attempt is in `_attempts`, this executor holds its job's fence or will soon notice that it does not;
every change names the fence, so an executor that was overtaken can do no harm. It may be overtaken by itself: then two
attempts at one job are in `_attempts`, and only the later one counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from snapasset.database import Both
from snapasset.errors import BadConfiguration, DatabaseUnavailable, SnapAssetError
from snapasset.records.claims import Begin, Claim, GiveBack, is_suspect
from snapasset.records.dependencies import ReadyDependants
from snapasset.records.endings import Complete
from snapasset.records.steps import DoneSteps
from snapasset.records.upkeep import ReadyJobs
from worker.attempt import UNWIND_SECONDS, Attempt
from worker.gate import Gate
from worker.hearing import Hearing
from worker.heart import Heart
from worker.solitude import Solitude

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snapasset.database import Database, Write
    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.job_type import Catalogue
    from snapasset.metrics import Metrics
    from snapasset.records.workers import WorkerRow
    from snapasset.settings import Settings
    from snapasset.switch import Switch

log = logging.getLogger(__name__)

T = TypeVar("T")

_OUTCOMES: Final = {"delayed": "retried", "waiting": "given_back"}
"""What the status of a job says about the attempt that led to it, where it is not called the same."""


class Executor:
    """Runs the jobs of a catalogue. Raises `BadConfiguration` when a kind wants a tool that is not in `tools`."""

    def __init__(
        self,
        *,
        worker: WorkerRow,
        database: Database,
        switch: Switch,
        catalogue: Catalogue,
        tools: Mapping[type, object],
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        """`worker`: what the record is told of this process; it accepts jobs of the queues named there."""
        for job_type in catalogue:
            missing = [tool.__name__ for tool in job_type.tools if tool not in tools]
            if missing:
                raise BadConfiguration(f"the kind {job_type.kind} wants {', '.join(missing)}, which is not set up")
        self._database = database
        self._switch = switch
        self._catalogue = catalogue
        self._settings = settings
        self._metrics = metrics
        self._tools = {t.kind: tuple(tools[tool] for tool in t.tools) for t in catalogue}
        self._claims = {queue: Claim(queue, kinds, worker.id) for queue, kinds in catalogue.kinds_by_queue.items()}
        self._slots = {queue: asyncio.Semaphore(settings.job_max_concurrency) for queue in catalogue.queues}
        self.gates = {queue: Gate() for queue in catalogue.queues}
        """By queue: whether rings are taken."""
        self._solitude = Solitude(self._set_gates)
        self._attempts: set[Attempt] = set()
        self._stuck: set[asyncio.Task[Any]] = set()
        self._ringing: set[asyncio.Task[None]] = set()
        self._hearing = Hearing(database)
        self._idle = asyncio.Event()
        self._idle.set()
        self._worker = worker
        self._heart = Heart(database, self._sign, lambda: self._attempts, settings)

    @property
    def stuck(self) -> int:
        """How many processors ignore that they were cancelled: the process cannot end in an orderly way before them."""
        return len(self._stuck)

    @property
    def accepts(self) -> tuple[str, ...]:
        """The queues whose jobs it claims now."""
        return self._worker.queues

    @property
    def beats(self) -> bool:
        """Whether its heart still beats."""
        return self._heart.beats

    async def open(self) -> None:
        """Make this executor known as alive and start its heart."""
        await self._heart.start()

    def _sign(self) -> WorkerRow:
        """What this process says of itself now."""
        return self._worker._replace(mode=self._switch.mode)

    async def accept(self, queues: Iterable[str]) -> None:
        """Claim jobs of these queues from now on, and of no others; what runs goes on."""
        accepted = tuple(queue for queue in self._claims if queue in set(queues))
        if accepted != self._worker.queues:
            self._worker = self._worker._replace(queues=accepted)
            self._set_gates()
            for attempt in self._attempts:
                if attempt.job.queue not in accepted:
                    attempt.called_off.set()
            await self._heart.tell()

    async def drain(self) -> None:
        """Claim nothing new, and wait until what runs has ended, `drain_seconds` at most."""
        await self.accept(())
        if not await self._idle_within(self._settings.drain_seconds):
            log.warning("the drain is over: running jobs go back", extra={"jobs": len(self._attempts)})

    async def close(self) -> None:
        """Stop the heart. The handlers must have been cancelled: that gives their jobs back."""
        await self._heart.stop()
        await asyncio.gather(*self._ringing, return_exceptions=True)
        if await self._idle_within(UNWIND_SECONDS):
            await self._heart.dismiss()

    async def answer(self, queue: str, record_id: str) -> None:
        """Answer a ring: run the most urgent jobs of `queue` while there are any, for a while, then ring again.

        A ring of another record, or of an unknown queue, runs nothing; nor does one for which no slot is free: whoever has
        the slots claims again, or rings again, when a job ends. So no ring waits here, however long jobs take.
        """
        if record_id != self._database.record_id or queue not in self._claims:
            log.error("a ring that belongs to another record was ignored", extra={"queue": queue})
            return
        if self._slots[queue].locked() or not self._may_claim(queue):
            return
        async with self._slots[queue]:
            until = time.monotonic() + self._settings.ring_drain_seconds
            self._solitude.enter()
            try:
                job = await self._claim(queue)
                if job is None:
                    return
                while job is not None:
                    job = await self._run(job, until)
            finally:
                self._solitude.leave()
            if self._may_claim(queue) and time.monotonic() < until:
                return  # it found nothing more
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

    def _may_claim(self, queue: str) -> bool:
        return queue in self._worker.queues and not self._solitude.wanted

    def _set_gates(self) -> None:
        for queue, gate in self.gates.items():
            gate.set(is_open=self._may_claim(queue))

    async def _claim(self, queue: str) -> Job | None:
        try:
            job = await self._database.write(self._claims[queue])
        except DatabaseUnavailable:
            return None  # the reconciler rings again when the record is back
        if job is not None:
            self._metrics.claimed(queue)
        return job

    async def _run(self, job: Job, until: float) -> Job | None:
        """Run one job to the end of this attempt. Returns the next one, already claimed, if there is time for it."""
        attempt = Attempt(job, self._catalogue.get(job.kind), self._tools[job.kind], self._settings)
        begun = time.monotonic()
        self._attempts.add(attempt)
        self._idle.clear()
        try:
            ending = await (self._alone(attempt) if is_suspect(job) else self._attempt(attempt))
            if ending is None:
                self._metrics.ended(job.kind, "lost", time.monotonic() - begun)
                return None
            ended, claimed = await self._end(ending, job.queue, until)
        except asyncio.CancelledError:
            await asyncio.shield(self.persist(GiveBack(job.id, job.fence)))
            self._metrics.ended(job.kind, "given_back", time.monotonic() - begun)
            raise
        else:
            self._note(job, ended, time.monotonic() - begun)
            return claimed
        finally:
            self._forget(attempt)

    def _note(self, job: Job, ended: Job | None, seconds: float) -> None:
        """Count how an attempt ended."""
        if ended is None:
            self._metrics.ended(job.kind, "lost", seconds)
            return
        outcome = _OUTCOMES.get(ended.status, ended.status)
        code = json.loads(ended.error)["code"] if ended.error and outcome in ("failed", "retried") else None
        self._metrics.ended(job.kind, outcome, seconds, code)

    async def _alone(self, attempt: Attempt) -> Write[Job | None] | None:
        if not await self._solitude.alone(attempt.called_off):
            return attempt.unbegun()
        try:
            if not await self.persist(Begin(attempt.job.id, attempt.job.fence)):
                return None
            log.warning("a job that may have ended its last worker runs alone", extra={"jobId": attempt.job.id})
            return await self._attempt(attempt)
        finally:
            self._solitude.free()

    async def _attempt(self, attempt: Attempt) -> Write[Job | None] | None:
        try:
            # The first claim ever finds no step done, so it need not ask.
            done = await self._done_steps(attempt.job) if attempt.job.fence > 1 else {}
            context = attempt.prepare(done, self.persist, self._publish)
        except SnapAssetError as error:
            return attempt.failure(error)
        self._hearing.begin(context, self._switch.feed)
        try:
            return await attempt.run(context)
        finally:
            self._hearing.end(context)

    async def _end(self, ending: Write[Job | None], queue: str, until: float) -> tuple[Job | None, Job | None]:
        """Write down how a job ended and, in the same commit, claim the next one while there is time."""
        if not self._may_claim(queue) or time.monotonic() >= until:
            ended, claimed = await self.persist(ending), None
        else:
            # Beside a job that completes; any other ending may pause the queue, and then nothing more is claimed from it.
            ended, claimed = await self.persist(Both(ending, self._claims[queue], isinstance(ending, Complete)))
        if claimed is not None:
            self._metrics.claimed(queue)
        if ended is not None and ended.dependants:
            # Not here: the job that was claimed is to begin, and to beat.
            task = asyncio.create_task(self._ring_dependants(ended), name=f"dependants-{ended.id}")
            self._ringing.add(task)
            task.add_done_callback(self._ringing.discard)
        return ended, claimed

    def _forget(self, attempt: Attempt) -> None:
        self._attempts.discard(attempt)
        if attempt.stuck is not None:
            self._stuck.add(attempt.stuck)
            attempt.stuck.add_done_callback(self._stuck.discard)
            self._solitude.outlast(attempt.stuck)
        if not self._attempts:
            self._idle.set()

    async def _done_steps(self, job: Job) -> dict[str, str]:
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                return await self._database.read(DoneSteps(job.id))
            await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311  spreads the callers

    async def _ring_again(self, queue: str) -> None:
        with contextlib.suppress(DatabaseUnavailable):
            for job in await self._database.read(ReadyJobs(queue, self._claims[queue].kinds, 1)):
                await self._switch.ring(queue, job.id, job.kind, job.fence)

    async def _ring_dependants(self, parent: Job) -> None:
        """Ring for the jobs that waited for this one: they may be of another queue, which nobody looks into now."""
        with contextlib.suppress(DatabaseUnavailable):
            ready = await self._database.read(ReadyDependants(parent.id))
            await asyncio.gather(*(self._switch.ring(job.queue, job.id, job.kind, job.fence) for job in ready))

    def _publish(self, news: News) -> None:
        self._switch.feed.publish((news,))

    async def _idle_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._attempts:  # idle for a moment is not idle: the next job may have been claimed already
                    await self._idle.wait()
        return not self._attempts
