"""Storage and record as one room: what is in it that nobody needs, and how it goes, storage first and then the row.

Absence is seen, never assumed: a storage that is not the record's own raises, and one that shows no file at all has lost
nothing either.
Every method may raise `StorageUnavailable` or `DatabaseUnavailable`: then try again.
"""

from __future__ import annotations

import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.errors import StorageFailed, StorageQuotaExceeded, StorageUnavailable
from snapasset.records.generations import Forget
from snapasset.records.retention import (
    CondemnLost,
    EndedKinds,
    LostGenerations,
    RemoveJobs,
    SpentJobs,
    StillThere,
    Verdict,
)
from snapasset.records.stocktaking import (
    DropFiles,
    FilesByKey,
    NewerFiles,
    RecordedFile,
    StillNamed,
    SupersededFiles,
    Unclaimed,
)
from snapasset.storage import Leftovers
from snapasset.storage.late import generation_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterable

    from snapasset.database import Database
    from snapasset.records.files import NamedFile
    from snapasset.records.previews import Spent, SpentPreviews
    from snapasset.records.retention import EndedJob, LostGeneration
    from snapasset.storage import Storage, StoredFile

log = logging.getLogger(__name__)

_ROWS: Final = 500
"""Rows of the record that are read at a time."""


class Removed(NamedTuple):
    """What came of removing keys: `gone` were there, `failed` are still there; the others were gone before."""

    gone: frozenset[str]
    failed: frozenset[str]


class Strays(NamedTuple):
    """Stored files that no row names, rows whose file is not stored, and the key up to which both were looked for."""

    orphans: tuple[StoredFile, ...]
    missing: tuple[RecordedFile, ...]
    upto: str


