"""The clocks of hosts jump an hour and back while jobs run, wait for their time, and are watched: nobody notices.

Over PostgreSQL the times are the server's, and each host is wrong by itself; over SQLite they are the one host's.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from tests.faults.clock import HOUR, Clock
from tests.faults.cluster import clustering
from tests.faults.invariants import all_ended, assert_ran_once
from tests.faults.kinds import BEGUN
from tests.faults.patience import ENDS, HEALS, SLACK, TELLS, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Cluster

pytestmark = [pytest.mark.timeout(180), pytest.mark.fault(seconds=19)]

LEASE: Final = 5
DELAY: Final = 4.0
LONG: Final = {"steps": 24, "seconds": 0.5}
"""So these are under way at both jumps."""

SIGNS: Final = {"forward": 1, "back": -1}


@pytest.mark.parametrize("first", SIGNS)
@pytest.mark.parametrize("record", ["postgres", "sqlite"])
async def test_nothing_is_taken_over_or_lost(tmp_path: Path, record: Literal["postgres", "sqlite"], first: str) -> None:
    of_apis, of_workers = Clock(tmp_path / "of-apis"), Clock(tmp_path / "of-workers")
    apart = -1 if record == "postgres" else 1  # the workers' host is wrong the other way, or it is the same host
    redis = "plain" if record == "postgres" else None
    async with clustering(tmp_path, record=record, redis=redis, lease_seconds=LEASE, cleanup_cron="off") as cluster:
        await cluster.api(faults_clock=of_apis.path)
        others = (cluster.worker(faults_clock=of_workers.path) for _ in range(2))
        await asyncio.gather(cluster.api(faults_clock=of_apis.path), *others)
        alice = cluster.person()
        long = await alice.many(2, "errand", alice.errand(**LONG))
        delayed = [await alice.submit("errand", alice.errand(), delay=DELAY) for _ in range(4)]
        cluster.follow(alice, *long, *delayed)
        for job_id in long:
            await alice.has(job_id, "active")
        short: list[str] = []
        for offset in (SIGNS[first] * HOUR, 0.0):
            of_apis.show(offset)
            of_workers.show(apart * offset)
            begun = await alice.many(6, "errand", alice.errand(steps=2, seconds=0.1))
            cluster.follow(alice, *begun)
            await all_ended(cluster, ENDS, begun)
            await assert_gone_by(cluster, begun, offset, apart * offset)
            short += begun
            await asyncio.sleep(LEASE + 1)  # long enough for whoever takes a jump for silence
        await all_ended(cluster)
        await cluster.told_all()
        everything = [*long, *delayed, *short]
        assert_ran_once(cluster, everything)
        for job in await alice.each(everything):
            assert (job["status"], job["attempt"]) == ("completed", 1), job
        opened = {witness.opened for witness in cluster.witnesses}
        assert opened == {2}, "a stream was cut: once to follow, once to hear that it is over"
        waited = [(row["started_at"] - row["created_at"]) / 1000 for row in await rows_of(cluster, delayed)]
        assert min(waited) >= DELAY, waited
        if record == "postgres":
            assert max(waited) < DELAY + SLACK * HEALS, waited


async def assert_gone_by(cluster: Cluster, job_ids: list[str], offset: float, workers_offset: float) -> None:
    """Fail unless the processes see these clocks: the APIs when they date an answer, a worker when it began these jobs."""

    async def dated() -> bool:
        answers = [await cluster.http.get(f"{server.url}/health/live") for server in cluster.servers()]
        return all(is_near(parsedate_to_datetime(answer.headers["date"]).timestamp(), offset) for answer in answers)

    await within(TELLS, dated, f"the APIs' clocks are {offset:g} s fast")
    workers = {worker.pid for worker in cluster.workers()}
    lines = [line for line in cluster.ledger.lines(BEGUN) if line["job"] in job_ids]
    begun = [line["at"] for line in lines if line["pid"] in workers]
    assert begun, "no worker has begun one"
    assert all(is_near(at, workers_offset) for at in begun), begun


def is_near(at: float, offset: float) -> bool:
    return abs(at - time.time() - offset) < HOUR / 2


async def rows_of(cluster: Cluster, job_ids: list[str]) -> list[Any]:
    rows = await cluster.record.rows("SELECT id, created_at, started_at FROM jobs")
    return [row for row in rows if row["id"] in job_ids]
