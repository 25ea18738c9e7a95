"""Which queue and which feed this process uses, opened and changed as a pair.

Without Redis that is a `MemoryQueue` for each queue and the in-process feed, for good: the mode is `memory`.

A ring is a SAQ job that says no more than "there is work": whoever takes it claims the most urgent ready job from the
record. So a ring may be lost, doubled or late; it may never carry what the record does not hold.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from snapasset.feed.memory import MemoryFeed
from snapasset.queue.memory import MemoryQueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saq.queue.base import Queue

    from snapasset.feed import Feed
    from snapasset.settings import Settings

log = logging.getLogger(__name__)

RING: Final = "ring"
"""The one SAQ function there is."""

_NO_TTL: Final = -1
"""SAQ forgets a ring the moment it is done: nobody ever asks for its outcome."""


class Switch:
    """The pair of queue and feed in use. Open it before use, close it after the workers."""

    def __init__(self, queues: Iterable[str], settings: Settings, *, ring_timeout: int) -> None:
        """`ring_timeout`: seconds after which SAQ gives up on a ring; above the longest kind's timeout."""
        self.mode: Final = "memory"
        self.feed: Feed = MemoryFeed()
        self._queues: dict[str, Queue] = {name: MemoryQueue(name) for name in queues}
        self._settings = settings
        self._ring_timeout = ring_timeout
        self._record_id = ""
        self._rung = 0

    async def open(self, record_id: str) -> None:
        """`record_id` goes with every ring, so that no worker answers one that is about another record."""
        self._record_id = record_id
        for queue in self._queues.values():
            await queue.connect()

    async def close(self) -> None:
        for queue in self._queues.values():
            await queue.disconnect()
        await self.feed.close()

    @property
    def queues(self) -> dict[str, Queue]:
        """The SAQ queue of each name, for the workers."""
        return self._queues

    async def ring(self, queue: str, job_id: str, kind: str, fence: int) -> bool:
        """Say that a job is ready; whether a ring was added.

        None is added when enough wait already, nor when the queue does not answer in time: the reconciler rings again.
        An unknown queue has no worker here and gets no ring.
        """
        target = self._queues.get(queue)
        if target is None:
            return False
        self._rung += 1
        try:
            async with asyncio.timeout(self._settings.ring_seconds):
                if await target.count("queued") >= self._settings.ring_cap:
                    return False
                ring = await target.enqueue(
                    RING,
                    key=f"{job_id}:{fence}:{self._rung}",
                    timeout=self._ring_timeout,
                    ttl=_NO_TTL,
                    kwargs={"job_id": job_id, "kind": kind, "record_id": self._record_id},
                )
        except Exception:
            log.exception("a ring was not taken", extra={"queue": queue, "jobId": job_id})
            return False
        return ring is not None

    async def waiting_rings(self, queue: str) -> int:
        """How many rings of a queue nobody has taken yet."""
        return await self._queues[queue].count("queued")
