"""A storage beyond a network, looked for until it is found: it is there, lets us in, and is this record's own.

Invariant: until then nothing is written to it, removed from it, listed or called missing; whatever is asked of it raises
why not. No process waits for it to begin, and none has to be started again when it has been mended.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from snapasset.errors import (
    BadConfiguration,
    DatabaseUnavailable,
    StorageFailed,
    StorageUnavailable,
    StorageUnusable,
)
from snapasset.storage import Storage, StoredFile, silence
from snapasset.storage.belonging import see_that_it_belongs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from snapasset.database import Database

log = logging.getLogger(__name__)

_OPENING_SECONDS: Final = 2.0
"""A process begins within five seconds, whoever is silent."""

_LOOK_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 2.0


class SoughtStorage(Storage):
    """`storage`, once it was found to be the one of the record in `database`. `open` looks once, `run` from then on."""

    def __init__(self, storage: Storage, database: Database, *, pause: float = _PAUSE_SECONDS) -> None:
        self.name = storage.name
        self.mark = storage.mark
        self.setting = storage.setting
        self.remote = storage.remote
        self._storage = storage
        self._database = database
        self._pause = pause
        self._trouble: StorageUnavailable | None = StorageUnavailable(silence(storage))
        self._told: str | None = None

    # --- looking for it

    async def open(self, seconds: float = _OPENING_SECONDS) -> None:
        """Look, for no longer than this. What is wrong is warned of, and kept for whoever asks something of the storage.

        Raises `DatabaseUnavailable`, and `BadConfiguration` for a place that is there and must not be used.
        """
        await self._look(seconds)

    async def run(self) -> None:
        """Look every few seconds, as long as it is not found; until cancelled."""
        while True:
            if self._trouble is not None:
                try:
                    await self._look(_LOOK_SECONDS)
                except BadConfiguration as error:
                    self._keep(StorageUnusable(error.detail))
                except DatabaseUnavailable:
                    pass  # that it is away is said elsewhere
            await asyncio.sleep(self._pause)

    async def _look(self, seconds: float) -> None:
        trouble: StorageUnavailable | None = None
        try:
            async with asyncio.timeout(seconds):
                await self._storage.prepare()
                await see_that_it_belongs(self._storage, self._database)
        except TimeoutError:
            trouble = StorageUnavailable(silence(self._storage))
        except StorageUnavailable as error:
            trouble = error
        except StorageFailed as error:
            trouble = StorageUnavailable(error.detail)
        self._keep(trouble)

    def _keep(self, trouble: StorageUnavailable | None) -> None:
        self._trouble = trouble
        why = None if trouble is None else trouble.detail
        if why == self._told:
            return
        self._told = why
        if why is None:
            log.info("the file storage is found and used from now on", extra={"storage": self.name})
        else:
            log.warning("the file storage cannot be used and is looked for", extra={"storage": self.name, "error": why})

    def _found(self) -> Storage:
        if self._trouble is not None:
            raise type(self._trouble)(self._trouble.detail)
        return self._storage

    # --- what every storage can do

    async def prepare(self) -> None:
        await self._found().prepare()

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        await self._found().put(key, data, content_type)

    async def get(self, key: str) -> bytes:
        return await self._found().get(key)

    def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        return self._found().stream(key, chunk_size)

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        return await self._found().delete(keys)

    def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[StoredFile]:
        return self._found().list(prefix, after=after)

    async def find(self, key: str) -> StoredFile | None:
        return await self._found().find(key)

    async def owner(self) -> str | None:
        return await self._found().owner()

    async def belong_to(self, record_id: str) -> None:
        await self._found().belong_to(record_id)

    async def check(self) -> None:
        await self._found().check()

    async def close(self) -> None:
        await self._storage.close()
