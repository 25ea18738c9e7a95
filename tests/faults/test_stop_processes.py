"""Processes are told to stop, twice, or are killed while they do: streams go on elsewhere, jobs go back uncounted."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.faults.cluster import clustering
from tests.faults.harms import HARMS
from tests.faults.invariants import all_ended
from tests.faults.patience import ENDS, HEALS, SLACK, TAKES_OVER, TELLS, within
from tests.faults.witness import watching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.faults.cluster import Caller, Cluster
    from tests.flows.process import Process, Worker

pytestmark = pytest.mark.timeout(120)

ENDLESS: Final = {"steps": 1000, "seconds": 0.05}
SHORT: Final = {"steps": 2, "seconds": 0.3}
READERS: Final = 4
"""For each of five jobs: twenty streams."""


@pytest.mark.fault(seconds=8)
@pytest.mark.parametrize("mode", ["redis", "memory"])
async def test_sigterm_to_a_worker_with_five_jobs_and_twenty_streams(tmp_path: Path, mode: str) -> None:
    async with clustering(tmp_path, job_max_concurrency=5, drain_seconds=2) as cluster:
        _, (worker,) = await cluster.started()
        await see_to_mode(cluster, mode)
        alice, long, short = await busy(cluster)
        await stop(worker, drain=2)
        assert {job["status"] for job in await alice.each(short)} == {"completed"}
        # In the fallback the API takes up at once what the worker gives back.
        goes_on = {("waiting", 0)} if mode == "redis" else {("waiting", 0), ("active", 1)}
        for job in await alice.each(long):
            assert (job["status"], job["attempt"]) in goes_on, "an attempt that was broken off counted"
        await cluster.worker()
        await cancel(alice, long)


@pytest.mark.fault(seconds=8)
async def test_sigterm_to_an_api_with_five_jobs_and_twenty_streams(tmp_path: Path) -> None:
    async with clustering(tmp_path, job_max_concurrency=5, drain_seconds=2) as cluster:
        (first, second), _ = await cluster.started(apis=2)
        alice, long, short = await busy(cluster)
        began = time.monotonic()
        await stop(first, drain=2)
        print(f"measured: the API ended after {time.monotonic() - began:.1f} s")
        alice = alice.at(second)
        await all_ended(cluster, ENDS, short)
        for job in await alice.each(long):
            assert (job["status"], job["attempt"]) == ("active", 1), "the end of an API touched a worker's job"
        opened = {witness.opened for witness in cluster.witnesses}
        assert opened <= {1, 2, 3}, f"readers had to come back {max(opened)} times"
        await cancel(alice, long)


@pytest.mark.fault(seconds=8)
async def test_sigterm_to_an_api_that_runs_jobs_in_the_fallback(tmp_path: Path) -> None:
    async with clustering(tmp_path, job_max_concurrency=5, drain_seconds=2) as cluster:
        (first,), _ = await cluster.started(workers=0)
        await see_to_mode(cluster, "memory")
        alice, long, short = await busy(cluster)
        second = await cluster.api(fallback_worker="off")
        await stop(first, drain=2)
        alice = alice.at(second)
        assert {job["status"] for job in await alice.each(short)} == {"completed"}
        for job in await alice.each(long):
            assert (job["status"], job["attempt"]) == ("waiting", 0), "an attempt that was broken off counted"
        await cluster.worker()
        await cancel(alice, long)


@pytest.mark.fault(seconds=8)
async def test_a_second_sigterm_ends_a_worker_at_once(tmp_path: Path) -> None:
    async with draining(tmp_path) as (cluster, worker, alice, long, _):
        worker.terminate()
        began = time.monotonic()
        assert await cluster.gone(worker) == 128 + signal.SIGTERM
        assert time.monotonic() - began < SLACK * 2.0
        await goes_on_elsewhere(cluster, alice, long)


@pytest.mark.fault(seconds=11)
async def test_sigkill_three_seconds_after_sigterm(tmp_path: Path) -> None:
    async with draining(tmp_path) as (cluster, worker, alice, long, short):
        await asyncio.sleep(3)
        assert worker.alive
        assert {job["status"] for job in await alice.each(short)} == {"completed"}
        worker.kill()
        await goes_on_elsewhere(cluster, alice, long)


@pytest.mark.fault(seconds=8)
async def test_what_is_submitted_while_a_worker_drains_waits_for_another(tmp_path: Path) -> None:
    async with draining(tmp_path) as (cluster, worker, alice, long, _):
        late = await alice.many(5, "errand", alice.errand())
        await cluster.worker()
        await all_ended(cluster, HEALS, late)
        assert {line["pid"] for line in cluster.ledger.lines("begun")} == {cluster.workers()[-1].pid}
        await cancel(alice, long)
        assert await cluster.gone(worker) == 0


async def see_to_mode(cluster: Cluster, mode: str) -> None:
    """Take Redis away if the test is about the fallback."""
    if mode == "memory":
        async with watching(cluster.http, cluster.servers) as watch:
            await HARMS["killed"].begin(cluster)
            await watch.tells("memory", "down", TELLS)


async def busy(cluster: Cluster) -> tuple[Caller, list[str], list[str]]:
    """Five jobs under way, three of them without an end, each with its readers."""
    alice = cluster.person()
    long = await alice.many(3, "walk", ENDLESS)
    short = await alice.many(2, "walk", SHORT)
    cluster.follow(alice, *[*long, *short] * READERS)

    async def all_begun() -> bool:
        jobs = await alice.each([*long, *short])
        return all(job["status"] != "waiting" for job in jobs) and all(witness.opened for witness in cluster.witnesses)

    await within(HEALS, all_begun, "five jobs are under way")
    return alice, long, short


@asynccontextmanager
async def draining(folder: Path) -> AsyncGenerator[tuple[Cluster, Worker, Caller, list[str], list[str]]]:
    """A worker with `busy`'s jobs that has been told to stop, and has time to."""
    async with clustering(folder, job_max_concurrency=5, drain_seconds=20) as cluster:
        _, (worker,) = await cluster.started()
        alice, long, short = await busy(cluster)
        worker.terminate()

        async def look() -> dict[str, Any]:
            return worker.logged("stopping")

        await within(HEALS, look, "the drain has begun")
        yield cluster, worker, alice, long, short


