"""What every open stream is due, whatever its topic: a sign of life, and an end when it has grown old.

One task does it for all: readers sit in slices, and slice after slice has its turn, so that ten thousand readers are not
written to in one moment. A stream grows old at a time of its own: after a restart everybody comes at once, and would
come at once again and again.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.streams.reader import Reader
    from snapasset.settings import Settings

SLICES: Final = 64

_AGE_SPREAD: Final = 0.2


class Beat:
    """The readers of this process. `run` does the work while there are any."""

    def __init__(self, settings: Settings) -> None:
        self._pause = settings.heartbeat_seconds / SLICES
        self._age = settings.stream_age_seconds
        self._slices: tuple[set[Reader], ...] = tuple(set() for _ in range(SLICES))
        self._next = 0
        self.count = 0

    def __iter__(self) -> Iterator[Reader]:
        for readers in self._slices:
            yield from readers

    def add(self, reader: Reader) -> None:
        """Give a reader its place and its age."""
        self._next = (self._next + 1) % SLICES
        self.count += 1
        reader.place = self._next
        spread = random.uniform(1 - _AGE_SPREAD, 1 + _AGE_SPREAD)  # noqa: S311  spreads the readers
        reader.until = asyncio.get_running_loop().time() + self._age * spread
        self._slices[reader.place].add(reader)

    def remove(self, reader: Reader) -> None:
        """Forget a reader that was added."""
        self.count -= 1
        self._slices[reader.place].remove(reader)

    async def run(self) -> None:
        """Go round until nobody is left."""
        clock = asyncio.get_running_loop().time
        turn, due = 0, clock()
        while self.count:
            due = max(due + self._pause, clock())
            await asyncio.sleep(due - clock())
            turn = (turn + 1) % SLICES
            self._visit(self._slices[turn], clock())

    def _visit(self, readers: set[Reader], now: float) -> None:
        for reader in tuple(readers):
            if reader.done:
                continue
            if now >= reader.until:  # though it be full: else who is always behind would stay for ever
                reader.finish()
            elif reader.wire.full:
                reader.on_full()
            else:
                reader.beat()
