"""Brings rings to the executor: one `saq.Worker` for each queue of the catalogue."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, ClassVar

from saq.worker import Worker

from snapasset.job import new_id
from snapasset.switch import RING
from worker.executor import Executor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from signal import Signals

    from saq.queue.base import Queue

    from snapasset.database import Database
    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings
    from snapasset.switch import Switch

log = logging.getLogger(__name__)


class _QueueWorker(Worker[Any]):
    """SAQ's worker under our own signal handling: signals belong to the process, not to one of its queues."""

    SIGNALS: ClassVar[list[Signals]] = []  # pyright: ignore[reportIncompatibleVariableOverride]


class Runner:
    """Runs the jobs of every queue of the catalogue in this process."""

    def __init__(
        self,
        *,
        database: Database,
        switch: Switch,
        catalogue: Catalogue,
        tools: Mapping[type, object],
        settings: Settings,
    ) -> None:
        """`tools` maps the types that kinds ask for to what they get. Raises `BadConfiguration` if one is missing."""
        self.worker_id = new_id()
        self._executor = Executor(
            worker_id=self.worker_id,
            database=database,
            switch=switch,
            catalogue=catalogue,
            tools=tools,
            settings=settings,
        )
        self._workers = [self._worker(switch.queues[queue], settings) for queue in catalogue.queues]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def stuck(self) -> int:
        """How many processors ignore that they were cancelled and would hold up the end of the process."""
        return self._executor.stuck

    async def start(self) -> None:
        """Begin to answer rings."""
        await self._executor.open()
        self._tasks = [asyncio.create_task(worker.start(), name=f"saq-{worker.queue.name}") for worker in self._workers]

    async def stop(self) -> None:
        """Claim nothing new, let what runs end within the drain, give the rest back. Harmless when called again."""
        await self._executor.drain()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()  # SAQ's own `stop` would be undone by a `start` that has not begun yet; this is not
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._executor.close()

    def _worker(self, queue: Queue, settings: Settings) -> _QueueWorker:
        async def ring(_context: dict[str, Any], *, job_id: str, kind: str, record_id: str) -> None:
            del job_id, kind  # what a ring is about is for people who look into the queue; the record decides
            await self._executor.answer(queue.name, record_id)

        return _QueueWorker(queue, [(RING, ring)], concurrency=settings.job_max_concurrency)
