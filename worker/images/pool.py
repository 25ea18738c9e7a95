"""The threads that touch pixels: as many as there are cores, shared by painting and rendering, opened and closed.

Pillow and numpy let go of the interpreter lock in their inner loops, so threads are enough. The event loop's own
executor is left alone: file and database work would wait there behind pictures. When the pool has had nothing to do for
a while, it gives back the memory that its pictures took.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from snapasset.memory import give_back

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_REST_SECONDS = 2.0
"""Longer than the pauses between the steps of one job, which would only have the same pages fetched again."""


class PixelPool:
    """A bounded thread pool. `async with PixelPool() as pool`, or `open()` and `await close()`.

    `at_rest` is called on a thread of the pool when nothing has been run for `rest_seconds`; it must not raise.
    """

    def __init__(
        self,
        threads: int | None = None,
        *,
        at_rest: Callable[[], None] = give_back,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self.threads = threads or os.cpu_count() or 1
        self._executor: ThreadPoolExecutor | None = None
        self._at_rest = at_rest
        self._rest_seconds = rest_seconds
        self._running = 0
        self._rest: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Make ready; opening twice changes nothing."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="pixels")

    async def close(self) -> None:
        """Drop what has not begun, wait for what has; closing twice changes nothing."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(executor.shutdown)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on a thread of the pool.

        When the caller is cancelled, work that has not begun never begins; work that has runs on unheard to its end.
        Raises what `work` raises, and `RuntimeError` when the pool is not open.
        """
        if self._executor is None:
            raise RuntimeError("the pixel pool is not open")
        if self._rest is not None:
            self._rest.cancel()
        self._running += 1
        try:
            return await asyncio.wrap_future(self._executor.submit(work, *args, **kwargs))
        finally:
            self._running -= 1
            if not self._running:
                self._rest = asyncio.get_running_loop().call_later(self._rest_seconds, self._settle)

    def _settle(self) -> None:
        if self._executor is not None:
            self._executor.submit(self._at_rest)

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
