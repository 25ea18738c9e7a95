"""A Redis that comes and goes, that has nothing to do, or that holds what nobody of ours has put there."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.faults.cluster import clustering
from tests.faults.invariants import all_ended, warnings_of_redis
from tests.faults.kinds import BEGUN
from tests.faults.patience import HEALS, TELLS, within
from tests.faults.vitals import Stretch
from tests.faults.witness import watching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Cluster

pytestmark = pytest.mark.timeout(180)

FLAPS: Final = 10
IDLE_SECONDS: Final = 30.0


@pytest.mark.fault(seconds=19)
async def test_one_that_comes_and_goes_each_second_changes_the_mode_once(tmp_path: Path) -> None:
    async with clustering(tmp_path) as cluster:
        await cluster.started(apis=2, workers=1)
        alice = cluster.person()
        stretch = Stretch(cluster.processes())
        async with watching(cluster.http, cluster.servers) as watch:
            for _ in range(FLAPS):
                cluster.proxy.refuse()
                job_ids = await alice.many(3, "errand", alice.errand(steps=2, seconds=0.05))
                cluster.follow(alice, *job_ids)
                await asyncio.sleep(0.5)
                cluster.proxy.let_through()
                await asyncio.sleep(0.5)
            stretch.assert_quiet()
            await watch.tells("redis", "ok", HEALS)
            for modes in watch.changes().values():
                assert modes in (["redis"], ["redis", "memory", "redis"], ["memory", "redis"]), modes
        await all_ended(cluster)
        assert max(warnings_of_redis(cluster)) <= 1, warnings_of_redis(cluster)
        for process in cluster.processes():
            notices = [line for line in process.log() if "Redis is back" in line["message"]]
            assert len(notices) <= 1, notices


@pytest.mark.fault(seconds=35)
async def test_with_nothing_to_do_nothing_is_done(tmp_path: Path) -> None:
    async with clustering(tmp_path) as cluster:
        await cluster.started(apis=1, workers=2)
        alice = cluster.person()
        await alice.told(await alice.submit("noop"))
        stretch = Stretch(cluster.processes())
        await asyncio.sleep(IDLE_SECONDS)
        stretch.assert_calm()
        said = [line for process in cluster.processes() for line in process.log()]
        assert all(line["level"] == "info" for line in said), said
        # The first ring after the silence is answered like any other.
        await alice.told(await alice.submit("noop"))


@pytest.mark.fault(seconds=4)
async def test_a_ring_made_by_hand_runs_nothing_that_the_record_does_not_hold(tmp_path: Path) -> None:
    async with clustering(tmp_path) as cluster:
        await cluster.started(apis=1, workers=1)
        alice = cluster.person()
        real = await alice.submit("errand", alice.errand())
        await alice.told(real)
        record_id = (await cluster.record.rows("SELECT record_id FROM record"))[0]["record_id"]
        made_up = {"job_id": "01920000-0000-7000-8000-000000000000", "kind": "errand", "record_id": record_id}
        for number, words in enumerate(
            [made_up, {**made_up, "record_id": "0" * 32}, {**made_up, "kind": "x"}, {}, {**made_up, "job_id": real}]
        ):
            await ring(cluster, record_id, f"made-up:{number}", words)
        await ring(cluster, record_id, "made-up:code", made_up, function="os.system")

        async def taken() -> bool:
            return not await asyncio.to_thread(cluster.redis.command, "LLEN", f"snapasset:{record_id}:errand:queued")

        await within(HEALS, taken, "the rings that were made by hand are taken")
        cluster.expected.update(("a ring that belongs to another record was ignored", "Error processing job"))
        again = await alice.submit("errand", alice.errand())
        await alice.told(again)
        assert sorted(line["job"] for line in cluster.ledger.lines(BEGUN)) == sorted([real, again])
        assert (await alice.job(real))["status"] == "completed"


@pytest.mark.fault(seconds=20)
@pytest.mark.parametrize("forbidden", ["rpush", "blmove", "publish"])
async def test_one_that_refuses_a_command_is_told_and_not_used(tmp_path: Path, forbidden: str) -> None:
    async with clustering(tmp_path) as cluster:
        await cluster.started(apis=1, workers=1)
        stretch = Stretch(cluster.processes())
        async with watching(cluster.http, cluster.servers) as watch:
            await asyncio.to_thread(cluster.redis.command, "ACL", "SETUSER", "default", f"-{forbidden}")
            gone_at = time.monotonic()
            await asyncio.to_thread(cluster.redis.command, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            alice = cluster.person()
            job_ids = await alice.many(6, "errand", alice.errand(steps=2, seconds=0.05))
            cluster.follow(alice, *job_ids)
            await watch.tells("memory", "down", TELLS)
            await all_ended(cluster, HEALS)
            watch.assert_told_in_time("memory", "down", gone_at)
            why = watch.glances[-1].body["services"]["redis"]["why"]
            assert why.startswith(f"Redis refuses commands that are needed: {forbidden} ")
            stretch.assert_quiet()
            await asyncio.to_thread(cluster.redis.command, "ACL", "SETUSER", "default", "+@all")
            await watch.tells("redis", "ok", HEALS)


async def ring(cluster: Cluster, record_id: str, key: str, words: dict[str, str], function: str = "ring") -> None:
    """Put a job of SAQ's into the queue of errands, as whoever owns Redis could."""
    prefix = f"snapasset:{record_id}:errand"
    job = {"function": function, "kwargs": words, "key": key, "queue": "errand", "status": "queued", "attempts": 0}
    job |= {"timeout": 10, "retries": 1, "ttl": -1, "queued": 1, "scheduled": 0}
    job_id = f"{prefix}:job:{key}"
    for command in (
        ("SET", job_id, json.dumps(job)),
        ("ZADD", f"{prefix}:incomplete", "0", job_id),
        ("RPUSH", f"{prefix}:queued", job_id),
    ):
        await asyncio.to_thread(cluster.redis.command, *command)
