"""Five hundred jobs are under way when Redis dies, forgets, or loses what it answered: none is lost, none runs twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from tests.faults.cluster import clustering
from tests.faults.invariants import all_ended, assert_ran_once, assert_told_once, warnings_of_redis
from tests.faults.kinds import ENDED
from tests.faults.patience import ENDS, HEALS, TELLS, within
from tests.faults.vitals import Stretch
from tests.faults.witness import watching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Cluster

pytestmark = pytest.mark.timeout(240)

CROWD: Final = 500
FOLLOWED: Final = 20
ERRAND: Final = {"steps": 2, "seconds": 0.2}
HANDS: Final = 8
"""So the crowd takes some 13 s: Redis dies and is back while there is work."""

AWAY_SECONDS: Final = 2.0
"""How long Redis is dead: longer than it takes to be noticed, so that the workers go on without it."""


@pytest.mark.fault(seconds=20)
@pytest.mark.parametrize("log_of_writes", ["aof", "plain"])
async def test_killed_and_started_again(tmp_path: Path, log_of_writes: str) -> None:
    redis = "aof" if log_of_writes == "aof" else "plain"
    async with clustering(tmp_path, redis=redis, job_max_concurrency=HANDS) as cluster:
        await cluster.started(apis=2, workers=2)
        job_ids = await crowd(cluster)
        stretch = Stretch(cluster.processes())
        async with watching(cluster.http, cluster.servers) as watch:
            await asyncio.to_thread(cluster.redis.kill)
            await watch.tells("memory", "down", TELLS)
            await asyncio.sleep(AWAY_SECONDS)
            await asyncio.to_thread(cluster.redis.start)
            await watch.tells("redis", "ok", HEALS)
        await all_ended(cluster, 2 * ENDS)
        stretch.assert_quiet()
        assert_ran_once(cluster, job_ids)
        assert_told_once(cluster)
        await assert_no_ring_waits(cluster)


@pytest.mark.fault(seconds=20)
async def test_flushed(tmp_path: Path) -> None:
    async with clustering(tmp_path, job_max_concurrency=HANDS) as cluster:
        await cluster.started(apis=2, workers=2)
        job_ids = await crowd(cluster)
        for share in (0.1, 0.3, 0.5):
            await done(cluster, share)
            await asyncio.to_thread(cluster.redis.command, "FLUSHALL")
        await all_ended(cluster, 2 * ENDS)
        assert_ran_once(cluster, job_ids)
        await assert_no_ring_waits(cluster)


@pytest.mark.fault(seconds=20)
async def test_it_throws_keys_away_to_make_room(tmp_path: Path) -> None:
    async with clustering(tmp_path, job_max_concurrency=HANDS) as cluster:
        await cluster.started(apis=2, workers=2)
        used = (await asyncio.to_thread(cluster.redis.command, "INFO", "memory"))["used_memory"]
        await asyncio.to_thread(cluster.redis.command, "CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        await asyncio.to_thread(cluster.redis.command, "CONFIG", "SET", "maxmemory", str(used + 50_000))
        job_ids = await crowd(cluster)
        await all_ended(cluster, 2 * ENDS)
        thrown = (await asyncio.to_thread(cluster.redis.command, "INFO", "stats"))["evicted_keys"]
        assert thrown > 0, "nothing was thrown away"
        assert_ran_once(cluster, job_ids)


@pytest.mark.fault(seconds=20)
async def test_connections_are_reset_again_and_again(tmp_path: Path) -> None:
    async with clustering(tmp_path, job_max_concurrency=HANDS) as cluster:
        await cluster.started(apis=2, workers=2)
        stretch = Stretch(cluster.processes())
        job_ids = await crowd(cluster)
        for _ in range(20):
            cluster.proxy.reset()
            await asyncio.sleep(0.2)
        await all_ended(cluster, 2 * ENDS)
        stretch.assert_quiet()
        assert_ran_once(cluster, job_ids)
        assert max(warnings_of_redis(cluster)) <= 1, warnings_of_redis(cluster)


@pytest.mark.fault(seconds=20)
async def test_the_answer_to_each_ring_is_lost(tmp_path: Path) -> None:
    async with clustering(tmp_path, job_max_concurrency=HANDS) as cluster:
        await cluster.started(apis=2, workers=2)
        alice = cluster.person()
        await alice.told(await alice.submit("errand", alice.errand()))
        cluster.proxy.lose_answers_to(b"EVALSHA", b'"ring"')  # how a ring is enqueued, and the function that it names
        job_ids = await crowd(cluster)
        await done(cluster, 0.5)
        assert cluster.proxy.lost_answers > 0
        cluster.proxy.let_through()
        await all_ended(cluster, 2 * ENDS)
        assert_ran_once(cluster, job_ids)


async def crowd(cluster: Cluster) -> list[str]:
    """Submit them at both APIs, follow some, and wait until the work is well under way."""
    alice = cluster.person()
    job_ids: list[str] = []
    for server in cluster.servers():
        person = alice.at(server)
        job_ids += await person.many(CROWD // len(cluster.servers()), "errand", person.errand(**ERRAND))
    cluster.follow(alice, *job_ids[:: CROWD // FOLLOWED])
    await done(cluster, 0.05)
    return job_ids


async def done(cluster: Cluster, share: float) -> None:
    """Wait until this share of the crowd has been done."""

    async def look() -> bool:
        return len(cluster.ledger.lines(ENDED)) >= share * CROWD

    await within(ENDS, look, f"{share:.0%} of the crowd have been done")


async def assert_no_ring_waits(cluster: Cluster) -> None:
    """Rings of jobs that have ended go: they are answered, and claim nothing.

    One that was being answered when Redis died stays until it would have timed out. It counts for nothing.
    """

    async def look() -> bool:
        waiting = await asyncio.to_thread(cluster.redis.command, "KEYS", "snapasset:*:queued")
        return not waiting

    await within(HEALS, look, "no ring waits in Redis")
    left = await asyncio.to_thread(cluster.redis.command, "KEYS", "snapasset:*:job:*")
    assert len(left) <= HANDS * len(cluster.workers()), left
