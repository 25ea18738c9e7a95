"""What only `RedisRings` promises: two systems never meet, nothing grows, nothing is taken from who has just got it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from saq.job import Status

from snapasset.queue.redis import DEQUEUE_SECONDS, RedisRings
from tests.contracts.conftest import wait_until, working
from tests.contracts.test_queue import begin, counts, put, stored, stuck, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contracts.test_queue_worker import Ctx
    from tests.servers.redis import RedisServer

RECORD = "0123456789abcdef"


@pytest.fixture
async def queue(redis_server: RedisServer) -> AsyncIterator[RedisRings]:
    redis_server.command("FLUSHALL")
    opened = RedisRings.for_worker("default", RECORD, redis_server.address)
    await opened.connect()
    yield opened
    await opened.disconnect()


def keys(server: RedisServer) -> set[str]:
    return {key.decode() for key in server.command("KEYS", "*")}


class TestKeys:
    async def test_each_key_carries_the_record_id(self, queue: RedisRings, redis_server: RedisServer) -> None:
        job = await put(queue, retries=2)
        await put(queue)
        await put(queue, scheduled=1)
        await begin(queue)
        await queue.abort(job, "unwanted")
        await queue.schedule()
        await queue.sweep()
        await queue.worker_info("w", queue.name, {}, 60)  # pyright: ignore[reportUnknownMemberType]
        found = keys(redis_server)
        assert len(found) > 5
        assert {key for key in found if not key.startswith(f"snapasset:{RECORD}:default:")} == set()

    async def test_two_systems_on_one_redis_never_meet(self, queue: RedisRings, redis_server: RedisServer) -> None:
        other = RedisRings.for_worker("default", uuid4().hex, redis_server.address)
        job = await put(queue, key="one")
        await put(other, key="one")
        await queue.abort(job, "unwanted", ttl=60)
        assert await counts(other) == (1, 0, 1)
        assert (await take(other)).key == "one"
        await other.disconnect()

    async def test_a_ring_says_no_more_than_it_must(self, queue: RedisRings, redis_server: RedisServer) -> None:
        ring = {"job_id": "j", "kind": "k", "record_id": RECORD}
        job = await queue.enqueue("ring", key="j:1:1", timeout=60, ttl=-1, kwargs=ring)
        assert job is not None
        kept = json.loads(redis_server.command("GET", job.id))
        assert kept.pop("kwargs") == ring
        assert kept.pop("queued") > 0
        expected = {
            "function": "ring",
            "key": "j:1:1",
            "queue": "default",
            "status": "queued",
            "timeout": 60,
            "ttl": -1,
        }
        assert kept == expected

    async def test_of_rings_that_are_done_nothing_is_left(self, queue: RedisRings, redis_server: RedisServer) -> None:
        async def ring(_ctx: Ctx, *, n: int) -> int:
            return n

        async with working(queue, ring):
            await asyncio.gather(*(put(queue, "ring", ttl=-1, n=n) for n in range(500)))

            async def all_done() -> bool:
                return await queue.count("incomplete") == 0

            await wait_until(all_done, 20)
        # What is left is one of each, however many rings there were, and goes away by itself.
        left = {key.removeprefix(f"snapasset:{RECORD}:default:").split(":")[0] for key in keys(redis_server)}
        assert left <= {"sweep", "schedule", "stats", "worker_info"}
        assert all(redis_server.command("TTL", key) != -1 for key in keys(redis_server)), "one stays for ever"


class TestWhatIsLost:
    async def test_an_update_does_not_bring_back_what_is_gone(
        self, queue: RedisRings, redis_server: RedisServer
    ) -> None:
        await put(queue, ttl=-1)
        run = await begin(queue)
        redis_server.command("FLUSHALL")
        await run.update(progress=0.5)
        assert keys(redis_server) == set()
        await run.finish(Status.COMPLETE)
        assert keys(redis_server) == set()

    @pytest.mark.parametrize("payload", [None, "{", "[]", '{"queue":"default"}', '{"queue":"other","function":"x"}'])
    async def test_what_is_no_ring_is_dropped_and_the_next_comes(
        self, queue: RedisRings, redis_server: RedisServer, payload: str | None
    ) -> None:
        broken, good = await put(queue), await put(queue)
        redis_server.command("DEL", broken.id) if payload is None else redis_server.command("SET", broken.id, payload)
        assert await queue.dequeue(timeout=0.2) in (None, good)
        if await queue.count("queued"):
            assert await take(queue) == good
        assert await counts(queue) == (0, 1, 1)

    async def test_nor_does_it_hold_up_the_sweep(self, queue: RedisRings, redis_server: RedisServer) -> None:
        broken, odd = await put(queue), await put(queue)
        for _ in range(2):
            await take(queue)
        redis_server.command("SET", broken.id, "{")
        redis_server.command("DEL", odd.id)
        redis_server.command("LPUSH", odd.id, "a list")
        job, _ = await stuck(queue)
        assert sorted(await queue.sweep(abort=0.01)) == sorted([broken.id, odd.id, job.id])
        assert await counts(queue) == (1, 0, 1)


class TestSweep:
    async def test_who_has_just_taken_a_ring_keeps_it(self, queue: RedisRings) -> None:
        job = await put(queue)
        await take(queue)
        assert await queue.sweep(abort=0.01) == []
        assert await counts(queue) == (0, 1, 1)
        assert (await stored(queue, job)).status is Status.QUEUED

    async def test_a_ring_whose_taker_died_at_once_comes_back_after_a_minute(
        self, queue: RedisRings, redis_server: RedisServer
    ) -> None:
        job, marked = await put(queue), await put(queue)
        await take(queue)
        await begin(queue)
        await queue.sweep(abort=0.01)
        seen = queue.namespace("unmarked")
        ((job_id, since),) = [redis_server.command("ZRANGE", seen, "0", "-1", "WITHSCORES")]
        assert job_id.decode() == job.id
        redis_server.command("DEL", queue.namespace("sweep"))
        redis_server.command("ZADD", seen, str(float(since) - 60), job.id)
        assert await queue.sweep(abort=0.01) == [job.id]
        assert await counts(queue) == (1, 1, 2)
        assert (await stored(queue, marked)).status is Status.ACTIVE

    async def test_a_ring_that_was_marked_in_time_is_not_noted_any_more(
        self, queue: RedisRings, redis_server: RedisServer
    ) -> None:
        await put(queue)
        run = await take(queue)
        await queue.sweep(abort=0.01)
        await run.update(status=Status.ACTIVE, started=2**42)
        redis_server.command("DEL", queue.namespace("sweep"))
        await queue.sweep(abort=0.01)
        assert redis_server.command("EXISTS", queue.namespace("unmarked")) == 0

    async def test_a_ring_that_ends_while_it_is_swept_is_not_run_again(self, queue: RedisRings) -> None:
        job, run = await stuck(queue, ttl=-1)
        sweeping = asyncio.create_task(queue.sweep(abort=5))

        async def told() -> bool:
            return (found := await queue.job(job.key)) is not None and found.status is Status.ABORTING

        await wait_until(told)
        await run.finish(Status.COMPLETE)
        assert await sweeping == [job.id]
        assert await counts(queue) == (0, 0, 0)


async def test_a_queue_that_was_listened_to_can_be_closed_and_leaves_no_connection(
    queue: RedisRings, redis_server: RedisServer
) -> None:
    job = await put(queue)
    with pytest.raises(TimeoutError):
        await queue.listen([job.key], lambda _key, _status: True, timeout=0.05)
    await queue.disconnect()

    async def alone() -> bool:
        return len(redis_server.command("CLIENT", "LIST").splitlines()) == 1

    await wait_until(alone)


class _Enough(Exception):
    """Ends a wait that has no end."""


async def test_who_waits_without_end_asks_again_at_times_of_its_own(
    queue: RedisRings, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[float] = []

    async def blmove(_source: str, _target: str, seconds: float, *_ends: str) -> None:
        patience.append(seconds)
        if len(patience) == 50:
            raise _Enough

    monkeypatch.setattr(queue._idle, "blmove", blmove)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(_Enough):
        await queue.dequeue()
    assert DEQUEUE_SECONDS / 2 <= min(patience) < max(patience) <= DEQUEUE_SECONDS
    assert len(set(patience)) > 40
