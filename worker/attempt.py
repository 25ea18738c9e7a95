"""One attempt at one job: its processor is run, and whatever comes of it is turned into the change that ends it."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from snapasset.errors import (
    AnswerLost,
    InvalidInput,
    JobTimeout,
    ProcessorFailed,
    ProviderError,
    SnapAssetError,
)
from snapasset.records.endings import Complete, EndCancelled, Fail
from worker.context import CancelNoticed, JobContext, JobLost, wire_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from snapasset.database import Write
    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.job_type import JobType, Wire
    from snapasset.settings import Settings
    from worker.context import Persist

log = logging.getLogger(__name__)

UNWIND_SECONDS: Final = 5.0
"""How long a processor may take to stop when it is cancelled; one that takes longer is left to itself."""


class Attempt:
    """A claimed job about to be run. `context` is there once the job's data has been read."""

    def __init__(self, job: Job, job_type: JobType[Any, Any], tools: Sequence[object], settings: Settings) -> None:
        self.job = job
        self.context: JobContext[Any] | None = None
        self.stuck: asyncio.Task[Any] | None = None
        self._job_type = job_type
        self._tools = tools
        self._settings = settings

    def prepare(self, done: Mapping[str, str], persist: Persist, publish: Callable[[News], None]) -> JobContext[Any]:
        """Read the job's data. Raises `InvalidInput` when it no longer suits its kind."""
        try:
            args: Wire = self._job_type.args.model_validate_json(self.job.data)
        except ValidationError as error:
            raise InvalidInput(f"The job's data no longer suits its kind: {error.errors()[0]['msg']}") from error
        doubts_allowed = 1 if self._settings.paid_doubt == "repeat" else 0
        self.context = JobContext(
            self.job, args, done=done, persist=persist, publish=publish, doubts_allowed=doubts_allowed
        )
        return self.context

    async def run(self, context: JobContext[Any]) -> Write[Job | None] | None:
        """Run the processor. Returns the change that ends the attempt; None when the job is someone else's now."""
        job = self.job
        try:
            result = await self._process(context)
        except CancelNoticed:
            return EndCancelled(job.id, job.fence)
        except JobLost:
            log.warning("a job was taken over by another worker", extra={"jobId": job.id, "queue": job.queue})
            return None
        except SnapAssetError as error:
            return self.failure(error)
        except Exception as error:
            log.exception("a processor raised", extra={"jobId": job.id, "queue": job.queue, "kind": job.kind})
            return self.failure(ProcessorFailed(f"{ProcessorFailed.sentence} ({type(error).__name__})"))
        return Complete(job.id, job.fence, result.model_dump_json())

    def failure(self, error: SnapAssetError) -> Fail:
        """The change that ends this attempt badly, with the pause before the next if there is to be one."""
        # A provider that names its failure says by that whether it charged; anything else in a paid call says nothing.
        unbilled = isinstance(error, ProviderError) and not isinstance(error, AnswerLost)
        doubtful = self.context is not None and bool(self.context.paid_calls) and not unbilled
        pause = min(self._settings.retry_max_seconds, self._settings.retry_base_seconds * 2 ** (self.job.attempt - 1))
        pause *= random.uniform(0.8, 1.2)  # noqa: S311  spreads the retries of jobs that failed together
        log.warning("an attempt failed", extra={"jobId": self.job.id, "queue": self.job.queue, "code": error.code})
        return Fail(
            self.job.id,
            self.job.fence,
            error=wire_error(error),
            retryable=error.retryable,
            delay_ms=round(pause * 1000),
            doubtful=doubtful,
        )

    async def _process(self, context: JobContext[Any]) -> Wire:
        """Run the processor in a task of its own, so that one which ignores its cancelling cannot hold the slot."""
        task = asyncio.create_task(self._contained(context), name=f"job-{self.job.id}")
        try:
            await asyncio.wait({task}, timeout=self._job_type.timeout)
            if not task.done():
                raise JobTimeout(f"The job ran longer than the {self._job_type.timeout:g} s its kind allows.")
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
            log.error("a processor ignores that it is cancelled", extra={"jobId": self.job.id})
            self.stuck = task

    async def _contained(self, context: JobContext[Any]) -> Wire:
        """The processor, with what would end the whole process (SystemExit and its like) made a plain failure."""
        try:
            return await self._job_type.run(context, *self._tools)
        except (SystemExit, KeyboardInterrupt) as error:
            raise ProcessorFailed(f"The job's own code raised {type(error).__name__}.") from error
