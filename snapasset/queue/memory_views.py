"""What can be seen of a `MemoryQueue` without changing it: jobs, counts, workers, news.

Every job that is given out is a handle of its own, made from the stored record, and remembers which life of its key,
and which dequeue of it, it shows.
"""

from __future__ import annotations

import asyncio
import json
import time
from inspect import isawaitable
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from saq.job import Job, Status
from saq.queue.base import Queue
from saq.utils import now_seconds

from snapasset.queue.memory_entries import Entries, Entry
from snapasset.queue.memory_waiting import IdleWorkers, Listeners

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from saq.types import CountKind, DumpType, ListenCallback, LoadType, QueueInfo, WorkerInfo

_ALL: Final = list(Status)

_ORIGIN: Final = "_memory_queue_origin"
"""Attribute of a handle: the number of the claim, else of the generation, that it comes from."""


class MemoryViews(Queue):
    """The half of `MemoryQueue` that looks; see there for the arguments."""

    def __init__(
        self,
        name: str = "default",
        dump: DumpType | None = None,
        load: LoadType | None = None,
        swept_error_message: str | None = None,
        *,
        max_ended: int = 50_000,
        wall: Callable[[], float] = now_seconds,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name=name, dump=dump, load=load, swept_error_message=swept_error_message)
        self._entries = Entries(wall, monotonic, max_ended)
        self._idle = IdleWorkers()
        self._listeners = Listeners()
        self._workers: dict[str, tuple[float, str]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}<name={self.name!r}>"

    def job_id(self, job_key: str) -> str:
        return f"saq:job:{self.name}:{job_key}"

    def job_key_from_id(self, job_id: str) -> str:
        return job_id.removeprefix(self.job_id(""))

    def copy(self, job: Job) -> Job:
        """A handle of its own for the same job, as stale or not as `job` is."""
        twin = Job.__new__(Job)
        vars(twin).update(vars(job))
        return twin

    async def job(self, job_key: str) -> Job | None:
        entry = self._entries.get(job_key)
        return None if entry is None else self._read(entry)

    async def jobs(self, job_keys: Iterable[str]) -> list[Job | None]:
        return [await self.job(key) for key in job_keys]

    async def iter_jobs(self, statuses: list[Status] = _ALL, batch_size: int = 100) -> AsyncIterator[Job]:
        """Every job that was there at the start and has one of `statuses` when its turn comes."""
        wanted = set(statuses)
        for number, key in enumerate(list(self._entries.by_key), 1):
            entry = self._entries.get(key)
            if entry is not None and entry.status in wanted:
                yield self._read(entry)
            if number % batch_size == 0:
                await asyncio.sleep(0)

    async def count(self, kind: CountKind) -> int:
        entries = self._entries
        counts = {"queued": len(entries.ready), "active": len(entries.active), "incomplete": entries.incomplete}
        if kind not in counts:
            raise ValueError(f"cannot count jobs of the kind {kind!r}")
        return counts[kind]

    async def info(self, jobs: bool = False, offset: int = 0, limit: int = 10) -> QueueInfo:
        """Counts, live workers and, if asked for, a page of the incomplete jobs: active, ready, then soonest first."""
        entries, now = self._entries, self._entries.monotonic()
        page: Iterable[Entry] = ()
        if jobs:
            soonest = sorted(entries.scheduled.values(), key=lambda entry: entry.due)
            page = islice(chain(entries.active.values(), entries.ready.values(), soonest), offset, offset + limit)
        return {
            "workers": {key: json.loads(text) for key, (until, text) in self._workers.items() if until > now},
            "name": self.name,
            "queued": len(entries.ready),
            "active": len(entries.active),
            "scheduled": len(entries.scheduled),
            "jobs": [self._read(entry).to_dict() for entry in page],
        }

    async def write_worker_info(self, worker_id: str, info: WorkerInfo, ttl: int) -> None:
        now = self._entries.monotonic()
        self._workers = {key: kept for key, kept in self._workers.items() if kept[0] > now}
        self._workers[worker_id] = (now + ttl, json.dumps(info))

    async def notify(self, job: Job) -> None:
        self._listeners.publish(job.key, job.status)

    async def listen(
        self,
        job_keys: Iterable[str],
        callback: ListenCallback,
        timeout: float | None = 10,  # noqa: ASYNC109 (SAQ's signature)
        poll_interval: float = 0.5,
    ) -> None:
        """Call `callback(key, status)` on each change, and once for what has ended already, until it returns true.

        Raises `TimeoutError` after `timeout` seconds (0 or None: never); returns when the queue disconnects.
        """
        keys = list(dict.fromkeys(job_keys))
        if not keys:
            return
        with self._listeners.open(keys) as box:
            for entry in filter(None, map(self._entries.get, keys)):
                if entry.ended:
                    box.put(entry.key, entry.status)
            async with asyncio.timeout(timeout or None):
                while news := await box.take():
                    answer = callback(*news)
                    if await answer if isawaitable(answer) else answer:
                        return

    def _read(self, entry: Entry) -> Job:
        job = self.deserialize(entry.payload, entry.status)  # pyright: ignore[reportUnknownMemberType]
        if job is None:
            raise ValueError(f"empty record of job {entry.key}")
        job.started, job.touched = entry.started.wall, entry.touched.wall
        remember_origin(job, entry)
        return job


def remember_origin(job: Job, entry: Entry) -> None:
    """Make `job` a handle of the dequeue that holds `entry`, else of this life of its key."""
    vars(job)[_ORIGIN] = entry.generation if entry.claim is None else entry.claim


def is_holder(job: Job, entry: Entry) -> bool:
    """Whether `job` comes from the dequeue that holds `entry`."""
    return entry.claim is not None and vars(job).get(_ORIGIN) == entry.claim


def is_stale(job: Job, entry: Entry) -> bool:
    """Whether `job` speaks for an earlier dequeue or an earlier life of its key."""
    origin = vars(job).get(_ORIGIN)
    if origin is not None:
        return origin not in (entry.generation, entry.claim)
    if job.attempts < entry.attempts:
        return bool(job.attempts or job.started)
    late_run = job.attempts == entry.attempts and job.started not in (0, entry.started.wall)
    return late_run or (job.started != 0 and entry.claim is None)
