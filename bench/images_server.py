"""Two picture jobs at a time in the whole server: what memory it takes, and whether the event loop is kept waiting."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.load import Connection, get, post
from bench.process import peak_rss_mb, rss_mb, server
from bench.report import Figure, percentile, table
from worker.images.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPTS = (
    "mountains at dusk",
    "a sailboat at dawn",
    "a city at night",
    "a forest in the mist",
    "dunes at the golden hour",
    "coffee and fruit on a table",
)
AT_ONCE = 2
_WATCH_SECONDS = 10.0
_REST_SECONDS = 4.0
"""More than the pixel pool waits before it gives memory back."""
_QUIET_SECONDS = 2.0


class Seen(NamedTuple):
    """Memory in MB, and by how many seconds each nap of the event loop was too long: without pictures, and with."""

    before: float
    peak: float
    after: float
    late_idle: Sequence[float]
    late_rendering: Sequence[float]
    seconds: float


def run() -> None:
    """Print the figures of a server that makes pictures."""
    with server("bench.serve", concurrency=AT_ONCE) as running:
        seen = asyncio.run(_watch(running.pid, running.port))
    table(
        f"images: {len(PROMPTS)} jobs of {len(PLATFORMS.names)} platforms each through HTTP, {AT_ONCE} at once, one process, "
        f"{seen.seconds:.1f} s in all",
        [
            Figure("most memory (RSS)", f"{seen.peak:.0f} MB", "≤ 300 MB", f"{seen.before:.0f} MB before the first"),
            Figure("memory when idle after them (RSS)", f"{seen.after:.0f} MB", "≤ 120 MB"),
            *(
                Figure(
                    f"event loop late by, p{percent}",
                    f"{percentile(seen.late_rendering, percent) * 1000:.1f} ms",
                    "≤ 15 ms" if percent == 99 else "",
                    f"{percentile(seen.late_idle, percent) * 1000:.1f} ms without pictures",
                )
                for percent in (50, 99)
            ),
        ],
    )


async def _watch(pid: int, port: int) -> Seen:
    client = Client(await Connection.open(port))
    await asyncio.sleep(_QUIET_SECONDS)
    before = rss_mb(pid)
    watching = await client.submit("loop-watch", {"seconds": _WATCH_SECONDS})
    await asyncio.sleep(_QUIET_SECONDS)
    begun = time.time()
    platforms = list(PLATFORMS.names)
    jobs = [await client.submit("image-generation", {"prompt": prompt, "platforms": platforms}) for prompt in PROMPTS]
    for job in jobs:
        await client.result(job)
    ended = time.time()
    peak = peak_rss_mb(pid)
    naps = await client.result(watching)
    await asyncio.sleep(_REST_SECONDS)
    late = list(zip(naps["ended"], naps["late"], strict=True))
    return Seen(
        before=before,
        peak=peak,
        after=rss_mb(pid),
        late_idle=[by for at, by in late if at < begun],
        late_rendering=[by for at, by in late if begun <= at <= ended],
        seconds=ended - begun,
    )


class Client:
    """One session's requests, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session = secrets.token_urlsafe(24)

    async def submit(self, kind: str, data: dict[str, Any]) -> str:
        """Ask for a job; its id."""
        answer = await self._connection.ask(post(f"/api/jobs/{kind}", json.dumps(data).encode(), self._session))
        if answer.status != 202:
            raise RuntimeError(f"the server answered {answer.status}: {answer.body[:200]!r}")
        return json.loads(answer.body)["jobId"]

    async def result(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end; its result."""
        while True:
            job = json.loads((await self._connection.ask(get(f"/api/jobs/{job_id}", self._session))).body)
            if job["status"] == "completed":
                return job["result"]
            if job["status"] in ("failed", "cancelled"):
                raise RuntimeError(f"the job ended as {job['status']}: {job.get('error')}")
            await asyncio.sleep(0.05)