async def stop(process: Process, drain: float) -> None:
    """SIGTERM; it must end in good order, not long after the drain."""
    process.terminate()
    began = time.monotonic()
    status = await asyncio.to_thread(process.wait)
    assert status == 0, process.log()[-5:]
    assert time.monotonic() - began < drain + SLACK * 5.0


async def goes_on_elsewhere(cluster: Cluster, alice: Caller, job_ids: list[str]) -> None:
    """Another worker takes up what the one that died had, and the steps that were done are not done again."""
    done = {job_id: await steps_done(alice, job_id) for job_id in job_ids}
    await cluster.worker()

    async def again() -> bool:
        return all([await steps_done(alice, job_id) > done[job_id] for job_id in job_ids])

    await within(TAKES_OVER, again, "the jobs go on elsewhere")
    assert {job["attempt"] for job in await alice.each(job_ids)} == {2}
    await cancel(alice, job_ids)


async def steps_done(alice: Caller, job_id: str) -> int:
    """How far a walk has come."""
    events: list[dict[str, Any]] = []
    after, page = 0, await alice.get(f"/api/jobs/{job_id}/timeline")
    while True:
        events += page["events"]
        after = page["nextAfter"]
        if after is None:
            break
        page = await alice.get(f"/api/jobs/{job_id}/timeline?after={after}")
    return sum(event.get("state") == "done" for event in events)


async def cancel(alice: Caller, job_ids: list[str]) -> None:
    for job_id in job_ids:
        answer = await alice.ask("POST", f"/api/jobs/{job_id}/cancel")
        assert answer.status_code in (200, 202), answer.text
