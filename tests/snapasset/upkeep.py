"""A reconciler whose rounds and whose clock are the test's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.reconciler import Reconciler
from snapasset.settings import Settings
from tests.contracts.record_jobs import KIND, QUEUE

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.switch import Switch

KINDS = {QUEUE: (KIND,), "chores": (KIND,)}
SETTINGS = Settings(beat_seconds=5, lease_seconds=15, reconcile_seconds=1, ring_cap=4)


class Monotonic:
    """A process's own clock, in seconds; its beginning means nothing."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


class Upkeep:
    """A reconciler whose rounds come when the test says so, a second apart."""

    def __init__(self, database: Database, switch: Switch, settings: Settings = SETTINGS) -> None:
        self.monotonic = Monotonic()
        self.reconciler = Reconciler(database, switch, KINDS, settings, monotonic=self.monotonic)

    async def tick(self, pause: float = 1.0) -> float:
        return await self.reconciler.tick(pause)

    async def pass_seconds(self, seconds: int) -> None:
        """So many rounds, each in its time."""
        for _ in range(seconds):
            self.monotonic.now += 1
            await self.tick()
