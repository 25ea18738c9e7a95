"""One watched job: subscribed to once, read once, for all who watch it.

Events are taken only when their seq is the next one; one that has been told is dropped, and a hole is read from the record.
Ticks are dropped while there is a hole: they may be newer than what is missing; so are those that another process told before
the newest event that is known here.

`connected`, the frame a fresh stream begins with, is made from one look at the record and kept for who comes next, until
the job moves or the frame is a second old: places in the queue and estimates change without news.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from server.job_body import job_json, standing_fields
from server.streams.frames import CONNECTED, Frame, encode
from server.streams.topic import AWAY_SECONDS, PAGE, Topic
from snapasset.errors import DatabaseUnavailable, NotFound
from snapasset.event import FINAL, UPDATE, Event
from snapasset.records.events import EventsAfter
from snapasset.records.watched import GetWatched

if TYPE_CHECKING:
    from server.streams.hub import Hub
    from server.streams.tail import Inbox
    from snapasset.event import News
    from snapasset.job import Job

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 1.0
"""How old the `connected` of a watched job may be."""

_EARLY: Final = 64
"""Most news that waits for the first look at the record; what is more is read there."""


class JobTopic(Topic[int]):
    """A job's events and ticks. Until it is `open` nothing is known of it but its id."""

    def __init__(self, hub: Hub, job_id: str) -> None:
        super().__init__(hub, "", 0)
        self.job_id = job_id
        self.open = False
        self.subscribed = False
        self.taps: set[Inbox] = set()
        self._job: Job | None = None
        self._connected: list[bytes | None] = [None, None]
        self._body = ""
        self._fresh_until = 0.0
        self._early: list[News] = []
        self._hole = False
        self._again = False
        """Whether there was news while the record was being read."""
        self._refreshing: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def job(self) -> Job:
        """The job as it was at the last look at the whole of it."""
        assert self._job is not None
        return self._job

    @property
    def fresh(self) -> bool:
        """Whether `connected` says how the job is."""
        return self.open and self.job.seq == self.at and asyncio.get_running_loop().time() < self._fresh_until

    def connected(self, named: int) -> bytes:
        """The frame that begins a fresh stream; what follows are the events after `job.seq`, or the final."""
        known = self._connected[named]
        if known is None:
            # Without an id for an ended job: a connection that drops between here and the final must not hide the final.
            seq = None if self.job.ended else str(self.job.seq)
            known = self._connected[named] = encode(self._body, CONNECTED if named else None, seq)
        return known

    async def refresh(self) -> None:
        """Look at the whole job, once for all who ask meanwhile. Raises `DatabaseUnavailable`, and `NotFound`."""
        if self._refreshing is None:
            self._refreshing = self.hub.hold(self._refresh())
            self._refreshing.add_done_callback(self._refreshed)
        await asyncio.shield(self._refreshing)

    # What is heard

    def hear(self, news: News) -> None:
        """Take news from the feed."""
        if self.closed:
            return
        if not self.open:
            if len(self._early) < _EARLY:
                self._early.append(news)
            else:
                self._hole = True
            return
        if not isinstance(news, Event):
            if not self._hole and (news.after == 0 or news.after >= self.at):
                self.tell_tick(Frame(news.body, name=UPDATE))
                self._tap(news)
        elif self._hole or news.seq > self.at + 1:
            if news.seq > self.at:
                self.fill()
        else:
            self._take(news)

    def fill(self) -> None:
        """The record has more than was heard: read it, once for all who say so meanwhile; until then no news is taken."""
        self._hole = self._again = True
        if self._looking is None and self.open and not self.closed:
            self._looking = self.hub.hold(self._fill())
            self._looking.add_done_callback(self._looked)

    def close(self) -> None:
        """Hear nothing more."""
        self.closed = True
        self.hub.forget_job(self)
        self.hub.switch.feed.unsubscribe(self.job_id, self.hear)
        if self._looking is not None and self._looking is not asyncio.current_task():
            self._looking.cancel()
        self.wake_taps()

    def wake_taps(self) -> None:
        """Have those look who read one by one."""
        for tap in self.taps:
            tap.wake()

    # What a topic is made of

    async def page(self, after: int) -> list[Frame[int]]:
        return [self._frame(event) for event in await self._read(after)]

    async def look(self) -> None:
        page = await self._read(self.at)
        for event in page:
            self._take(event)
        self._again |= len(page) == PAGE

    def left(self) -> None:
        if self.idle and not self.taps and not self.closed:
            self.close()

    def _take(self, event: Event) -> None:
        """Tell an event if it is the next one."""
        if event.seq != self.at + 1 or self.closed:
            return
        self.tell(self._frame(event))
        self._tap(event)
        if event.type == FINAL:
            self.close()

    def _frame(self, event: Event) -> Frame[int]:
        body = self.hub.urls.sign(event.body)
        return Frame(body, name=event.type, cursor=event.seq, id_=str(event.seq), ends=event.type == FINAL)

    async def _read(self, after: int) -> list[Event]:
        return await self.hub.database.read(EventsAfter(self.job_id, after, PAGE))

    async def _refresh(self) -> None:
        first = not self.open
        if not self.subscribed:
            self.subscribed = True
            await self.hub.switch.feed.subscribe(self.job_id, self.hear)
        seen = await self.hub.database.read(GetWatched(self.job_id, None if first else self.at, PAGE))
        if seen is None:
            raise NotFound("There is no such job.")
        self._job = seen.job
        fields = {"type": CONNECTED, **standing_fields(seen.standing)}
        self._body = job_json(seen.job, self.hub.urls, fields)
        self._connected = [None, None]
        self._fresh_until = asyncio.get_running_loop().time() + FRESH_SECONDS
        if first:
            self._begin(seen.job)
        for event in seen.events:
            self._take(event)
        if self.at < seen.job.seq:
            self.fill()

    def _begin(self, job: Job) -> None:
        self.open = True
        self.owner = job.owner
        self.begin(job.seq)
        if job.ended:
            self.close()
            return
        early, self._early = self._early, []
        for news in early:
            self.hear(news)
        if self._hole:
            self.fill()

    async def _fill(self) -> None:
        while self._again and not self.closed:
            self._again = False
            try:
                await self.look()
            except DatabaseUnavailable:
                self._again = True
                await asyncio.sleep(AWAY_SECONDS)
        self._hole = False

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            log.error("what a job's readers miss could not be read; it is tried again", exc_info=failure)
            asyncio.get_running_loop().call_later(AWAY_SECONDS, self.fill)
        elif self._again:  # said after the last look had ended, and before it was seen that it had
            self.fill()

    def _refreshed(self, task: asyncio.Task[None]) -> None:
        if self._refreshing is task:
            self._refreshing = None
        if not task.cancelled():
            task.exception()  # told to those who asked

    def _tap(self, news: News) -> None:
        for tap in self.taps:
            tap.put(news)
