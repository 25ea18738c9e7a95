"""All streams of this process: what is watched, who reads, and how it all ends."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from server.streams.beat import Beat
from server.streams.job_topic import JobTopic
from server.streams.keeping import Keeper
from server.streams.owner_topic import OwnerTopic
from server.streams.sweep import JobSweep, OwnerSweep
from server.streams.tail import Inbox, tail

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from server.file_urls import FileUrls
    from server.streams.reader import Reader
    from snapasset.database import Database
    from snapasset.event import News
    from snapasset.metrics import Metrics
    from snapasset.settings import Settings
    from snapasset.switch import Switch

_STEP_SECONDS: Final = 0.05
_AT_LEAST: Final = 50
"""Streams that are ended in one step however few there are: a small server need not wait."""


class Hub:
    """Every stream goes through here. Nothing is to be opened; `drain` ends it all, then and for good."""

    def __init__(
        self, database: Database, switch: Switch, settings: Settings, urls: FileUrls, metrics: Metrics
    ) -> None:
        self.database = database
        self.switch = switch
        self.settings = settings
        self.urls = urls
        self.metrics = metrics
        self.closed = False
        self._jobs: dict[str, JobTopic] = {}
        self._owner_topics: dict[str, OwnerTopic] = {}
        self._tails = 0
        self._accounts: Counter[str] = Counter()
        self._beat = Beat(settings)
        self._sweep = JobSweep(self._jobs, database, switch, settings)
        self._owner_sweep = OwnerSweep(self._owner_topics, database, switch, settings)
        self._keeper = Keeper()

    @property
    def readers(self) -> int:
        """How many streams and tails are being read."""
        return self._beat.count + self._tails

    @property
    def waiting(self) -> int:
        """How many readers are behind, and pieces of news wait for tails."""
        tails = sum(len(tap) for topic in self._jobs.values() for tap in topic.taps)
        return tails + sum(topic.behind for topic in {reader.topic for reader in self._beat})

    async def tail(self, job_id: str, after: int) -> AsyncGenerator[News]:
        """News of a job from seq `after` + 1 on; ends after the first `final`, or when the hub closes.

        Events come exactly once and in order. Of the ticks only the newest comes, and none that is older than an event
        told before. While the record is away, live news goes on as long as none is missing. Whoever stops before the
        end calls `aclose()`.
        """
        topic, inbox = self.job(job_id), Inbox()
        topic.taps.add(inbox)
        self._tails += 1
        try:
            async for news in tail(topic, after, inbox):
                yield news
        finally:
            self._tails -= 1
            topic.taps.discard(inbox)
            topic.left()

    # Topics

    def job(self, job_id: str) -> JobTopic:
        """The topic of a job; a new one that is not open yet when nobody watches it."""
        topic = self._jobs.get(job_id)
        if topic is None:
            topic = self._jobs[job_id] = JobTopic(self, job_id)
            self.keep_doing("sweep", self._sweep.run)
        return topic

    def forget_job(self, topic: JobTopic) -> None:
        """The topic of a job has closed."""
        if self._jobs.get(topic.job_id) is topic:
            del self._jobs[topic.job_id]

    def of_owner(self, owner: str) -> OwnerTopic:
        """The topic of all jobs of an owner; a new one that is not open yet when nobody watches them."""
        topic = self._owner_topics.get(owner)
        if topic is None:
            topic = self._owner_topics[owner] = OwnerTopic(self, owner)
            self.keep_doing("owner sweep", self._owner_sweep.run)
        return topic

    def forget_owner(self, topic: OwnerTopic) -> None:
        """The topic of an owner has closed."""
        if self._owner_topics.get(topic.owner) is topic:
            del self._owner_topics[topic.owner]

    def keep_doing(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have work done until it ends by itself, or the hub: once at a time, and begun anew should it fail."""
        self._keeper.keep_doing(name, work)

    def hold(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task of a topic's."""
        return self._keeper.hold(work)

    # Readers

    def has_room(self, account: str | None = None) -> bool:
        """Whether another stream may begin: any, or one that counts for this account."""
        if self.closed or self._beat.count >= self.settings.streams_max:
            return False
        return account is None or self._accounts[account] < self.settings.streams_per_owner

    def enter(self, reader: Reader) -> None:
        """A stream begins."""
        self._accounts[reader.account] += 1
        self._beat.add(reader)
        self.keep_doing("beat", self._beat.run)

    def leave(self, reader: Reader) -> None:
        """A stream is over. Called once, by the reader itself."""
        self._beat.remove(reader)
        self._accounts[reader.account] -= 1
        if not self._accounts[reader.account]:
            del self._accounts[reader.account]
        reader.topic.remove(reader)

    # The end

    def close(self) -> None:
        """Let no stream begin any more, and end the tails."""
        self.closed = True
        for topic in tuple(self._jobs.values()):
            topic.wake_taps()

    async def drain(self) -> None:
        """End every stream in good order, spread over `stream_drain_seconds` when they are many. May be repeated."""
        self.close()
        readers = list(self._beat)
        random.shuffle(readers)
        steps = max(1, self.settings.stream_drain_seconds / _STEP_SECONDS)
        at_once = max(_AT_LEAST, ceil(len(readers) / steps))
        for start in range(0, len(readers), at_once):
            if start:
                await asyncio.sleep(_STEP_SECONDS)
            for reader in readers[start : start + at_once]:
                reader.finish()
        await self._keeper.close()
