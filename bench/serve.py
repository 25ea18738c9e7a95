"""`python -m bench.serve`: the real server and two kinds of job more: one does nothing, one watches the event loop."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Final

from server.__main__ import main
from snapasset.job_type import Catalogue, JobType, Wire
from worker.processors import catalogue
from worker.processors.trial import NOOP

if TYPE_CHECKING:
    from snapasset.settings import Settings
    from worker.context import JobContext

_NAP: Final = 0.005


class Watch(Wire):
    """How long to look, in seconds."""

    seconds: float


class Naps(Wire):
    """When each nap was over (seconds since 1970), and by how many seconds it had become longer than it should be."""

    ended: tuple[float, ...]
    late: tuple[float, ...]


async def _watch(context: JobContext[Watch]) -> Naps:
    ended: list[float] = []
    late: list[float] = []
    until = time.monotonic() + context.args.seconds
    while time.monotonic() < until:
        begun = time.perf_counter()
        await asyncio.sleep(_NAP)
        late.append(max(0.0, time.perf_counter() - begun - _NAP))
        ended.append(time.time())
    return Naps(ended=tuple(ended), late=tuple(late))


LOOP_WATCH = JobType(kind="loop-watch", queue="loop-watch", args=Watch, result=Naps, run=_watch, timeout=120.0)


def with_trials(settings: Settings) -> Catalogue:
    """The product's kinds, `noop` and `loop-watch`."""
    return Catalogue([*catalogue(settings), NOOP, LOOP_WATCH])


if __name__ == "__main__":
    sys.exit(main(with_trials))
