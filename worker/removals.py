"""Generations whose removal was begun and not finished, because the storage was away or the process died: they go as well.

Runs in every process, whether or not old things are cleaned up: somebody was told that these pictures go.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from snapasset.errors import Unavailable
from snapasset.records.retention import LostGenerations
from snapasset.records.stocktaking import NEVER

if TYPE_CHECKING:
    from worker.storeroom import Storeroom

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 300.0
_PAGE: Final = 100


class Removals:
    """Finishes removals, every `pause` seconds."""

    def __init__(self, room: Storeroom, *, pause: float = _PAUSE_SECONDS) -> None:
        self._room = room
        self._pause = pause

    async def run(self) -> None:
        """Do rounds until cancelled; the first at once, for what the process before may have left."""
        while True:
            try:
                await self.tick()
            except Unavailable as error:
                log.warning("removals are finished later", extra={"error": error.detail})
            await asyncio.sleep(self._pause)

    async def tick(self) -> None:
        """One round. What cannot be removed now keeps nothing else. Raises `Unavailable` when all of it cannot."""
        after = ""
        while page := await self._room.find_lost(LostGenerations(None, NEVER, after, _PAGE)):
            for generation in page:
                removed = await self._room.remove_files([file.key for file in generation.files])
                if not removed.failed:
                    await self._room.forget(generation.id)
            after = page[-1].id
