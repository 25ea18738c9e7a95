"""The looks into the record that watched jobs need: many of them together in one.

A look at one job costs what it costs to ask at all, and so does a look at sixty. While one is under way others gather, so
the busier the system, the more of them share the next; nobody waits for company. Jobs that have much to be told come back
for another page after those that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from snapasset.errors import Unavailable
from snapasset.records.events import JOBS_AT_ONCE

if TYPE_CHECKING:
    from snapasset.event import Event
    from snapasset.feed.redis_watches import Watch
    from snapasset.records.events import Missing

LookUp = Callable[["Sequence[Missing]"], "Awaitable[list[Event]]"]
"""Reads what is missing of some jobs from the record: of each in order, without holes, what there is."""

_AWAY_SECONDS: Final = 1.0
_EVENTS_AT_ONCE: Final = 512
_LEAST_PAGE: Final = 16


class Looks:
    """Reads for `watches`, jobs by their ids. `run` does the work, as long as it runs; it may run more than once."""

    def __init__(self, watches: Mapping[str, Watch], look_up: LookUp) -> None:
        self._watches = watches
        self._look_up = look_up
        self._behind: asyncio.Queue[tuple[str, Watch]] = asyncio.Queue()

    def wake(self, job_id: str, watch: Watch) -> None:
        """Have the record looked into, unless that is about to be done: whoever does it looks again before it ends."""
        if watch.behind and not watch.looking:
            watch.looking = True
            self._behind.put_nowait((job_id, watch))

    async def run(self) -> None:
        """Look for ever."""
        while True:
            some = [await self._behind.get()]
            while len(some) < JOBS_AT_ONCE and not self._behind.empty():
                some.append(self._behind.get_nowait())
            try:
                await self._look(some)
            except Unavailable:
                asyncio.get_running_loop().call_later(_AWAY_SECONDS, self._again, some)
            except BaseException:
                self._again(some)
                raise

    async def _look(self, some: Sequence[tuple[str, Watch]]) -> None:
        page = max(_LEAST_PAGE, _EVENTS_AT_ONCE // len(some))
        asked: dict[str, Watch] = {}
        missing: list[Missing] = []
        for job_id, watch in some:
            wanted = watch.missing(job_id, page) if self._watches.get(job_id) is watch else None
            if wanted is not None:
                asked[job_id] = watch
                missing.append(wanted)
        found: dict[str, list[Event]] = {job_id: [] for job_id in asked}
        for event in await self._look_up(missing) if missing else ():
            found[event.job_id].append(event)
        for job_id, watch in asked.items():
            watch.found(found[job_id])
            if watch.missing(job_id, page) is not None:
                self._behind.put_nowait((job_id, watch))
            else:
                watch.looking = False
                watch.tell_tick()

    def _again(self, some: Sequence[tuple[str, Watch]]) -> None:
        for one in some:
            self._behind.put_nowait(one)
