"""What a processor may do: run steps, tell progress, notice that it should stop. Nothing else reaches it.

A step that is done returns its saved output when the job runs again, after a death as after a retry, so a processor is
written as if it always ran from the start. What it did outside of steps is done again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from snapasset.database import Both
from snapasset.errors import AnswerLost, OutcomeUnknown, ProcessorFailed, ProviderError, Refused, wire_error
from snapasset.event import Event, tick
from snapasset.job_type import Wire
from snapasset.records.costs import Charge, SaveCharge
from snapasset.records.previews import FilePreview
from snapasset.records.steps import FailStep, FinishStep, SavePaidStep, ShowFile, StartStep
from worker.saving import Savings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from snapasset.database import Write
    from snapasset.errors import SnapAssetError
    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.records.files import FileRow
    from snapasset.spend_settings import Caps

    Storing = Callable[[], Awaitable[None]]

A = TypeVar("A", bound=Wire)
O = TypeVar("O", bound=Wire)  # noqa: E741  the output of a step
T = TypeVar("T")

TICK_SECONDS: Final = 0.25
"""Least time between two ticks of a job: more often than four times a second tells a person nothing."""


class Persist(Protocol):
    """Hands a running job's change to the record, again and again until the record answers."""

    async def __call__(self, change: Write[T], /) -> T: ...


class Stopped(BaseException):
    """Ends a processor early through no fault of its own.

    Not an `Exception`, so that a processor which tolerates failures does not swallow it.
    """


class CancelNoticed(Stopped):
    """Cancelling was asked for, and this is a place to stop."""


class JobLost(Stopped):
    """The job is someone else's now: whatever this executor did would be refused."""


def own_fault(error: BaseException) -> ProcessorFailed:
    """An error of a kind's own code as a named one. Its type is told and its text is not: that may hold anything."""
    return ProcessorFailed(f"{ProcessorFailed.sentence} ({type(error).__name__})")


class Step:
    """A step under way, as its work sees it."""

    def __init__(self, context: JobContext[Wire], name: str, span: tuple[float, float]) -> None:
        self._context = context
        self._name = name
        self._span = span
        self.files: list[FileRow] = []
        self.made: str | None = None
        self.likeness: str | None = None
        self.charged: Charge | None = None

    def tick(self, fraction: float) -> None:
        """Tell how much of this step is done, 0 to 1. News only: call it as often as you like, from the event loop."""
        low, high = self._span
        self._context.show(self._name, low + (high - low) * min(1.0, max(0.0, fraction)))

    def keep(self, file: FileRow) -> None:
        """Enter a file, already in the storage or with its bytes, into the record together with the step's output."""
        self.files.append(file)

    async def show(self, file: FileRow, name: str, told: Wire, store: Storing) -> bool:
        """Enter a file of passing use, `store` it, tell of it as the field `name` of an event. False: the job was lost before."""
        return await self._context.tell_of(self._name, file, name, told.model_dump_json(), store)

    def describe(self, made: Wire, likeness: str | None = None) -> None:
        """Write down with the generation, which outlives its job, how it came to be; together with the step's output.

        `likeness`: a mark of all that it was made from, by which it is found again.
        """
        self.made, self.likeness = made.model_dump_json(), likeness

    def charge(self, charge: Charge) -> None:
        """Say what the paid call of this step has cost, as soon as that is known: it is written down whatever comes after."""
        self.charged = charge


