"""Redis dies again and again under work: each time costs as much as the time before, and nothing is kept of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from tests.faults.cluster import clustering
from tests.faults.invariants import all_ended, assert_ran_once
from tests.faults.patience import ENDS, HEALS, TELLS
from tests.faults.vitals import Holding
from tests.faults.witness import watching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Cluster
    from tests.flows.process import Process

pytestmark = pytest.mark.timeout(240)

DEATHS: Final = 4
JOBS: Final = 120

FEW: Final = 12
"""Most descriptors by which a process may differ from what it had after the first death: what is under way just then."""

LITTLE: Final = 15_000_000
"""Most bytes by which it may have grown in so many deaths."""


@pytest.mark.fault(seconds=40)
async def test_what_a_process_holds_after_one_death_it_holds_after_many(tmp_path: Path) -> None:
    async with clustering(tmp_path, redis_return_seconds=1) as cluster:
        await cluster.started(apis=1, workers=1)
        first = await death(cluster)
        for _ in range(DEATHS - 1):
            last = await death(cluster)
            for process, held in first.items():
                now = last[process]
                print(f"measured: {type(process).__name__}: {now.descriptors} descriptors, {now.memory / 1e6:.0f} MB")
                assert now.descriptors <= held.descriptors + FEW
                assert now.memory <= held.memory + LITTLE


async def death(cluster: Cluster) -> dict[Process, Holding]:
    """Redis dies while jobs run and are handed in, and comes back; what each process holds when all has ended."""
    alice = cluster.person()
    job_ids = await alice.many(JOBS, "errand", alice.errand(steps=1, seconds=0.02))
    async with watching(cluster.http, cluster.servers) as watch:
        await asyncio.to_thread(cluster.redis.kill)
        await watch.tells("memory", "down", TELLS)
        job_ids += await alice.many(JOBS, "errand", alice.errand(steps=1, seconds=0.02))
        await asyncio.to_thread(cluster.redis.start)
        await watch.tells("redis", "ok", HEALS)
    job_ids += await alice.many(JOBS, "errand", alice.errand(steps=1, seconds=0.02))
    await all_ended(cluster, 2 * ENDS)
    assert_ran_once(cluster, job_ids)
    return {process: Holding.of(process) for process in cluster.processes()}
