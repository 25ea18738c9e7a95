"""`RedisRings`: SAQ's `RedisQueue` under a client and rules that survive whatever becomes of Redis.

All that is kept in Redis are rings: the id and kind of a job and the `record_id`, which is part of every key too, so that
two systems on one Redis never meet. What is done is forgotten at once (`ttl` -1), so nothing grows. A ring that Redis
loses is rung again by the record's reconcilers; so nobody here holds up work in order to keep a ring.

Where it differs from SAQ's own (0.26):
 1. `dequeue` blocks for some seconds at a time, below the client's timeout, and never spins: while Redis is away one
    worker asks for it and the others wait. It returns None when its time is over, and raises nothing of Redis.
 2. A job that is taken but not marked yet is swept only when it stays so for a minute; SAQ takes it away from
    the worker that has just got it.
 3. What a worker says about a ring, and its upkeep, is dropped when Redis stays away longer than the patient client
    tries: the job itself is in the record. An update does not bring back a ring that is gone.
 4. `sweep` looks at jobs instead of listening to them; `listen`, which nothing of ours calls, pauses when it fails.
Needs Redis 6.2 or newer, or Valkey.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Any, Final, cast

from saq.job import Job, Status

from snapasset.queue.redis_address import FAILURES, READ_SECONDS, reason
from snapasset.queue.redis_listening import CalmMultiplexer
from snapasset.queue.redis_outage import Outage
from snapasset.queue.redis_sweeping import SweptQueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis
    from saq.types import WorkerInfo

    from snapasset.queue.redis_address import RedisAddress

log = logging.getLogger(__name__)

DEQUEUE_SECONDS: Final = READ_SECONDS / 2
"""Longest that Redis is asked to hold an answer back; also a good `dequeue_timeout` for SAQ's worker."""

_SHORTEST_BLOCK: Final = 0.01  # Redis 6.2 rounds less than a millisecond down to "for ever"
_PROBE_TTL: Final = 60

_ENQUEUE: Final = """
local cap = tonumber(ARGV[3])
if cap > 0 and redis.call('LLEN', KEYS[3]) >= cap then return 0 end
if redis.call('ZSCORE', KEYS[1], KEYS[2]) or redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], KEYS[2])
if ARGV[2] == '0' then redis.call('RPUSH', KEYS[3], KEYS[2]) end
return 1
"""


