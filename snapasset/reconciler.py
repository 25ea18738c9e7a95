"""What time alone must cause. Runs in every process; there is no leader, and two of them do no harm.

Each second: schedules that are due fire, delayed jobs that are due become ready, jobs whose time to live is over fail,
jobs of dead or silent executors are taken back, and ready jobs that have no ring get one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Liveness
from snapasset.errors import DatabaseUnavailable, Refused
from snapasset.records.credits import AstrayReservations, MendReservations
from snapasset.records.dependencies import BlockedAstray, MendBlocked
from snapasset.records.queues import QueueRooms
from snapasset.records.schedules import DueSchedules, FireSchedule
from snapasset.records.upkeep import (
    PROMOTE_LIMIT,
    Expire,
    HeldJob,
    HeldJobs,
    NextDue,
    NextExpiry,
    Promote,
    ReadyJobs,
    Reap,
    Touch,
)
from snapasset.records.workers import PurgeWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapasset.database import Database
    from snapasset.records.queues import QueueRoom
    from snapasset.records.schedules import ScheduleRow
    from snapasset.records.upkeep import ReadyJob
    from snapasset.settings import Settings
    from snapasset.switch import Switch

log = logging.getLogger(__name__)

_LATEST_SHARE = 0.2
"""A round that comes later than this share of the lease says nothing about the executors' silence."""

_SUSPECT_SHARE = 0.5
"""After this share of the lease in silence, each round proves that the record could have taken a beat."""


_MEND_ROUNDS: Final = 5
"""Looking for jobs that wait for nobody reads all that are blocked: not in each round."""


_ROUNDS_READY: Final = 3
"""When jobs of a queue have been ready for more rounds than this, the worker of this process is told without Redis as well."""

_SHORTEST_PAUSE: Final = 0.05
"""A queue with a short window is looked after this often, and no oftener."""

_CREDIT_ROUNDS: Final = 10
"""A page of what was ever reserved is looked through so often; to leave some behind takes a program of another age."""

_PURGE_ROUNDS: Final = 60
_GONE_MS: Final = 600_000
"""A worker that was not heard of for so long is of no interest to whoever looks for what has just died."""


class _Watched(NamedTuple):
    held: HeldJob
    since: float


