"""When the API process runs jobs itself: while Redis is not in use, for queues that no worker process serves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from snapasset.database import Liveness
from snapasset.errors import DatabaseUnavailable
from snapasset.records.workers import LiveWorkers

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings
    from snapasset.switch import Switch
    from worker.runner import Runner


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
        with contextlib.suppress(DatabaseUnavailable):
            await self._runner.accept(await self._wanted())

    async def _wanted(self) -> frozenset[str]:
        everything = frozenset(self._catalogue.queues)
        if self._switch.mode == "redis" or self._settings.fallback_worker == "off":
            return frozenset()
        if self._settings.fallback_worker == "on":
            return everything
        return everything - await self._served()

    async def _served(self) -> set[str]:
        """The queues that worker processes serve."""
        seen = await self._database.read(LiveWorkers(self._settings.gone_ms))
        workers = {one.id: one for one in seen if one.role == "worker"}
        if workers and isinstance(self._database, Liveness):
            for dead in await asyncio.to_thread(self._database.dead, set(workers)):
                del workers[dead]
        return {queue for worker in workers.values() for queue in worker.queues}
