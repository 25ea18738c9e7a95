"""Kinds with bad code, and workers of other versions or without Redis: everybody else's jobs go on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.faults.cluster import WORK, clustering
from tests.faults.invariants import all_ended, assert_ran_once
from tests.faults.kinds import BEGUN
from tests.faults.patience import ENDS, HEALS, SLACK, within
from tests.flows import process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

RAISED: Final = "the kind's own code raised"
IGNORED: Final = "a processor ignores that it is cancelled"
BLOCKED_SECONDS: Final = 9.0


@pytest.mark.fault(seconds=13)
async def test_a_blocked_event_loop_is_overtaken(tmp_path: Path) -> None:
    async with clustering(tmp_path) as cluster:
        _, (blocked,) = await cluster.started()
        alice = cluster.person()
        job_id = await alice.submit("wreck", alice.errand(how="block", seconds=BLOCKED_SECONDS))
        cluster.follow(alice, job_id)

        async def begun() -> bool:
            return bool(cluster.ledger.lines(BEGUN))

        await within(HEALS, begun, "the job is begun")
        await cluster.worker()
        others = await alice.many(6, "errand", alice.errand(steps=2, seconds=0.05))
        cluster.follow(alice, *others)
        await all_ended(cluster, ENDS, others)
        final = await alice.has(job_id, "completed")
        assert final["attempt"] == 2

        async def awake() -> bool:
            return bool(blocked.logged("an attempt failed") or blocked.logged("taken over by another worker"))

        await within(BLOCKED_SECONDS, awake, "the one that was blocked goes on, too late")
        assert (await alice.job(job_id))["seq"] == final["seq"], "it told something all the same"
        assert_ran_once(cluster, others)


@pytest.mark.parametrize("how", [pytest.param(how, marks=pytest.mark.fault(seconds=8)) for how in ("hang", "ignore-cancel", "give-way", "exit", "raise")])  # fmt: skip
async def test_a_handler_with_bad_code_costs_an_attempt_and_nobody_else(tmp_path: Path, how: str) -> None:
    async with clustering(tmp_path, job_max_concurrency=2) as cluster:
        _, (worker,) = await cluster.started()
        cluster.expected.update((RAISED, IGNORED))
        alice = cluster.person()
        if how in ("exit", "raise"):
            job_ids = await alice.many(2, "walk", {"steps": 2, "mishap": how, "mishapAt": 2})
        else:
            job_ids = await alice.many(2, "wreck", alice.errand(how=how))
        others = await alice.many(6, "errand", alice.errand(steps=2, seconds=0.05))
        cluster.follow(alice, *job_ids, *others)
        await all_ended(cluster)
        for job in await alice.each([*job_ids, *others]):
            assert (job["status"], job["attempt"]) == ("completed", 2 if job["jobId"] in job_ids else 1), job
        assert_ran_once(cluster, others)
        codes = {code for job_id in job_ids for code in await told_codes(alice, job_id)}
        assert codes == ({"job_timeout"} if how in ("hang", "ignore-cancel") else {"internal_error"})
        assert worker.alive
        # Even with handlers that do not end, the process does.
        began = time.monotonic()
        worker.terminate()
        assert await cluster.gone(worker) == 0
        print(f"measured: the worker ended after {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < SLACK * HEALS


@pytest.mark.fault(seconds=5)
async def test_a_kind_of_a_newer_version_waits_and_is_seen(tmp_path: Path) -> None:
    async with clustering(tmp_path) as cluster:
        await cluster.started(workers=0)
        old_api = await cluster.api(process.SERVE)
        await cluster.worker(process.WORK)
        alice = cluster.person()
        new = await alice.submit("novelty")
        cluster.follow(alice, new)
        known = await alice.many(6, "walk", {"steps": 1})  # of the same queue: the one that waits holds up nobody
        await all_ended(cluster, ENDS, known)
        assert (await alice.job(new))["status"] == "waiting"

        async def seen() -> bool:
            health = await alice.at(old_api).get("/health")
            return health.get("unknownKinds") == {"walk": {"novelty": 1}}

        await within(HEALS, seen, "/health of the old version tells of it")
        await cluster.worker(WORK)
        await alice.has(new, "completed")


@pytest.mark.fault(seconds=12)
async def test_a_worker_without_redis_beside_those_that_have_it(tmp_path: Path) -> None:
    async with clustering(tmp_path, job_max_concurrency=2) as cluster:
        _, (modern,) = await cluster.started()
        plain = await cluster.worker(WORK, redis_url=None)
        assert (modern.announced["mode"], plain.announced["mode"]) == ("redis", "memory")
        alice = cluster.person()
        job_ids = await alice.many(40, "errand", alice.errand(steps=2, seconds=0.1))
        cluster.follow(alice, *job_ids[:5])
        await all_ended(cluster)
        assert_ran_once(cluster, job_ids)
        assert {line["pid"] for line in cluster.ledger.lines(BEGUN)} == {modern.pid, plain.pid}
        # What one of them runs can be followed and cancelled though it is told by the record alone.
        modern.kill()
        endless = await alice.walk(1000, 0.05)
        cluster.follow(alice, endless)
        await alice.has(endless, "active")
        await alice.act(endless, "cancel", 202)
        await alice.has(endless, "cancelled")


async def told_codes(alice: Any, job_id: str) -> list[str]:
    return [event["code"] for event in await alice.timeline(job_id) if event["type"] == "error"]
