"""Kinds that do nothing of use: for tests and measurements. The product's catalogue does not list them."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from snapasset.errors import AnswerLost, InvalidInput, ProviderTimeout
from snapasset.job_type import JobType, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.context import JobContext, Step


class Nothing(Wire):
    """No data, no result."""


async def _noop(_context: JobContext[Nothing]) -> Nothing:
    return Nothing()


NOOP = JobType(kind="noop", queue="noop", args=Nothing, result=Nothing, run=_noop)


Mishap = Literal["none", "fail", "refuse", "raise", "exit", "hang", "ignore-cancel", "kill", "lose-answer"]


_RAISED: Final[dict[Mishap, Callable[[], BaseException]]] = {
    "fail": ProviderTimeout,
    "refuse": lambda: InvalidInput("This walk is refused."),
    "raise": lambda: RuntimeError("a walk that raises"),
    "exit": lambda: SystemExit(3),
    "lose-answer": AnswerLost,
}


class Walk(Wire):
    """A walk of `steps` steps, each of `seconds`; step `mishap_at` (from 1) of the first `mishaps` attempts has one."""

    steps: int = Field(default=3, ge=1, le=1_000)
    seconds: float = Field(default=0.0, ge=0, le=600)
    paid: bool = False
    mishap: Mishap = "none"
    mishap_at: int = 1
    mishaps: int = 1


class Footprint(Wire):
    """What one step leaves: the attempt and the run that did it."""

    step: int
    run: int
    attempt: int
    fence: int


class Walked(Wire):
    footprints: tuple[Footprint, ...]


async def _walk(context: JobContext[Walk]) -> Walked:
    walk = context.args
    job = context.job

    def stepping(number: int) -> Footprint:
        return Footprint(step=number, run=job.run, attempt=job.attempt, fence=job.fence)

    footprints: list[Footprint] = []
    for number in range(1, walk.steps + 1):

        async def work(step: Step, number: int = number) -> Footprint:
            for part in range(10):
                step.tick(part / 10)
                if walk.seconds:
                    await asyncio.sleep(walk.seconds / 10)
            if number == walk.mishap_at and job.attempt <= walk.mishaps:
                await _suffer(walk.mishap)
            return stepping(number)

        span = (100 * (number - 1) / walk.steps, 100 * number / walk.steps)
        footprints.append(await context.step(f"walk:{number}", work, output=Footprint, span=span, paid=walk.paid))
    return Walked(footprints=tuple(footprints))


async def _suffer(mishap: Mishap) -> None:
    if mishap in _RAISED:
        raise _RAISED[mishap]()
    if mishap == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while mishap in ("hang", "ignore-cancel"):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if mishap == "hang":
                raise


WALK = JobType(kind="walk", queue="walk", args=Walk, result=Walked, run=_walk, attempts=3, timeout=600.0)
