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
        self._endless: dict[str, asyncio.Task[None] | asyncio.TimerHandle] = {}
        self._closed = False

    def hold(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task; whoever asked for it learns how it ended."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def keep_doing(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have work done that goes on as long as it is needed, once at a time; begun anew should it fail."""
        if self._closed or name in self._endless:
            return

        def ended(task: asyncio.Task[None]) -> None:
            del self._endless[name]
            if task.cancelled() or self._closed:
                return
            failure = task.exception()
            if failure is not None:
                log.error("a task of the streams has ended; it begins anew", exc_info=failure, extra={"task": name})
                self._endless[name] = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, again)

        def again() -> None:
            del self._endless[name]
            self.keep_doing(name, work)

        task = asyncio.create_task(work())
        self._endless[name] = task
        task.add_done_callback(ended)

    async def close(self) -> None:
        """End what is endless; the rest ends by itself."""
        self._closed = True
        for handle in self._endless.values():
            handle.cancel()
        await asyncio.gather(
            *(task for task in self._endless.values() if isinstance(task, asyncio.Task)), return_exceptions=True
        )
