"""What the feed may have lost: all that is watched is compared with the record, in one question, again and again.

Seldom while Redis carries the news between processes, often while it does not: then another process may run a job that is
watched here, and nobody tells. Each change of the mode calls for a sweep at once, because what was told between the two may
have been told to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from server.streams.topic import AWAY_SECONDS
from snapasset.errors import DatabaseUnavailable
from snapasset.records.owner_events import OWNERS_AT_ONCE, OwnersBehind
from snapasset.records.watched import GetSeqs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.streams.job_topic import JobTopic
    from server.streams.owner_topic import OwnerTopic
    from snapasset.database import Database
    from snapasset.settings import Settings
    from snapasset.switch import Switch

_JOBS_AT_ONCE: Final = 500

TopicT = TypeVar("TopicT", "JobTopic", "OwnerTopic")


class Sweep(ABC, Generic[TopicT]):
    """Looks after `topics`. `run` does the work while there are any."""

    at_once: int
    """Most topics that are compared in one question."""

    def __init__(self, topics: Mapping[str, TopicT], database: Database, switch: Switch, settings: Settings) -> None:
        self._topics = topics
        self.database = database
        self._switch = switch
        self._settings = settings
        self._wanted = asyncio.Event()
        switch.on_change(self._wanted.set)

    async def run(self) -> None:
        """Sweep until nothing is watched."""
        answered = True
        while self._topics:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause() if answered else AWAY_SECONDS):
                    await self._wanted.wait()
            self._wanted.clear()
            answered = await self._sweep()

    @abstractmethod
    async def compare(self, topics: Sequence[TopicT]) -> None:
        """Have those filled of which the record has more. Raises `DatabaseUnavailable`."""

    async def _sweep(self) -> bool:
        """Whether the record answered."""
        open_ = [topic for topic in self._topics.values() if topic.open]
        for start in range(0, len(open_), self.at_once):
            try:
                await self.compare(open_[start : start + self.at_once])
            except DatabaseUnavailable:
                return False
        return True

    def _pause(self) -> float:
        told = self._switch.mode == "redis"
        pause = self._settings.sweep_redis_seconds if told else self._settings.sweep_seconds
        return pause * random.uniform(0.8, 1.2)  # noqa: S311  spreads the processes


class JobSweep(Sweep["JobTopic"]):
    """Of watched jobs."""

    at_once = _JOBS_AT_ONCE

    async def compare(self, topics: Sequence[JobTopic]) -> None:
        seqs = await self.database.read(GetSeqs(tuple(topic.job_id for topic in topics)))
        for topic in topics:
            if seqs.get(topic.job_id, 0) > topic.at:
                topic.fill()


class OwnerSweep(Sweep["OwnerTopic"]):
    """Of owners whose jobs are watched."""

    at_once = OWNERS_AT_ONCE

    async def compare(self, topics: Sequence[OwnerTopic]) -> None:
        behind = await self.database.read(OwnersBehind([(topic.owner, topic.at) for topic in topics]))
        for topic in topics:
            if topic.owner in behind:
                topic.fill()
