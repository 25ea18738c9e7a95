"""One question for all who ask at about the same time, so that a storm of probes is no storm of questions."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class Shared(Generic[T]):
    """What was found out, for everybody who asks within `seconds` of the beginning of that; 0: each asks for himself."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked: asyncio.Task[T] | None = None
        self._since = 0.0

    async def get(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer that there is, or that is on its way, or that `ask` finds now. Raises what it raised, to all alike.

        Whoever goes away meanwhile takes the answer from nobody else.
        """
        now = time.monotonic()
        if self._asked is None or now - self._since >= self._seconds:
            self._asked, self._since = asyncio.create_task(ask()), now
        return await asyncio.shield(self._asked)
