"""GET /api/jobs/{job_id}/events: one job's news as server-sent events (WHATWG HTML, 9.2).

Frames carry no `event:` field unless `?named=1` asks for it, so that a plain `onmessage` gets them and the name `error`
never meets EventSource's own. A frame has an id only when resuming from it would miss nothing.

A browser's EventSource gives up for good at any status but 200; so all that can be refused is refused before the stream
begins, 204 is sent only to stop it, and a server that cannot serve now says 200, "come back later", and closes.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from contextlib import aclosing
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from server.auth import identify_or_nobody
from server.job_body import job_json, standing_fields
from snapasset.errors import DatabaseUnavailable
from snapasset.event import UPDATE, Event
from snapasset.records.jobs import GetJob
from snapasset.records.standing import GetStanding

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from starlette.requests import Request

    from server.file_urls import FileUrls
    from server.state import State
    from snapasset.event import News
    from snapasset.job import Job
    from snapasset.settings import Settings

CONNECTED: Final = "connected"

_HEADERS: Final = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
_SEQ: Final = re.compile(r"[0-9]{1,15}")
"""An id that could be a seq; one of absurd length must not raise, here or in the database."""

_COME_BACK: Final = 4
"""How many times the usual pause a client is told to wait when it cannot be served now."""


class Stream(EventSourceResponse):
    """A stream that ends by itself when its frames end, and by nothing else on the server's side.

    Left to itself, sse-starlette watches a flag of the process and uvicorn's signal handler, from a task that nobody
    holds, and cancels streams in mid-frame. Ours end because the hub closes.
    """

    def __init__(self, frames: AsyncIterable[bytes], settings: Settings) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            frames, headers=_HEADERS, ping=settings.heartbeat_seconds, sep="\n", ping_message_factory=_heartbeat
        )

    @staticmethod
    async def _listen_for_exit_signal() -> None:
        await asyncio.get_running_loop().create_future()


async def follow(request: Request[State]) -> Response:
    """The stream of one of the caller's jobs, from now on or from where the client left off."""
    state = request.state
    if state["hub"].closed:
        return _come_back(state["settings"])
    try:
        job = await _followed(request)
        after = _left_off(request, job)
        fresh = None if after is not None else standing_fields(await state["database"].read(GetStanding(job)))
    except DatabaseUnavailable:
        return _come_back(state["settings"])
    if job.ended and after is not None and after >= job.seq:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"cache-control": "no-store"})
    named = request.query_params.get("named") == "1"
    connected = _connected(job, after, fresh, state["file_urls"], named=named)
    return Stream(_frames(state, job, after, connected, named=named), state["settings"])


async def _followed(request: Request[State]) -> Job:
    """The job, by a token for its stream or else by the identity of who asks. Raises `NotFound`."""
    job_id: str = request.path_params["job_id"]
    token = request.query_params.get("token")
    if token is None:
        return await request.state["client"].get(job_id, owner=identify_or_nobody(request).owner)
    job = await request.state["database"].read(GetJob(job_id))
    return request.state["stream_tokens"].check(token, job, time.time_ns() // 1_000_000)


async def _frames(state: State, job: Job, after: int | None, connected: bytes, *, named: bool) -> AsyncGenerator[bytes]:
    yield _retry(state["settings"].stream_retry_ms)
    yield connected
    if after is None:
        # An ended job's final is told after its snapshot, so that whoever waits for one gets it.
        after = job.seq - 1 if job.ended else job.seq
    async with aclosing(state["hub"].tail(job.id, after)) as tail:
        async for news in tail:
            yield _frame(news, state["file_urls"], named)
            state["metrics"].delivered()


def _left_off(request: Request[State], job: Job) -> int | None:
    """The last seq the client has; None for a fresh one, or one whose word cannot be true."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "")
    if not _SEQ.fullmatch(text):
        return None
    after = int(text)
    return None if after > job.seq and not job.ended else after


def _connected(job: Job, after: int | None, standing: dict[str, Any] | None, urls: FileUrls, *, named: bool) -> bytes:
    name = CONNECTED if named else None
    if after is not None:
        body = json.dumps({"type": CONNECTED, "jobId": job.id, "resumedAfter": after}, separators=(",", ":"))
        return ServerSentEvent(body, event=name, sep="\n").encode()
    # Without an id for an ended job: a connection that drops between here and the final must not hide the final.
    seq = None if job.ended else str(job.seq)
    return ServerSentEvent(
        job_json(job, urls, {"type": CONNECTED, **(standing or {})}), event=name, id=seq, sep="\n"
    ).encode()


@lru_cache(maxsize=64)
def _frame(news: News, urls: FileUrls, named: bool) -> bytes:
    """A piece of news as it goes out: made once for all its readers."""
    if isinstance(news, Event):
        name, seq = news.type, str(news.seq)
    else:
        name, seq = UPDATE, None
    return ServerSentEvent(urls.sign(news.body), event=name if named else None, id=seq, sep="\n").encode()


def _come_back(settings: Settings) -> Response:
    async def frames() -> AsyncGenerator[bytes]:
        yield _retry(_COME_BACK * settings.stream_retry_ms)

    return Stream(frames(), settings)


def _retry(millis: int) -> bytes:
    # Spread, so that the clients of a server that went down do not all come back in one moment.
    return ServerSentEvent(retry=round(millis * random.uniform(0.9, 1.1)), sep="\n").encode()  # noqa: S311


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="", sep="\n")
