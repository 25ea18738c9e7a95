"""Signs of life, as any process looks for them: whether the record answers in time, and which processes run jobs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from snapasset.database import Liveness
from snapasset.errors import Unavailable
from snapasset.records.queues import QueueRooms
from snapasset.records.workers import LiveWorkers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from snapasset.database import Database
    from snapasset.records.workers import WorkerSeen

log = logging.getLogger(__name__)

T = TypeVar("T")


async def in_time(question: Awaitable[T], seconds: float) -> T | None:
    """What a part of the service answers; None when it is not well, or not in time."""
    try:
        async with asyncio.timeout(seconds):
            return await question
    except (Unavailable, TimeoutError):
        return None
    except Exception:
        log.exception("a part of the service failed its health check")
        return None


async def record_answers(database: Database, seconds: float) -> bool:
    """Whether the record can be asked. The question is a small one, however many jobs wait."""
    return await in_time(database.read(QueueRooms()), seconds) is not None


async def living_workers(database: Database, gone_ms: int) -> list[WorkerSeen]:
    """The processes whose word is fresh, without those that are known to have died since.

    Raises `DatabaseUnavailable`.
    """
    workers = await database.read(LiveWorkers(gone_ms))
    if workers and isinstance(database, Liveness):
        dead = await asyncio.to_thread(database.dead, [worker.id for worker in workers])
        return [worker for worker in workers if worker.id not in dead]
    return workers
