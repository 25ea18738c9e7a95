"""Kinds that the fault tests need beside the trial kinds: they pay, do harm, or are unknown to an older version.

What they did is written into a ledger, a file that no death of a process takes back: each line is one write. So a test
knows from outside what was begun, charged and ended, whatever the record says of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from snapasset.job_type import Catalogue, JobType, Wire
from tests.flows.serve import with_trials

if TYPE_CHECKING:
    from snapasset.settings import Settings
    from worker.context import JobContext, Step

BEGUN: Final = "begun"
CHARGED: Final = "charged"
ENDED: Final = "ended"

SHORT_SECONDS: Final = 3.0
"""How long an attempt of a `wreck` may take."""


class Ledger:
    """One file for all processes of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, what: str, context: JobContext[Any], step: str | None = None) -> None:
        job = context.job
        line = {"what": what, "job": job.id, "fence": job.fence, "step": step, "pid": os.getpid(), "at": time.time()}
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{json.dumps(line)}\n".encode())
        finally:
            os.close(handle)

    def lines(self, what: str) -> list[dict[str, Any]]:
        """All that was noted of this, in the order in which it happened."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]
        return [line for line in lines if line["what"] == what]


class Errand(Wire):
    """`steps` steps, each charged, if it is paid, when it is begun, and answered after `seconds`."""

    ledger: str
    steps: int = Field(default=1, ge=1, le=100)
    seconds: float = Field(default=0.0, ge=0, le=600)
    paid: bool = True


class Receipt(Wire):
    """What a paid call was answered with."""

    step: int
    attempt: int


class Receipts(Wire):
    receipts: tuple[Receipt, ...]


async def _errand(context: JobContext[Errand]) -> Receipts:
    errand = context.args
    ledger = Ledger(Path(errand.ledger))
    ledger.note(BEGUN, context)
    receipts: list[Receipt] = []
    for number in range(1, errand.steps + 1):
        name = f"pay:{number}"

        async def pay(_: Step, number: int = number, name: str = name) -> Receipt:
            if errand.paid:
                ledger.note(CHARGED, context, name)
            if errand.seconds:
                await asyncio.sleep(errand.seconds)
            return Receipt(step=number, attempt=context.job.attempt)

        span = (100 * (number - 1) / errand.steps, 100 * number / errand.steps)
        receipts.append(await context.step(name, pay, output=Receipt, span=span, paid=errand.paid))
    ledger.note(ENDED, context)
    return Receipts(receipts=tuple(receipts))


ERRAND: Final = JobType(kind="errand", queue="errand", args=Errand, result=Receipts, run=_errand)


class Wreck(Wire):
    """Does harm in each of its first `times` attempts. `block`: it holds the event loop for `seconds`."""

    ledger: str
    how: Literal["exit", "block", "hang", "ignore-cancel", "give-way"]
    times: int = 1
    seconds: float = 0.0


class Unruly(BaseException):
    """What no processor should raise: neither an `Exception` nor anything that Python knows."""


async def _wreck(context: JobContext[Wreck]) -> Receipt:
    wreck = context.args
    Ledger(Path(wreck.ledger)).note(BEGUN, context)

    async def do(_: Step) -> Receipt:
        if context.job.attempt <= wreck.times:
            await _harm(wreck)
        return Receipt(step=1, attempt=context.job.attempt)

    return await context.step("harm", do, output=Receipt, span=(0.0, 100.0))


async def _harm(wreck: Wreck) -> None:
    if wreck.how == "exit":
        os._exit(9)
    if wreck.how == "give-way":
        raise Unruly
    if wreck.how == "block":
        time.sleep(wreck.seconds)  # noqa: ASYNC251  that is the harm
    while wreck.how in ("hang", "ignore-cancel"):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if wreck.how == "hang":
                raise


WRECK: Final = JobType(kind="wreck", queue="wreck", args=Wreck, result=Receipt, run=_wreck, timeout=SHORT_SECONDS)


class Nothing(Wire):
    """No data, no result."""


async def _novelty(_context: JobContext[Nothing]) -> Nothing:
    return Nothing()


NOVELTY: Final = JobType(kind="novelty", queue="walk", args=Nothing, result=Nothing, run=_novelty)
"""Of a queue that older versions serve, and unknown to them."""


def newer(settings: Settings) -> Catalogue:
    """The catalogue of the newer version: all that `tests.flows.serve` has, and these."""
    return Catalogue([*with_trials(settings), ERRAND, WRECK, NOVELTY])
