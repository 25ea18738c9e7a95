"""How the parts of the service are, found out anew each time it is asked: nothing here is remembered.

Every part is asked under a time limit and beside the others, so a part that hangs is called down and the answer comes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

from snapasset.database import Liveness
from snapasset.errors import StorageQuotaExceeded, Unavailable
from snapasset.records.jobs import QueueDepth, QueueDepths, UnknownKinds
from snapasset.records.queues import QueueRoom, QueueRooms
from snapasset.records.workers import LiveWorkers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from server.state import State
    from snapasset.records.workers import WorkerSeen

log = logging.getLogger(__name__)

T = TypeVar("T")
StorageWord = Literal["ok", "full", "down"]

_EMPTY: Final = QueueDepth(waiting=0, delayed=0, blocked=0, active=0, oldest_ms=None)
_OPEN: Final = QueueRoom(paused=False, concurrency=None, rate_jobs=None, rate_ms=None, room=None)


class Known(NamedTuple):
    """What the record says.

    `workers`: the processes that live; `unknown`: how many jobs of kinds that this one does not know wait, by queue and
    kind.
    """

    depths: dict[str, QueueDepth]
    rooms: dict[str, QueueRoom]
    workers: list[WorkerSeen]
    unknown: dict[str, dict[str, int]]

    def depth(self, queue: str) -> QueueDepth:
        return self.depths.get(queue, _EMPTY)

    def room(self, queue: str) -> QueueRoom:
        return self.rooms.get(queue, _OPEN)

    def serving(self, queue: str) -> int:
        """How many live processes take jobs of a queue."""
        return sum(queue in worker.queues for worker in self.workers)

    def deserted(self, queue: str) -> bool:
        """Whether jobs wait where nobody takes them, though nobody has paused the queue."""
        return self.depth(queue).waiting > 0 and not self.serving(queue) and not self.room(queue).paused


class Condition(NamedTuple):
    """How the parts are; `known` is None while the record does not answer in time."""

    known: Known | None
    storage: StorageWord
    redis: str

    @property
    def status(self) -> Literal["ok", "degraded", "down"]:
        """down: no job is taken; degraded: jobs are taken, and not all will succeed now, or not as they should."""
        if self.known is None:
            return "down"
        well = self.storage == "ok" and self.redis != "down"
        return "ok" if well and not any(map(self.known.deserted, self.known.depths)) else "degraded"


async def look(state: State) -> Condition:
    """Ask every part."""
    known, storage = await asyncio.gather(_look_into_record(state), _look_into_storage(state))
    return Condition(known, storage, state["switch"].redis)


async def record_answers(state: State) -> bool:
    """Whether the record can be asked."""
    return await _ask(state["database"].read(QueueRooms()), state) is not None


def queue_names(state: State, known: Known) -> tuple[str, ...]:
    """Every queue of the catalogue, and those that only the record knows: jobs of another version wait there."""
    return tuple(dict.fromkeys((*state["catalogue"].queues, *known.depths, *known.rooms)))


async def seen_workers(state: State, silent_seconds: float) -> list[WorkerSeen] | None:
    """The processes that were heard of within this time, whether they live or not; None when the record is away."""
    return await _ask(state["database"].read(LiveWorkers(round(silent_seconds * 1000))), state)


async def _look_into_record(state: State) -> Known | None:
    read = state["database"].read
    kinds = tuple(job_type.kind for job_type in state["catalogue"])
    asked = asyncio.gather(read(QueueDepths()), read(QueueRooms()), _live_workers(state), read(UnknownKinds(kinds)))
    found = await _ask(asked, state)
    return None if found is None else Known(*found)


async def _live_workers(state: State) -> list[WorkerSeen]:
    """Those whose word is fresh, without those that are known to have died since."""
    database = state["database"]
    workers = await database.read(LiveWorkers(state["settings"].gone_ms))
    if workers and isinstance(database, Liveness):
        dead = await asyncio.to_thread(database.dead, [worker.id for worker in workers])
        return [worker for worker in workers if worker.id not in dead]
    return workers


async def _look_into_storage(state: State) -> StorageWord:
    async def check() -> StorageWord:
        try:
            await state["storage"].check()
        except StorageQuotaExceeded:
            return "full"
        return "ok"

    return await _ask(check(), state) or "down"


async def _ask(question: Awaitable[T], state: State) -> T | None:
    """What a part answers; None when it is not well, or not in time."""
    try:
        async with asyncio.timeout(state["settings"].health_seconds):
            return await question
    except (Unavailable, TimeoutError):
        return None
    except Exception:
        log.exception("a part of the service failed its health check")
        return None
