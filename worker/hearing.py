"""How a running job hears that it is to be cancelled: by the feed, once it has run for a moment.

Subscribing to the feed between processes, and leaving it again, costs more than all else that is done for a short job. So
it is done late, and the record is asked once right after it.

Invariant: whenever cancelling was asked for, an attempt that runs long enough is told of it, by the record if that was
before it heard the feed, by the feed if it was after.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from snapasset.errors import DatabaseUnavailable
from snapasset.records.claims import Beat

if TYPE_CHECKING:
    from collections.abc import Generator

    from snapasset.database import Database
    from snapasset.feed import Feed
    from worker.context import JobContext

log = logging.getLogger(__name__)

UNHEARD_SECONDS: Final = 0.25
"""How long an attempt runs before it hears the feed."""


@contextmanager
def hearing(context: JobContext[Any], feed: Feed, database: Database) -> Generator[None]:
    """Have what others wish of the job noted in `context` as long as the block runs, but for its first moment."""
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        task = asyncio.create_task(_hear(context, feed, database), name=f"hearing-{context.job.id}")
        task.add_done_callback(_ended)
        tasks.append(task)

    timer = asyncio.get_running_loop().call_later(UNHEARD_SECONDS, begin)
    try:
        yield
    finally:
        timer.cancel()
        for task in tasks:
            task.cancel()
            feed.unsubscribe(context.job.id, context.hear)


async def _hear(context: JobContext[Any], feed: Feed, database: Database) -> None:
    job = context.job
    await feed.subscribe(job.id, context.hear)
    with contextlib.suppress(DatabaseUnavailable):  # the next beat of the heart asks again
        context.learn(await database.write(Beat(job.id, job.fence, context.progress)))


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a running job could not be made to hear the feed", exc_info=error)
