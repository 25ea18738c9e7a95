"""What was paid for and the record keeps goes to the remote storage, as soon as that takes it.

Runs in every process that may run jobs: what one left behind, whatever ended it, the next one brings there.
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
"""After a failure; one line is logged each time, so this bounds them."""


class Uploads:
    """Looks every `pause` seconds; every `trouble` seconds while the storage takes nothing."""

    def __init__(
        self, storage: KeptStorage, *, pause: float = _PAUSE_SECONDS, trouble: float = _TROUBLE_SECONDS
    ) -> None:
        self._storage = storage
        self._pause = pause
        self._trouble = trouble

    async def run(self) -> None:
        """Do rounds until cancelled; the first at once, for what the process before may have left."""
        while True:
            pause = self._pause
            try:
                while await self._storage.bring_one():
                    pass
            except (Unavailable, StorageFailed) as error:
                log.warning("a paid picture waits in the record for the file storage", extra={"error": error.detail})
                pause = self._trouble
            await asyncio.sleep(pause)
