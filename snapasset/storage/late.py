"""A file that came late: what it was made for has been removed while its bytes were on their way."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from snapasset.records.stocktaking import Unclaimed

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.storage import Storage

log = logging.getLogger(__name__)

_GENERATION: Final = re.compile(r"generations/([^/]+)/")


def generation_of(key: str) -> str | None:
    """The id of the generation a stored file is of, None for a key of none."""
    match = _GENERATION.match(key)
    return match[1] if match else None


async def take_back(storage: Storage, database: Database, key: str) -> None:
    """Remove what has just been stored, if nobody can miss it: no row names it, and no job works on its generation.

    Raises what `Storage.delete` does, and `DatabaseUnavailable`: then the clean-up finds it.
    """
    if key in await database.read(Unclaimed({key: generation_of(key)})):
        await storage.delete((key,))
        log.info("a file that came late was removed: its generation is gone", extra={"key": key})
