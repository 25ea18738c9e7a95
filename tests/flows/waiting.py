"""Waiting for what is sure to happen: polled often, bounded generously, so that a slow machine changes nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

PATIENCE: Final = 25.0
"""Seconds after which a test gives up on something. No outcome depends on it."""

_PAUSE: Final = 0.01


def wait_until(look: Callable[[], T | None], what: str) -> T:
    """The first true answer of `look`."""
    until = time.monotonic() + PATIENCE
    while not (answer := look()):
        assert time.monotonic() < until, f"it did not happen in time: {what}"
        time.sleep(_PAUSE)
    return answer


async def awaited(look: Callable[[], Awaitable[T | None]], what: str, patience: float = PATIENCE) -> T:
    """The first true answer of `look`, for coroutines."""
    until = time.monotonic() + patience
    while not (answer := await look()):
        assert time.monotonic() < until, f"it did not happen in time: {what}"
        await asyncio.sleep(_PAUSE)
    return answer
