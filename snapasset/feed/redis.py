"""The feed between processes: Redis says that there is news, the record says what it is.

A message holds the sender, the seqs of events and perhaps a tick; never an event's body. Three reasons:
 - Bodies are owners' data. Whoever reads Redis learns ids of jobs, and how far they are.
 - Whoever writes to Redis could tell a reader that a job has ended, and the true end would be dropped as a double. As it
   is, a lie costs a look into the record, and is told to nobody but as a tick: a step and a percentage that are not true, until
   the next event.
 - A message that comes late, twice or not at all does no harm: it is about a state, not a part of it.
The price is one look into the record for each job, process and burst of events, however many watch the job there, and
jobs share their looks; this process's own events cost none. A tick has no row, so it travels whole; it is read field by
field and spelled anew.

What is said of a job is said to whoever watches its owner, too, on a channel that is named by a hash of the owner: there
it means no more than that it is time to look.

Whoever watches while Redis is away hears this process's own news. When Redis is back, each watched job is looked up in
the record once, and who watches an owner is told to look.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from snapasset.event import Tick
from snapasset.feed import Feed
from snapasset.feed.owners import OwnerWatches
from snapasset.feed.redis_listener import Listener
from snapasset.feed.redis_looks import Looks
from snapasset.feed.redis_publisher import Publisher
from snapasset.feed.redis_watches import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from snapasset.event import News
    from snapasset.feed import OwnerReceiver, Receiver
    from snapasset.feed.redis_looks import LookUp
    from snapasset.queue.redis_address import RedisAddress

log = logging.getLogger(__name__)

_LOOKS_AT_ONCE: Final = 2
"""One alone would have whoever is behind wait for two; more would have less company."""

_RESTART_SECONDS: Final = 1.0

_LONGEST_MESSAGE: Final = 4_096


_Seq = Annotated[int, Field(ge=0, le=2**53)]


class _TickBody(BaseModel):
    """A tick as `snapasset.event.tick` spells it; what others send is nothing else."""

    type: Literal["update"]
    tick: Literal[True]
    jobId: Annotated[str, Field(max_length=64)]  # noqa: N815  as it is sent
    run: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=1)]
    status: Literal["active"]
    step: Annotated[str, Field(max_length=200)] | None
    progress: Annotated[float, Field(ge=0, le=100)]
    after: _Seq = 0
    """Not told to readers; older programs do not send it."""

    def for_(self, owner: str) -> Tick:
        return Tick(self.jobId, self.model_dump_json(exclude={"after"}), owner, self.after)


_MESSAGE: Final = TypeAdapter(tuple[str, _Seq, _Seq, Annotated[str, Field(max_length=1_000)] | None])


class RedisFeed(Feed):
    """Carries news between all processes that use one record and one Redis. Open it before use."""

    def __init__(self, address: RedisAddress, record_id: str, look_up: LookUp) -> None:
        self._prefix = f"snapasset:{record_id}:news:"
        self._owner_prefix = f"snapasset:{record_id}:owner:"
        self._sender = uuid4().hex
        self._watches: dict[str, Watch] = {}
        self._owners = OwnerWatches()
        self._owner_channels: dict[str, str] = {}
        """Who is watched, by the channel."""
        self._looks = Looks(self._watches, look_up)
        self._client = address.hasty()
        self._publisher = Publisher(self._client, self._sender, self._channel, self._owner_channel)
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
            self._keep_doing(self._looks.run)

    def publish(self, news: Sequence[News]) -> None:
        if self._closed:
            return
        for item in news:
            watch = self._watches.get(item.job_id)
            if watch is not None:
                watch.tell_own(item)
            self._publisher.say(item)
        if self._owners:
            self._owners.tell(news)

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

    async def subscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        """See `Feed`. While Redis is away this returns at once, and the receiver is told to look when Redis is back."""
        channel = self._owner_channel(owner)
        self._owners.add(owner, receiver)
        self._owner_channels[channel] = owner
        await self._listener.want(channel)

    def unsubscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        if self._owners.remove(owner, receiver):
            channel = self._owner_channel(owner)
            del self._owner_channels[channel]
            self._listener.leave(channel)

    async def close(self) -> None:
        self._closed = True
        self._watches.clear()
        self._owners.clear()
        self._owner_channels.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _channel(self, job_id: str) -> str:
        return f"{self._prefix}{job_id}"

    def _owner_channel(self, owner: str) -> str:
        return self._owner_prefix + _hashed(owner)

    def _keep_doing(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Hold on to a task, and begin anew should it ever end: a silent feed looks like one without news."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if self._closed:
                return
            failure = None if task.cancelled() else task.exception()
            log.error("a task of the feed has ended; it begins anew", exc_info=failure)
            asyncio.get_running_loop().call_later(_RESTART_SECONDS, self._keep_doing, work)

        if not self._closed:
            task = asyncio.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(ended)

    # What others say

    def _hear(self, channel: str, data: bytes) -> None:
        job_id = channel.removeprefix(self._prefix)
        watch, owner = self._watches.get(job_id), self._owner_channels.get(channel)
        if (watch is None and owner is None) or len(data) > _LONGEST_MESSAGE:
            return
        try:
            sender, low, high, tick = _MESSAGE.validate_json(data)
            body = None if tick is None else _TickBody.model_validate_json(tick)
        except ValidationError:
            return
        if sender == self._sender:
            return
        if owner is not None:
            if high:
                self._owners.hint(owner)
            if body is not None:
                self._owners.hint(owner, body.for_(owner))
        elif watch is not None:
            if high:
                watch.hear(low, high)
                self._looks.wake(job_id, watch)
            if body is not None and body.jobId == job_id:
                watch.hear_tick(body.for_(""))

    def _hear_nothing(self, channel: str) -> None:
        job_id, owner = channel.removeprefix(self._prefix), self._owner_channels.get(channel)
        watch = self._watches.get(job_id)
        if owner is not None:
            self._owners.hint(owner)
        elif watch is not None:
            watch.hear_nothing()
            self._looks.wake(job_id, watch)


@lru_cache(maxsize=4_096)
def _hashed(owner: str) -> str:
    """The owner as Redis may know it: whoever reads there learns nobody's id."""
    return hashlib.sha256(owner.encode()).hexdigest()[:32]
