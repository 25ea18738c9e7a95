"""A person at the API: a session of their own, and what one does with jobs over HTTP."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final

from tests.flows.sse import TIMEOUT, streaming
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    import httpx

    from tests.flows.process import Server
    from tests.flows.sse import Stream

UNENDED: Final = "waiting,delayed,blocked,active"
ENDED: Final = frozenset({"completed", "failed", "cancelled"})


class Person:
    """One anonymous session. `server` is where it goes to; set it anew after a restart."""

    def __init__(self, http: httpx.AsyncClient, server: Server) -> None:
        self.server = server
        self.headers = {"x-session-id": secrets.token_urlsafe(24)}
        self.http = http

    def at(self, server: Server) -> Person:
        """The same session, at another server."""
        twin = Person(self.http, server)
        twin.headers = self.headers
        return twin

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return await self.http.request(method, f"{self.server.url}{path}", headers=headers, timeout=TIMEOUT, **more)

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def submit(self, kind: str, data: dict[str, Any] | None = None, **options: Any) -> str:
        """The id of a job that has been accepted."""
        body = {**(data or {}), **({"options": options} if options else {})}
        answer = await self.ask("POST", f"/api/jobs/{kind}", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["jobId"]

    async def walk(self, steps: int, seconds: float, **more: Any) -> str:
        """The id of a walk: `steps` steps, each of `seconds`; a mishap's fields, and `options`, may follow."""
        options = more.pop("options", {})
        return await self.submit("walk", {"steps": steps, "seconds": seconds, **more}, **options)

    async def job(self, job_id: str) -> dict[str, Any]:
        return await self.get(f"/api/jobs/{job_id}")

    async def jobs(self, query: str = "") -> list[dict[str, Any]]:
        """Every job of theirs, newest first, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"/api/jobs?limit=100&{query}{cursor}")
            found += page["jobs"]
            if page["nextCursor"] is None:
                return found
            cursor = f"&cursor={page['nextCursor']}"

    async def timeline(self, job_id: str) -> list[dict[str, Any]]:
        page = await self.get(f"/api/jobs/{job_id}/timeline")
        assert page["nextAfter"] is None
        return page["events"]

    async def act(self, job_id: str, verb: str, status: int) -> dict[str, Any]:
        """Cancel or retry; the answer must have `status`."""
        answer = await self.ask("POST", f"/api/jobs/{job_id}/{verb}")
        assert answer.status_code == status, answer.text
        return answer.json()

    def follow(self, job_id: str, *, last: str | None = None, query: str = "") -> AbstractAsyncContextManager[Stream]:
        """The job's stream; `last` is the id to resume after."""
        return streaming(self.http, f"{self.server.url}/api/jobs/{job_id}/events{query}", self.headers, last)

    def follow_all(self, *, last: str | None = None, query: str = "") -> AbstractAsyncContextManager[Stream]:
        """The stream of all their jobs; `last` is the id to resume after."""
        return streaming(self.http, f"{self.server.url}/api/events{query}", self.headers, last)

    async def has(self, job_id: str, status: str) -> dict[str, Any]:
        """Wait until the job has this status; the job."""

        async def look() -> dict[str, Any] | None:
            job = await self.job(job_id)
            assert job["status"] == status or job["status"] not in ENDED, job
            return job if job["status"] == status else None

        return await awaited(look, f"{job_id} is {status}")

    async def has_told(self, job_id: str, is_it: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the job's timeline has such an event."""

        async def look() -> bool:
            return any(is_it(event) for event in await self.timeline(job_id))

        await awaited(look, f"{job_id} has come there")

    async def all_end(self) -> None:
        """Wait until none of their jobs is left to be done."""

        async def look() -> bool:
            return not (await self.get(f"/api/jobs?limit=1&status={UNENDED}"))["jobs"]

        await awaited(look, "all jobs have ended")

    async def told(self, job_id: str, *, after: int = 0) -> list[dict[str, Any]]:
        """Follow a job from seq `after` to its final; the events of the record, in order, as they were told."""
        async with self.follow(job_id, query=f"?after={after}") as stream:
            return [message.body for message in await stream.rest() if message.seq]

    async def each(self, job_ids: Iterable[str]) -> list[dict[str, Any]]:
        return await asyncio.gather(*(self.job(job_id) for job_id in job_ids))
