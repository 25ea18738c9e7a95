"""What the feed may have lost: all watched jobs are compared with the record, in one question, again and again.

Seldom while Redis carries the news between processes, often while it does not: then another process may run a job that is
watched here, and nobody tells. Each change of the mode calls for a sweep at once, because what was told between the two may
have been told to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Final

from server.streams.topic import AWAY_SECONDS
from snapasset.errors import DatabaseUnavailable
from snapasset.records.watched import GetSeqs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.streams.job_topic import JobTopic
    from snapasset.database import Database
    from snapasset.settings import Settings
    from snapasset.switch import Switch

_JOBS_AT_ONCE: Final = 500


class Sweep:
    """Looks after `topics`. `run` does the work while there are any."""

    def __init__(self, topics: Mapping[str, JobTopic], database: Database, switch: Switch, settings: Settings) -> None:
        self._topics = topics
        self._database = database
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

    async def _sweep(self) -> bool:
        """Whether the record answered."""
        open_ = [topic for topic in self._topics.values() if topic.open]
        for start in range(0, len(open_), _JOBS_AT_ONCE):
            topics = open_[start : start + _JOBS_AT_ONCE]
            try:
                seqs = await self._database.read(GetSeqs(tuple(topic.job_id for topic in topics)))
            except DatabaseUnavailable:
                return False
            for topic in topics:
                if seqs.get(topic.job_id, 0) > topic.at:
                    topic.fill()
        return True

    def _pause(self) -> float:
        told = self._switch.mode == "redis"
        pause = self._settings.sweep_redis_seconds if told else self._settings.sweep_seconds
        return pause * random.uniform(0.8, 1.2)  # noqa: S311  spreads the processes