class Storeroom:
    """The room as it is. `rehearsal` gives one in which nothing is touched."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    def rehearsal(self) -> Storeroom:
        """The same room, where whatever is removed stays, and the answers are as if it had gone."""
        return _Rehearsal(self._database, self._storage)

    async def check(self) -> None:
        """Return when the storage is there and takes changes, however full it is; else raise `StorageUnavailable`."""
        with suppress(StorageQuotaExceeded):
            await self._storage.check()

    # --- what is there

    async def find_leftovers(self, older_than: float) -> int:
        """How many half-written files nobody has written to for so many seconds."""
        if not isinstance(self._storage, Leftovers):
            return 0
        return await self._storage.count_leftovers(older_than=older_than)

    async def find_lost(self, question: LostGenerations) -> list[LostGeneration]:
        return await self._database.read(question)

    async def find_spent(self, question: SpentJobs) -> list[EndedJob]:
        return await self._database.read(question)

    async def find_spent_previews(self, question: SpentPreviews) -> Spent:
        return await self._database.read(question)

    async def ended_kinds(self) -> list[str]:
        return await self._database.read(EndedKinds())

    async def find_superseded(self, question: SupersededFiles) -> tuple[list[NamedFile], str | None]:
        """A page of files that newer ones have replaced, and the id of the last one looked at, None when none is left.

        One whose own file is missing, or every newer one's, is passed over: the last that is left is never superseded.
        """
        page = await self._database.read(question)
        replaced = await self.replaced(tuple(file.id for file in page))
        found = [file for file in page if replaced.get(file.id) and await self._storage.find(file.key) is not None]
        return found, page[-1].id if page else None

    async def replaced(self, file_ids: tuple[str, ...]) -> dict[str, bool]:
        """Whether a newer file than each of these is really stored; only those that have a row."""
        newer = await self._database.read(NewerFiles(file_ids))
        return {file_id: await self._any_stored(keys) for file_id, keys in newer.items()}

    async def find_strays(self, after: str, *, stored_before: int, lost_before: int, limit: int) -> Strays | None:
        """The next `limit` strays with keys after `after`, None when there are no more.

        Orphans only if last changed until `stored_before` and nobody works on their generation. For `lost_before` see
        `records.stocktaking.FilesByKey`.
        """
        while True:
            candidates: list[StoredFile] = []
            missing: list[RecordedFile] = []
            upto = after
            async with aclosing(self._differences(after, lost_before)) as differences:
                async for key, file, row in differences:
                    upto = key
                    if file is not None and file.modified_at <= stored_before:
                        candidates.append(file)
                    elif row is not None and not row.going and await self._storage.find(row.file.key) is None:
                        missing.append(row)
                    if len(candidates) + len(missing) == limit:
                        break
                else:
                    upto = ""
            unclaimed = await self.unclaimed(file.key for file in candidates)
            orphans = tuple(file for file in candidates if file.key in unclaimed)
            if orphans or missing:
                return Strays(orphans, tuple(missing), upto or max(_keys(orphans, missing)))
            if not upto:
                return None
            after = upto

    async def _differences(
        self, after: str, lost_before: int
    ) -> AsyncGenerator[tuple[str, StoredFile | None, RecordedFile | None]]:
        """The keys that only the storage or only the record knows, in order. Both are read side by side, never whole."""
        shown = False
        async with aclosing(self._rows(after, lost_before)) as rows:
            row = await anext(rows, None)
            async for file in self._storage.list(after=after):
                shown = True
                while row is not None and row.file.key < file.key:
                    yield row.file.key, None, row
                    row = await anext(rows, None)
                if row is not None and row.file.key == file.key:
                    row = await anext(rows, None)
                else:
                    yield file.key, file, None
            if row is not None and not shown and not await self._shows_files():
                log.warning("the storage shows no file at all, and the record names some: nothing is taken for missing")
                return
            while row is not None:
                yield row.file.key, None, row
                row = await anext(rows, None)

    async def _rows(self, after: str, lost_before: int) -> AsyncGenerator[RecordedFile]:
        while page := await self._database.read(FilesByKey(after, lost_before, _ROWS)):
            for row in page:
                yield row
            after = page[-1].file.key

    async def named(self, file_ids: tuple[str, ...]) -> frozenset[str]:
        """Those of these files, by their ids, that have a row."""
        return await self._database.read(StillNamed(file_ids)) if file_ids else frozenset()

    async def unclaimed(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of these stored keys that nobody can miss; see `records.stocktaking.Unclaimed`."""
        return await self._database.read(Unclaimed({key: generation_of(key) for key in keys}))

    async def absent(self, keys: Collection[str]) -> frozenset[str]:
        """Those of `keys` that are not stored, each asked for by itself; none while the storage shows no file at all."""
        if not keys or not await self._shows_files():
            return frozenset()
        return await self.not_stored(keys)

    async def not_stored(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of `keys` that are not stored, each asked for by itself."""
        return frozenset([key for key in keys if await self._storage.find(key) is None])

    async def _shows_files(self) -> bool:
        async for _ in self._storage.list():
            return True
        return False

    async def _any_stored(self, keys: Iterable[str]) -> bool:
        for key in keys:
            if await self._storage.find(key) is not None:
                return True
        return False

    # --- what goes

    async def remove_leftovers(self, older_than: float) -> int:
        """Remove what `find_leftovers` counts; returns how many were removed."""
        if not isinstance(self._storage, Leftovers):
            return 0
        return await self._storage.remove_leftovers(older_than=older_than)

    async def remove_files(self, keys: Collection[str]) -> Removed:
        """Remove stored files. One that cannot be removed keeps none of the others; a storage that is away raises."""
        try:
            return await self._remove(keys)
        except StorageFailed as error:  # over its quota, it may be closed to removals as well
            raise StorageUnavailable(error.detail) from error

    async def _remove(self, keys: Collection[str]) -> Removed:
        with suppress(StorageUnavailable):
            return Removed(await self._storage.delete(keys), frozenset())
        gone: set[str] = set()
        failed: set[str] = set()
        for key in keys:
            try:
                gone |= await self._storage.delete((key,))
            except StorageUnavailable as error:
                await self.check()
                log.warning("a stored file could not be removed", extra={"error": error.detail})
                failed.add(key)
        return Removed(frozenset(gone), frozenset(failed))

    async def drop_rows(self, file_ids: tuple[str, ...]) -> frozenset[str]:
        """Remove rows of files; returns the ids of those that were there."""
        return await self._database.write(DropFiles(file_ids))

    async def condemn(self, generation: LostGeneration, ended_before: int) -> Verdict:
        """Say that a generation is to be removed, if it still may be; see `records.retention.CondemnLost`."""
        return await self._database.write(CondemnLost(generation.id, ended_before))

    async def forget(self, generation_id: str) -> bool:
        """Remove a condemned generation from the record; whether it was there."""
        return await self._database.write(Forget(generation_id))

    async def remove_jobs(self, job_ids: tuple[str, ...], ended_before: int) -> Removed:
        """Remove ended jobs; `failed` are those that are left alone, see `records.retention.RemoveJobs`."""
        gone = await self._database.write(RemoveJobs(job_ids, ended_before))
        left = tuple(job_id for job_id in job_ids if job_id not in gone)
        return Removed(gone, await self._database.read(StillThere(left)) if left else frozenset())


class _Rehearsal(Storeroom):
    """Answers as if it had been removed."""

    async def remove_leftovers(self, older_than: float) -> int:
        return await self.find_leftovers(older_than)

    async def remove_files(self, keys: Collection[str]) -> Removed:
        return Removed(frozenset([key for key in keys if await self._storage.find(key) is not None]), frozenset())

    async def drop_rows(self, file_ids: tuple[str, ...]) -> frozenset[str]:
        return frozenset(file_ids)

    async def condemn(self, generation: LostGeneration, ended_before: int) -> Verdict:
        del ended_before  # it was just found
        return Verdict(known=True, condemned=True, files=generation.files)

    async def forget(self, generation_id: str) -> bool:
        return bool(generation_id)

    async def remove_jobs(self, job_ids: tuple[str, ...], ended_before: int) -> Removed:
        del ended_before
        return Removed(frozenset(job_ids), frozenset())


def _keys(orphans: Iterable[StoredFile], missing: Iterable[RecordedFile]) -> list[str]:
    return [*(file.key for file in orphans), *(row.file.key for row in missing)]
