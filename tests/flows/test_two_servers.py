"""Two servers on one folder: they share the work, each tells of all of it, and one goes on when the other is gone."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.flows.person import Person
from tests.flows.soundness import assert_sound
from tests.flows.sse import is_step, seqs
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    import httpx

    from tests.flows.process import Host

pytestmark = pytest.mark.timeout(90)

SLOTS: Final = 2
AT_ONCE: Final = 7.0
"""Seconds from a kill to the job's new attempt elsewhere: far above what it takes, far below the lease of 15 s."""


def at(person: Person, server: Any) -> Person:
    """The same person, at another server."""
    other = Person(person.http, server)
    other.headers = person.headers
    return other


async def test_both_run_jobs_and_each_tells_of_all_of_them(host: Host, http: httpx.AsyncClient) -> None:
    here = Person(http, host.start(job_max_concurrency=SLOTS, sweep_seconds=0.2))
    there = at(here, host.start(job_max_concurrency=SLOTS, sweep_seconds=0.2))
    job_ids = [await here.walk(1000, 0.02) for _ in range(2 * SLOTS)]
    async with AsyncExitStack() as stack:
        streams = [
            [await stack.enter_async_context(person.follow(job_id, query="?after=0")) for job_id in job_ids]
            for person in (here, there)
        ]
        # More at once than one of them has room for: so both are at it.
        await asyncio.gather(*(here.has(job_id, "active") for job_id in job_ids))
        assert len(await there.jobs("status=active")) == 2 * SLOTS
        for index, job_id in enumerate(job_ids):
            await (here, there)[index % 2].act(job_id, "cancel", 202)
        for one, other in zip(*streams, strict=True):
            await asyncio.gather(one.rest(), other.rest())
            told, as_told = ([m.body for m in stream.messages if m.seq] for stream in (one, other))
            assert told == as_told
            assert seqs(one.messages) == list(range(1, told[-1]["seq"] + 1))
            assert (told[-1]["type"], told[-1]["status"], told[-1]["attempt"]) == ("final", "cancelled", 1)
    assert_sound(host.data_dir)


async def test_one_is_killed_and_the_other_goes_on_at_once(host: Host, http: httpx.AsyncClient) -> None:
    here = Person(http, host.start(job_max_concurrency=1, sweep_seconds=0.2))
    job_id = await here.walk(3, 0.05, mishap="hang", mishapAt=2)
    there = at(here, host.start(job_max_concurrency=1, sweep_seconds=0.2))
    async with there.follow(job_id, query="?after=0") as stream:
        await stream.until(is_step("walk:2", "started"))
        last = next(event for event in await there.timeline(job_id) if event.get("state") == "started")
        here.server.kill()
        await stream.rest()
    told = [message.body for message in stream.messages if message.seq]
    assert [event["seq"] for event in told] == list(range(1, told[-1]["seq"] + 1))
    began = next(event for event in told if event["attempt"] == 2 and event["status"] == "active")
    assert _seconds(last, began) < AT_ONCE
    final = told[-1]
    assert (final["type"], final["status"]) == ("final", "completed")
    assert [footprint["attempt"] for footprint in final["result"]["footprints"]] == [1, 2, 2]
    assert_sound(host.data_dir)


async def test_one_that_stood_still_is_overtaken_and_its_work_refused(host: Host, http: httpx.AsyncClient) -> None:
    silence = {"lease_seconds": 1.5, "beat_seconds": 0.3, "reconcile_seconds": 0.2, "sweep_seconds": 0.2}
    here = Person(http, host.start(job_max_concurrency=1, **silence))
    job_id = await here.walk(4, 0.1)
    async with here.follow(job_id) as stream:
        await stream.until(is_step("walk:1", "done"))
    here.server.process.send_signal(signal.SIGSTOP)
    there = at(here, host.start(job_max_concurrency=1, **silence))
    try:
        final = (await there.told(job_id))[-1]
        assert (final["type"], final["status"], final["attempt"]) == ("final", "completed", 2)
    finally:
        here.server.process.send_signal(signal.SIGCONT)
    # It wakes in the middle of its step, and learns that the job is not its any more.
    await awaited(lambda: _is_free(here), "the one that woke up takes new jobs")
    assert await here.job(job_id) == await there.job(job_id)
    assert (await here.job(job_id))["seq"] == final["seq"]
    assert here.server.logged("taken over by another worker")
    assert_sound(host.data_dir)


async def _is_free(here: Person) -> bool:
    return bool(here.server.logged("taken over by another worker"))


def _seconds(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    return (datetime.fromisoformat(later["at"]) - datetime.fromisoformat(earlier["at"])).total_seconds()
