"""Five hundred readers, sixty of whom are cut off each second, while processes die: each sees each event just once.

Two of ten readers of a job are witnesses, whom the test leaves alone: what a reader of the others may not miss, they
tell. `SNAPASSET_FAULTS_SEED` repeats who is cut when, and where.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.faults.cluster import clustering
from tests.faults.crowd import Crowd, Watched
from tests.faults.patience import ENDS, HEALS, TELLS, within
from tests.faults.vitals import Holding
from tests.faults.witness import watching
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from tests.faults.cluster import Caller, Cluster

JOBS: Final = 50
READERS: Final = 8
WITNESSES: Final = 2

STEP: Final = 0.8
"""Seconds of a step: in it each job tells two events, and some ticks."""

ENDLESS: Final = 1_000
"""Steps of a job that goes on until it is cancelled."""

A_WHILE: Final = 90
"""Cuts between one thing that is done to the processes and the next: one and a half seconds of them."""

SETTINGS: Final[dict[str, Any]] = {
    "job_max_concurrency": 25,  # of one process: so that both are at it, and half of the jobs wait while one is gone
    "drain_seconds": 0.5,
    "stream_drain_seconds": 0.5,
    "lease_seconds": 15,
    "redis_return_seconds": 1,
}


@pytest.fixture
def dice() -> random.Random:
    seed = int(os.environ.get("SNAPASSET_FAULTS_SEED") or random.randrange(1, 1_000_000))
    print(f"SNAPASSET_FAULTS_SEED={seed}")
    return random.Random(seed)


@pytest.mark.timeout(180)
async def test_two_apis_without_redis(tmp_path: Path, dice: random.Random) -> None:
    await without_redis(tmp_path, dice, rounds=1)


@pytest.mark.timeout(180)
async def test_two_apis_and_two_workers_with_redis(tmp_path: Path, dice: random.Random) -> None:
    await with_redis(tmp_path, dice, rounds=1)


@pytest.mark.fault(seconds=80)
@pytest.mark.timeout(400)
async def test_two_apis_without_redis_for_longer(tmp_path: Path, dice: random.Random) -> None:
    await without_redis(tmp_path, dice, rounds=5)


@pytest.mark.fault(seconds=120)
@pytest.mark.timeout(400)
async def test_two_apis_and_two_workers_with_redis_for_longer(tmp_path: Path, dice: random.Random) -> None:
    await with_redis(tmp_path, dice, rounds=5)


async def without_redis(folder: Path, dice: random.Random, rounds: int) -> None:
    async with clustering(folder, record="sqlite", redis=None, **SETTINGS) as cluster:
        await cluster.started(apis=2, workers=0)
        churn = await Churn.of(cluster, dice)
        async with churn.crowd.reading(cluster.servers) as tasks:
            await churn.begin(tasks)
            for _ in range(rounds):
                await roll(cluster, churn.crowd)
            await churn.end()
        await churn.assert_each_saw_all()


async def with_redis(folder: Path, dice: random.Random, rounds: int) -> None:
    async with clustering(folder, **SETTINGS) as cluster:
        # Not by the proxy, which would take its time from the readers.
        where: dict[str, Any] = {"redis_url": f"redis://127.0.0.1:{cluster.redis.port}"}
        await cluster.started(apis=2, workers=2, **where)
        churn = await Churn.of(cluster, dice)
        async with (
            churn.crowd.reading(cluster.servers) as tasks,
            watching(cluster.http, cluster.servers) as watch,
        ):
            await churn.begin(tasks)
            for _ in range(rounds):
                await asyncio.to_thread(cluster.redis.kill)
                await watch.tells("memory", "down", TELLS)
                await churn.crowd.suffered(A_WHILE)
                await asyncio.to_thread(cluster.redis.start)
                await watch.tells("redis", "ok", HEALS)
                await churn.crowd.suffered(A_WHILE)
                await roll(cluster, churn.crowd, **where)
            await churn.end()
        await churn.assert_each_saw_all()


async def roll(cluster: Cluster, crowd: Crowd, **settings: Any) -> None:
    """Restart the APIs, one after the other; each time the other one is left alone with all readers."""
    for server in cluster.servers():
        server.terminate()
        assert await cluster.gone(server) == 0
        await cluster.api(**settings)
        await crowd.suffered(A_WHILE)


class Churn:
    """The jobs, some of whom end in every way there is while the readers are at it, and their readers."""

    def __init__(self, cluster: Cluster, dice: random.Random) -> None:
        self.crowd = Crowd(dice)
        self._cluster = cluster
        self._dice = dice
        self._endless: list[tuple[Watched, Caller]] = []
        self._doings: list[Coroutine[Any, Any, None]] = []
        self._begun = time.monotonic()

    @classmethod
    async def of(cls, cluster: Cluster, dice: random.Random) -> Churn:
        churn = cls(cluster, dice)
        ways = (churn._endless_one, churn._short_one, churn._failing_one, churn._cancelled_one, churn._retried_one)
        for number in range(JOBS):
            way = ways[number // 2 % len(ways)] if number < JOBS // 2 else ways[0]
            # Each of an owner of its own, handed in by turns.
            watched = await way(cluster.person(cluster.servers()[number % 2]))
            churn.crowd.follow(watched, READERS, WITNESSES)
        return churn

    async def begin(self, tasks: asyncio.TaskGroup) -> None:
        for doing in self._doings:
            tasks.create_task(doing)
        await within(ENDS, self.crowd.joined, f"{len(self.crowd.followers)} readers have joined")
        for process in self._cluster.processes():  # only now it has a connection for each job that it could run
            self._cluster.begun[process] = Holding.of(process)
        self._begun = time.monotonic()
        await self.crowd.suffered(A_WHILE)

    async def end(self) -> None:
        """End the jobs that are left, one after the other."""
        took, tally = time.monotonic() - self._begun, self.crowd.tally
        print(
            f"measured: {tally['cuts'] / took:.0f} cuts and {(tally['events'] + tally['ticks']) / took:.0f} news a second"
        )
        for watched, alice in self._endless:
            await self._insist(alice, watched, "cancel")

    async def assert_each_saw_all(self) -> None:
        await within(HEALS, self._left, "the APIs keep nothing of the readers")
        events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in await self._cluster.record.rows("SELECT job_id, body FROM job_events ORDER BY job_id, seq"):
            events[row["job_id"]].append(json.loads(row["body"]))
        found = self.crowd.complaints(events)
        print(f"measured: {dict(self.crowd.tally)}")
        assert not found, f"{len(found)} complaints:\n" + "\n".join(found[:40])

    async def _endless_one(self, alice: Caller) -> Watched:
        watched = Watched(await alice.walk(ENDLESS, STEP), alice.headers)
        self._endless.append((watched, alice))
        return watched

    async def _short_one(self, alice: Caller) -> Watched:
        return Watched(await alice.walk(self._dice.randint(6, 20), STEP), alice.headers)

    async def _failing_one(self, alice: Caller) -> Watched:
        at = self._dice.randint(3, 15)
        return Watched(await alice.walk(at + 5, STEP, mishap="fail", mishapAt=at), alice.headers)

    async def _cancelled_one(self, alice: Caller) -> Watched:
        watched = Watched(await alice.walk(ENDLESS, STEP), alice.headers)

        async def cancel(events: int) -> None:
            await watched.reached(events)
            await self._insist(alice, watched, "cancel")

        self._doings.append(cancel(self._dice.randint(8, 30)))
        return watched

    async def _retried_one(self, alice: Caller) -> Watched:
        """It fails in its first run, and again in its second."""
        at = self._dice.randint(3, 15)
        watched = Watched(await alice.walk(at, STEP, mishap="refuse", mishapAt=at), alice.headers, runs=2)

        async def retry() -> None:
            await watched.reached(1, finals=1)
            await self._insist(alice, watched, "retry")

        self._doings.append(retry())
        return watched

    async def _left(self) -> bool:
        answers = [await alice.ask("GET", "/metrics") for alice in map(self._cluster.person, self._cluster.servers())]
        return all("snapasset_streams 0.0" in answer.text.splitlines() for answer in answers)

    async def _insist(self, alice: Caller, watched: Watched, verb: str) -> None:
        """Ask until somebody does it: an API that is about to go says 503, or has no ear any more."""
        path, right = f"/api/jobs/{watched.job_id}/{verb}", {200, 202}

        async def ask() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answer = await alice.at(self._dice.choice(self._cluster.servers())).ask("POST", path)
                assert answer.status_code in {*right, 503}, answer.text
                return answer.status_code != 503
            right.add(409)  # the first one may have been heard, and its answer lost
            return False

        await awaited(ask, f"{verb} is answered")
