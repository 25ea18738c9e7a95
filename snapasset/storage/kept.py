"""A remote storage, with the record in front of it: what was paid for is kept there until the storage has it.

A paid step's bytes are in the record with the commit that ends the step, so no outage of the storage has them made twice.
`bring_one` moves them on; whoever reads meanwhile gets them from the record, and cannot tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.errors import StorageFailed, StorageUnavailable
from snapasset.records.blobs import BlobBytes, BlobDue, BlobsAfter, DropBlobs, FindBlob, GetBlob, PutOffBlob, TakeBlob
from snapasset.storage import Storage, StoredFile
from snapasset.storage.safe_path import check_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from snapasset.database import Database

LARGEST: Final = 32 * 1024 * 1024
"""No larger file is kept in the record: it goes to the storage at once, and fails with it."""

MOST: Final = 1024 * 1024 * 1024
"""With so many bytes waiting nothing more is paid for: an outage of days must not fill the record."""

_LEASE_MS: Final = 30_000
"""After this long another process may try, should the first have died."""

_PAUSE_MS: Final = 2_000
"""After this long anybody may, when the first has failed."""


class KeptStorage(Storage):
    """`storage` behind the record in `database`. What it is asked of the record may raise `DatabaseUnavailable`."""

    remote = True

    def __init__(
        self,
        storage: Storage,
        database: Database,
        *,
        largest: int = LARGEST,
        most: int = MOST,
        pause_ms: int = _PAUSE_MS,
    ) -> None:
        self.name = storage.name
        self.mark = storage.mark
        self._storage = storage
        self._database = database
        self._largest = largest
        self._most = most
        self._pause_ms = pause_ms

    # --- what else it can do

    def keeps(self, size: int) -> bool:
        """Whether bytes of this size are to be handed to the record, with the step that made them, and not put here."""
        return size <= self._largest

    async def make_sure(self) -> None:
        """Return when what is paid for now can be kept; else raise `StorageUnavailable`, before it is paid for."""
        if await self._database.read(BlobBytes()) > self._most:
            raise StorageUnavailable(
                "Too much waits for the file storage to come back; nothing more is paid for until then."
            )

    async def bring_one(self) -> bool:
        """Bring one file that the record keeps to the storage; whether there was one. Raises what `put` raises.

        Any number of processes may do so. One that dies in the middle has it brought again: the bytes are the same.
        """
        if not await self._database.read(BlobDue()):
            return False
        blob = await self._database.write(TakeBlob(_LEASE_MS))
        if blob is None:
            return False
        try:
            await self._storage.put(blob.key, blob.data, blob.content_type)
        except (StorageUnavailable, StorageFailed):
            await self._database.write(PutOffBlob(blob.key, self._pause_ms))
            raise
        await self._database.write(DropBlobs((blob.key,)))
        return True

    # --- what every storage can do

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        await self._storage.put(key, data, content_type)

    async def get(self, key: str) -> bytes:
        check_key(key)
        kept = await self._database.read(GetBlob(key))
        return await self._storage.get(key) if kept is None else kept

    async def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        check_key(key)
        kept = await self._database.read(GetBlob(key))
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
