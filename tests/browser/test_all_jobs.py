"""A browser's EventSource on the news of all one's jobs: tabs that share a session, jobs that come, a server that goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.tab import Tab
from tests.flows.soundness import assert_sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import BrowserContext

    from tests.browser.tab import Heard, Source
    from tests.flows.process import Host

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

NEWS: Final = "/api/events"


def is_final(job_id: str) -> Callable[[Heard], bool]:
    return lambda heard: heard.type == "final" and heard.body["jobId"] == job_id


def told(source: Source) -> list[tuple[str, int]]:
    """The jobs and seqs of the events, in the order in which they came."""
    return [(heard.body["jobId"], heard.seq) for heard in source.events]


async def test_two_tabs_hear_of_every_job_once_and_new_ones_appear(host: Host, context: BrowserContext) -> None:
    server = host.start(stream_retry_ms=100, drain_seconds=0.2)
    first = await Tab.at(server.url, context)
    known = await first.walk(2, 0.1)  # with it comes the session that both tabs have
    second = await Tab.at(server.url, context)
    sources = [await tab.listen(NEWS) for tab in (first, second)]
    for source in sources:
        await source.connected()
    jobs = [await second.walk(3, 0.1), await first.walk(3, 0.1)]
    server.kill()
    await asyncio.to_thread(server.wait)
    await asyncio.to_thread(host.start, port=server.port, stream_retry_ms=100)
    jobs.append(await first.walk(1, 0.1))
    for source in sources:
        for job in jobs:
            await source.until(is_final(job["jobId"]))
        of_jobs = told(source)
        for job in jobs:
            seqs = [seq for job_id, seq in of_jobs if job_id == job["jobId"]]
            assert seqs == list(range(1, seqs[-1] + 1))
        assert {job_id for job_id, _ in of_jobs} <= {known["jobId"], *(job["jobId"] for job in jobs)}
        assert source.opens >= 2
    assert_sound(host.data_dir)