class Reconciler:
    """One process's share of the upkeep. It rings for `kinds`, by queue, and for no others: nobody here could run them.

    `monotonic` is its own clock in seconds, for measuring silence only.
    """

    def __init__(
        self,
        database: Database,
        switch: Switch,
        kinds: Mapping[str, tuple[str, ...]],
        settings: Settings,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._switch = switch
        self._kinds = kinds
        self._settings = settings
        self._monotonic = monotonic
        self._watched: dict[str, _Watched] = {}
        self._expected = 0.0
        self._database_away = False
        self._rounds = 0
        self._reservations_seen: tuple[str, int] = ("", 0)
        self._rounds_ready: dict[str, int] = {}
        self._unfit: set[ScheduleRow] = set()

    async def run(self) -> None:
        """Do rounds until cancelled; the first at once, so that a restart finds its left-overs without delay."""
        while True:
            pause = self._settings.reconcile_seconds * random.uniform(0.8, 1.2)  # noqa: S311  spreads processes
            try:
                pause = await self.tick(pause)
                if self._database_away:
                    self._database_away = False
                    log.warning("the database answers again")
            except DatabaseUnavailable as error:
                if not self._database_away:
                    self._database_away = True
                    log.warning("the database is away", extra={"error": error.detail})
            except Exception:
                log.exception("a round of upkeep failed")
            await asyncio.sleep(pause)

    async def tick(self, pause: float = 1.0) -> float:
        """One round. Returns how many seconds to wait for the next: `pause`, or less when a job is due before."""
        try:
            await self._take_back(pause)
            await self._fire()
            await self._expire()
            await self._mend()
            due = await self._promote()
            room_in = await self._ring()
        except DatabaseUnavailable:
            # The executors could not beat either: what was watched before the outage proves nothing.
            self._watched.clear()
            raise
        pause = min(pause, room_in)
        return pause if due is None else min(pause, max(due / 1000, 0.001))

    async def _promote(self) -> int | None:
        due = await self._database.read(NextDue())
        while due is not None and due <= 0:
            promoted = await self._database.write(Promote())
            due = await self._database.read(NextDue()) if promoted else None
            if len(promoted) == PROMOTE_LIMIT:
                await self._ring()
        return due

    async def _fire(self) -> None:
        for schedule in await self._database.read(DueSchedules()):
            try:
                job = await self._database.write(FireSchedule(schedule))
            except Refused as error:
                # One that cannot fire, for a zone that is not known on this host, must not keep the others from it.
                if schedule not in self._unfit:
                    self._unfit.add(schedule)
                    log.error("a schedule cannot fire", extra={"schedule": schedule.id, "error": error.detail})  # noqa: TRY400
                continue
            if job is not None:
                log.info("a schedule has fired", extra={"schedule": schedule.id, "jobId": job.id, "queue": job.queue})

    async def _expire(self) -> None:
        due = await self._database.read(NextExpiry())
        while due is not None and due <= 0:
            expired = await self._database.write(Expire())
            due = await self._database.read(NextExpiry()) if len(expired) == PROMOTE_LIMIT else None

    async def _mend(self) -> None:
        """Jobs that wait for nobody are seldom: two databases' commits crossed, or a process died between two."""
        if self._rounds % _MEND_ROUNDS == 0 and await self._database.read(BlockedAstray()):
            mended = await self._database.write(MendBlocked())
            log.warning("jobs waited for others that had ended", extra={"jobs": len(mended)})
        if self._rounds % _CREDIT_ROUNDS == 0:
            await self._mend_credits()
        if self._rounds % _PURGE_ROUNDS == 0:
            await self._database.write(PurgeWorkers(_GONE_MS))
        self._rounds += 1

    async def _mend_credits(self) -> None:
        page = await self._database.read(AstrayReservations(self._reservations_seen))
        self._reservations_seen = page.next or ("", 0)
        if page.astray:
            given_back = await self._database.write(MendReservations(page.astray))
            log.warning("ended jobs had credits reserved", extra={"jobs": len(page.astray), "givenBack": given_back})

    async def _take_back(self, pause: float) -> None:
        held = await self._database.read(HeldJobs())
        now = self._monotonic()
        if now > self._expected + self._settings.lease_seconds * _LATEST_SHARE:
            # The record was slow or this process stood still, and so may the executors have: nobody is called silent.
            self._watched.clear()
        self._expected = now + pause
        dead = await self._dead({job.worker_id for job in held})
        watched = {job.id: self._watch(job, now) for job in held}
        self._watched = watched
        lease = self._settings.lease_seconds
        suspect = next((job for job, since in watched.values() if now - since >= lease * _SUSPECT_SHARE), None)
        if suspect is not None:
            # A record that can be read but not written, on a full disk for one, takes no beats either.
            await self._database.write(Touch(suspect.id))
        for job, since in watched.values():
            if job.worker_id in dead or now - since >= lease:
                taken = await self._database.write(Reap(job))
                if taken is not None:
                    log.warning(
                        "took a job back from a lost worker",
                        extra={"jobId": taken.id, "queue": taken.queue, "status": taken.status},
                    )

    async def _dead(self, workers: set[str]) -> frozenset[str]:
        if workers and isinstance(self._database, Liveness):
            return await asyncio.to_thread(self._database.dead, workers)
        return frozenset()

    def _watch(self, job: HeldJob, now: float) -> _Watched:
        before = self._watched.get(job.id)
        if before is not None and before.held.fence == job.fence and before.held.beat == job.beat:
            return before
        return _Watched(job, now)

    async def _ring(self) -> float:
        """Ring for what is ready and may be claimed. Returns in how many seconds a queue with a rate may have room again."""
        room_in = math.inf
        rooms = await self._database.read(QueueRooms())
        for queue, kinds in self._kinds.items():
            room = rooms[queue].room if queue in rooms else None
            limit = self._settings.ring_cap if room is None else min(room, self._settings.ring_cap)
            ready = await self._database.read(ReadyJobs(queue, kinds, limit)) if limit > 0 else []
            await self._ring_for(queue, ready)
            if queue in rooms:
                room_in = min(room_in, _room_in(rooms[queue]))
        return room_in

    async def _ring_for(self, queue: str, ready: list[ReadyJob]) -> None:
        self._rounds_ready[queue] = self._rounds_ready.get(queue, 0) + 1 if ready else 0
        if self._rounds_ready[queue] > _ROUNDS_READY:
            # Rings may go astray though Redis seems well. If there is no room it does no harm either.
            for job in ready[: self._settings.job_max_concurrency]:
                await self._switch.ring_here(queue, job.id, job.kind, job.fence)
        waiting = await self._switch.waiting_rings(queue) if ready else None
        if waiting is None:
            return
        # Side by side: a Redis that is far away must not keep what else is to be done here waiting for each of them.
        missing = ready[: max(0, len(ready) - waiting)]
        await asyncio.gather(*(self._switch.ring(queue, job.id, job.kind, job.fence) for job in missing))


def _room_in(queue: QueueRoom) -> float:
    """In how many seconds one more job of a queue may be claimed, by the mean of its rate; never, where time changes nothing."""
    if queue.paused or queue.rate_jobs is None or queue.rate_ms is None:
        return math.inf
    return max(_SHORTEST_PAUSE, queue.rate_ms / 1000 / queue.rate_jobs)
