"""Which rings in Redis were taken and lead nowhere, and what becomes of them.

SAQ's own sweep takes a job away from the worker that has just got it and had no time yet to mark it, and crashes when a
job ends while it is swept. Here a job that is taken and not marked is left alone for a minute, by Redis's clock.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, cast

from saq.job import TERMINAL_STATUSES, Job, Status
from saq.queue.redis import RedisQueue

from snapasset.queue.redis_address import FAILURES, reason

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

_UNMARKED_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.2

_TAKEN: Final = """
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return {} end
local taken = {}
for i, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    local payload = redis.pcall('GET', id)
    taken[i] = {id, type(payload) == 'string' and payload}
end
return {redis.call('TIME')[1], taken}
"""


class SweptQueue(RedisQueue):
    """A `RedisQueue` that sweeps only what is dead, and never raises anything of Redis from it."""

    def __init__(self, client: Redis, name: str) -> None:
        super().__init__(cast("Any", client), name)
        self._look_at_taken: Any = client.register_script(_TAKEN)
        self._unmarked = self.namespace("unmarked")

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        """Abort what is stuck, give it `abort` seconds to stop, then retry or end it; return the ids.

        Does nothing when somebody swept in the last `lock` seconds.
        """
        try:
            swept = await self._find_stuck(lock)
            for job in swept.values():
                if job is not None:
                    await self.abort(job, self.swept_error_message)
            stuck = [job for job in swept.values() if job is not None]
            await self._wait_for_ends(stuck, abort)
            for job, stored in zip(stuck, await self.jobs(job.key for job in stuck), strict=True):
                if stored is not None and stored.status is Status.ABORTING:
                    await self._bring_back(job)
        except FAILURES as error:
            log.debug("could not sweep: %s", reason(error))
            return []
        return list(swept)

    def _read(self, payload: bytes | None) -> Job | None:
        """The job that was stored; None when there is none, or what is there is none: anybody may write to Redis."""
        try:
            job = self.deserialize(payload)  # pyright: ignore[reportUnknownMemberType]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return job if job is not None and _is_sound(job) else None

    async def _find_stuck(self, lock: int) -> dict[str, Job | None]:
        """Rings that were taken and lead nowhere, by id; None for one of which only the id is left."""
        answer = await self._look_at_taken(keys=[self._sweep, self._active], args=[lock])
        if not answer:
            return {}
        now, taken = int(answer[0]), {job_id: self._read(payload) for job_id, payload in answer[1]}
        waited = await self._note_unmarked(
            now, [job_id for job_id, job in taken.items() if job is not None and job.status is not Status.ACTIVE]
        )
        stuck: dict[str, Job | None] = {}
        for job_id, job in taken.items():
            if job is None:
                await self._drop(job_id)
            if job is None or job.stuck or waited.get(job_id, 0) >= _UNMARKED_SECONDS:
                stuck[job_id.decode()] = job
        return stuck

    async def _note_unmarked(self, now: int, unmarked: list[bytes]) -> dict[bytes, float]:
        """For how many seconds, by Redis's clock, each has been seen taken and not marked."""
        seen: dict[bytes, float] = dict(await cast("Any", self.redis).zrange(self._unmarked, 0, -1, withscores=True))
        gone = seen.keys() - unmarked
        new = {job_id: now for job_id in unmarked if job_id not in seen}
        async with self.redis.pipeline(transaction=True) as pipe:
            if gone:
                pipe.zrem(self._unmarked, *gone)
            if new:
                pipe.zadd(self._unmarked, new)
            await pipe.execute()
        return {job_id: now - seen.get(job_id, now) for job_id in unmarked}

    async def _wait_for_ends(self, stuck: list[Job], seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        keys: list[str] = [job.key for job in stuck]
        while keys and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(_LOOK_SECONDS, left))
            found = zip(keys, await self.jobs(keys), strict=True)
            keys = [key for key, job in found if job is not None and job.status not in TERMINAL_STATUSES]

    async def _bring_back(self, job: Job) -> None:
        if job.retryable:
            await self.retry(job, self.swept_error_message)
        else:
            await self.finish(job, Status.ABORTED, error=self.swept_error_message)

    async def _drop(self, job_id: bytes) -> None:
        """Forget a ring of which nothing is left but the id."""
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.lrem(self._active, 0, cast("str", job_id))
            pipe.zrem(self._incomplete, job_id)
            await pipe.execute()


def _is_sound(job: Job) -> bool:
    """Whether SAQ can count with what stands there."""
    numbers: list[object] = [job.timeout, job.heartbeat, job.retries, job.ttl, job.attempts, job.scheduled, job.queued]
    numbers += [job.started, job.touched, job.completed]
    others: list[object] = [job.kwargs]
    return all(isinstance(one, int | float | None) for one in numbers) and all(
        isinstance(one, dict | None) for one in others
    )
