"""What was paid for is saved, whoever goes away meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_SECONDS: Final = 2.0
"""Less than what a processor is given to stop. A save that takes longer goes on by itself, as long as the process does."""


async def to_the_end(saving: Coroutine[Any, Any, T]) -> T:
    """Its outcome. Whoever is cancelled goes when it is done: what comes after, such as giving the job back, finds it saved."""
    task = asyncio.create_task(saving)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_SECONDS)
        raise
