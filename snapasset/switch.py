"""Which queue and which feed this process uses, opened and changed as a pair.

Without Redis that is a `MemoryQueue` for each queue and the in-process feed, for good: the mode is `memory`. With Redis it
is `redis` for as long as Redis takes writes, and `memory` while it does not. The feed is one object in both modes: the one
over Redis tells what this process does at once, with Redis or without, and hands on the rest when Redis is back; so no
stream notices the change.

A ring is a SAQ job that says no more than "there is work": whoever takes it claims the most urgent ready job from the
record. So a ring may be lost, doubled or late; it may never carry what the record does not hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from snapasset.errors import BadConfiguration, QueueUnavailable
from snapasset.feed.memory import MemoryFeed
from snapasset.feed.redis import RedisFeed
from snapasset.queue.memory import MemoryQueue
from snapasset.queue.redis import RedisRings
from snapasset.queue.redis_address import RedisAddress
from snapasset.queue.redis_presence import Presence
from snapasset.queue.redis_probe import OtherRecord, RedisProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from saq.queue.base import Queue

    from snapasset.feed import Feed
    from snapasset.feed.redis_looks import LookUp
    from snapasset.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")
Mode = Literal["redis", "memory"]
RedisStatus = Literal["ok", "down", "not configured"]

RING: Final = "ring"
"""The one SAQ function there is."""

_NO_TTL: Final = -1
"""SAQ forgets a ring the moment it is done: nobody ever asks for its outcome."""

_FIRST_PROBE_SECONDS: Final = 2.0

_MOST_ASKED: Final = 256
"""Questions to Redis that are under way at once."""


class Switch:
    """The pair of queue and feed in use. Open it before use, close it after the workers."""

    def __init__(self, queues: Iterable[str], settings: Settings, *, ring_timeout: int, serves: bool = False) -> None:
        """`ring_timeout`: seconds after which SAQ gives up on a ring; far above what any job may take.

        `serves`: whether this process answers rings that come through Redis.
        """
        self.queues: dict[str, Queue] = {name: MemoryQueue(name) for name in queues}
        """The queue within this process, of each name."""
        self.feed: Feed = MemoryFeed()
        self.mode: Mode = "memory"
        self.mode_since = time.time()
        """In seconds since the epoch."""
        self.why: str | None = None
        """Why Redis is not used though it is asked for, as a sentence without secrets."""
        self._settings = settings
        self._ring_timeout = ring_timeout
        self._serves = serves
        self._record_id = ""
        self._rung = 0
        self._configured = False
        self._rings: dict[str, RedisRings] = {}
        self._served: dict[str, RedisRings] = {}
        self._presence = Presence(settings.redis_return_seconds, there=False)
        self._probe: RedisProbe | None = None
        self._probing: asyncio.Task[None] | None = None
        self._doubt = asyncio.Event()
        self._asked: set[asyncio.Task[Any]] = set()
        self._listeners: list[Callable[[], None]] = []

    async def open(self, record_id: str, look_up: LookUp | None = None) -> None:
        """Begin, with Redis where the settings name one that can be used.

        `record_id` goes with every ring, so that no worker answers one that is about another record. `look_up` is what
        the feed over Redis reads events with. Raises `BadConfiguration` when Redis serves another record.
        """
        self._record_id = record_id
        for queue in self.queues.values():
            await queue.connect()
        try:
            address = RedisAddress.from_settings(self._settings)
        except BadConfiguration as error:
            self._configured = True
            self._fall_back(error.detail)
            return
        if address is not None and look_up is not None:
            self._configured = True
            await self._open_redis(address, look_up)

    async def close(self) -> None:
        """Close every part, those too that come after one that cannot be closed; that one's error is raised at the end."""
        tasks = [*self._asked] if self._probing is None else [self._probing, *self._asked]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with AsyncExitStack() as last_first:
            if self._probe is not None:
                last_first.push_async_callback(self._probe.leave)
            last_first.push_async_callback(self.feed.close)
            for queue in (*self.queues.values(), *self._rings.values(), *self._served.values()):
                last_first.push_async_callback(queue.disconnect)

    @property
    def redis(self) -> RedisStatus:
        """How Redis is, by the last probe; it may be fine for some seconds before it is used again."""
        if not self._configured:
            return "not configured"
        return "ok" if self._presence.answered else "down"

    def sources(self, queue: str) -> list[Queue]:
        """All that a worker of this process listens to for the rings of a queue, in either mode."""
        served = self._served.get(queue)
        return [self.queues[queue]] if served is None else [self.queues[queue], served]

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each change of the mode. It must be quick and must not raise."""
        self._listeners.append(listener)

    async def ring(self, queue: str, job_id: str, kind: str, fence: int) -> bool:
        """Say that a job is ready; whether a ring was added.

        None is added when enough wait already, nor when the queue does not answer in time: the reconciler rings again.
        An unknown queue has no worker here and gets no ring.
        """
        target = self._target(queue)
        if target is None:
            return False
        try:
            return await self._in_time(self._put(target, job_id, kind, fence, self._settings.ring_cap))
        except Exception as error:  # noqa: BLE001  SAQ's, Redis's or the system's: nobody waits for a ring
            self._failed(target, "a ring was not taken", error, {"queue": queue, "jobId": job_id})
            return False

    async def ring_here(self, queue: str, job_id: str, kind: str, fence: int) -> bool:
        """Say that a job is ready to the worker of this process alone, past Redis; whether a ring was added."""
        target = self.queues.get(queue)
        if target is None or not self._serves:
            return False
        return await self._put(target, job_id, kind, fence, self._settings.job_max_concurrency)

    async def _put(self, target: Queue, job_id: str, kind: str, fence: int, cap: int) -> bool:
        if isinstance(target, MemoryQueue) and await target.count("queued") >= cap:
            return False
        self._rung += 1
        ring = await target.enqueue(
            RING,
            key=f"{job_id}:{fence}:{self._rung}",
            timeout=self._ring_timeout,
            ttl=_NO_TTL,
            kwargs={"job_id": job_id, "kind": kind, "record_id": self._record_id},
        )
        return ring is not None

    async def _in_time(self, asked: Coroutine[Any, Any, T]) -> T:
        """What is answered within `ring_seconds`. Raises `TimeoutError`, and whatever the question raises.

        A question that is late is not broken off, since that would break off the connection it makes; nobody would ever
        have one to a Redis that is far away. It is held until its client gives up.
        """
        task = asyncio.create_task(asked)
        self._asked.add(task)
        task.add_done_callback(self._forget)
        await asyncio.wait({task}, timeout=self._settings.ring_seconds)
        if not task.done():
            raise TimeoutError
        return task.result()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # it failed for whoever asked, or had gone by then

    async def waiting_rings(self, queue: str) -> int | None:
        """How many rings of a queue nobody has taken yet; None when that cannot be told now."""
        target = self._target(queue)
        if target is None:
            return None
        try:
            return await self._in_time(target.count("queued"))
        except Exception as error:  # noqa: BLE001  as above
            self._failed(target, "rings could not be counted", error, {"queue": queue})
            return None

    def _target(self, queue: str) -> Queue | None:
        """Where rings go now; nowhere while Redis is in use and has just failed, or has much to answer already.

        Else everybody would wait for it in turn, and more rings than are ever kept would be under way.
        """
        if self.mode == "memory":
            return self.queues.get(queue)
        return None if self._doubt.is_set() or len(self._asked) >= _MOST_ASKED else self._rings.get(queue)

    def _failed(self, target: Queue, what: str, error: Exception, extra: dict[str, str]) -> None:
        if isinstance(target, MemoryQueue):
            log.error(what, exc_info=error, extra=extra)
            return
        log.debug(what, exc_info=error, extra=extra)
        if self.mode == "redis":  # else it was on its way when the mode changed
            self._doubt.set()

    # --- Redis

    async def _open_redis(self, address: RedisAddress, look_up: LookUp) -> None:
        self._probe = RedisProbe(address, self._record_id)
        try:
            await self._probe.ask(_FIRST_PROBE_SECONDS)
        except OtherRecord:
            await self._probe.leave()
            raise
        except QueueUnavailable as error:
            self._fall_back(error.detail)
        else:
            self._presence = Presence(self._settings.redis_return_seconds, there=True)
            self.mode = "redis"
        cap = self._settings.ring_cap
        for name in self.queues:
            self._rings[name] = RedisRings.for_api(name, self._record_id, address, cap=cap)
            if self._serves:
                self._served[name] = RedisRings.for_worker(name, self._record_id, address)
        feed = RedisFeed(address, self._record_id, look_up)
        self.feed = feed
        await feed.open()
        self._probing = asyncio.create_task(self._probe_on(self._probe), name="redis-probe")

    async def _probe_on(self, probe: RedisProbe) -> None:
        took = 0.0
        while True:
            await self._pause(self._presence.pause(self._settings.redis_probe_seconds, took))
            began = time.monotonic()
            try:
                await self._ask(probe)
            except Exception:
                log.exception("a probe of Redis went wrong")
            took = time.monotonic() - began

    async def _pause(self, seconds: float) -> None:
        """Until the next probe is due, or something that was asked of Redis has failed."""
        if self._presence.certain:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._doubt.wait()
        else:
            await asyncio.sleep(seconds)

    async def _ask(self, probe: RedisProbe) -> None:
        try:
            await probe.ask(self._settings.redis_probe_seconds)
        except QueueUnavailable as error:
            if self._presence.failed():
                self._fall_back(error.detail)
                self._change("memory")
            elif self.mode == "memory":
                if isinstance(error, OtherRecord) and self.why != error.detail:
                    log.error("Redis cannot be used", extra={"why": error.detail})  # noqa: TRY400  its sentence says all
                self.why = error.detail
        else:
            self.why = None
            if self._presence.came(time.monotonic()):
                log.info("Redis is back, using it again")
                self._change("redis")
            self._doubt.clear()

    def _fall_back(self, why: str) -> None:
        self.why = why
        log.warning("Redis not available, using in-memory queue fallback", extra={"why": why})

    def _change(self, mode: Mode) -> None:
        self.mode = mode
        self.mode_since = time.time()
        self._doubt.clear()
        for listener in self._listeners:
            listener()
