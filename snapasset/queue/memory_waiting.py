"""Who waits at a `MemoryQueue`: idle workers for a job, listeners for news.

Invariant: a wake-up is never lost. Who is woken and cancelled before running passes it on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from saq.job import Status

_NEWS_KEPT: Final = 1024
"""News a slow listener may leave unread; beyond it only the newest of each job is kept, so that memory stays bounded."""


class IdleWorkers:
    """Coroutines that wait for a job, longest waiting first."""

    def __init__(self) -> None:
        self._parked: deque[asyncio.Future[bool]] = deque()

    def wake(self) -> None:
        """Tell the one that waits longest to look again."""
        while self._parked:
            waiter = self._parked.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return

    def release(self) -> None:
        """Send everybody home without a job."""
        for waiter in self._parked:
            _send_home(waiter)

    async def park(self, seconds: float | None) -> bool:
        """Wait until woken (True), or until `seconds` are over or all are released (False)."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _send_home, waiter)
        self._parked.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.wake()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._parked:
                self._parked.remove(waiter)


def _send_home(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)


class Mailbox:
    """News of some jobs for one listener, in order; ends when the queue disconnects."""

    def __init__(self) -> None:
        self._news: deque[tuple[str, Status]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def put(self, key: str, status: Status) -> None:
        self._news.append((key, status))
        if len(self._news) > _NEWS_KEPT:
            self._news = deque(dict(self._news).items())
        self._arrived.set()

    def close(self) -> None:
        self._closed = True
        self._arrived.set()

    async def take(self) -> tuple[str, Status] | None:
        """The next news, waiting for it; None once closed and empty."""
        while not self._news:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._news.popleft()


class Listeners:
    """Mailboxes by the job they want news of."""

    def __init__(self) -> None:
        self._boxes: dict[str, set[Mailbox]] = {}

    @contextmanager
    def open(self, keys: Iterable[str]) -> Generator[Mailbox]:
        """A mailbox that gets everything published about `keys` from now on."""
        box = Mailbox()
        wanted = set(keys)
        for key in wanted:
            self._boxes.setdefault(key, set()).add(box)
        try:
            yield box
        finally:
            for key in wanted:
                boxes = self._boxes[key]
                boxes.discard(box)
                if not boxes:
                    del self._boxes[key]

    def publish(self, key: str, status: Status) -> None:
        for box in self._boxes.get(key, ()):
            box.put(key, status)

    def close(self) -> None:
        for boxes in self._boxes.values():
            for box in boxes:
                box.close()
