"""What can be watched, and its readers: the only place that joins history and live news.

All live readers of a topic have been told exactly what the topic has told. A reader becomes live in one step without a
pause, when its cursor is where the topic stands. Until then it is behind: a task of its own writes to it what comes after
its cursor, from the newest frames that the topic keeps or page by page from the record. When its socket is full it is
behind again. So each reader is told each frame once and in order, whatever the feed loses, doubles or holds back, and
nothing waits in memory for a slow one.

What a topic hears within one turn of the event loop goes to each live reader in one write.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from server.streams.frames import chunk, joined
from snapasset.errors import DatabaseUnavailable
from snapasset.records.owner_events import Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.streams.frames import Frame
    from server.streams.hub import Hub
    from server.streams.reader import Reader

log = logging.getLogger(__name__)

CursorT = TypeVar("CursorT", int, Cursor)

PAGE: Final = 100
"""Events read from the record at a time."""

AWAY_SECONDS: Final = 1.0
"""Pause before the record is asked again when it did not answer."""

_KEPT_FRAMES: Final = 32
_KEPT_CHARACTERS: Final = 32_768


class Topic(ABC, Generic[CursorT]):
    """Something that is watched. `at` is where it stands: all frames up to there have been told to whoever is live.

    A `sparse` topic's cursors have gaps: between one and `at` there may be nothing.
    """

    sparse = False

    def __init__(self, hub: Hub, owner: str, at: CursorT) -> None:
        self.hub = hub
        self.owner = owner
        self.at = at
        self.closed = False
        """Whether nothing more will be heard here; who is behind is still brought to the end."""
        self._pins = 0
        self._began = at
        self._kept: deque[Frame[CursorT]] = deque()
        self._kept_characters = 0
        self._live: tuple[set[Reader], set[Reader]] = (set(), set())
        self._behind: dict[Reader, asyncio.Task[None]] = {}
        self._new: list[Frame[CursorT]] = []
        self._ticks: dict[str, Frame[CursorT]] = {}
        self._told = at
        self._flushing = False

    @property
    def readers(self) -> int:
        """How many connections are told what happens here."""
        return len(self._live[0]) + len(self._live[1]) + len(self._behind)

    @property
    def behind(self) -> int:
        """How many of them are behind."""
        return len(self._behind)

    @property
    def idle(self) -> bool:
        """Whether nobody reads here or is about to."""
        return not (self._pins or self.readers)

    def pin(self) -> None:
        """Stay, though nobody reads yet; to be followed by `unpin`."""
        self._pins += 1

    def unpin(self) -> None:
        """Whoever was to join has done so, or will not."""
        self._pins -= 1
        self.left()

    # What a topic is made of

    @abstractmethod
    async def page(self, after: CursorT) -> Sequence[Frame[CursorT]]:
        """The first frames of the record after a cursor; none when there are no more. Raises `DatabaseUnavailable`."""

    @abstractmethod
    async def look(self) -> None:
        """Bring `at` up to the record, by `tell`. Raises `DatabaseUnavailable`."""

    @abstractmethod
    def left(self) -> None:
        """Somebody has gone: close, if the topic is `idle`."""

    # What a topic hears

    def begin(self, at: CursorT) -> None:
        """Where the topic stands is known now; nobody has been told anything."""
        self.at = self._told = self._began = at

    def move(self, at: CursorT) -> None:
        """There is nothing between `at` and this later place."""
        self.at = at
        if not self._new:
            self._told = at

    def tell(self, frame: Frame[CursorT], about: str = "") -> None:
        """Have all told a frame that comes right after `at`; `about` is what ticks are told about."""
        assert frame.cursor is not None
        self.at = frame.cursor
        self._ticks.pop(about, None)  # it is older than this frame
        self._new.append(frame)
        self._keep(frame)
        self._flush_soon()

    def tell_tick(self, frame: Frame[CursorT], about: str = "") -> None:
        """Have all who are live told a frame without a place; of a turn only the newest `about` one thing goes out."""
        if self._live[0] or self._live[1]:
            self._ticks[about] = frame
            self._flush_soon()

    def flush(self) -> None:
        """Write to all live readers what they have not been told."""
        self._flushing = False
        frames, before = self._new, self._told
        if self._ticks:
            frames = [*frames, *self._ticks.values()]
            self._ticks = {}
        if not frames:
            return
        self._new = []
        self._told = self.at
        for named, readers in enumerate(self._live):
            if readers:
                self._write(readers, chunk(joined(frames, named)), before)
                self.hub.metrics.delivered(len(readers) * len(frames))
        if frames[-1].ends:
            for readers in self._live:
                for reader in tuple(readers):
                    reader.finish()

    # Who is told

    def admit(self, reader: Reader, first: bytes, after: CursorT) -> None:
        """Begin a stream: `first` is written at once, then comes what follows `after`."""
        self.flush()
        frames = self._since(after)
        if frames is None:
            reader.wire.write(chunk(first))
            self._fall_behind(reader, after)
            return
        reader.wire.write(chunk(first + joined(frames, reader.named)))
        if frames:
            self.hub.metrics.delivered(len(frames))
        self._live[reader.named].add(reader)
        if self.closed:
            reader.finish()

    def end_all(self) -> None:
        """End every stream of it in good order."""
        for reader in (*self._live[0], *self._live[1], *self._behind):
            reader.finish()

    def remove(self, reader: Reader) -> None:
        """Tell a reader nothing more."""
        self._live[reader.named].discard(reader)
        task = self._behind.pop(reader, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        self.left()

    def on_full(self, reader: Reader) -> None:
        """The socket of a reader is full."""
        asyncio.get_running_loop().call_soon(self._put_behind, reader)

    def _write(self, readers: set[Reader], data: bytes, before: CursorT) -> None:
        full: list[Reader] = []
        for reader in readers:
            wire = reader.wire
            if wire.full:
                full.append(reader)
                continue
            try:
                wire.write(data)
            except (RuntimeError, OSError):  # the connection has gone, and so will its reader
                continue
        for reader in full:
            self._fall_behind(reader, before)

    def _put_behind(self, reader: Reader) -> None:
        if reader in self._live[reader.named] and reader.wire.full:
            self._fall_behind(reader, self._told)

    def _fall_behind(self, reader: Reader, after: CursorT) -> None:
        self._live[reader.named].discard(reader)
        task = asyncio.create_task(self._catch_up(reader, after))
        self._behind[reader] = task
        task.add_done_callback(lambda ended: self._caught_up(reader, ended))
        self.hub.metrics.fell_behind()

    def _caught_up(self, reader: Reader, task: asyncio.Task[None]) -> None:
        """Whatever ends the task of a reader that is still behind was not foreseen: its client resumes."""
        if self._behind.get(reader) is task:
            failure = None if task.cancelled() else task.exception()
            log.error("a stream could not be brought up", exc_info=failure)
            reader.abort()

    # How who is behind is brought up

    async def _catch_up(self, reader: Reader, after: CursorT) -> None:
        while await self._has_room(reader):
            self.flush()
            frames = self._since(after)
            if frames is None:
                frames, after = await self._page(after)
            elif not frames and not self.closed:
                del self._behind[reader]
                self._live[reader.named].add(reader)
                return
            if frames == [] and self.closed:
                reader.finish()
                return
            for frame in frames or ():
                if reader.wire.full or reader.done or reader.wire.closing:
                    break
                reader.wire.write(chunk(frame.encoded(reader.named)))
                self.hub.metrics.delivered(1)
                assert frame.cursor is not None
                after = frame.cursor
                if frame.ends:
                    reader.finish()
                    return
        reader.abort()  # nobody is there any more

    async def _has_room(self, reader: Reader) -> bool:
        """Wait until a reader can be written to. False: that takes too long, or it is no more."""
        if reader.wire.full:
            try:
                async with asyncio.timeout(self.hub.settings.stream_frozen_seconds):
                    await reader.wire.drained()
            except TimeoutError:
                self.hub.metrics.froze()
                return False
        return not (reader.done or reader.wire.closing)

    async def _page(self, after: CursorT) -> tuple[Sequence[Frame[CursorT]] | None, CursorT]:
        """What the record has after a cursor, None when that cannot be said yet; and the cursor to go on from."""
        at = self.at
        try:
            frames = await self.page(after)
            if not frames and self.sparse and after < at:
                return None, at
            if not frames and not self.closed:  # it knows more than has been told here, or less than it did
                await self.look()
                if self._since(after) is None:
                    await asyncio.sleep(AWAY_SECONDS)
                return None, after
        except DatabaseUnavailable:
            await asyncio.sleep(AWAY_SECONDS)
            return None, after
        return frames, after

    # The newest frames

    def _keep(self, frame: Frame[CursorT]) -> None:
        self._kept.append(frame)
        self._kept_characters += len(frame)
        while len(self._kept) > 1 and (len(self._kept) > _KEPT_FRAMES or self._kept_characters > _KEPT_CHARACTERS):
            oldest = self._kept.popleft()
            self._kept_characters -= len(oldest)
            assert oldest.cursor is not None
            self._began = oldest.cursor

    def _since(self, after: CursorT) -> list[Frame[CursorT]] | None:
        """The frames after a cursor, if all of them are kept, and the topic has come so far."""
        if after == self.at:
            return []
        if after < self._began or after > self.at:
            return None
        return [frame for frame in self._kept if frame.cursor is not None and frame.cursor > after]

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)
