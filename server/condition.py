"""How the parts of the service are, found out when it is asked; those who ask within half a second share what is found.

Every part is asked under a time limit and beside the others, so a part that hangs is called down and the answer comes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from snapasset.errors import ProviderQuotaExceeded
from snapasset.records.failures import ProviderFailedAt
from snapasset.records.jobs import QueueDepth, QueueDepths, ReadyKinds
from snapasset.records.queues import QueueRoom, QueueRooms
from snapasset.records.workers import LiveWorkers
from snapasset.standing import Standing
from snapasset.vitals import Keeping, in_time, living_workers, look_into_storage, record_works

if TYPE_CHECKING:
    from server.state import State
    from snapasset.records.workers import WorkerSeen
    from snapasset.switch import RedisStatus

_EMPTY: Final = QueueDepth(waiting=0, delayed=0, blocked=0, active=0, oldest_ms=None)
_OPEN: Final = QueueRoom(paused=False, concurrency=None, rate_jobs=None, rate_ms=None, room=None)


class Known(NamedTuple):
    """What the record says.

    `workers`: the processes that live; `ready`: how many jobs wait to be claimed, by queue and kind; `kinds`: those that
    this process knows; `provider_failed_at`: when a job last failed by its provider, in any process, if that was of late.
    """

    depths: dict[str, QueueDepth]
    rooms: dict[str, QueueRoom]
    workers: list[WorkerSeen]
    ready: dict[str, dict[str, int]]
    kinds: frozenset[str]
    provider_failed_at: int | None = None

    def depth(self, queue: str) -> QueueDepth:
        return self.depths.get(queue, _EMPTY)

    def room(self, queue: str) -> QueueRoom:
        return self.rooms.get(queue, _OPEN)

    def serving(self, queue: str) -> int:
        """How many live processes take jobs of a queue."""
        return sum(queue in worker.queues for worker in self.workers)

    @property
    def unknown(self) -> dict[str, dict[str, int]]:
        """How many ready jobs are of kinds that this process does not know, by queue and kind."""
        strange = {
            queue: {kind: count for kind, count in counts.items() if kind not in self.kinds}
            for queue, counts in self.ready.items()
        }
        return {queue: counts for queue, counts in strange.items() if counts}

    @property
    def stuck(self) -> bool:
        """Whether a queue has paused itself, and somebody has to see to that."""
        return any(room.reason is not None for room in self.rooms.values())

    @property
    def out_of_quota(self) -> bool:
        """Whether a queue waits because the provider's quota is used up, whichever process met that."""
        return any(room.reason == ProviderQuotaExceeded.code for room in self.rooms.values())

    def deserted(self, queue: str) -> bool:
        """Whether jobs are ready that no live process would take, though nobody has paused the queue.

        It takes one that serves the queue and knows the kind: during a change of version either may be wanting.
        """
        known = {kind for worker in self.workers if queue in worker.queues for kind in worker.kinds}
        return not self.ready.get(queue, {}).keys() <= known and not self.room(queue).paused


class Condition(NamedTuple):
    """How the parts are.

    `users`: whether who has signed in can be known, None where nobody can sign in. `works`: whether the record answers and takes changes; `refuses`: why it takes
    none, if it says so. `known` is None while it does not answer, and while it is too slow to count the jobs.
    `provider`: who makes the pictures, as far as this process knows.
    """

    works: bool
    known: Known | None
    storage: Keeping
    redis: RedisStatus
    provider: Standing
    users: Standing | None = None
    refuses: str | None = None

    @property
    def status(self) -> Literal["ok", "degraded", "down"]:
        """down: no job is taken; degraded: jobs are taken, and not all will succeed now, or nobody can tell."""
        if not self.works:
            return "down"
        well = self.known is not None and not self.known.stuck and not any(map(self.known.deserted, self.known.ready))
        users = self.users is None or self.users.status != "down"
        parts = users and self.storage.word == "ok" and self.redis != "down" and self.provider.status != "down"
        return "ok" if well and parts else "degraded"


async def glance(state: State) -> Condition:
    """As `look`, begun at most `SHARED_SECONDS` ago: however many probe, the record is asked twice a second.

    How Redis is is known without asking, and so is whether users can be checked: that is told as it is now.
    """
    seen = await state["life"].condition.get(lambda: look(state))
    return seen._replace(redis=state["switch"].redis, users=_users(state))


async def look(state: State) -> Condition:
    """Ask every part."""
    seconds = state["settings"].health_seconds
    works, known, storage, provider = await asyncio.gather(
        record_works(state["database"], seconds),
        in_time(_count(state), seconds),
        look_into_storage(state["storage"], seconds),
        in_time(state["provider"].look(), seconds),
    )
    if known is not None and known.provider_failed_at and state["provider"].heard(known.provider_failed_at):
        provider = await in_time(state["provider"].look(), seconds)
    standing = provider or Standing("unknown", "The picture provider has not answered in time.")
    if known is not None and known.out_of_quota and state["provider"].paid:
        standing = Standing("down", "The quota or budget at the picture provider is used up.")
    refuses = state["database"].refuses
    works = refuses is None and (works or known is not None)
    return Condition(works, known, storage, state["switch"].redis, standing, _users(state), refuses)


def _users(state: State) -> Standing | None:
    users = state["users"]
    return None if users is None else users.standing()


def queue_names(state: State, known: Known) -> tuple[str, ...]:
    """Every queue of the catalogue, and those that only the record knows: jobs of another version wait there."""
    return tuple(dict.fromkeys((*state["catalogue"].queues, *known.depths, *known.rooms)))


async def seen_workers(state: State, silent_seconds: float) -> list[WorkerSeen] | None:
    """The processes that were heard of within this time, whether they live or not; None when the record is away."""
    question = state["database"].read(LiveWorkers(round(silent_seconds * 1000)))
    return await in_time(question, state["settings"].health_seconds)


async def _count(state: State) -> Known:
    """One question after the other: each of them may read all that is ready, and others want to read as well."""
    database = state["database"]
    kinds = tuple(job_type.kind for job_type in state["catalogue"])
    return Known(
        rooms=await database.read(QueueRooms()),
        workers=await living_workers(database, state["settings"].gone_ms),
        depths=await database.read(QueueDepths(kinds)),
        ready=await database.read(ReadyKinds()),
        kinds=frozenset(kinds),
        provider_failed_at=await database.read(ProviderFailedAt(kinds)),
    )
