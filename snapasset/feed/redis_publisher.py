"""What this process has to say to the others: gathered for each job, sent in batches, and never waited for.

Invariant: saying something takes no time and no more than a bounded memory, whatever becomes of Redis. What cannot be
sent is kept, as one range of seqs for each job; ticks that are late are forgotten.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import to_json

from snapasset.event import FINAL, Event
from snapasset.queue.redis_address import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from snapasset.event import News

JOBS_KEPT: Final = 10_000
"""Most jobs of which something waits to be said; beyond it the oldest is forgotten, and readers elsewhere sweep."""

_JOBS_AT_ONCE: Final = 500
_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0

_MANY: Final = 8
_BREATH_SECONDS: Final = 0.003
"""While batches are that large, what the next commits have to tell goes together: a batch for each would cost as much again
as the jobs do, if they are short. One large batch alone is what a moment of waiting has left, and nobody waits after it."""

_SAY: Final = """
for _, of_owner in ipairs(cjson.decode(ARGV[1])) do
    local owner, said, heard = of_owner[1], of_owner[2], true
    for at = 1, #said, 2 do
        redis.call('PUBLISH', said[at], said[at + 1])
        heard = heard and redis.call('PUBLISH', owner, said[at + 1]) > 0
    end
end
"""
"""For each owner: its channel, and of each job its channel and its message, which the owner's gets, too, if anybody listens
there. One argument and one answer for all: each of these costs as much as to say it. Channels are no keys."""


class Publisher:
    """`run` does the work, as long as it runs."""

    def __init__(
        self, client: Redis, sender: str, channel: Callable[[str], str], owner_channel: Callable[[str], str]
    ) -> None:
        """`sender`, letters and digits, tells the others who speaks; `channel` names that of a job, `owner_channel` that of an owner."""
        self._client = client
        self._sender = sender
        self._channel = channel
        self._owner_channel = owner_channel
        self._waiting: dict[str, _Saying] = {}
        self._newest: dict[str, int] = {}
        """The seqs of the newest events of jobs that are under way."""
        self._something = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Of how many jobs something waits to be said."""
        return len(self._waiting)

    def say(self, news: News) -> None:
        """Have it sent soon."""
        job_id = news.job_id
        saying = self._waiting.get(job_id)
        if saying is None:
            if len(self._waiting) == JOBS_KEPT:
                del self._waiting[next(iter(self._waiting))]
            saying = self._waiting[job_id] = _Saying(news.owner)
            self._something.set()
        if isinstance(news, Event):
            saying.add(news.seq, news.seq)
            saying.tick = None  # it is older than this event
            self._newest.pop(job_id, None)
            if news.type != FINAL:
                self._newest[job_id] = news.seq
                if len(self._newest) > JOBS_KEPT:
                    del self._newest[next(iter(self._newest))]
        else:
            # Elsewhere the record may have been read meanwhile, and then the tick is older than what was told there.
            saying.tick = f'{news.body[:-1]},"after":{self._newest.get(job_id, 0)}}}'

    async def run(self) -> None:
        """Send for ever."""
        pause = _SHORTEST_PAUSE
        many = False
        while True:
            if not self._waiting:
                self._something.clear()
                await self._something.wait()
            batch = {job_id: self._waiting.pop(job_id) for job_id in list(self._waiting)[:_JOBS_AT_ONCE]}
            try:
                await self._send(batch)
            except FAILURES:
                self._keep(batch)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  spreads the processes
                pause = min(_LONGEST_PAUSE, pause * 2)
            else:
                pause = _SHORTEST_PAUSE
                before, many = many, len(batch) >= _MANY
                if many and before:
                    await asyncio.sleep(_BREATH_SECONDS)

    async def _send(self, batch: dict[str, _Saying]) -> None:
        owners: dict[str, list[str]] = {}
        for job_id, said in batch.items():
            tick = "null" if said.tick is None else to_json(said.tick).decode()
            message = f'["{self._sender}",{said.low},{said.high},{tick}]'
            owners.setdefault(said.owner, []).extend((self._channel(job_id), message))
        said_of = [(self._owner_channel(owner), messages) for owner, messages in owners.items()]
        await cast("Any", self._client).eval(_SAY, 0, to_json(said_of))

    def _keep(self, batch: dict[str, _Saying]) -> None:
        """Put back what was not sent, below what has been said since."""
        for job_id, saying in batch.items():
            saying.tick = None
            if not saying.high:
                continue
            newer = self._waiting.get(job_id)
            if newer is not None:
                newer.add(saying.low, saying.high)
            elif len(self._waiting) < JOBS_KEPT:
                self._waiting[job_id] = saying


class _Saying:
    """What is to be said about one job: that there are events from `low` to `high` (0: none), and the newest tick."""

    __slots__ = ("high", "low", "owner", "tick")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.low = self.high = 0
        self.tick: str | None = None

    def add(self, low: int, high: int) -> None:
        if not self.low or low < self.low:
            self.low = low
        if high > self.high:
            self.high = high
