"""`python -m bench.sse_peers stock|plain PORT BATON`: the two usual ways to stream from Starlette, a queue for each reader.

`stock` is sse-starlette's EventSourceResponse over a generator that awaits its queue; `plain` a StreamingResponse over one
that writes the frames itself. Neither knows who asks, and neither keeps anything.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bench.sse_systems import event_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.requests import Request
    from starlette.responses import Response

_Queue = asyncio.Queue[tuple[int, str]]
_HEADERS = {"cache-control": "no-store"}


class Topics:
    """Who follows what."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, set[_Queue]] = defaultdict(set)
        self._seqs: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def following(self, topic: str) -> AsyncGenerator[_Queue]:
        queue = _Queue()
        queue.put_nowait((self._seqs[topic], f'{{"type":"connected","jobId":"{topic}"}}'))
        self._queues[topic].add(queue)
        try:
            yield queue
        finally:
            self._queues[topic].discard(queue)

    def publish(self, topic: str, pad: int) -> None:
        self._seqs[topic] += 1
        event = self._seqs[topic], event_body(topic, self._seqs[topic], pad)
        for queue in self._queues[topic]:
            queue.put_nowait(event)

    async def obey(self, baton: str) -> None:
        """Publish once for each line: the topic and how much longer the event is to be."""
        reader, writer = await asyncio.open_unix_connection(baton)
        writer.write(b"0\n")
        while line := await reader.readline():
            topic, pad = line.split()
            self.publish(topic.decode(), int(pad))


def stock(topics: Topics) -> Callable[[Request], Response]:
    async def frames(topic: str) -> AsyncGenerator[dict[str, Any]]:
        async with topics.following(topic) as queue:
            while True:
                seq, body = await queue.get()
                yield {"id": str(seq), "data": body}

    def follow(request: Request) -> Response:
        return EventSourceResponse(frames(request.path_params["topic"]), headers=_HEADERS, sep="\n")

    return follow


def plain(topics: Topics) -> Callable[[Request], Response]:
    async def frames(topic: str) -> AsyncGenerator[str]:
        async with topics.following(topic) as queue:
            while True:
                seq, body = await queue.get()
                yield f"id: {seq}\ndata: {body}\n\n"

    def follow(request: Request) -> Response:
        return StreamingResponse(frames(request.path_params["topic"]), headers=_HEADERS, media_type="text/event-stream")

    return follow


def application(way: Callable[[Topics], Callable[[Request], Response]], baton: str) -> Starlette:
    topics = Topics()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        obeying = asyncio.create_task(topics.obey(baton))
        yield
        obeying.cancel()

    follow = way(topics)

    async def endpoint(request: Request) -> Response:
        return follow(request)

    return Starlette(routes=[Route("/{topic}", endpoint)], lifespan=lifespan)


if __name__ == "__main__":
    app = application({"stock": stock, "plain": plain}[sys.argv[1]], sys.argv[3])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning")
