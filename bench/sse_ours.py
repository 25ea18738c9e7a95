"""`python -m bench.sse_ours server` or `worker`: the product's own processes with kinds more that publish when told to.

Each event is one change of the record, a step's start or its end, on its way through everything that a real one passes.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import TYPE_CHECKING, Final

from server.__main__ import main as serve
from snapasset.job_type import Catalogue, JobType, Wire
from worker.__main__ import main as work
from worker.processors import catalogue
from worker.processors.trial import NOOP, Nothing

if TYPE_CHECKING:
    from snapasset.settings import Settings
    from worker.context import JobContext, Step

KINDS: Final = ("flow-a", "flow-b", "flow-c", "flow-d")
"""Each in a queue of its own, as one queue runs at most 256 jobs at once in a process."""


class Flow(Wire):
    """Which publisher it is, where the conductor listens, how many events are under way at once, how long each is."""

    number: int
    baton: str
    lanes: int = 1
    pad: int = 0


class Part(Wire):
    """What a step returns: nothing that counts, at its length."""

    pad: str


async def _flow(context: JobContext[Flow]) -> Nothing:
    args, fence = context.args, context.job.fence
    reader, writer = await asyncio.open_unix_connection(args.baton)
    told = asyncio.Semaphore(0)
    part = Part(pad="x" * 2 * args.pad)  # only every other event carries it

    async def end(_step: Step) -> Part:
        await told.acquire()
        return part

    async def publish(lane: int) -> None:
        for turn in itertools.count():
            await told.acquire()
            await context.step(f"{fence}-{lane}-{turn}", end, output=Part, span=(0, 0))

    lanes = [asyncio.create_task(publish(lane)) for lane in range(args.lanes)]
    try:
        writer.write(b"%d\n" % args.number)
        while lines := await reader.read(65_536):
            for _ in lines:
                told.release()
    finally:
        for lane in lanes:
            lane.cancel()
        await asyncio.wait(lanes)
        writer.close()
    return Nothing()


def with_flows(settings: Settings) -> Catalogue:
    """The product's kinds, `noop` and those that publish."""
    flows = [JobType(kind=kind, queue=kind, args=Flow, result=Nothing, run=_flow) for kind in KINDS]
    return Catalogue([*catalogue(settings), NOOP, *flows])


if __name__ == "__main__":
    sys.exit(work(with_flows) if sys.argv[1] == "worker" else serve(with_flows))
