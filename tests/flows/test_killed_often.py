"""kill -9 under load, again and again, and by the jobs themselves: what was accepted ends, and ends once."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.flows.person import ENDED, Person
from tests.flows.process import Died
from tests.flows.soundness import assert_sound
from tests.flows.sse import StreamCut, seqs
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    from tests.flows.process import Host
    from tests.flows.sse import Message

pytestmark = pytest.mark.timeout(90)

EVENTS_OF_A_WALK: Final = 9
"""Of one with three steps: accepted, begun, twice for each step, ended."""

ENOUGH: Final = 80
"""Accepted jobs after which the server is killed while more are on their way."""


async def test_every_202_outlives_a_kill_right_after_it(host: Host, http: httpx.AsyncClient) -> None:
    alice = Person(http, host.start(job_max_concurrency=6, live_jobs_per_owner=100_000))
    accepted: list[str] = []

    async def post_on(kind: str, data: dict[str, Any]) -> None:
        while True:
            try:
                accepted.append(await alice.submit(kind, data))
            except httpx.TransportError:
                return
            if len(accepted) == ENOUGH:
                alice.server.kill()

    walk = {"steps": 2, "seconds": 0.05}
    await asyncio.gather(*(post_on("walk", walk) for _ in range(4)), *(post_on("noop", {}) for _ in range(4)))
    assert len(accepted) >= ENOUGH

    alice.server = host.start(job_max_concurrency=40)
    await alice.all_end()
    jobs = {job["jobId"]: job for job in await alice.jobs()}
    assert {jobs[job_id]["status"] for job_id in accepted} == {"completed"}
    # Whose answer was under way may be there too; each ended as whole as the others.
    assert {(job["status"], job["run"]) for job in jobs.values()} == {("completed", 1)}
    assert len(jobs) <= len(accepted) + 8
    assert_sound(host.data_dir)


async def test_killed_at_any_moment_again_and_again(host: Host, http: httpx.AsyncClient) -> None:
    alice = Person(http, host.start(job_max_concurrency=4))
    job_ids = [await alice.walk(3, 0.05) for _ in range(20)]
    readers = [asyncio.create_task(_follow_like_a_browser(alice, job_id)) for job_id in job_ids]
    for events in sorted(random.Random(20261123).sample(range(30, 20 * EVENTS_OF_A_WALK), 5)):
        await awaited(lambda least=events: _told(alice, least), f"{events} events")
        alice.server.kill()
        alice.server = host.start(job_max_concurrency=4)
    stories = await asyncio.gather(*readers)

    for job, story in zip(await alice.each(job_ids), stories, strict=True):
        assert seqs(story) == list(range(1, job["seq"] + 1))
        losses = [message for message in story if _tells_of_a_loss(message)]
        if job["status"] == "failed":
            assert (job["error"]["code"], job["attempt"], len(losses)) == ("worker_lost", 3, 3)
        else:
            assert (job["status"], job["attempt"]) == ("completed", len(losses) + 1)
    assert_sound(host.data_dir)


async def test_a_job_that_kills_its_worker_each_time_fails_and_the_others_go_on(
    host: Host, http: httpx.AsyncClient
) -> None:
    alice = Person(http, host.start())
    before = [await alice.walk(2, 0.05) for _ in range(3)]
    killer = await alice.walk(2, 0.15, mishap="kill", mishapAt=2, mishaps=99)
    after = [await alice.walk(2, 0) for _ in range(3)]

    async def all_ended() -> bool:
        with contextlib.suppress(httpx.TransportError, Died):
            if not alice.server.alive:
                alice.server = host.start()
            return all(job["status"] in ENDED for job in await alice.each([*before, killer, *after]))
        return False

    await awaited(all_ended, "all jobs have ended")
    job = await alice.job(killer)
    assert (job["status"], job["error"]["code"], job["attempt"]) == ("failed", "worker_lost", 3)
    told = await alice.timeline(killer)
    assert [event["type"] for event in told if event["type"] != "update"] == ["error", "error", "final"]
    assert [event["attempt"] for event in told if (event["step"], event.get("state")) == ("walk:1", "done")] == [1]
    assert {job["status"] for job in await alice.each([*before, *after])} == {"completed"}
    assert_sound(host.data_dir)


async def _told(alice: Person, least: int) -> bool:
    return sum(job["seq"] for job in await alice.jobs()) >= least


async def _follow_like_a_browser(alice: Person, job_id: str) -> list[Message]:
    """Come back after each cut with the last id, wherever the server is then, until the final."""
    story: list[Message] = []
    last: str | None = None
    while not story or story[-1].type != "final":
        with contextlib.suppress(httpx.TransportError, StreamCut):
            async with alice.follow(job_id, last=last, query="?after=0") as stream:
                try:
                    await stream.rest()
                finally:
                    story += stream.messages
                    last = stream.last_event_id or last
    return story


def _tells_of_a_loss(message: Message) -> bool:
    """Whether it is the `error` of a lost attempt, or the `final` of a job that lost its last."""
    told: dict[str, Any] = message.body if message.type == "error" else message.body.get("error", {})
    return told.get("code") == "worker_lost"
