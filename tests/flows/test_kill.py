"""kill -9 in the middle of a job: started again on the same folder, the server goes on where it was, at once.

The lease is left at its default of 15 s, so whatever waited for it would be seen.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from tests.flows.person import Person
from tests.flows.soundness import assert_sound
from tests.flows.sse import is_step, seqs

if TYPE_CHECKING:
    import httpx

    from tests.flows.process import Host, Server
    from tests.flows.sse import Message

pytestmark = pytest.mark.timeout(90)

AT_ONCE: Final = 7.0
"""Seconds between "ready" and a job's new attempt: far above what it takes, far below the lease."""

PLATFORMS: Final = ["instagram-post", "youtube-banner", "pinterest-pin", "twitter-header", "tiktok-cover", "open-graph"]


class Told(NamedTuple):
    """What one reader was told by the server that was killed, and then, resuming, by the next."""

    before: list[Message]
    after: list[Message]

    @property
    def final(self) -> dict[str, Any]:
        return self.after[-1].body

    def done(self, messages: list[Message]) -> dict[str, Any]:
        """The steps that were told as done, and their outputs."""
        return {m.body["step"]: m.body["output"] for m in messages if m.body.get("state") == "done"}


async def test_killed_in_each_step_of_a_walk(host: Host, http: httpx.AsyncClient) -> None:
    alice = Person(http, host.start(job_max_concurrency=3))
    # Each hangs in one of its steps, the first time it comes there: it can only be killed within that step.
    walks = {await alice.walk(3, 0.05, mishap="hang", mishapAt=step): step for step in (1, 2, 3)}
    stories = await _killed(host, alice, {job_id: f"walk:{step}" for job_id, step in walks.items()})
    for step, story in zip(walks.values(), stories, strict=True):
        assert len(story.done(story.before)) == step - 1
        assert list(story.done(story.after)) == [f"walk:{again}" for again in range(step, 4)]
        attempts = [footprint["attempt"] for footprint in story.final["result"]["footprints"]]
        assert attempts == [1] * (step - 1) + [2] * (4 - step)
    assert_sound(host.data_dir)


@pytest.mark.parametrize("step", ["generate", "render:instagram-post"])
async def test_killed_in_the_middle_of_pictures(host: Host, http: httpx.AsyncClient, step: str) -> None:
    alice = Person(http, host.start())
    job_id = await alice.submit("image-generation", {"prompt": "a harbour in fog", "platforms": PLATFORMS})
    (story,) = await _killed(host, alice, {job_id: step})
    outputs = story.done([*story.before, *story.after])
    result = story.final["result"]
    assert outputs["generate"]["master"] == result["master"]
    assert [outputs[f"render:{name}"]["image"] for name in PLATFORMS] == result["images"]
    assert step == "generate" or "generate" in story.done(story.before)
    assert not story.done(story.before).keys() & {m.body["step"] for m in story.after if "state" in m.body}
    for picture in (result["master"], *result["images"]):
        answer = await alice.ask("GET", picture["url"])
        assert (answer.status_code, len(answer.content)) == (200, picture["size"])
    assert_sound(host.data_dir)


async def test_killed_while_jobs_wait_are_put_off_and_are_to_be_cancelled(host: Host, http: httpx.AsyncClient) -> None:
    alice = Person(http, host.start(job_max_concurrency=1))
    running, waiting = await alice.walk(2, 0, mishap="hang"), await alice.walk(1, 0)
    put_off = await alice.walk(1, 0, options={"delay": 1})
    cancelled = await alice.walk(1, 0)
    await alice.act(cancelled, "cancel", 200)
    await alice.has(running, "active")
    await alice.act(running, "cancel", 202)
    alice.server.kill()

    alice.server = host.start()
    await alice.all_end()
    jobs = await alice.each([running, waiting, put_off, cancelled])
    assert [job["status"] for job in jobs] == ["cancelled", "completed", "completed", "cancelled"]
    assert [job["run"] for job in jobs] == [1, 1, 1, 1]
    assert_sound(host.data_dir)


async def _killed(host: Host, alice: Person, steps: dict[str, str]) -> list[Told]:
    """Follow jobs over a kill -9, which comes when each has been told to be in its step."""
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(alice.follow(job_id, query="?after=0")) for job_id in steps]
        await asyncio.gather(
            *(s.until(is_step(step, "started")) for s, step in zip(streams, steps.values(), strict=True))
        )
        alice.server.kill()
        stories = await asyncio.gather(*(stream.until_cut() for stream in streams))
    alice.server = host.start()
    resumed = (_resumed(alice, job_id, before) for job_id, before in zip(steps, stories, strict=True))
    return await asyncio.gather(*resumed)


async def _resumed(alice: Person, job_id: str, before: list[Message]) -> Told:
    last = before[-1].last_event_id
    async with alice.follow(job_id, last=last) as stream:
        after = await stream.rest()
    both = [*before, *after]
    assert after[0].body == {"type": "connected", "jobId": job_id, "resumedAfter": int(last)}
    assert seqs(both) == list(range(1, after[-1].seq + 1))
    assert all(message.last_event_id == str(message.seq) for message in both if message.seq)
    assert [message.type for message in both].count("final") == 1
    final = after[-1].body
    assert (final["type"], final["status"], final["attempt"]) == ("final", "completed", 2)
    _assert_at_once(alice.server, [message.body for message in after])
    return Told(before, after)


def _assert_at_once(server: Server, after: list[dict[str, Any]]) -> None:
    """The loss of the worker is told, and the next attempt begins soon after the server is up."""
    lost = next(body for body in after if body["type"] == "error")
    assert (lost["code"], lost["status"]) == ("worker_lost", "waiting")
    began = next(body for body in after if body.get("attempt") == 2)
    assert (began["status"], began["seq"]) == ("active", lost["seq"] + 1)
    assert (datetime.fromisoformat(began["at"]) - server.ready_at).total_seconds() < AT_ONCE
