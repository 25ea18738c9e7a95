"""When the API process runs jobs itself: while Redis is not in use, for queues that no worker process serves.

What an operator wants to know of that is logged once, when it changes: what this process takes, and who was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from snapasset.errors import DatabaseUnavailable
from snapasset.records.workers import LiveWorkers
from snapasset.vitals import living_workers

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job_type import Catalogue
    from snapasset.records.workers import WorkerSeen
    from snapasset.settings import Settings
    from snapasset.switch import Switch
    from worker.runner import Runner

log = logging.getLogger(__name__)

_REMEMBERED_MS: Final = 60_000
"""Beyond its time, for how long the row of a worker that fell silent is looked for: one that ended has none."""


class Embedded:
    """Tells the API's own runner what to take, by `FALLBACK_WORKER`, the mode and who else is alive."""

    def __init__(
        self, runner: Runner, database: Database, switch: Switch, catalogue: Catalogue, settings: Settings
    ) -> None:
        self._runner = runner
        self._database = database
        self._switch = switch
        self._catalogue = catalogue
        self._settings = settings
        self._seen: dict[str, WorkerSeen] = {}
        self._changed = asyncio.Event()
        switch.on_change(self._changed.set)

    async def run(self) -> None:
        """Decide anew for ever: each second, and at once when the mode changes."""
        while True:
            self._changed.clear()
            await self.decide()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.reconcile_seconds):
                    await self._changed.wait()

    async def decide(self) -> None:
        """Take what nobody else does. While the record is away nothing changes: nothing could be claimed."""
        try:
            workers = await self._workers()
        except DatabaseUnavailable:
            self._seen.clear()  # they could not say either that they live: nobody is called lost for that
            return
        before = set(self._runner.accepts)
        await self._runner.accept(self._wanted(workers))
        _tell_change(before, set(self._runner.accepts))

    def _wanted(self, workers: dict[str, WorkerSeen]) -> set[str]:
        everything = set(self._catalogue.queues)
        if self._switch.mode == "redis" or self._settings.fallback_worker == "off":
            return set()
        if self._settings.fallback_worker == "on":
            return everything
        return everything.difference(*(worker.queues for worker in workers.values()))

    async def _workers(self) -> dict[str, WorkerSeen]:
        """The worker processes that live, by their ids."""
        living = await living_workers(self._database, self._settings.gone_ms)
        workers = {one.id: one for one in living if one.role == "worker"}
        missing = [worker for worker in self._seen.values() if worker.id not in workers]
        if missing:
            rows = await self._database.read(LiveWorkers(self._settings.gone_ms + _REMEMBERED_MS))
            _tell_lost(missing, {row.id for row in rows})
        self._seen = workers
        return workers


def _tell_change(before: set[str], now: set[str]) -> None:
    if begun := sorted(now - before):
        log.info("this process takes jobs itself", extra={"queues": begun})
    if ceased := sorted(before - now):
        log.info("this process no longer takes jobs itself", extra={"queues": ceased})


def _tell_lost(missing: list[WorkerSeen], known: set[str]) -> None:
    for worker in missing:
        if worker.id in known:
            log.warning(
                "a worker was lost: it ended, or fell silent, without a word",
                extra={
                    "workerId": worker.id, "host": worker.host, "workerPid": worker.pid, "queues": list(worker.queues),
                },
            )  # fmt: skip
