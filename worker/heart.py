"""Tells the record that this process is there, each second, and every few seconds which jobs it still works on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import TYPE_CHECKING, Final

from snapasset.database import Liveness
from snapasset.errors import DatabaseUnavailable
from snapasset.records.claims import Beat
from snapasset.records.workers import Dismiss, WorkerBeat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from snapasset.database import Database
    from snapasset.records.workers import WorkerRow
    from snapasset.settings import Settings
    from worker.attempt import Attempt

log = logging.getLogger(__name__)

_TELL_SECONDS: Final = 2.0
"""A record that hangs must not hold up a stop, nor the beats after this one."""


_SLICES: Final = 20
"""The beats of a process that has many attempts are spread over so many moments, as all in one would hold its loop up."""


class Heart:
    """Beats for one process and for each of its attempts. What it finds out about them it notes in their contexts."""

    def __init__(
        self,
        database: Database,
        sign: Callable[[], WorkerRow],
        attempts: Callable[[], Collection[Attempt]],
        settings: Settings,
    ) -> None:
        """`sign`: what this process says of itself now."""
        self._database = database
        self._sign = sign
        self._attempts = attempts
        self._settings = settings
        self._beating: list[asyncio.Task[None]] = []
        self._due: dict[Attempt, float] = {}

    async def start(self) -> None:
        """Make this process known, and begin."""
        if isinstance(self._database, Liveness):
            await asyncio.to_thread(self._database.hold, self._sign().id)
        await self.tell()
        self._beating = [
            asyncio.create_task(self._again(self.tell, self._settings.presence_seconds), name="presence"),
            asyncio.create_task(self._again(self._beat_those_due, self._settings.beat_seconds / _SLICES), name="heart"),
        ]

    async def stop(self) -> None:
        for task in self._beating:
            task.cancel()
        await asyncio.gather(*self._beating, return_exceptions=True)

    async def dismiss(self) -> None:
        """Have this process forgotten: it has nothing in hand any more."""
        with contextlib.suppress(DatabaseUnavailable):
            await self._database.write(Dismiss(self._sign().id))
        if isinstance(self._database, Liveness):
            await asyncio.to_thread(self._database.release, self._sign().id)

    async def tell(self) -> None:
        """Say now, and not at the next beat, what this process does."""
        with contextlib.suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(_TELL_SECONDS):
                await self._database.write(WorkerBeat(self._sign()))

    @property
    def beats(self) -> bool:
        """Whether the tasks of the heart still run."""
        return bool(self._beating) and not any(task.done() for task in self._beating)

    async def _again(self, act: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await act()
            except Exception:
                log.exception("a beat went wrong")

    async def _beat_those_due(self) -> None:
        now, pause = time.monotonic(), self._settings.beat_seconds
        # The first comes at any time within the pause: attempts that began together do not beat together.
        self._due = {one: self._due.get(one) or now + random.uniform(0, pause) for one in self._attempts()}  # noqa: S311
        due = [attempt for attempt, at in self._due.items() if at <= now]
        self._due |= dict.fromkeys(due, now + pause)
        await asyncio.gather(*(self._beat(attempt) for attempt in due))

    async def _beat(self, attempt: Attempt) -> None:
        job, context = attempt.job, attempt.context
        progress = job.progress if context is None else context.progress
        with contextlib.suppress(DatabaseUnavailable):  # then nobody can take the job over either
            cancelled = await self._database.write(Beat(job.id, job.fence, progress))
            attempt.learn(cancelled)
