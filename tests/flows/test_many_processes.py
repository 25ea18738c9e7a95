"""Two APIs and two workers, over PostgreSQL with Redis and over SQLite without: one service, whoever is asked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import pytest

from tests.faults.cluster import clustering
from tests.faults.invariants import all_ended, assert_ran_once
from tests.faults.kinds import BEGUN
from tests.flows.sse import seqs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.faults.cluster import Cluster

pytestmark = pytest.mark.timeout(90)

Where = Literal["postgres", "sqlite"]


@pytest.fixture(params=["postgres", "sqlite"])
async def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Cluster]:
    record: Where = request.param
    async with clustering(tmp_path, record=record, redis="plain" if record == "postgres" else None) as cluster:
        await cluster.started(apis=2, workers=2)
        modes = {process.announced["mode"] for process in cluster.processes()}
        assert modes == {"redis" if record == "postgres" else "memory"}
        yield cluster


async def test_jobs_are_shared_and_each_runs_once(cluster: Cluster) -> None:
    one, other = cluster.servers()
    alice = cluster.person(one)
    job_ids: list[str] = []
    for person in (alice, alice.at(other)):
        job_ids += await person.many(20, "errand", person.errand(steps=2, seconds=0.1))
    cluster.follow(alice, *job_ids)
    await all_ended(cluster)
    assert_ran_once(cluster, job_ids)
    ran = Counter(line["pid"] for line in cluster.ledger.lines(BEGUN))
    workers = {worker.pid for worker in cluster.workers()}
    assert workers <= ran.keys(), "a worker ran none"
    # Without Redis an API runs jobs until it has seen that others do.
    assert alice.server.announced["mode"] == "memory" or workers == ran.keys(), "an API ran jobs"
    assert {job["status"] for job in await alice.at(other).jobs()} == {"completed"}


async def test_a_stream_is_resumed_at_the_other_api(cluster: Cluster) -> None:
    one, other = cluster.servers()
    alice = cluster.person(one)
    job_id = await alice.walk(20, 0.1)
    async with alice.follow(job_id, query="?after=0") as stream:
        for _ in range(6):
            await stream.next()
        last, before = stream.last_event_id, list(stream.messages)
    async with alice.at(other).follow(job_id, last=last) as stream:
        after = await stream.rest()
    assert after[0].body == {"type": "connected", "jobId": job_id, "resumedAfter": int(last)}
    assert seqs([*before, *after]) == list(range(1, after[-1].seq + 1))
    assert after[-1].body["status"] == "completed"
    if one.announced["mode"] == "redis":  # between processes ticks travel through Redis only
        assert any(message.body.get("tick") for message in after), "ticks of a worker did not come to the API"


async def test_a_job_is_cancelled_by_way_of_the_other_api(cluster: Cluster) -> None:
    one, other = cluster.servers()
    alice = cluster.person(one)
    job_id = await alice.walk(1000, 0.1)
    async with (
        alice.follow(job_id, query="?after=0") as here,
        alice.at(other).follow(job_id, query="?after=0") as there,
    ):
        await alice.has(job_id, "active")
        await alice.at(other).act(job_id, "cancel", 202)
        await here.rest()
        await there.rest()
    told, as_told = ([message.body for message in stream.messages if message.seq] for stream in (here, there))
    assert told == as_told
    assert (told[-1]["type"], told[-1]["status"]) == ("final", "cancelled")


async def test_pictures_of_a_worker_are_served_by_both_apis(cluster: Cluster) -> None:
    alice = cluster.person()
    job_id = await alice.submit("image-generation", {"prompt": "a pier", "platforms": ["open-graph"]})
    result = (await alice.has(job_id, "completed"))["result"]
    for server in cluster.servers():
        for picture in (result["master"], *result["images"]):
            answer = await alice.at(server).ask("GET", picture["url"])
            assert (answer.status_code, len(answer.content)) == (200, picture["size"])
