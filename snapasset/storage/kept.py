"""A storage with the record behind it: what was paid for is kept there when, and as long as, the storage has it not.

Invariant: what was paid for is in the storage or in the record from the commit that ends its step, so no outage of the
storage has it made twice. Where the storage lies beyond a network, it goes into the record at once, with no look at the
storage; a folder of this host is tried first. `bring_one` moves on what the record keeps; whoever reads meanwhile gets it
from there, and cannot tell.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from snapasset.database import BULK
from snapasset.errors import (
    BadPicture,
    FileMissing,
    StorageFailed,
    StorageQuotaExceeded,
    StorageUnavailable,
    StorageUnusable,
)
from snapasset.records.blobs import BlobBytes, BlobDue, BlobPart, BlobsAfter, DropBlobs, FindBlob, PutOffBlob, TakeBlob
from snapasset.storage import Leftovers, Storage, StoredFile
from snapasset.storage.backlog import complaint
from snapasset.storage.late import take_back
from snapasset.storage.safe_path import check_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from snapasset.database import Database
    from snapasset.records.blobs import TakenBlob

log = logging.getLogger(__name__)

LARGEST: Final = 32 * 1024 * 1024
"""No larger file is kept in the record: it goes to the storage at once, and is lost with it."""

MOST: Final = 1024 * 1024 * 1024
"""With so many bytes waiting nothing more is paid for: an outage of days must not fill the record."""

_LEASE_MS: Final = 30_000
"""After this long another process may try, should the first have died."""

_PAUSE_MS: Final = 2_000
"""After this long anybody may, when the first has failed."""

_LONGEST_PAUSE_MS: Final = 60_000
_PATIENCE: Final = 10.0
"""Seconds after which a folder that says nothing does not get what was paid for."""

_GLANCE: Final = 2.0
"""Seconds after which a storage beyond a network counts as away for now."""

_FAILURES: Final = (StorageUnavailable, StorageFailed, TimeoutError)


class KeptStorage(Storage):
    """`storage` with the record in `database`. What it is asked of the record may raise `DatabaseUnavailable`."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
        *,
        largest: int = LARGEST,
        most: int = MOST,
        pause_ms: int = _PAUSE_MS,
        patience: float = _PATIENCE,
    ) -> None:
        self.name = storage.name
        self.mark = storage.mark
        self.setting = storage.setting
        self.remote = storage.remote
        self._storage = storage
        self._database = database
        self._largest = largest
        self._most = most
        self._pause_ms = pause_ms
        self._patience = patience
        self._refused: set[str] = set()

    # --- what was paid for

    async def make_sure(self) -> None:
        """Return when what is paid for now can be kept; else raise `StorageUnavailable`, before it is paid for.

        `StorageUnusable` when it could be kept, and would have to wait until somebody mends the storage.
        """
        try:
            async with asyncio.timeout(min(self._patience, _GLANCE) if self.remote else self._patience):
                await self._storage.check()
        except StorageUnusable:
            raise
        except StorageQuotaExceeded as error:
            if not self.remote:  # the record may well lie on the same disk
                raise StorageUnavailable(f"{error.detail} Nothing is paid for until there is room.") from error
        except (StorageUnavailable, TimeoutError):
            pass
        else:
            if not self.remote:
                return
        if await self._database.read(BlobBytes()) > self._most:
            raise StorageUnavailable(
                "Too much waits for the file storage to come back; nothing more is paid for until then."
            )

    async def place(self, key: str, data: bytes, content_type: str) -> bool:
        """Store what was paid for; or return False when the step that made it is to hand it to the record (`FileRow.data`).

        Raises `BadPicture`, which no other attempt mends, for one that the record would not take and the storage has not
        taken.
        """
        small = len(data) <= self._largest
        if small and self.remote:
            return False
        try:
            async with asyncio.timeout(self._patience if small else None):
                await self._storage.put(key, data, content_type)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not small or task is None:
                raise
            task.uncancel()
            task.cancel()  # at the next await: the save that comes then goes on by itself
        except _FAILURES as error:
            if not small:
                raise BadPicture(
                    f"The picture is larger than {self._largest} bytes, and the file storage has not taken it."
                ) from error
            log.warning(
                "a paid picture goes into the record: the file storage has not taken it",
                extra={"error": str(error) or "no answer in time"},
            )
        else:
            return True
        return False

    # --- on its way from the record to the storage

    async def bring_one(self) -> bool:
        """Bring one file that the record keeps to the storage; whether there was one. Raises what `check` raises.

        Any number of processes may do so. One that dies in the middle has it brought again: the bytes are the same. One
        that the storage does not take, while it is well, is put off for longer each time, so the others pass it.
        """
        if not await self._database.read(BlobDue()):
            return False
        taken = await self._database.write(TakeBlob(_LEASE_MS))
        if taken is None:
            return False
        data = await self._whole(taken.key)
        if data is not None:
            try:
                await self._storage.put(taken.key, data, taken.content_type)
            except (StorageUnavailable, StorageFailed) as error:
                await self._put_off(taken, error)
            else:
                self._refused.discard(taken.key)
                if not await self._database.write(DropBlobs((taken.key,))):  # removed, or brought by somebody else
                    await take_back(self._storage, self._database, taken.key)
        return True

    async def _put_off(self, taken: TakenBlob, error: StorageUnavailable | StorageFailed) -> None:
        """Have a file be due later. Raises what is wrong with the storage, if it is not this file alone."""
        try:
            await self._storage.check()
        except (StorageUnavailable, StorageFailed):
            await self._database.write(PutOffBlob(taken.key, self._pause_ms))
            raise
        await self._database.write(
            PutOffBlob(taken.key, max(self._pause_ms, min(_LONGEST_PAUSE_MS, taken.waited_ms // 8)))
        )
        if taken.key not in self._refused:
            self._refused.add(taken.key)
            log.error(
                "the file storage is well and does not take a paid picture, which stays in the record",
                extra={"key": taken.key, "size": taken.size, "error": error.detail},
            )

    async def complaint(self) -> str | None:
        """A sentence when the record has kept something for the storage for longer than that should take."""
        return await complaint(self._database)

    # --- what every storage can do

    async def prepare(self) -> None:
        await self._storage.prepare()

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        await self._storage.put(key, data, content_type)

    async def get(self, key: str) -> bytes:
        check_key(key)
        if not self.remote:
            try:
                return await self._storage.get(key)
            except (FileMissing, StorageUnavailable):
                pass
        kept = await self._whole(key)
        return await self._storage.get(key) if kept is None else kept

    async def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        check_key(key)
        kept = None if await self._is_at_hand(key) else await self._whole(key)
        if kept is None:
            async for piece in self._storage.stream(key, chunk_size):
                yield piece
        else:
            for begin in range(0, len(kept), chunk_size):
                yield kept[begin : begin + chunk_size]

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        # The storage first: while it is away, what was paid for stays in the record.
        gone = await self._storage.delete(keys)
        return gone | await self._database.write(DropBlobs(keys))

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[StoredFile]:
        # The record first: what has left it since is in the storage by now.
        kept = [
            StoredFile(*facts) for facts in await self._database.read(BlobsAfter(after)) if facts.key.startswith(prefix)
        ]
        waiting = iter(kept)
        next_kept = next(waiting, None)
        async for file in self._storage.list(prefix, after=after):
            while next_kept is not None and next_kept.key < file.key:
                yield next_kept
                next_kept = next(waiting, None)
            if next_kept is not None and next_kept.key == file.key:
                next_kept = next(waiting, None)
            yield file
        while next_kept is not None:
            yield next_kept
            next_kept = next(waiting, None)

    async def find(self, key: str) -> StoredFile | None:
        check_key(key)
        if not self.remote:
            try:
                if (found := await self._storage.find(key)) is not None:
                    return found
            except StorageUnavailable:
                pass
        facts = await self._database.read(FindBlob(key))
        return await self._storage.find(key) if facts is None else StoredFile(*facts)

    async def owner(self) -> str | None:
        return await self._storage.owner()

    async def belong_to(self, record_id: str) -> None:
        await self._storage.belong_to(record_id)

    async def check(self) -> None:
        await self._storage.check()

    async def close(self) -> None:
        await self._storage.close()

    async def count_leftovers(self, *, older_than: float = 3600.0) -> int:
        """As its storage does; none where that cannot leave any."""
        storage = self._storage
        return await storage.count_leftovers(older_than=older_than) if isinstance(storage, Leftovers) else 0

    async def remove_leftovers(self, *, older_than: float = 3600.0) -> int:
        """As its storage does; none where that cannot leave any."""
        storage = self._storage
        return await storage.remove_leftovers(older_than=older_than) if isinstance(storage, Leftovers) else 0

    # --- what the record keeps

    async def _is_at_hand(self, key: str) -> bool:
        """Whether the storage is of this host and has it: then the record need not be asked."""
        if self.remote:
            return False
        try:
            return await self._storage.find(key) is not None
        except StorageUnavailable:
            return False

    async def _whole(self, key: str) -> bytes | None:
        """What the record keeps under a key; None when it keeps nothing, or does so no more: then the storage has it."""
        facts = await self._database.read(FindBlob(key))
        if facts is None:
            return None
        parts: list[bytes] = []
        for begin in range(0, facts.size, BULK):
            part = await self._database.read(BlobPart(key, begin, BULK))
            if part is None:
                return None
            parts.append(part)
        return b"".join(parts)
