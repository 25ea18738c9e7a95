"""What was paid for is saved, whoever goes away meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_SECONDS: Final = 2.0
"""Less than what a processor is given to stop. A save that takes longer goes on by itself, as long as the process does."""


class Savings:
    """What one attempt is saving of what it has paid for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def under_way(self) -> bool:
        """Whether something is not saved yet: who waits for that does not ignore that it is to stop."""
        return bool(self._tasks)

    async def to_the_end(self, saving: Coroutine[Any, Any, T]) -> T:
        """Its outcome. Whoever is cancelled goes when it is done: what comes after, such as giving the job back, finds it saved."""
        task = self._begin(saving)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=_SECONDS)
            raise

    async def shielded(self, saving: Coroutine[Any, Any, T]) -> T:
        """Its outcome. Whoever is cancelled goes at once, and it goes on by itself."""
        return await asyncio.shield(self._begin(saving))

    def _begin(self, saving: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(saving)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