class RedisRings(SweptQueue):
    """One queue's rings in Redis; see the module. It owns its clients, and `disconnect` closes them."""

    def __init__(self, name: str, record_id: str, client: Redis, idle: Redis | None = None, *, cap: int = 0) -> None:
        """`client` does everything but wait for rings; that needs `idle`, which only workers have.

        `cap`: most that may wait, whoever put them there; what is beyond is not taken. 0: no end.
        """
        self._prefix = f"snapasset:{record_id}:{name}"  # SAQ's own constructor asks for names of keys
        super().__init__(client, name)
        self._idle = idle
        self._cap = cap
        self._pubsub = CalmMultiplexer(client, f"{self._prefix}:job:")
        self._outage = Outage(name, self._write_something)
        self._enqueue_ring: Any = client.register_script(_ENQUEUE)

    @classmethod
    def for_worker(cls, name: str, record_id: str, address: RedisAddress) -> RedisRings:
        """For a process that answers rings: patient, because nobody waits for it."""
        return cls(name, record_id, address.patient(), address.idle())

    @classmethod
    def for_api(cls, name: str, record_id: str, address: RedisAddress, *, cap: int = 0) -> RedisRings:
        """For whoever only rings: it fails within a second, with redis-py's own errors."""
        return cls(name, record_id, address.hasty(), cap=cap)

    def namespace(self, key: str) -> str:
        return f"{self._prefix}:{key}"

    def job_id(self, job_key: str) -> str:
        return f"{self._prefix}:job:{job_key}"

    def job_key_from_id(self, job_id: str) -> str:
        return job_id.removeprefix(f"{self._prefix}:job:")

    async def disconnect(self) -> None:
        await super().disconnect()
        if self._idle is not None:
            await self._idle.aclose()

    # Waiting for a ring

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> Job | None:  # noqa: ASYNC109
        """Take the next ring; None after `timeout` seconds (0: never). `poll_interval` is accepted and not needed."""
        assert self._idle is not None, "a queue for the API rings, and waits for no ring"
        now = asyncio.get_running_loop().time
        deadline = now() + timeout if timeout > 0 else None
        while True:
            if self._outage.lasts and not await self._outage.over(deadline):
                return None
            # Whoever begins to wait in one moment would ask again in one moment, for ever: hundreds of them stop the loop.
            patience = DEQUEUE_SECONDS * random.uniform(0.5, 1)  # noqa: S311  spreads them
            left = patience if deadline is None else min(patience, deadline - now())
            try:
                job = await self._take(self._idle, max(_SHORTEST_BLOCK, left))
            except FAILURES as error:
                self._outage.begin(error)
                continue
            self._outage.end()
            if job is not None or (deadline is not None and now() >= deadline):
                return job

    async def _take(self, idle: Redis, seconds: float) -> Job | None:
        job_id = await cast("Any", idle).blmove(self._queued, self._active, seconds, "LEFT", "RIGHT")
        if job_id is None:
            return None
        job = self._read(await self.redis.get(job_id))
        if job is None:
            await self._drop(job_id)
        return job

    async def _write_something(self) -> None:
        assert self._idle is not None
        await self._idle.set(self.namespace("probe"), b"1", ex=_PROBE_TTL)

    # The life of a ring

    async def _enqueue(self, job: Job) -> Job | None:
        async with self._op_sem:
            taken = await self._enqueue_ring(
                keys=[self._incomplete, job.id, self._queued, self._abort_id(job)],
                args=[self.serialize(job), job.scheduled, self._cap],
            )
        return job if taken else None

    async def _update(self, job: Job, status: Status | None = None, **_: object) -> None:
        try:
            if status is None:
                stored = await self.job(job.key)
                status = stored.status if stored else None
            job.status = status or job.status
            await self.redis.set(job.id, self.serialize(job), xx=True)
            await self.notify(job)
        except FAILURES as error:
            self._give_up("mark", job, error)

    async def _retry(self, job: Job, error: str | None) -> None:
        try:
            await super()._retry(job, error)
        except FAILURES as failure:
            self._give_up("give back", job, failure)

    async def _finish(self, job: Job, status: Status, *, result: object = None, error: str | None = None) -> None:
        try:
            await super()._finish(job, status, result=result, error=error)
        except FAILURES as failure:
            self._give_up("end", job, failure)

    def _give_up(self, act: str, job: Job, error: Exception) -> None:
        log.debug("could not %s the ring %s: %s", act, job.key, reason(error))

    def _abort_id(self, job: Job) -> str:
        """SAQ's own has no prefix: a key of one system, or queue, would be refused in all others."""
        return f"{self._prefix}:abort:{job.key}"

    async def abort(self, job: Job, error: str, ttl: float = 5) -> None:
        """End a waiting ring as ABORTED, ask a running one to stop; its key is refused meanwhile, for `ttl` seconds."""
        job.status, job.error = Status.ABORTING, error
        async with self._op_sem, self.redis.pipeline(transaction=True) as pipe:
            pipe.lrem(self._queued, 0, job.id)
            pipe.lrem(self._active, 0, job.id)
            pipe.zrem(self._incomplete, job.id)
            pipe.set(job.id, self.serialize(job))
            pipe.set(self._abort_id(job), error, px=max(1, round(ttl * 1000)))
            waited, *_ = await pipe.execute()
        await self.notify(job)
        if waited:
            await self.finish(job, Status.ABORTED, error=error)
            await self.redis.delete(self._abort_id(job))

    async def finish_abort(self, job: Job) -> None:
        await self.redis.delete(self._abort_id(job))
        await super().finish_abort(job)

    async def jobs(self, job_keys: Iterable[str]) -> list[Job | None]:
        keys = list(job_keys)
        return await super().jobs(keys) if keys else []

    # What time brings

    async def schedule(self, lock: int = 1) -> list[str]:
        try:
            return await super().schedule(lock)
        except FAILURES:
            return []

    async def write_worker_info(self, worker_id: str, info: WorkerInfo, ttl: int) -> None:
        with contextlib.suppress(*FAILURES):
            await super().write_worker_info(worker_id, info, ttl)
