"""A job's news one by one, for who waits for it within this process: flows, tests, a POST that waits for its job."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from server.streams.topic import AWAY_SECONDS, PAGE
from snapasset.errors import DatabaseUnavailable, NotFound
from snapasset.event import FINAL, Event, Tick
from snapasset.records.events import EventsAfter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from server.streams.job_topic import JobTopic
    from snapasset.event import News

INBOX: Final = 64
"""Most events that wait for one reader; when there are more, they are forgotten here and read from the record."""


async def tail(topic: JobTopic, after: int, inbox: Inbox) -> AsyncGenerator[News]:
    """What the topic hears after a seq; `inbox` is one of its taps. Ends as `Hub.tail` says."""
    seen = after
    while not topic.hub.closed:
        news, hole = inbox.take(seen)
        if not news and (hole or not topic.open or seen < topic.at):
            stored = await _stored(topic, seen)
            if stored is None:
                await inbox.wait(AWAY_SECONDS)
                continue
            inbox.forget_tick()  # it may be older than what the record had
            news = stored
        for item in news:
            yield item
            if isinstance(item, Event):
                seen = item.seq
                if item.type == FINAL:
                    return
        if not news:
            if topic.closed and seen >= topic.at:
                return
            await inbox.wait(None)


async def _stored(topic: JobTopic, after: int) -> Sequence[Event] | None:
    """A page of the record; None while it is away."""
    try:
        if not topic.open:
            await topic.refresh()
        return await topic.hub.database.read(EventsAfter(topic.job_id, after, PAGE))
    except DatabaseUnavailable:
        return None
    except NotFound:
        topic.close()
        return ()


class Inbox:
    """What waits for one reader: events up to a bound, and the newest tick."""

    __slots__ = ("_arrived", "_events", "_tick")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._tick: Tick | None = None
        self._arrived = asyncio.Event()

    def put(self, news: News) -> None:
        if isinstance(news, Tick):
            self._tick = news
        else:
            self._tick = None  # it is older than this event
            if len(self._events) == INBOX:
                self._events.clear()  # the hole this leaves sends the reader to the record
            self._events.append(news)
        self._arrived.set()

    def take(self, seen: int) -> tuple[Sequence[News], bool]:
        """What follows `seen` without a hole, and whether there is one; the inbox is empty then."""
        self._arrived.clear()
        events, last = self._events, self._tick
        self._events, self._tick = [], None
        follows: list[News] = []
        for event in events:
            if event.seq > seen + 1:
                return follows, True
            if event.seq == seen + 1:
                follows.append(event)
                seen = event.seq
        if last is not None:  # it came after them all: an event displaces the tick before it
            follows.append(last)
        return follows, False

    def __len__(self) -> int:
        return len(self._events) + (self._tick is not None)

    def forget_tick(self) -> None:
        self._tick = None

    def wake(self) -> None:
        self._arrived.set()

    async def wait(self, seconds: float | None) -> None:
        """Return when something waits, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
