"""Signs of life, as any process looks for them: whether record and storage answer in time, and which processes run jobs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from snapasset.database import Liveness
from snapasset.errors import DatabaseUnavailable, StorageQuotaExceeded, StorageUnavailable, Unavailable
from snapasset.records.queues import QueueRooms
from snapasset.records.workers import LiveWorkers
from snapasset.storage import silence
from snapasset.storage.kept import KeptStorage

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from snapasset.database import Database
    from snapasset.records.workers import WorkerSeen
    from snapasset.storage import Storage

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


async def record_works(database: Database, seconds: float) -> bool:
    """Whether the record can be asked and takes changes. The question is a small one, however many jobs wait."""
    return await in_time(database.read(QueueRooms()), seconds) is not None and database.refuses is None


class Keeping(NamedTuple):
    """How the storage is. `why`: a sentence without a secret, when it is not ok, or does not take everything."""

    word: Literal["ok", "full", "down"]
    why: str | None = None

    def told(self, name: str) -> dict[str, str]:
        """The fields of a banner that say where the pictures are kept and, if something is wrong there, what."""
        return {
            "storage": name if self.word == "ok" else self.word,
            **({} if self.why is None else {"storageWhy": self.why}),
        }


async def look_into_storage(storage: Storage, seconds: float) -> Keeping:
    """Ask the storage how it is."""
    return await in_time(_keeping(storage), seconds) or Keeping("down", silence(storage))


async def _keeping(storage: Storage) -> Keeping:
    try:
        await storage.check()
    except StorageQuotaExceeded as error:
        return Keeping("full", error.detail)
    except StorageUnavailable as error:
        return Keeping("down", error.detail)
    if isinstance(storage, KeptStorage):
        with suppress(DatabaseUnavailable):
            return Keeping("ok", await storage.complaint())
    return Keeping("ok")


async def living_workers(database: Database, gone_ms: int) -> list[WorkerSeen]:
    """The processes whose word is fresh, without those that are known to have died since.

    Raises `DatabaseUnavailable`.
    """
    workers = await database.read(LiveWorkers(gone_ms))
    if workers and isinstance(database, Liveness):
        dead = await asyncio.to_thread(database.dead, [worker.id for worker in workers])
        return [worker for worker in workers if worker.id not in dead]
    return workers
