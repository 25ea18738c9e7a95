"""Keeps somebody at each post where rings are answered: should one of SAQ's workers end unasked, another takes its place.

Invariant: as long as the task of `hold` runs, a worker is at work or will be in `_LONGEST_PAUSE` seconds at the latest. One
that ends again and again is told of by `steady`, since what it needs may be no more to be had in this process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_SHORTEST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_STEADY_SECONDS: Final = 60.0
"""Whoever has worked for so long did not end because of how it began."""

_TOO_OFTEN: Final = 3


class Hand(Protocol):
    """What answers rings until it is cancelled; it may return then instead of raising."""

    async def start(self) -> None: ...


class Post:
    """One source of the rings of one queue."""

    def __init__(
        self, queue: str, hire: Callable[[], Hand], dismissed: Callable[[], bool], *, pause: float = _SHORTEST_PAUSE
    ) -> None:
        """`hire` makes a worker; `dismissed`: whether it is meant to end. `pause`: seconds before the second; doubles."""
        self._queue = queue
        self._hire = hire
        self._dismissed = dismissed
        self._pause = pause
        self._ends = 0
        self._ended_at = 0.0

    @property
    def steady(self) -> bool:
        """Whether its workers do not end one after the other."""
        return self._ends < _TOO_OFTEN or time.monotonic() > self._ended_at + _STEADY_SECONDS

    async def hold(self) -> None:
        """Answer rings until cancelled."""
        while True:
            began = time.monotonic()
            failure: Exception | None = None
            try:
                await self._hire().start()
            except Exception as error:  # noqa: BLE001  SAQ's, Redis's or ours: it is told, and another begins
                failure = error
            if self._dismissed():
                return
            self._ended_at = time.monotonic()
            self._ends = 1 if self._ended_at > began + _STEADY_SECONDS else self._ends + 1
            extra = {"queue": self._queue, "times": self._ends}
            log.error("a worker of a queue has ended unasked; another begins", exc_info=failure, extra=extra)
            await asyncio.sleep(min(_LONGEST_PAUSE, self._pause * 2 ** (self._ends - 1)))
