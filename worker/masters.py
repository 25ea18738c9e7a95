"""The masters of generations, for kinds that cut more from them: what a processor may ask the record about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snapasset.errors import FileMissing
from snapasset.records.generations import FindLike, GetGeneration

if TYPE_CHECKING:
    from snapasset.database import Database


class StoredMaster(NamedTuple):
    """Where a generation's master is stored, and how it came to be, as the kind that made it wrote that down (JSON)."""

    key: str
    made: str


class LikeMaster(NamedTuple):
    """An earlier master that was made from just the same: its generation, where it is stored, and how it came to be (JSON)."""

    generation_id: str
    key: str
    content_type: str
    width: int
    height: int
    made: str


class Masters:
    """Finds masters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, generation_id: str, owner: str) -> StoredMaster:
        """An owner's master. Raises `FileMissing` when the generation, or its master, is not there or has been removed."""
        generation = await self._database.read(GetGeneration(generation_id, owner))
        master = next((file for file in generation.files if file.role == "master"), None) if generation else None
        if generation is None or generation.made is None or master is None:
            raise FileMissing("The generation has no master to cut from.")
        return StoredMaster(master.key, generation.made)

    async def like(self, owner: str, likeness: str) -> list[LikeMaster]:
        """An owner's masters of this likeness, newest first; see `records.generations.FindLike`."""
        return [
            LikeMaster(found.id, file.key, file.content_type, file.width or 0, file.height or 0, found.made)
            for found in await self._database.read(FindLike(owner, likeness))
            for file in found.files
            if file.role == "master" and found.made is not None
        ]
