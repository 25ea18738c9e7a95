"""The whole server over HTTP: a process of its own under load from this one, beside a bare Starlette."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING

from bench.load import Connection, at_rate, get, post
from bench.process import rss_mb, server
from bench.report import Figure, percentile, rate, table

if TYPE_CHECKING:
    from collections.abc import Sequence

JOBS = 6_000
CONNECTIONS = 20
RATE = 200
SECONDS = 15
_QUIET_SECONDS = 2.0
"""What starting up used and gave back is not idle."""


def run() -> None:
    """Print the figures of the HTTP API. Durability is the default: a 202 survives a power cut."""
    with server("bench.serve", concurrency=10) as ours:
        time.sleep(_QUIET_SECONDS)
        idle = rss_mb(ours.pid)
        ended, posted = asyncio.run(_post_to_final(ours.port))
        took = asyncio.run(_latency(ours.port))
    with server("bench.bare", concurrency=10) as peer:
        time.sleep(_QUIET_SECONDS)
        peer_idle = rss_mb(peer.pid)
        peer_posted = asyncio.run(_post_all(peer.port))
        peer_took = asyncio.run(_latency(peer.port))
    table(
        f"http: POST /api/jobs/noop, {CONNECTIONS} connections, SQLite synchronous=FULL, server in one process",
        [
            Figure("POST → final, jobs", rate(ended), "≥ 1,000/s"),
            Figure(
                "POST → 202 meanwhile",
                rate(posted),
                "",
                f"{posted / peer_posted:.2f} × bare Starlette without a record",
            ),
            *(
                Figure(
                    f"POST p{percent} at {RATE}/s",
                    f"{percentile(took, percent) * 1000:.1f} ms",
                    "≤ 10 ms" if percent == 99 else "",
                    f"bare Starlette {percentile(peer_took, percent) * 1000:.1f} ms",
                )
                for percent in (50, 99)
            ),
            Figure(
                "memory when idle, before any job (RSS)",
                f"{idle:.0f} MB",
                "≤ 120 MB",
                f"bare Starlette {peer_idle:.0f} MB",
            ),
        ],
    )


async def _post_to_final(port: int) -> tuple[float, float]:
    """Jobs a second from the first POST to the last final, and POSTs a second until the last 202."""
    watcher = await Connection.open(port)
    started = time.perf_counter()
    posted = await _post_all(port)
    while await _unended(watcher):  # noqa: ASYNC110  the server is another process
        await asyncio.sleep(0.02)
    ended = time.perf_counter() - started
    await watcher.close()
    return JOBS / ended, posted


async def _post_all(port: int) -> float:
    async def some() -> None:
        connection = await Connection.open(port)
        request = post("/api/jobs/noop", b"{}", secrets.token_urlsafe(24))
        for _ in range(JOBS // CONNECTIONS):
            answer = await connection.ask(request)
            if answer.status != 202:
                raise RuntimeError(f"the server answered {answer.status}: {answer.body[:200]!r}")
        await connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(CONNECTIONS)))
    return JOBS / (time.perf_counter() - started)


async def _unended(watcher: Connection) -> int:
    health = json.loads((await watcher.ask(get("/health", secrets.token_urlsafe(24)))).body)
    noop = health["services"]["queues"]["noop"]
    return noop["waiting"] + noop["active"]


async def _latency(port: int) -> Sequence[float]:
    connections = [await Connection.open(port) for _ in range(CONNECTIONS)]
    took = await at_rate(connections, post("/api/jobs/noop", b"{}", secrets.token_urlsafe(24)), RATE, SECONDS)
    for connection in connections:
        await connection.close()
    return took
