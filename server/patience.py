"""The header `Prefer: wait=n` (RFC 7240, 4.3): a POST that waits a while for the end of the job it has made."""

from __future__ import annotations

import asyncio
import contextlib
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from snapasset.errors import DatabaseUnavailable, NotFound
from snapasset.event import FINAL, Event

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State
    from snapasset.job import Job

PREFERENCE_APPLIED: Final = "preference-applied"

_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,18})\"?\s*(?=$|[,;])", re.IGNORECASE)


def read_wait(request: Request[State]) -> int | None:
    """For how many seconds the caller would wait, at most what the settings allow; None when it would not.

    A preference that is not understood is passed over, as the RFC asks.
    """
    found = _WAIT.search(",".join(request.headers.getlist("prefer")))
    if found is None:
        return None
    return min(int(found[1]), request.state["settings"].wait_max_seconds)


async def ended_within(request: Request[State], job: Job, seconds: int) -> Job | None:
    """The job once it has ended; None when that takes longer, the caller goes away or this process stops."""
    ended = asyncio.create_task(_final(request.state, job))
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({ended, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done() or not ended.result():
            return None
        with contextlib.suppress(DatabaseUnavailable, NotFound):  # then it is looked at later
            return await request.state["client"].get(job.id, owner=job.owner)
        return None
    finally:
        for task in (ended, gone):
            task.cancel()
        await asyncio.gather(ended, gone, return_exceptions=True)


async def _final(state: State, job: Job) -> bool:
    """Return when the run has ended, True, or the hub has closed, False."""
    if job.ended:
        return True
    async with aclosing(state["hub"].tail(job.id, job.seq)) as tail:
        async for news in tail:
            if isinstance(news, Event) and news.type == FINAL:
                return True
    return False


async def _gone(request: Request[State]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
