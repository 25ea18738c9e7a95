"""All jobs of one owner: looked after once for all who watch them, and told by the record alone.

What the feed says is only that it is time to look, and ticks. A look reads on from where the topic stands; looks that are
asked for while one is under way become one. While an older transaction holds events back, the topic looks again by itself,
soon at first. Ticks that come during a look wait for its end; those that may be older than an event of their job which it
finds are dropped, and so are all that are older than the newest event that was told.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from server.streams.frames import Frame
from server.streams.topic import AWAY_SECONDS, PAGE, Topic
from snapasset.errors import DatabaseUnavailable
from snapasset.event import FINAL, UPDATE
from snapasset.records.owner_events import Cursor, LookAfter, OwnerEventsAfter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.streams.hub import Hub
    from snapasset.event import Event, Tick
    from snapasset.records.owner_events import OwnedEvent

log = logging.getLogger(__name__)

_SOON_SECONDS: Final = 0.01
"""First pause before the record is asked again for what is held back; each one more is twice as long."""

_JOBS_KEPT: Final = 1_000
"""Most jobs of which is known what was told of them last, or of which a tick waits."""

_NOWHERE: Final = Cursor("", 0, 0)


class OwnerTopic(Topic[Cursor]):
    """The events and ticks of an owner's jobs, those that are yet to come among them. It must be `open` before it is read."""

    sparse = True

    def __init__(self, hub: Hub, owner: str) -> None:
        super().__init__(hub, owner, _NOWHERE)
        self.open = False
        self._opening: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._again = False
        """Whether there was a reason to look since the last look began."""
        self._woken = asyncio.Event()
        self._unsettled = False
        self._reading = False
        self._held: dict[str, Tick] = {}
        self._newest: dict[str, int] = {}

    async def begin_now(self) -> None:
        """Have it open, once for all who ask meanwhile: it tells what is committed from now on. Raises `DatabaseUnavailable`."""
        if self.open:
            return
        if self._opening is None:
            self._opening = self.hub.hold(self._open())
            self._opening.add_done_callback(self._opened)
        await asyncio.shield(self._opening)

    async def reach(self, place: Cursor) -> bool:
        """Whether this is a place that the topic has come to, or comes to with what the record has by now.

        Raises `DatabaseUnavailable`.
        """
        all_of_it = False
        while place.era == self.at.era and place > self.at and not (all_of_it or self.closed):
            all_of_it = await self._look()
        return place.leads_on_to(self.at)

    # What is heard

    def hear(self, tick: Tick | None) -> None:
        """Take a hint, or a tick, from the feed."""
        if self.closed:
            return
        if tick is None:
            self.fill()
        elif 0 < tick.after < self._newest.get(tick.job_id, 0):
            return
        elif self._again or self._reading:
            if len(self._held) < _JOBS_KEPT:
                self._held[tick.job_id] = tick
        else:
            self._tell_ticks((tick,))

    def fill(self) -> None:
        """The record may have more: look, once for all who say so meanwhile."""
        self._again = True
        self._woken.set()
        self._look_on()

    def _look_on(self) -> None:
        if self._looking is None and self.open and not self.closed:
            self._looking = self.hub.hold(self._fill())
            self._looking.add_done_callback(self._looked)

    def close(self) -> None:
        """Hear nothing more."""
        self.closed = True
        self.hub.forget_owner(self)
        self.hub.switch.feed.unsubscribe_owner(self.owner, self.hear)
        for task in (self._looking, self._opening):
            if task is not None and task is not asyncio.current_task():
                task.cancel()

    # What a topic is made of

    async def page(self, after: Cursor) -> list[Frame[Cursor]]:
        events = await self.hub.database.read(OwnerEventsAfter(self.owner, after, PAGE))
        return [self._frame(one) for one in events]

    async def look(self) -> None:
        await self._look()

    def left(self) -> None:
        if self.idle and not self.closed:
            self.close()

    async def _look(self) -> bool:
        """Whether that was all there is."""
        found = await self.hub.database.read(LookAfter(self.owner, self.at, PAGE))
        if self.closed:
            return True
        if found.now.era != self.at.era:  # another record has been put in place: its places mean something else
            self.close()
            self.end_all()
            return True
        for one in found.events:
            if one.cursor > self.at:  # another look may have been here first
                self._note(one.event)
                self.tell(self._frame(one), about=one.event.job_id)
        self._unsettled = found.unsettled
        if found.unsettled:
            self._look_on()
        all_of_it = len(found.events) < PAGE
        if all_of_it and found.now > self.at:
            self.move(found.now)
        if not all_of_it:
            self.fill()
        return all_of_it

    def _note(self, event: Event) -> None:
        """What waits to be told of its job, or will be, may be older than this."""
        held = self._held.get(event.job_id)
        if held is not None and held.after < event.seq:
            del self._held[event.job_id]
        self._newest.pop(event.job_id, None)
        if event.type != FINAL:
            self._newest[event.job_id] = event.seq
            if len(self._newest) > _JOBS_KEPT:
                del self._newest[next(iter(self._newest))]

    def _frame(self, one: OwnedEvent) -> Frame[Cursor]:
        body = self.hub.urls.sign(one.event.body)
        return Frame(body, name=one.event.type, cursor=one.cursor, id_=str(one.cursor))

    async def _open(self) -> None:
        await self.hub.switch.feed.subscribe_owner(self.owner, self.hear)
        try:
            found = await self.hub.database.read(LookAfter(self.owner, None))
        except BaseException:
            self.hub.switch.feed.unsubscribe_owner(self.owner, self.hear)
            raise
        self.begin(found.now)
        self.open = True
        if self._again or found.unsettled:
            self.fill()

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # told to those who asked

    async def _fill(self) -> None:
        pause = _SOON_SECONDS
        while (self._again or self._unsettled) and not self.closed:
            if not self._again:
                await self._wait(pause)
                pause = min(AWAY_SECONDS, pause * 2)
            try:
                await self._look_once()
            except DatabaseUnavailable:
                self._again = True
                await asyncio.sleep(AWAY_SECONDS)
            if not self._unsettled:
                pause = _SOON_SECONDS

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            log.error("the news of an owner could not be looked for; it is tried again", exc_info=failure)
            asyncio.get_running_loop().call_later(AWAY_SECONDS, self.fill)
        elif self._again:  # said after the last look had ended, and before it was seen that it had
            self.fill()

    async def _look_once(self) -> None:
        self._again, self._reading = False, True
        try:
            await self.look()
        finally:
            self._reading = False
        if not self._again:
            held, self._held = self._held, {}
            self._tell_ticks(held.values())

    async def _wait(self, seconds: float) -> None:
        """Until there is a reason to look, or so long."""
        self._woken.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    def _tell_ticks(self, ticks: Iterable[Tick]) -> None:
        for tick in ticks:
            self.tell_tick(Frame(tick.body, name=UPDATE), about=tick.job_id)
