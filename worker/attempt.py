"""One attempt at one job: its processor is run, and whatever comes of it is turned into the change that ends it."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ValidationError

from snapasset.errors import (
    InvalidInput,
    JobTimeout,
    OutcomeUnknown,
    ProcessorFailed,
    ProviderError,
    ProviderQuotaExceeded,
    SnapAssetError,
    SpendCapReached,
    StorageUnusable,
    wire_error,
)
from snapasset.pauses import why_paused
from snapasset.records.claims import GiveBack
from snapasset.records.endings import Complete, EndCancelled, Fail, PutOff
from worker.context import CancelNoticed, JobContext, JobLost, Stopped, own_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from snapasset.database import Write
    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.job_type import JobType, Wire
    from snapasset.settings import Settings
    from worker.context import Persist

log = logging.getLogger(__name__)

_MENDING: Final = 8
"""What has waited to be mended is looked at again after an eighth of that time: soon at first, and seldom in the end."""

UNWIND_SECONDS: Final = 5.0
"""How long a processor may take to stop when it is cancelled; one that takes longer is left to itself."""


class Attempt:
    """A claimed job about to be run. `context` is there once the job's data has been read."""

    def __init__(self, job: Job, job_type: JobType[Any, Any], tools: Sequence[object], settings: Settings) -> None:
        self.job = job
        self.context: JobContext[Any] | None = None
        self.stuck: asyncio.Task[Any] | None = None
        self.called_off = asyncio.Event()
        """Set when it is not to begin any more: the job is lost, is to be cancelled, or this process takes none now."""
        self._cancelling: bool | None = False
        self._job_type = job_type
        self._tools = tools
        self._settings = settings

    def prepare(self, done: Mapping[str, str], persist: Persist, publish: Callable[[News], None]) -> JobContext[Any]:
        """Read the job's data. Raises `InvalidInput` when it no longer suits its kind, `ProcessorFailed`."""
        try:
            args: Wire = self._job_type.args.model_validate_json(self.job.data)
            job = self._priced(args)
        except SnapAssetError:
            raise
        except ValidationError as error:
            raise InvalidInput(f"The job's data no longer suits its kind: {error.errors()[0]['msg']}") from error
        except Exception as error:
            raise self._internal(error) from error
        doubts_allowed = 1 if self._settings.paid_doubt == "repeat" else 0
        self.context = JobContext(
            job,
            args,
            done=done,
            persist=persist,
            publish=publish,
            doubts_allowed=doubts_allowed,
            caps=self._settings.spend_caps,
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
        return Complete(job.id, job.fence, result, doubtful=bool(context.paid_calls))

    def learn(self, cancelling: bool | None) -> None:
        """Take in what the record says of the job: whether it is to be cancelled; None: it is someone else's now."""
        if self.context is not None:
            self.context.learn(cancelling)
        self._cancelling = cancelling
        if cancelling is not False:
            self.called_off.set()

    def unbegun(self) -> Write[Job | None] | None:
        """The change that ends it when it has not begun; None when the job is someone else's now."""
        if self._cancelling is None:
            return None
        change = EndCancelled if self._cancelling else GiveBack
        return change(self.job.id, self.job.fence)

    def failure(self, error: SnapAssetError) -> Write[Job | None]:
        """The change that ends this attempt badly, with the pause before the next if there is to be one."""
        doubtful = self.context is not None and bool(self.context.paid_calls)
        if self.context is not None and self.context.too_doubtful:
            log.warning("a paid call was lost too often", extra={"jobId": self.job.id, "code": error.code})
            error = OutcomeUnknown()
        log.warning("an attempt failed", extra={"jobId": self.job.id, "queue": self.job.queue, "code": error.code})
        if isinstance(error, SpendCapReached | StorageUnusable):
            delay_ms = round(self._pause(error) * 1000)
            return PutOff(self.job.id, self.job.fence, wire_error(error), delay_ms, doubtful=doubtful)
        if isinstance(error, ProviderQuotaExceeded):
            why = why_paused(self._settings, self.job.queue, error.code)
            log.error(
                "the provider's quota is used up: the queue waits to be resumed",
                extra={"queue": self.job.queue, "why": why},
            )
            return PutOff(self.job.id, self.job.fence, wire_error(error), 0, pauses=True, doubtful=doubtful)
        return Fail(
            self.job.id,
            self.job.fence,
            error=wire_error(error),
            retryable=error.retryable,
            delay_ms=round(self._pause(error) * 1000),
            doubtful=doubtful,
        )

    def _priced(self, args: Wire) -> Job:
        """The job with an estimate of this process's own, if whoever took it made none or took it for free."""
        quote = self._job_type.quote
        if quote is None or self.job.estimate:
            return self.job
        return self.job._replace(estimate=quote(args, *self._tools) or self.job.estimate)

    def _pause(self, error: SnapAssetError) -> float:
        """Seconds until the next attempt, spread, so that jobs that failed together do not come back together.

        Longer each time, and never before the time that a provider has asked for: jobs that come early make it longer.
        """
        base = self._settings.retry_base_seconds
        pause = min(self._settings.retry_max_seconds, base * 2 ** (self.job.attempt - 1))
        if isinstance(error, StorageUnusable):  # its attempts are not counted: time alone makes it longer
            waited = (self.job.updated_at - self.job.created_at) / 1000
            pause = max(pause, min(self._settings.retry_max_seconds, waited / _MENDING))
        pause *= random.uniform(0.8, 1.2)  # noqa: S311
        wanted = error.retry_after_seconds if isinstance(error, ProviderError | SpendCapReached) else None
        return pause if wanted is None else max(pause, wanted + random.uniform(0, base))  # noqa: S311

    async def _process(self, context: JobContext[Any]) -> str:
        """Run the processor in a task of its own, so that one which ignores its cancelling cannot hold the slot."""
        task = asyncio.create_task(self._contained(context), name=f"job-{self.job.id}")
        try:
            await asyncio.sleep(0)  # the quickest have then returned, and to wait costs as much as all else here
            if not task.done():
                await asyncio.wait({task}, timeout=self._job_type.timeout)
            if not task.done():
                raise JobTimeout(f"The job ran longer than the {self._job_type.timeout:g} s its kind allows.")
        finally:
            await self._close(task, context)
        if task.cancelled():
            raise ProcessorFailed("The job's own code cancelled itself.")
        return task.result()

    async def _close(self, task: asyncio.Task[Any], context: JobContext[Any]) -> None:
        """See that the processor has stopped. SAQ waits a second and cancels again: then too it is noted as stuck."""
        try:
            if not task.done():
                task.cancel()
                task.add_done_callback(_overhear)
                await asyncio.wait({task}, timeout=UNWIND_SECONDS)
        finally:
            context.close()
            if not task.done():
                if context.savings.under_way:
                    log.warning("what a stopped job has paid for is still being saved", extra={"jobId": self.job.id})
                else:
                    log.error("a processor ignores that it is cancelled", extra={"jobId": self.job.id})
                self.stuck = task

    async def _contained(self, context: JobContext[Any]) -> str:
        """The processor's result as JSON. Raises a `Stopped`, a named error, or that it was cancelled; nothing else.

        SystemExit and its like would end the whole process, any other `BaseException` the handler of the ring.
        """
        try:
            result = await self._job_type.run(context, *self._tools)
            return result.model_dump_json()
        except (Stopped, SnapAssetError, asyncio.CancelledError):
            raise
        except BaseException as raised:
            error = min(_leaves(raised), key=_weight)
            named = isinstance(error, (Stopped, SnapAssetError))
            raise (error if named else self._internal(error)) from raised

    def _internal(self, error: BaseException) -> ProcessorFailed:
        log.error(
            "the kind's own code raised",
            exc_info=error,
            extra={"jobId": self.job.id, "queue": self.job.queue, "kind": self.job.kind},
        )
        return own_fault(error)


def _overhear(task: asyncio.Task[Any]) -> None:
    """Take note of what a stopped processor raised: it counts for nothing, and asyncio would complain that nobody did."""
    if not task.cancelled():
        task.exception()


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors that a group, as steps side by side may raise one, comes down to."""
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _weight(error: BaseException) -> int:
    """Which error of a group is told: the lightest. Being stopped, then what trying again cannot mend."""
    match error:
        case JobLost():
            return 0
        case CancelNoticed():
            return 1
        case SnapAssetError(retryable=False):
            return 2
        case SnapAssetError():
            return 3
        case _:
            return 4
