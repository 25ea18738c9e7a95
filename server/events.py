"""GET /api/jobs/{job_id}/events: one job's news as server-sent events (WHATWG HTML, 9.2).

A fresh reader gets the job as it is, one that resumes gets exactly what came after. Who joins a job that is watched here
already asks the record nothing, unless the job has moved or what is known of it is too old.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from server.auth import identify_or_nobody
from server.streams.frames import CONNECTED, encode
from server.streams.response import Joined, StopComing, Stream
from snapasset.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from server.state import State
    from server.streams.job_topic import JobTopic

_NO_QUERY: Final[Mapping[str, str]] = {}

_SEQ: Final = re.compile(r"[0-9]{1,15}")
"""An id that could be a seq; one of absurd length must not raise, here or in the database."""


class JobStream(Stream):
    """The stream of one of the caller's jobs, from now on or from where the client left off."""

    async def join(self, scope: Scope) -> Joined:
        request: Request[State] = Request(scope)
        query: Mapping[str, str] = request.query_params if scope["query_string"] else _NO_QUERY
        word = request.headers.get("last-event-id") or query.get("after", "")
        claimed = int(word) if _SEQ.fullmatch(word) else None
        token = query.get("token")
        owner = None if token is not None else (await identify_or_nobody(request)).owner
        named = 1 if query.get("named") == "1" else 0
        topic = request.state["hub"].job(scope["path_params"]["job_id"])
        topic.pin()
        try:
            known = _knows(topic, claimed)
            if not known:
                await topic.refresh()
            if claimed is not None and claimed > topic.at and not topic.closed:
                await topic.refresh()  # the look may have begun before this claim could be true
            if token is not None:
                request.state["stream_tokens"].check(token, topic.job, time.time_ns() // 1_000_000)
            elif topic.owner != owner:
                if known:
                    await topic.refresh()  # a stranger's takes as long as one that there is not
                raise NotFound("There is no such job.")
            # Whoever has only the token may not take the owner's streams away.
            return _joined(topic, claimed, named, f"token {topic.job_id}" if owner is None else owner)
        except BaseException:
            topic.unpin()
            raise


def _knows(topic: JobTopic, claimed: int | None) -> bool:
    """Whether what is known here answers a request without a look into the record."""
    return topic.fresh if claimed is None else topic.open and not topic.closed and claimed <= topic.at


def _joined(topic: JobTopic, claimed: int | None, named: int, account: str) -> Joined:
    job = topic.job
    if claimed is not None and job.ended and claimed >= job.seq:
        raise StopComing
    if claimed is None or (claimed > max(job.seq, topic.at) and not job.ended):  # its word cannot be true
        # An ended job's final is told after its snapshot, so that whoever waits for one gets it.
        after = job.seq - 1 if job.ended else job.seq
        return Joined(topic, topic.connected(named), after, named, account)
    body = json.dumps({"type": CONNECTED, "jobId": job.id, "resumedAfter": claimed}, separators=(",", ":"))
    return Joined(topic, encode(body, CONNECTED if named else None), claimed, named, account)


follow: Final = JobStream()
