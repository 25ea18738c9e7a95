"""What was paid for and the record keeps goes to the storage, as soon as that takes it.

Runs in every process that may run jobs: what one left behind, whatever ended it, the next one brings there. A file that the
storage refuses holds up no other.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from snapasset.errors import StorageFailed, Unavailable

if TYPE_CHECKING:
    from snapasset.storage.kept import KeptStorage

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 2.0
_TROUBLE_SECONDS: Final = 5.0


class Uploads:
    """Looks every `pause` seconds; every `trouble` seconds while the storage takes nothing, which is said once."""

    def __init__(
        self, storage: KeptStorage, *, pause: float = _PAUSE_SECONDS, trouble: float = _TROUBLE_SECONDS
    ) -> None:
        self._storage = storage
        self._pause = pause
        self._trouble = trouble
        self._away = False

    async def run(self) -> None:
        """Do rounds until cancelled; the first at once, for what the process before may have left."""
        while True:
            pause = self._pause
            try:
                brought = 0
                while await self._storage.bring_one():
                    brought += 1
            except (Unavailable, StorageFailed) as error:
                if not self._away:
                    log.warning("paid pictures wait in the record for the file storage", extra={"error": error.detail})
                self._away = True
                pause = self._trouble
            else:
                if self._away and brought:
                    log.info("what has waited in the record is in the file storage", extra={"files": brought})
                    self._away = False
            await asyncio.sleep(pause)
