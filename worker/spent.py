"""Previews whose jobs have ended: they go, the file first and then its row.

Runs in every process, as whoever has shown them may be gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from snapasset.errors import Unavailable
from snapasset.records.previews import SpentPreviews

if TYPE_CHECKING:
    from worker.storeroom import Storeroom

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 30.0
_PAGE: Final = 100


class SpentRemovals:
    """Looks every `pause` seconds for jobs of `kinds` that have ended: at all of them once, then at those of late."""

    def __init__(self, room: Storeroom, kinds: tuple[str, ...], *, pause: float = _PAUSE_SECONDS) -> None:
        self._room = room
        self._kinds = kinds
        self._pause = pause
        self._since: int | None = None

    async def run(self) -> None:
        """Do rounds until cancelled."""
        while True:
            try:
                await self.tick()
            except Unavailable as error:
                log.warning("previews are removed later", extra={"error": error.detail})
            await asyncio.sleep(self._pause)

    async def tick(self) -> None:
        """One round. What is not removed now is looked for again. Raises `Unavailable` when all of it cannot."""
        spent = await self._room.find_spent_previews(SpentPreviews(self._kinds, self._since))
        failed: frozenset[str] = frozenset()
        for start in range(0, len(spent.files), _PAGE):
            page = spent.files[start : start + _PAGE]
            failed |= (await self._room.remove_files([file.key for file in page])).failed
            if gone := tuple(file.id for file in page if file.key not in failed):
                await self._room.drop_rows(gone)
        if not failed:
            self._since = spent.upto
