"""Readers who see what a browser would: one follows a job over every reconnect, one asks for the health again and again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from tests.faults.patience import TELLS, within
from tests.flows.sse import StreamCut, streaming

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from tests.flows.process import Server
    from tests.flows.sse import Message

_PAUSE: Final = 0.1
"""Seconds before a reader comes back: less than a browser waits, so that more is seen."""

_LOOKS: Final = 0.2
_DOWN: Final = "unreachable"


class Witness:
    """One reader of one job: like an EventSource it comes back with the last id, each time to the next server."""

    def __init__(self, http: httpx.AsyncClient, headers: dict[str, str], job_id: str) -> None:
        self.job_id = job_id
        self.seen: list[Message] = []
        """The events of the record, as they came."""
        self.opened = 0
        self._http = http
        self._headers = headers

    async def follow(self, servers: Callable[[], Sequence[Server]], first: int = 0) -> None:
        """Read until the job's end is told, whatever becomes of the servers."""
        for turn in itertools.count(first):
            there = servers()
            if there and await self._read(there[turn % len(there)]):
                return
            await asyncio.sleep(_PAUSE)

    async def _read(self, server: Server) -> bool:
        """Read one stream to its end; whether that was the job's."""
        last = self.seen[-1].last_event_id if self.seen else None
        url = f"{server.url}/api/jobs/{self.job_id}/events?after=0"
        with contextlib.suppress(StreamCut, httpx.TransportError):
            async with streaming(self._http, url, self._headers, last) as stream:
                assert stream.status in (200, 204), f"{stream.status} ends an EventSource for good"
                self.opened += 1
                try:
                    await stream.rest()
                finally:
                    self.seen += [message for message in stream.messages if message.seq]
                return stream.status == 204
        return bool(self.seen) and self.seen[-1].type == "final"

    def complaints(self) -> list[str]:
        """What it saw that no reader may see."""
        seqs = [message.seq for message in self.seen]
        finals = [message.seq for message in self.seen if message.type == "final"]
        found: list[str] = []
        if seqs != list(range(1, len(seqs) + 1)):
            found.append(f"{self.job_id}: a reader saw the seqs {seqs}")
        if finals != seqs[-1:]:
            found.append(f"{self.job_id}: a reader saw finals {finals} of {len(seqs)} events")
        if any(message.last_event_id != str(message.seq) for message in self.seen):
            found.append(f"{self.job_id}: an event's id is not its seq")
        return found


class Glance(NamedTuple):
    """What /health of one server said, and when (monotonic seconds)."""

    at: float
    url: str
    mode: str
    redis: str
    body: dict[str, Any]
    took: float = 0.0
    """Seconds until the answer was there."""


class HealthWatch:
    """Asks every server for its health, five times a second."""

    def __init__(self, http: httpx.AsyncClient, servers: Callable[[], Sequence[Server]]) -> None:
        self.glances: list[Glance] = []
        self._http = http
        self._servers = servers

    async def run(self) -> None:
        while True:
            await asyncio.gather(*(self._look(server) for server in self._servers()))
            await asyncio.sleep(_LOOKS)

    async def _look(self, server: Server) -> None:
        at = time.monotonic()
        try:
            body = (await self._http.get(f"{server.url}/health", timeout=10)).json()
        except (httpx.TransportError, ValueError):
            self.glances.append(Glance(at, server.url, _DOWN, _DOWN, {}))
        else:
            took, redis = time.monotonic() - at, body["services"]["redis"]["status"]
            self.glances.append(Glance(at, server.url, body["mode"], redis, body, took))

    async def tells(self, mode: str, redis: str, seconds: float) -> None:
        """Wait until every server has told this, in `seconds`, from now on."""
        begin = time.monotonic()

        async def look() -> bool:
            last = {glance.url: (glance.mode, glance.redis) for glance in self.since(begin)}
            return all(last.get(server.url) == (mode, redis) for server in self._servers())

        await within(seconds, look, f"/health says {mode}, with Redis {redis}")

    def assert_told_in_time(self, mode: str, redis: str, begin: float) -> None:
        """Fail if a server that was asked later than `TELLS` after `begin` told anything else.

        Without the slack that others have; as much is allowed on top as the slowest answer took, so busy is this machine.
        """
        seen = self.since(begin)
        told_last = max((glance.at for glance in seen if (glance.mode, glance.redis) != (mode, redis)), default=begin)
        slowest = max(glance.took for glance in seen)
        print(f"measured: /health told otherwise for {told_last - begin:.2f} s; slowest answer {slowest:.2f} s")
        assert told_last - begin <= TELLS + slowest, f"{told_last - begin:.2f} s late, {slowest:.2f} s granted"

    def since(self, begin: float, end: float = float("inf")) -> list[Glance]:
        """What was seen in this time."""
        return [glance for glance in self.glances if begin <= glance.at < end]

    def changes(self, begin: float = 0.0) -> dict[str, list[str]]:
        """The modes that each server went through."""
        found: dict[str, list[str]] = {}
        for glance in self.since(begin):
            modes = found.setdefault(glance.url, [])
            if glance.mode != _DOWN and modes[-1:] != [glance.mode]:
                modes.append(glance.mode)
        return found


@asynccontextmanager
async def watching(http: httpx.AsyncClient, servers: Callable[[], Sequence[Server]]) -> AsyncGenerator[HealthWatch]:
    """A watch as long as the block runs."""
    watch = HealthWatch(http, servers)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