class JobContext(Generic[A]):
    """One attempt at one job, as its processor sees it.

    Attributes:
        args: what was asked for, checked.
        job: the row as it was claimed, with an estimate if only its executor knows one; its progress and step grow old.
        progress: 0 to 100, never falling within a run.
        paid_calls: the paid steps that were begun and whose outcome is not known, each with the number of its calls in
            this run that were lost before: each may have been charged.
    """

    def __init__(
        self,
        job: Job,
        args: A,
        *,
        done: Mapping[str, str],
        persist: Persist,
        publish: Callable[[News], None],
        doubts_allowed: int,
        caps: Caps | None = None,
    ) -> None:
        self.job = job
        self.args = args
        self.progress = job.progress
        self.lost = False
        self.cancel_requested = False
        self.paid_calls: dict[str, int] = {}
        self.savings = Savings()
        self._done = dict(done)
        self._persist = persist
        self._publish = publish
        self._doubts_allowed = doubts_allowed
        self._caps = caps
        self._next_tick_at = 0.0
        self._held_tick: asyncio.TimerHandle | None = None
        self._step_name: str | None = None

    @property
    def last_attempt(self) -> bool:
        """Whether a failure of this attempt ends the run."""
        return self.job.attempt >= self.job.attempts

    def has_done(self, step: str) -> bool:
        """Whether a step was done before this attempt, or in it."""
        return step in self._done

    async def step(
        self,
        name: str,
        work: Callable[[Step], Awaitable[O]],
        *,
        output: type[O],
        span: tuple[float, float],
        paid: bool = False,
    ) -> O:
        """Do `work` once per job and return its output; if it was done before, only return it.

        `name` is unique within the job and for ever; `output` is the model of what `work` returns; `span` is the part
        of the job's progress (0 to 100) that this step covers; `paid` says that the work costs money each time it is
        done. Steps of one job may run side by side. Raises what `work` raises, `OutcomeUnknown` when a paid call was
        lost too often, or a `Stopped`.
        """
        saved = self._done.get(name)
        if saved is not None:
            return self._known(name, saved, output, span[1])
        self.check_cancelled()
        self.progress = max(self.progress, span[0])
        job = self.job
        change = StartStep(job.id, job.fence, name, paid, self.progress, self._caps, job.estimate)
        started = await self._persist(change)
        if started is None:
            self.lost = True
            raise JobLost
        self.learn(started.cancel_requested)
        self.check_cancelled()
        if started.output is not None:
            return self._known(name, started.output, output, span[1])
        if paid and started.doubts > self._doubts_allowed:
            raise OutcomeUnknown
        step = Step(self, name, span)  # pyright: ignore[reportArgumentType]  it only ticks, whatever the arguments are
        if paid:
            self.paid_calls[name] = started.doubts
        result = await self._do(work, step, name)
        self.progress = max(self.progress, span[1])
        saving = self._save(step, name, result)
        self._heard(await (self.savings.to_the_end(saving) if paid else saving))  # what was paid for is saved
        return result

    async def give_up(self, step: str, error: SnapAssetError) -> None:
        """Write down that a step came to nothing, and go on without it. Raises a `Stopped`."""
        self.paid_calls.pop(step, None)
        change = FailStep(self.job.id, self.job.fence, step, wire_error(error), self.progress)
        self._heard(await self._persist(change))

    @property
    def too_doubtful(self) -> bool:
        """Whether one more lost outcome of the paid calls under way is more than may be repeated."""
        return any(doubts >= self._doubts_allowed for doubts in self.paid_calls.values())

    def check_cancelled(self) -> None:
        """Stop here if the job was cancelled or taken away. Raises a `Stopped`."""
        if self.lost:
            raise JobLost
        if self.cancel_requested:
            raise CancelNoticed

    # --- the executor's side

    def show(self, step: str | None, progress: float) -> None:
        """Have a tick published now or, if the last was just now, in a moment; the newest one wins."""
        self._step_name = step
        self.progress = max(self.progress, progress)
        if self._held_tick is not None or self.lost:
            return
        wait = self._next_tick_at - time.monotonic()
        if wait <= 0:
            self._publish_tick()
        else:
            self._held_tick = asyncio.get_running_loop().call_later(wait, self._publish_tick)

    async def tell_of(self, step: str, file: FileRow, name: str, told: str, store: Storing) -> bool:
        """Have an unfinished thing filed, stored and told of; False when the job was lost before that."""
        if self.lost or not await self._persist(FilePreview(self.job.id, self.job.fence, file)):
            return False
        await store()
        self.learn(await self._persist(ShowFile(self.job.id, self.job.fence, step, self.progress, file, name, told)))
        return not self.lost

    def hear(self, news: News) -> None:
        """Take in news of this job from the feed: somebody may have asked to cancel it."""
        # Late news of an earlier run would end this one, which the record would then not accept as ended.
        if isinstance(news, Event) and news.seq > self.job.seq and '"cancelRequested":true' in news.body:
            self.cancel_requested = True

    def learn(self, cancelling: bool | None) -> None:
        """Take in what the record says of the held job: whether it is to be cancelled; None: it is held no more."""
        self.lost = self.lost or cancelling is None
        self.cancel_requested = self.cancel_requested or bool(cancelling)

    def close(self) -> None:
        """Say and begin nothing more, whatever the processor may have left running."""
        self.lost = True
        self._drop_tick()

    def _drop_tick(self) -> None:
        """Forget the tick that waits for its turn: an event has told more than it would."""
        if self._held_tick is not None:
            self._held_tick.cancel()
            self._held_tick = None

    def _known(self, name: str, saved: str, output: type[O], progress: float) -> O:
        self._done[name] = saved
        self.progress = max(self.progress, progress)
        return output.model_validate_json(saved)

    async def _do(self, work: Callable[[Step], Awaitable[O]], step: Step, name: str) -> O:
        try:
            return await work(step)
        except BaseException as error:
            if step.charged is not None:  # paid for, and there is nothing to save it with
                await self.savings.shielded(self._persist(SaveCharge(self.job, name, step.charged)))
            elif isinstance(error, (ProviderError, Refused)) and not isinstance(error, AnswerLost):
                # A provider that names its failure says by that whether it charged; anything else says nothing.
                self.paid_calls.pop(name, None)
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise own_fault(error) from error  # out of a task of the step's own, it would end the whole process
            raise

    async def _save(self, step: Step, name: str, result: Wire) -> bool | None:
        """Write down what a step has made. Returns whether cancelling was asked for, None if the job is not held."""
        job, text, kept = self.job, result.model_dump_json(), (tuple(step.files), step.made)
        self._drop_tick()
        charge = step.charged or (Charge() if name in self.paid_calls else None)
        held = await self._persist(
            FinishStep(job.id, job.fence, name, text, self.progress, *kept, charge, step.likeness)
        )
        if held is None and name in self.paid_calls:
            late = SavePaidStep(job.id, job.run, name, text, *kept, step.likeness)
            await self._persist(Both(late, SaveCharge(job, name, charge or Charge())))
        self.paid_calls.pop(name, None)
        self._done[name] = text
        return held

    def _heard(self, answer: bool | None) -> None:
        """Take in what a change of the held job answered. Raises `JobLost` if it is held no more."""
        self.learn(answer)
        if answer is None:
            raise JobLost

    def _publish_tick(self) -> None:
        self._held_tick = None
        if self.lost:
            return
        self._next_tick_at = time.monotonic() + TICK_SECONDS
        self._publish(tick(self.job, self._step_name, self.progress))
