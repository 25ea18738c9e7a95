"""A database that is away when a test says so, and other parts that do not do as they should."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from snapasset.database import Database
from snapasset.errors import DatabaseUnavailable
from snapasset.queue.memory import MemoryQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from saq.job import Job

    from snapasset.database import Read, Write

T = TypeVar("T")


class Weather(Database):
    """Another database, as long as it is not `away`, for reading alone while it is not `writable`.

    It counts what it was asked since the weather last turned.
    """

    def __init__(self, real: Database) -> None:
        super().__init__()
        self.name = real.name
        self.asked = 0
        self.writable = True
        self.before_reading: Callable[[Read[Any]], None] = lambda _question: None
        self._real = real
        self._away = False
        self._asked = asyncio.Condition()

    async def turn(self, *, away: bool) -> None:
        """Change the weather, and wait until several rounds of questions have felt it."""
        self._away, self.asked = away, 0
        async with asyncio.timeout(10), self._asked:
            await self._asked.wait_for(lambda: self.asked >= 12)

    def be(self, *, away: bool) -> None:
        self._away, self.asked = away, 0

    async def open(self) -> None:
        await self._real.open()

    async def close(self) -> None:
        await self._real.close()

    async def write(self, change: Write[T]) -> T:
        await self._feel()
        if not self.writable:
            raise DatabaseUnavailable("The disk is full.")
        return await self._real.write(change)

    async def read(self, question: Read[T]) -> T:
        await self._feel()
        self.before_reading(question)
        return await self._real.read(question)

    async def _feel(self) -> None:
        async with self._asked:
            self.asked += 1
            self._asked.notify_all()
        if self._away:
            raise DatabaseUnavailable("Somebody has pulled the plug.")


class SlowQueue(MemoryQueue):
    """A queue that never answers."""

    async def _enqueue(self, job: Job) -> Job | None:
        await asyncio.Event().wait()
        return job


class BrokenQueue(MemoryQueue):
    """A queue that takes nothing."""

    async def _enqueue(self, job: Job) -> Job | None:
        raise ConnectionError(f"no way for {job.key}")


class StickyQueue(MemoryQueue):
    """A queue that cannot be closed."""

    async def disconnect(self) -> None:
        raise ConnectionError(f"{self.name} is stuck")
