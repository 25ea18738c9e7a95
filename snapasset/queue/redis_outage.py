"""What a worker does while Redis is away: one asks whether it is back, with growing pauses, and all others wait for it.

Invariant: however many wait, and however Redis fails, there is at most one question at a time and two lines of log in
one absence. Being back means that it takes a write: a full server or a replica answers pings, and would send everybody
round in circles.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Final

from snapasset.queue.redis_address import FAILURES, reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_SHORTEST: Final = 0.1
_LONGEST: Final = 1.0
_ANSWER_SECONDS: Final = 2.0


class Outage:
    """Begins with the first failure, ends with the first thing that works again."""

    def __init__(self, name: str, write: Callable[[], Awaitable[object]]) -> None:
        """`name` goes into the log; `write` asks Redis to take something small."""
        self._name = name
        self._write = write
        self._told = False
        self._closed = False
        self._pause = _SHORTEST
        self._asking = asyncio.Lock()

    @property
    def lasts(self) -> bool:
        """Whether whoever wants something from Redis should wait first."""
        return self._closed

    def begin(self, error: Exception) -> None:
        """Take note that something failed."""
        self._closed = True
        if not self._told:
            self._told = True
            log.debug("no rings come from Redis for now", extra={"queue": self._name, "why": reason(error)})

    def end(self) -> None:
        """Take note that what had failed works."""
        self._pause = _SHORTEST
        if self._told:
            self._told = False
            log.debug("rings come from Redis again", extra={"queue": self._name})

    async def over(self, by: float | None) -> bool:
        """Wait until Redis took a write, at most until `by` on the loop's clock; whether it did.

        Whether all else works shows only when it is tried.
        """
        try:
            async with asyncio.timeout_at(by), self._asking:
                while self._closed:
                    await self._ask()
        except TimeoutError:
            return False
        return True

    async def _ask(self) -> None:
        pause, self._pause = self._pause, min(_LONGEST, self._pause * 2)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  spreads the processes
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._write()
            self._closed = False
