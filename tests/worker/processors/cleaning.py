"""A record and a storage to be cleaned up: what is put into them, a cleanup of them, and what is left."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from snapasset.client import SYSTEM
from snapasset.errors import StorageQuotaExceeded, StorageUnavailable
from snapasset.job import new_id
from snapasset.job_type import Access
from snapasset.records.endings import Cancel, Complete, Fail
from snapasset.records.files import FileRow
from snapasset.records.steps import FinishStep, StartStep
from snapasset.settings import Settings
from snapasset.storage.local import LocalStorage
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import FAULT, a_job, claimed
from tests.worker.engine import Clock, engine
from worker.processors.file_cleanup import file_cleanup
from worker.processors.file_cleanup.report import FileCleanup
from worker.storeroom import Storeroom

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection
    from pathlib import Path

    from snapasset.job import Job
    from snapasset.storage import StoredFile
    from tests.worker.engine import Body, Engine

HOUR = 3_600_000
DAY = 24 * HOUR
ANNA, BEN = "session:anna", "session:ben"
NOTHING: Body = {
    "files": 0, "bytes": 0, "generations": 0, "orphans": 0, "missing": 0, "lostMasters": 0, "leftovers": 0,
    "jobs": 0, "alreadyGone": 0, "failures": 0, "failed": [],
}  # fmt: skip


class Shelf(LocalStorage):
    """A folder that can be away as a whole, for a while, or keep what it is told to remove."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.stuck: set[str] = set()
        self.away = False
        self.full = False
        self.unlisted = False
        self.deletions: list[frozenset[str]] = []

    def _there(self, there: bool = True) -> None:
        if self.away or not there:
            raise StorageUnavailable

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        self._there(not self.stuck & set(keys))
        self.deletions.append(frozenset(keys))
        return await super().delete(keys)

    async def find(self, key: str) -> StoredFile | None:
        self._there()
        return await super().find(key)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[StoredFile]:
        self._there(not self.unlisted)
        async for file in super().list(prefix, after=after):
            yield file

    async def check(self) -> None:
        self._there()
        await super().check()
        if self.full:
            raise StorageQuotaExceeded


class Room:
    """A record with its storage, and a worker that cleans up."""

    def __init__(self, e: Engine, shelf: Shelf, clock: Clock, folder: Path) -> None:
        self.e = e
        self.shelf = shelf
        self.clock = clock
        self._root = folder / "files"

    # --- what is put in

    async def put(self, key: str, *, age: int = 0, size: int = 10) -> str:
        """A stored file that was last changed so many ms ago."""
        await self.shelf.put(key, b"x" * size, "image/png")
        changed = (self.clock.now - age) / 1000
        os.utime(self._root / key, (changed, changed))
        return key

    async def job(
        self, end: str = "completed", *names: str, generation: str | None = None, owner: str = ANNA, **more: Any
    ) -> Job:
        """A job that ended so, its files `names` of 10 bytes each stored under `generations/<generation>/`."""
        record = self.e.record
        submit = a_job(generation_id=generation, owner=owner, **more)
        await record.write(submit)
        if end == "waiting":
            return await self.e.job(submit.job_id)
        if end == "cancelled" and not names:
            return await record.write(Cancel(submit.job_id, owner))
        job = await claimed(record)
        files = [self.row(generation or "none", name) for name in names]
        for file in files:
            await self.put(file.key)
        await record.write(StartStep(job.id, job.fence, "draw", paid=False, progress=1))
        await record.write(FinishStep(job.id, job.fence, "draw", "{}", 2, tuple(files)))
        if end == "completed":
            await record.write(Complete(job.id, job.fence, "{}"))
        elif end == "failed":
            await record.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
        elif end == "cancelled":
            await record.write(Cancel(job.id, owner))
            await record.write(Complete(job.id, job.fence, "{}"))
        return await self.e.job(job.id)

    def row(self, generation: str, name: str) -> FileRow:
        file_id = new_id()
        role = "master" if name == "master" else "rendition"
        return FileRow(file_id, role, name, f"generations/{generation}/{file_id}-{name}.png", "image/png", 10)

    def half_written(self, name: str, *, age: int) -> Path:
        path = self._root / f".{name}.0a1b2c3d.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        changed = (self.clock.now - age) / 1000
        os.utime(path, (changed, changed))
        return path

    def pass_time(self, millis: int) -> None:
        self.clock.now += millis

    async def forget(self, *jobs: Job) -> None:
        """Have jobs gone from the record, as if they had ended long ago: nothing names what they made any more."""
        for job in jobs:
            await self.e.record.write(Do("DELETE FROM jobs WHERE id = $1", (job.id,)))

    async def lose(self, key: str) -> None:
        """Have a file vanish behind the record's back."""
        await LocalStorage.delete(self.shelf, (key,))

    # --- the cleanup

    async def begin(self, type: str = "all", *, owner: str = SYSTEM, **asked: Any) -> str:  # noqa: A002
        args = FileCleanup.model_validate({"type": type, **asked})
        job = await self.e.client.submit("file-cleanup", args, owner=owner, access=Access.ADMIN)
        return job.id

    async def report(self, job_id: str) -> Body:
        """What a cleanup reported, without what it was asked."""
        final = await self.e.final(job_id)
        assert final["status"] == "completed", final
        return {name: value for name, value in final["result"].items() if name in NOTHING}

    async def clean(self, type: str = "all", **more: Any) -> Body:  # noqa: A002
        return await self.report(await self.begin(type, **more))

    # --- what is left

    async def stored(self) -> set[str]:
        return {file.key async for file in LocalStorage.list(self.shelf)}

    async def recorded(self) -> set[str]:
        return {key for (key,) in await self.e.record.read(Look("SELECT key FROM files"))}

    async def generations(self) -> set[str]:
        return {one for (one,) in await self.e.record.read(Look("SELECT id FROM generations"))}

    async def names(self) -> set[str]:
        """The names of the files that both the record and the storage have."""
        recorded, stored = await self.recorded(), await self.stored()
        assert recorded == stored
        return {key.rpartition("/")[2][37:].partition(".")[0] for key in recorded}

    async def jobs(self) -> set[str]:
        """The jobs that are left, but for cleanups."""
        return {one for (one,) in await self.e.record.read(Look("SELECT id FROM jobs WHERE kind <> 'file-cleanup'"))}

    async def key_of(self, name: str) -> str:
        """The key of the newest file of this name."""
        rows = await self.e.record.read(
            Look("SELECT key FROM files WHERE name = $1 ORDER BY created_at DESC, id DESC LIMIT 1", (name,))
        )
        return rows[0][0]

    async def everything(self) -> tuple[Any, ...]:
        """All that a cleanup might change."""
        tables = ("files", "generations", "dependencies", "idempotency")
        rows = [await self.e.record.read(Look(f"SELECT * FROM {table} ORDER BY 1, 2")) for table in tables]
        halves = sorted(path.name for path in self._root.rglob(".*"))
        return rows, await self.jobs(), await self.stored(), halves


@asynccontextmanager
async def room(folder: Path, **settings: Any) -> AsyncGenerator[Room]:
    clock = Clock()
    shelf = Shelf(folder / "files")
    try:
        async with engine(folder, file_cleanup(Settings(**settings)), clock=clock, workers=0, **settings) as e:
            e.tools = {**e.tools, Storeroom: Storeroom(e.database, shelf)}
            await e.start()
            yield Room(e, shelf, clock, folder)
    finally:
        await shelf.close()
