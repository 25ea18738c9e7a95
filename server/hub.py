"""Where history and live news become one: the only place that joins them.

A tail registers at the feed before it reads the record, so nothing falls between the two. It tells an event only when
its seq is the next one, drops what it has told already and looks into the record when one is missing; so each event is
told once and in order, whatever the feed loses, doubles or holds back. A reader may be as slow as it likes: what waits
for it is bounded, because the record has it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Final

from snapasset.errors import DatabaseUnavailable
from snapasset.event import FINAL, Event, Tick
from snapasset.records.events import EventsAfter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from snapasset.database import Database
    from snapasset.event import News
    from snapasset.settings import Settings
    from snapasset.switch import Switch

INBOX: Final = 64
"""Most events that wait for one reader; when there are more, they are forgotten here and read from the record."""

PAGE: Final = 100
"""Events read from the record at a time."""

_AWAY_SECONDS: Final = 1.0
"""Pause before the record is asked again when it did not answer."""


class Hub:
    """All streams of this process. Closing it ends them, now and from then on."""

    def __init__(self, database: Database, switch: Switch, settings: Settings) -> None:
        self._database = database
        self._switch = switch
        self._settings = settings
        self._inboxes: set[_Inbox] = set()
        self.closed = False
        switch.on_change(self._look_again)

    @property
    def readers(self) -> int:
        """How many tails are being read."""
        return len(self._inboxes)

    @property
    def waiting(self) -> int:
        """How many pieces of news wait for slow readers."""
        return sum(map(len, self._inboxes))

    async def tail(self, job_id: str, after: int) -> AsyncGenerator[News]:
        """News of a job from seq `after` + 1 on; ends after the first `final`, or when the hub closes.

        Events come exactly once and in order. Of the ticks only the newest comes, and none that is older than an event
        told before. While the record is away, live news goes on as long as none is missing. Whoever stops before the
        end calls `aclose()`.
        """
        now = asyncio.get_running_loop().time
        inbox = _Inbox()
        self._inboxes.add(inbox)
        feed = self._switch.feed
        try:
            await feed.subscribe(job_id, inbox.put)
            seen, look_at, away = after, now(), False
            while not self.closed:
                history: list[Event] = []
                if inbox.stale:
                    inbox.stale = False
                    look_at = min(look_at, now() + self._pause([]))
                if now() >= look_at:
                    page = await self._read(job_id, seen)
                    away, history = page is None, page or []
                    look_at = now() + self._pause(page)
                if history:
                    inbox.forget_tick()  # it may be older than what the record had
                live, hole = inbox.take(history[-1].seq if history else seen)
                if hole and not away:
                    look_at = now()
                for news in (*history, *live):
                    yield news
                    if isinstance(news, Event):
                        seen = news.seq
                        if news.type == FINAL:
                            return
                if not self.closed:  # closing may have woken an inbox that was emptied since
                    await inbox.wait(look_at)
        finally:
            self._inboxes.discard(inbox)
            feed.unsubscribe(job_id, inbox.put)

    def close(self) -> None:
        """End every tail."""
        self.closed = True
        for inbox in self._inboxes:
            inbox.wake()

    def _look_again(self) -> None:
        """The mode has changed: what was told between the two may have been told to nobody."""
        for inbox in self._inboxes:
            inbox.stale = True
            inbox.wake()

    async def _read(self, job_id: str, after: int) -> list[Event] | None:
        """A page of the record; None while it is away."""
        try:
            return await self._database.read(EventsAfter(job_id, after, PAGE))
        except DatabaseUnavailable:
            return None

    def _pause(self, page: list[Event] | None) -> float:
        """After how many seconds to look into the record again: at once while it has more."""
        if page is None:
            return _AWAY_SECONDS
        if len(page) == PAGE:
            return 0.0
        told = self._switch.mode == "redis"
        pause = self._settings.sweep_redis_seconds if told else self._settings.sweep_seconds
        return pause * random.uniform(0.8, 1.2)  # noqa: S311  spreads the readers


class _Inbox:
    """What waits for one reader: events up to a bound, and the newest tick."""

    __slots__ = ("_arrived", "_events", "_tick", "stale")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._tick: Tick | None = None
        self._arrived = asyncio.Event()
        self.stale = False
        """Whether the record is to be looked into soon, whatever has arrived."""

    def put(self, news: News) -> None:
        if isinstance(news, Tick):
            self._tick = news
        else:
            self._tick = None  # it is older than this event
            if len(self._events) == INBOX:
                self._events.clear()  # the hole this leaves sends the reader to the record
            self._events.append(news)
        self._arrived.set()

    def take(self, seen: int) -> tuple[list[News], bool]:
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

    async def wait(self, until: float) -> None:
        """Return when something waits, or at `until` by the event loop's clock."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._arrived.wait()
