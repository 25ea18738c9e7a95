"""Brings rings to the executor: for each queue of the catalogue one `saq.Worker` a source, in this process and in Redis."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from saq.worker import Worker

from snapasset import __version__
from snapasset.job import new_id
from snapasset.records.workers import WorkerRow
from snapasset.switch import RING
from worker.executor import Executor
from worker.gate import ring_came
from worker.posts import Post

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from signal import Signals

    from saq.job import Job
    from saq.queue.base import Queue

    from snapasset.database import Database
    from snapasset.job_type import Catalogue
    from snapasset.metrics import Metrics
    from snapasset.settings import Settings
    from snapasset.switch import Switch
    from worker.gate import Gate

log = logging.getLogger(__name__)

_UNWIND_SECONDS: Final = 7.0
"""How long SAQ's workers may take to stop: somewhat longer than a processor may (`worker.attempt`)."""


async def _as_a_ring(context: dict[str, Any]) -> None:
    """Whatever stands in the queue is a ring, with our rules and not its own: whoever has Redis can write anything there."""
    job: Job = context["job"]
    record_id = (job.kwargs or {}).get("record_id")
    job.function, job.kwargs = RING, {"record_id": record_id if isinstance(record_id, str) else ""}
    job.timeout = job.heartbeat = 0
    job.retries, job.ttl = 1, -1


class _QueueWorker(Worker[Any]):
    """SAQ's worker under our own signal handling: signals belong to the process, not to one of its queues."""

    SIGNALS: ClassVar[list[Signals]] = []  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, source: Queue, gate: Gate, answer: Callable[..., Awaitable[None]], concurrency: int) -> None:
        super().__init__(source, [(RING, answer)], concurrency=concurrency, before_process=_as_a_ring)
        self._gate = gate

    async def abort(self, *_threshold: object, **_named: object) -> None:
        """Break nothing off: nobody of ours aborts a ring, and whoever has Redis must not."""

    async def process(self) -> bool:
        """Wait for a ring and answer it, once rings are wanted."""
        await self._gate.passed()
        with self._gate.waiting():
            return await super().process()


class Runner:
    """Runs the jobs of the queues of the catalogue in this process."""

    def __init__(
        self,
        *,
        database: Database,
        switch: Switch,
        catalogue: Catalogue,
        tools: Mapping[type, object],
        settings: Settings,
        metrics: Metrics,
        role: Literal["worker", "api"] = "worker",
        accept: Iterable[str] | None = None,
    ) -> None:
        """`tools` maps the types that kinds ask for to what they get; `accept`: the queues it begins with, None for all.

        Raises `BadConfiguration` if a tool is missing.
        """
        self.worker_id = new_id()
        self._switch = switch
        self._catalogue = catalogue
        self._settings = settings
        self._executor = Executor(
            worker=WorkerRow(
                id=self.worker_id,
                role=role,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=__version__,
                kinds=tuple(job_type.kind for job_type in catalogue),
                queues=tuple(catalogue.queues if accept is None else accept),
            ),
            database=database,
            switch=switch,
            catalogue=catalogue,
            tools=tools,
            settings=settings,
            metrics=metrics,
        )
        self._posts: list[Post] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._hanging = 0
        self._stopping = False

    @property
    def stuck(self) -> int:
        """How many processors ignore that they were cancelled, or wait for Redis, and would hold up the end of the process."""
        return self._executor.stuck + self._hanging

    @property
    def accepts(self) -> tuple[str, ...]:
        """The queues whose jobs it takes now."""
        return self._executor.accepts

    @property
    def lives(self) -> bool:
        """Whether all that must run for jobs to be run does. One that was told to stop lives until its process ends."""
        answers = bool(self._tasks) and not any(task.done() for task in self._tasks)
        runs = answers and self._executor.beats and all(post.steady for post in self._posts)
        return runs or self._stopping

    async def start(self) -> None:
        """Begin to answer rings. The switch must be open."""
        await self._executor.open()
        for queue in self._catalogue.queues:
            for source in self._switch.sources(queue):
                post = Post(queue, partial(self._worker, source, queue), lambda: self._stopping)
                self._posts.append(post)
                self._tasks.append(asyncio.create_task(post.hold(), name=f"saq-{queue}"))

    async def accept(self, queues: Iterable[str]) -> None:
        """Take jobs of these queues from now on, and of no others; what runs goes on. Once it is to stop, it takes none."""
        if not self._stopping:
            await self._executor.accept(queues)

    async def stop(self) -> None:
        """Claim nothing new, let what runs end within the drain, give the rest back. Harmless when called again."""
        self._stopping = True
        await self._executor.drain()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()  # SAQ's own `stop` would be undone by a `start` that has not begun yet; this is not
        if tasks:
            # SAQ tells Redis what became of each ring, and a Redis that stands still is waited for long.
            _, pending = await asyncio.wait(tasks, timeout=_UNWIND_SECONDS)
            self._hanging = len(pending)
        await self._executor.close()

    def _worker(self, source: Queue, queue: str) -> _QueueWorker:
        async def ring(_context: dict[str, Any], *, record_id: str = "", **_about: object) -> None:
            # What else a ring says is for people who look into the queue; the record decides.
            ring_came()
            await self._executor.answer(queue, record_id)

        return _QueueWorker(source, self._executor.gates[queue], ring, self._settings.job_max_concurrency)
