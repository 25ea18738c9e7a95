"""How a running job hears that it is to be cancelled: by the feed, once it has run for a moment.

Subscribing to the feed between processes, and leaving it again, costs more than all else that is done for a short job. So
it is done late, and the record is asked once right after it. Nearly all jobs are over before that, so they share one timer.

Invariant: whenever cancelling was asked for, an attempt that runs long enough is told of it, by the record if that was
before it heard the feed, by the feed if it was after.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from snapasset.errors import DatabaseUnavailable
from snapasset.records.claims import Beat

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.feed import Feed
    from worker.context import JobContext

log = logging.getLogger(__name__)

UNHEARD_SECONDS: Final = 0.25
"""How long an attempt runs before it hears the feed."""


class Hearing:
    """Has what others wish of the jobs that run noted in their contexts, but for the first moment of each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._new: dict[JobContext[Any], tuple[float, Feed]] = {}
        """Those that do not hear yet: from when on they are to, and which feed; in this order."""
        self._tasks: dict[JobContext[Any], tuple[asyncio.Task[None], Feed]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, context: JobContext[Any], feed: Feed) -> None:
        """Have it hear `feed`, soon, until `end` is called."""
        loop = asyncio.get_running_loop()
        at = loop.time() + UNHEARD_SECONDS
        self._new[context] = (at, feed)
        if self._timer is None:
            self._timer = loop.call_at(at, self._look)

    def end(self, context: JobContext[Any]) -> None:
        """Have it hear nothing any more."""
        if self._new.pop(context, None) is not None:
            return
        task, feed = self._tasks.pop(context)
        task.cancel()
        feed.unsubscribe(context.job.id, context.hear)

    def _look(self) -> None:
        """Begin with those whose time has come. Goes on as long as anybody waits for it, and so ends by itself."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for context, (at, feed) in list(self._new.items()):
            if at > loop.time():
                self._timer = loop.call_at(at, self._look)
                return
            del self._new[context]
            task = asyncio.create_task(self._hear(context, feed), name=f"hearing-{context.job.id}")
            task.add_done_callback(_ended)
            self._tasks[context] = task, feed

    async def _hear(self, context: JobContext[Any], feed: Feed) -> None:
        job = context.job
        await feed.subscribe(job.id, context.hear)
        with contextlib.suppress(DatabaseUnavailable):  # the next beat of the heart asks again
            context.learn(await self._database.write(Beat(job.id, job.fence, context.progress)))


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a running job could not be made to hear the feed", exc_info=error)
