"""Two servers on one folder: they share the work, each tells of all of it, and one goes on when the other is gone."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.person import Person
from tests.flows.soundness import assert_sound
from tests.flows.sse import is_step, seqs
from tests.flows.waiting import wait_until

if TYPE_CHECKING:
    import httpx

    from tests.flows.process import Host, Server

pytestmark = pytest.mark.timeout(90)

SLOTS: Final = 2
AT_ONCE: Final = 7.0
"""Seconds from a kill to the job's new attempt elsewhere: far above what it takes, far below the lease of 15 s."""


async def test_both_run_jobs_and_each_tells_of_all_of_them(host: Host, http: httpx.AsyncClient) -> None:
    def start() -> Server:
        return host.start(job_max_concurrency=SLOTS, sweep_seconds=0.2)

    # Both at once, on a folder that holds nothing yet: one of them makes the record.
    one, other = await asyncio.gather(asyncio.to_thread(start), asyncio.to_thread(start))
    here = Person(http, one)
    there = here.at(other)
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
        for told_here, told_there in zip(*streams, strict=True):
            await asyncio.gather(told_here.rest(), told_there.rest())
            told, as_told = ([m.body for m in stream.messages if m.seq] for stream in (told_here, told_there))
            assert told == as_told
            assert seqs(told_here.messages) == list(range(1, told[-1]["seq"] + 1))
            assert (told[-1]["type"], told[-1]["status"], told[-1]["attempt"]) == ("final", "cancelled", 1)
    assert_sound(host.data_dir)


async def test_one_is_killed_and_the_other_goes_on_at_once(host: Host, http: httpx.AsyncClient) -> None:
    here = Person(http, host.start())
    job_id = await here.walk(2, 1.2, mishap="hang", mishapAt=2)
    await here.has(job_id, "active")
    # It hears of its own jobs only: what the first one told meanwhile is a hole to it, which the record has to fill.
    there = here.at(host.start(sweep_seconds=600))
    async with there.follow(job_id, query="?after=0") as stream:
        await here.has_told(job_id, lambda event: (event["step"], event.get("state")) == ("walk:2", "started"))
        killed_at = datetime.now(UTC)
        here.server.kill()
        await stream.rest()
    told = [message.body for message in stream.messages if message.seq]
    assert [event["seq"] for event in told] == list(range(1, told[-1]["seq"] + 1))
    began = next(event for event in told if event["attempt"] == 2 and event["status"] == "active")
    assert (datetime.fromisoformat(began["at"]) - killed_at).total_seconds() < AT_ONCE
    assert (told[-1]["type"], told[-1]["status"]) == ("final", "completed")
    assert [footprint["attempt"] for footprint in told[-1]["result"]["footprints"]] == [1, 2]
    assert_sound(host.data_dir)


async def test_one_that_stood_still_is_overtaken_and_its_work_is_refused(host: Host, http: httpx.AsyncClient) -> None:
    # The first never beats in this test, so that it cannot be stopped within a commit: that would stop the other too.
    here = Person(http, host.start(lease_seconds=100, beat_seconds=99))
    job_id = await here.walk(1, 1)
    async with here.follow(job_id, query="?after=0") as stream:
        await stream.until(is_step("walk:1", "started"))
        here.server.process.send_signal(signal.SIGSTOP)
    there = here.at(host.start(lease_seconds=1.5, beat_seconds=0.3, reconcile_seconds=0.2))
    async with there.follow(job_id, query="?after=0") as stream:
        await stream.until(lambda message: message.body.get("attempt") == 2)
        here.server.process.send_signal(signal.SIGCONT)  # two are at the same step now, and only one of them counts
        final = (await stream.rest())[-1].body
    await asyncio.to_thread(wait_until, lambda: here.server.logged("taken over by another worker"), "it notices")
    assert (final["type"], final["status"], final["attempt"]) == ("final", "completed", 2)
    assert [footprint["attempt"] for footprint in final["result"]["footprints"]] == [2]
    assert seqs(stream.messages) == list(range(1, final["seq"] + 1))
    assert await here.job(job_id) == await there.job(job_id)
    assert (await here.job(job_id))["seq"] == final["seq"]
    assert_sound(host.data_dir)
