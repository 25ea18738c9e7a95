"""Workers die in the middle of jobs: others take these up, what was done stays done, what was paid for is counted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from tests.faults.cluster import clustering
from tests.faults.harms import HARMS
from tests.faults.invariants import all_ended
from tests.faults.kinds import BEGUN, CHARGED
from tests.faults.patience import ENDS, HEALS, TAKES_OVER, TELLS, within
from tests.faults.witness import watching
from tests.flows.sse import is_step

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Caller, Cluster
    from tests.flows.process import Process

pytestmark = pytest.mark.timeout(200)

PLATFORMS: Final = ["instagram-post", "open-graph"]
STEPS: Final = ["generate", "decode", "thumbnail", "render:instagram-post", "render:open-graph"]


def by_record(**seconds: float) -> pytest.MarkDecorator:
    """Once over each record, with what that takes: only on one host is the death of a process known at once."""
    return pytest.mark.parametrize(
        "record", [pytest.param(name, marks=pytest.mark.fault(seconds=took)) for name, took in seconds.items()]
    )


@by_record(postgres=20, sqlite=4)
async def test_in_each_step_of_a_walk(tmp_path: Path, record: Literal["postgres", "sqlite"]) -> None:
    # With the lease and the beat of the product: it says how soon a dead worker's jobs run elsewhere.
    async with clustering(tmp_path, record=record, beat_seconds=5, lease_seconds=15, job_max_concurrency=3) as cluster:
        _, (first,) = await cluster.started()
        alice = cluster.person()
        # Each hangs in one of its steps, the first time it comes there: it can only be killed within that step.
        walks = {step: await alice.walk(3, 0.05, mishap="hang", mishapAt=step) for step in (1, 2, 3)}
        cluster.follow(alice, *walks.values())
        for step, job_id in walks.items():
            await is_in(alice, job_id, f"walk:{step}")
        await cluster.worker()
        first.kill()
        await within(TAKES_OVER, lambda: are_again(alice, walks.values(), 2), "the jobs run elsewhere")
        for step, job_id in walks.items():
            final = await alice.has(job_id, "completed")
            attempts = [footprint["attempt"] for footprint in final["result"]["footprints"]]
            assert attempts == [1] * (step - 1) + [2] * (4 - step)


@pytest.mark.fault(seconds=11)
async def test_in_each_step_of_a_picture(tmp_path: Path) -> None:
    async with clustering(tmp_path, record="sqlite") as cluster:
        _, (worker,) = await cluster.started()
        alice = cluster.person()
        for step in STEPS:
            data = {"prompt": f"a harbour in fog, {step}", "platforms": PLATFORMS}
            job_id = await alice.submit("image-generation", data)
            async with alice.follow(job_id, query="?after=0") as stream:
                await stream.until(is_step(step, "started"))
                worker.kill()
                worker = await cluster.worker()
                told = [message.body for message in await stream.rest() and stream.messages if message.seq]
            done = [event["step"] for event in told if event.get("state") == "done"]
            assert sorted(done) == sorted(STEPS), "a step was done twice, or left out"
            result = told[-1]["result"]
            assert [image["status"] for image in result["images"]] == ["completed"] * len(PLATFORMS)
            for picture in (result["master"], *result["images"]):
                answer = await alice.ask("GET", picture["url"])
                assert (answer.status_code, len(answer.content)) == (200, picture["size"])


@by_record(postgres=22, sqlite=10)
async def test_in_a_paid_step_once_and_again(tmp_path: Path, record: Literal["postgres", "sqlite"]) -> None:
    async with clustering(tmp_path, record=record) as cluster:
        _, (worker,) = await cluster.started()
        alice = cluster.person()
        once = await alice.submit("errand", alice.errand(steps=2, seconds=3.0))
        twice = await alice.submit("errand", alice.errand(steps=1, seconds=600.0))
        cluster.follow(alice, once, twice)
        for times in (1, 2):
            await within(TAKES_OVER, lambda times=times: charged(cluster, twice, times), f"paid {times} times")
            if times == 1:
                await is_in(alice, once, "pay:1")
            else:
                await alice.has(once, "completed")
            worker.kill()
            worker = await cluster.worker()
        failed = await ends(alice, twice)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "outcome_unknown")
        assert await charged(cluster, once, 3), "the step under way is paid again, the other one once"
        assert await charged(cluster, twice, 2), "a call of unknown outcome is repeated once and not more"


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(9, marks=pytest.mark.fault(seconds=13)), pytest.param(90, marks=pytest.mark.fault(seconds=95))],
)
async def test_one_that_stood_still_is_overtaken_and_works_on(tmp_path: Path, seconds: int) -> None:
    async with clustering(tmp_path) as cluster:
        _, (still,) = await cluster.started()
        alice = cluster.person()
        job_id = await alice.submit("errand", alice.errand(steps=2, seconds=2.0))
        cluster.follow(alice, job_id)
        await within(HEALS, lambda: charged(cluster, job_id, 1), "the first step is paid for")
        still.freeze()
        frozen_at = time.monotonic()
        other = await cluster.worker()
        await within(TAKES_OVER, lambda: are_again(alice, [job_id], 2), "the job runs elsewhere")
        final = await alice.has(job_id, "completed")
        assert [receipt["attempt"] for receipt in final["result"]["receipts"]] == [2, 2]
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - frozen_at)))
        still.thaw()

        async def noticed() -> bool:
            return bool(still.logged("taken over by another worker"))

        await within(HEALS, noticed, "the one that stood still notices")
        assert (await alice.job(job_id))["seq"] == final["seq"], "it told something all the same"
        other.kill()
        again = await alice.many(4, "errand", alice.errand())
        await within(HEALS, lambda: are_ended(alice, again), "the one that stood still works on")
        assert {line["pid"] for line in cluster.ledger.lines(BEGUN) if line["job"] in again} == {still.pid}


@pytest.mark.fault(seconds=9)
async def test_what_one_that_stood_still_has_paid_for_is_kept(tmp_path: Path) -> None:
    async with clustering(tmp_path) as cluster:
        _, (still,) = await cluster.started()
        alice = cluster.person()
        job_id = await alice.submit("errand", alice.errand(steps=1, seconds=2.0))
        cluster.follow(alice, job_id)
        await within(HEALS, lambda: charged(cluster, job_id, 1), "the step is paid for")
        still.freeze()
        await within(TAKES_OVER, lambda: lost(alice, job_id), "the job is taken back")
        still.thaw()  # nobody else is there: its paid call is answered, and it takes the job up again
        final = await alice.has(job_id, "completed")
        assert [receipt["attempt"] for receipt in final["result"]["receipts"]] == [1]
        assert await charged(cluster, job_id, 1)


@by_record(postgres=23, sqlite=11)
async def test_a_job_that_kills_its_worker_each_time_fails_and_the_others_complete(
    tmp_path: Path, record: Literal["postgres", "sqlite"]
) -> None:
    async with clustering(tmp_path, record=record, job_max_concurrency=2) as cluster:
        _, workers = await cluster.started(workers=2)
        for worker in workers:
            cluster.supervise(worker)
        alice = cluster.person()
        deadly = [
            await alice.submit("wreck", alice.errand(how="exit", times=99)),
            await alice.walk(2, 0.05, mishap="kill", mishapAt=2, mishaps=99),
        ]
        others = await alice.many(10, "errand", alice.errand(steps=3, seconds=0.3, paid=False))
        others += await alice.many(10, "walk", {"steps": 3, "seconds": 0.3})
        cluster.follow(alice, *deadly, *others)
        await all_ended(cluster, 2 * ENDS)
        for job in await alice.each(deadly):
            assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 3, "worker_lost")
        assert {job["status"] for job in await alice.each(others)} == {"completed"}


@by_record(postgres=12, sqlite=5)
async def test_an_api_that_dies_in_the_fallback_leaves_its_jobs_to_others(
    tmp_path: Path, record: Literal["postgres", "sqlite"]
) -> None:
    async with clustering(tmp_path, record=record) as cluster:
        (first, second), _ = await cluster.started(apis=2, workers=0)
        async with watching(cluster.http, cluster.servers) as watch:
            await HARMS["killed"].begin(cluster)
            await watch.tells("memory", "down", TELLS)
        alice, bob = cluster.person(first), cluster.person(second)
        # More at once than one of them has room for: so both are at it.
        job_ids = await alice.many(4, "walk", {"steps": 1000, "seconds": 0.1})
        cluster.follow(alice, *job_ids)
        bob.headers = alice.headers
        for job_id in job_ids:
            await is_in(bob, job_id, "walk:2")
        held = await held_by(cluster, first)
        assert len(held) == len(job_ids) // 2, "one of them holds more than it has room for"
        first.kill()
        for job_id in set(job_ids) - held:
            await bob.act(job_id, "cancel", 202)  # to make room
        await within(TAKES_OVER, lambda: are_again(bob, held, 2), "its jobs run elsewhere")
        for job_id in held:
            await bob.act(job_id, "cancel", 202)


async def is_in(alice: Caller, job_id: str, step: str) -> None:
    await alice.has_told(job_id, lambda event: (event.get("step"), event.get("state")) == (step, "started"))


async def are_again(alice: Caller, job_ids: Any, attempt: int) -> bool:
    """Whether each has begun this attempt."""
    return all([(await alice.job(job_id))["attempt"] >= attempt for job_id in job_ids])


async def are_ended(alice: Caller, job_ids: list[str]) -> bool:
    return {job["status"] for job in await alice.each(job_ids)} == {"completed"}


async def lost(alice: Caller, job_id: str) -> bool:
    """Whether the job was taken from its worker."""
    return any(event.get("code") == "worker_lost" for event in await alice.timeline(job_id))


async def ends(alice: Caller, job_id: str) -> dict[str, Any]:
    """Wait for the end of a job, whatever it is."""

    async def look() -> dict[str, Any] | None:
        job = await alice.job(job_id)
        return job if job["status"] in ("completed", "failed", "cancelled") else None

    return await within(ENDS, look, "the job has ended")


async def charged(cluster: Cluster, job_id: str, times: int) -> bool:
    return len([line for line in cluster.ledger.lines(CHARGED) if line["job"] == job_id]) == times


async def held_by(cluster: Cluster, process: Process) -> set[str]:
    """The jobs that a process holds."""
    query = f"SELECT id FROM jobs WHERE worker_id IN (SELECT id FROM workers WHERE pid = {process.pid})"
    return {row["id"] for row in await cluster.record.rows(query)}
