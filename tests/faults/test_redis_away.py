"""Redis gone in every way there is, while jobs run and streams are open; then back. Nobody who uses the API notices."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.faults.cluster import clustering
from tests.faults.harms import HARMS
from tests.faults.invariants import all_ended, assert_ran_once, assert_told_once
from tests.faults.patience import ENDS, HEALS, TELLS
from tests.faults.vitals import Stretch
from tests.faults.witness import watching

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(180)

IDLE_SECONDS: Final = 4.0
"""How long nothing is to be done while Redis is away, so that what idle processes cost can be seen."""

LONG: Final = {"steps": 100, "seconds": 1.0, "paid": False}


@pytest.mark.parametrize("harm", [pytest.param(name, marks=pytest.mark.fault(seconds=17)) for name in HARMS])
async def test_jobs_and_streams_go_on_without_it_and_with_it_again(tmp_path: Path, harm: str) -> None:
    begin, end = HARMS[harm]
    async with clustering(tmp_path, job_max_concurrency=4) as cluster:
        await cluster.started(apis=1, workers=1)
        alice = cluster.person()
        through = await alice.many(2, "errand", alice.errand(**LONG))
        cluster.follow(alice, *through)
        for job_id in through:
            await alice.has(job_id, "active")
        async with watching(cluster.http, cluster.servers) as watch:
            stretch = Stretch(cluster.processes())
            await begin(cluster)
            gone_at = time.monotonic()
            await watch.tells("memory", "down", TELLS)
            known_at = time.monotonic()
            during = await alice.many(6, "errand", alice.errand(steps=2, seconds=0.05))
            cluster.follow(alice, *during)
            await all_ended(cluster, ENDS, during)
            stretch.assert_quiet()
            idle = Stretch(cluster.workers())
            await asyncio.sleep(IDLE_SECONDS)
            idle.assert_calm()
            assert {glance.redis for glance in watch.since(known_at)} == {"down"}
            watch.assert_told_in_time("memory", "down", gone_at)
            ends_at = time.monotonic()
            await end(cluster)
            await watch.tells("redis", "ok", HEALS)
            assert watch.changes(ends_at) == {server.url: ["memory", "redis"] for server in cluster.servers()}
        after = await alice.many(6, "errand", alice.errand())
        cluster.follow(alice, *after)
        for job_id in through:
            await alice.act(job_id, "cancel", 202)
        await all_ended(cluster)
        assert_ran_once(cluster, [*through, *during, *after])
        assert_told_once(cluster)
