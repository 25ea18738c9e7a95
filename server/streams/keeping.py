"""Tasks of the streams: each is held, so that it is not collected, and watched, so that none ends unseen."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)

T = TypeVar("T")

_AGAIN_SECONDS: Final = 1.0


class Keeper:
    """Holds tasks until they end. After `close` none is begun anew."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._endless: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def hold(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task; whoever asked for it is to see how it ended."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def keep_doing(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have work done that goes on as long as it is needed, once at a time; begun anew should it fail."""
        present = self._endless.get(name)
        if self._closed or (present is not None and not present.done()):
            return

        async def work_on() -> None:
            while True:
                try:
                    return await work()
                except Exception:
                    log.exception("a task of the streams has failed; it begins anew", extra={"task": name})
                    await asyncio.sleep(_AGAIN_SECONDS)

        self._endless[name] = asyncio.create_task(work_on())

    async def close(self) -> None:
        """End what is endless; the rest ends by itself."""
        self._closed = True
        for task in self._endless.values():
            task.cancel()
        await asyncio.gather(*self._endless.values(), return_exceptions=True)
