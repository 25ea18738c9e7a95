"""`python -m bench.work`: the real worker process and two kinds of job more: one does nothing, one writes down its times."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.queue_log import logged
from snapasset.job_type import Catalogue, JobType, Wire
from worker.__main__ import main
from worker.processors import catalogue
from worker.processors.trial import NOOP, Nothing

if TYPE_CHECKING:
    from snapasset.settings import Settings
    from worker.context import JobContext


class Logged(Wire):
    """Which job it is, into which file it writes, and how many seconds it lasts."""

    number: int
    log: str
    seconds: float


async def _write_down(context: JobContext[Logged]) -> Nothing:
    await logged(context.args.log, context.args.number, context.args.seconds)
    return Nothing()


LOGGED = JobType(kind="logged", queue="logged", args=Logged, result=Nothing, run=_write_down)


def with_trials(settings: Settings) -> Catalogue:
    """The product's kinds, `noop` and `logged`."""
    return Catalogue([*catalogue(settings), NOOP, LOGGED])


if __name__ == "__main__":
    sys.exit(main(with_trials))
