"""The feed between processes: Redis says that there is news, the record says what it is.

A message holds the sender, the seqs of events and perhaps a tick; never an event's body. Three reasons:
 - Bodies are owners' data. Whoever reads Redis learns ids of jobs, and how far they are.
 - Whoever writes to Redis could tell a reader that a job has ended, and the true end would be dropped as a double. As it
   is, a lie costs a look into the record, and changes no more than the percentage that a tick shows.
 - A message that comes late, twice or not at all does no harm: it is about a state, not a part of it.
The price is one look into the record for each job, process and burst of events, however many watch the job there; this
process's own events cost none. A tick has no row, so it travels whole; it is read field by field and spelled anew.

Whoever watches a job while Redis is away hears this process's own news. When Redis is back, each watched job is looked
up in the record once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from snapasset.errors import Unavailable
from snapasset.event import Tick
from snapasset.feed import Feed
from snapasset.feed.redis_listener import Listener
from snapasset.feed.redis_publisher import Publisher
from snapasset.feed.redis_watches import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Sequence

    from snapasset.event import Event, News
    from snapasset.feed import Receiver
    from snapasset.queue.redis_address import RedisAddress

log = logging.getLogger(__name__)

_LOOKS_AT_ONCE: Final = 8
_AWAY_SECONDS: Final = 1.0

_LONGEST_MESSAGE: Final = 4_096

LookUp = Callable[[str, int], "Awaitable[list[Event]]"]
"""Reads the events of a job after a seq from the record, in order: some of them, or none when there are no more."""


class _TickBody(BaseModel):
    """A tick as `snapasset.event.tick` spells it; what others send is nothing else."""

    type: Literal["update"]
    tick: Literal[True]
    jobId: str  # noqa: N815  as it is sent
    run: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=1)]
    status: Literal["active"]
    step: Annotated[str, Field(max_length=200)] | None
    progress: Annotated[float, Field(ge=0, le=100)]


_Seq = Annotated[int, Field(ge=0, le=2**53)]
_MESSAGE: Final = TypeAdapter(tuple[str, _Seq, _Seq, Annotated[str, Field(max_length=1_000)] | None])


class RedisFeed(Feed):
    """Carries news between all processes that use one record and one Redis. Open it before use."""

    def __init__(self, address: RedisAddress, record_id: str, look_up: LookUp) -> None:
        self._prefix = f"snapasset:{record_id}:news:"
        self._sender = uuid4().hex
        self._look_up = look_up
        self._watches: dict[str, Watch] = {}
        self._behind: asyncio.Queue[str] = asyncio.Queue()
        self._client = address.hasty()
        self._publisher = Publisher(self._client, self._sender, self._channel)
        self._listener = Listener(address, self._hear, self._hear_nothing)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = True

    async def open(self) -> None:
        """Begin to talk to Redis; it need not be there."""
        self._closed = False
        self._keep_doing(self._listener.run)
        self._keep_doing(self._listener.tell)
        self._keep_doing(self._publisher.run)
        for _ in range(_LOOKS_AT_ONCE):
            self._keep_doing(self._catch_up)

    def publish(self, news: Sequence[News]) -> None:
        if self._closed:
            return
        for item in news:
            watch = self._watches.get(item.job_id)
            if watch is not None:
                watch.tell_own(item)
            self._publisher.say(item)

    async def subscribe(self, job_id: str, receiver: Receiver) -> None:
        """See `Feed`. While Redis is away this returns at once, and the job is looked up when Redis is back."""
        watch = self._watches.setdefault(job_id, Watch())
        watch.receivers.append(receiver)
        await self._listener.want(self._channel(job_id))

    def unsubscribe(self, job_id: str, receiver: Receiver) -> None:
        watch = self._watches.get(job_id)
        if watch is None or receiver not in watch.receivers:
            return
        watch.receivers.remove(receiver)
        if not watch.receivers:
            del self._watches[job_id]
            self._listener.leave(self._channel(job_id))

    async def close(self) -> None:
        self._closed = True
        self._watches.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _channel(self, job_id: str) -> str:
        return f"{self._prefix}{job_id}"

    def _keep_doing(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Hold on to a task, and begin anew should it ever end: a silent feed looks like one without news."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if self._closed:
                return
            failure = None if task.cancelled() else task.exception()
            log.error("a task of the feed has ended; it begins anew", exc_info=failure)
            asyncio.get_running_loop().call_later(_AWAY_SECONDS, self._keep_doing, work)

        if not self._closed:
            task = asyncio.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(ended)

    # What others say

    def _hear(self, channel: str, data: bytes) -> None:
        job_id = channel.removeprefix(self._prefix)
        watch = self._watches.get(job_id)
        if watch is None or len(data) > _LONGEST_MESSAGE:
            return
        try:
            sender, low, high, tick = _MESSAGE.validate_json(data)
            body = None if tick is None else _TickBody.model_validate_json(tick)
        except ValidationError:
            return
        if sender == self._sender:
            return
        if high:
            watch.hear(low, high)
            self._wake(job_id, watch)
        if body is not None and body.jobId == job_id:
            watch.hear_tick(Tick(job_id, body.model_dump_json(), ""))

    def _hear_nothing(self, channel: str) -> None:
        job_id = channel.removeprefix(self._prefix)
        watch = self._watches.get(job_id)
        if watch is not None:
            watch.hear_nothing()
            self._wake(job_id, watch)

    # What the record says

    def _wake(self, job_id: str, watch: Watch) -> None:
        """Have the record looked into, unless that is under way: whoever does it looks again before it ends."""
        if watch.behind and not watch.looking:
            watch.looking = True
            self._behind.put_nowait(job_id)

    async def _catch_up(self) -> None:
        while True:
            job_id = await self._behind.get()
            watch = self._watches.get(job_id)
            if watch is None:
                continue
            try:
                await self._catch_up_with(job_id, watch)
            except Unavailable:
                watch.hear_nothing()
                asyncio.get_running_loop().call_later(_AWAY_SECONDS, self._wake, job_id, watch)
            finally:
                watch.looking = False

    async def _catch_up_with(self, job_id: str, watch: Watch) -> None:
        while watch.behind:
            look = watch.look()
            page = await self._look_up(job_id, look.after)
            watch.tell_stored(page)
            while look.goes_on(page):
                page = await self._look_up(job_id, look.after)
                watch.tell_stored(page)
        watch.looking = False
        watch.tell_tick()
