"""A folder that fails just when a picture has been paid for, or all the time: nothing is paid for twice. The bills are counted."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import pytest

from snapasset.errors import StorageUnavailable
from snapasset.event import ERROR
from snapasset.job import Status
from snapasset.records.blobs import BlobsAfter
from snapasset.records.steps import FinishStep
from snapasset.settings import Settings
from snapasset.storage import Storage
from snapasset.storage.kept import KeptStorage
from tests.worker.engine import OWNER, changes_of, engine, within
from tests.worker.processors.pictures import SMALL, Painter, Shelf, Studio, wanted
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path
    from typing import Any

    from snapasset.database import Read, Write
    from tests.worker.engine import Engine
    from worker.providers import GeneratedImage, ImageRequest, Preview

KIND = "image-generation"
IMAGE = image_generation(Settings(), PLATFORMS)
A, B = SMALL[:2]


class Disk(Shelf):
    """Fails with `number` in the middle of whatever is written, as often as `times`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.number = errno.ENOSPC
        self.times = 0.0

    def _fill(self, file: BinaryIO, data: bytes) -> None:
        if self.times > 0:
            self.times -= 1
            super()._fill(file, data[: len(data) // 2])
            raise OSError(self.number, os.strerror(self.number))
        super()._fill(file, data)


class Meanwhile(Painter):
    """A painter during whose work something happens."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: Callable[[], object] = int

    async def generate(
        self,
        request: ImageRequest,
        progress: Callable[[float], None],
        previews: Callable[[Preview], None] | None = None,
    ) -> GeneratedImage:
        made = await super().generate(request, progress, previews)
        self.happens()
        return made


class Site(NamedTuple):
    """An engine whose pictures go to a folder."""

    engine: Engine
    storage: KeptStorage
    disk: Disk
    painter: Meanwhile
    root: Path

    async def waiting(self) -> list[str]:
        """What the record keeps for the folder, by its names."""
        kept = await self.engine.record.read(BlobsAfter(""))
        return [facts.key.rpartition("-")[2] for facts in kept]

    def files(self) -> set[str]:
        """What is in the folder, half files among it."""
        found = (path for path in self.root.rglob("*") if path.is_file() and path.name != ".snapasset-record")
        return {str(path.relative_to(self.root)) for path in found}

    async def in_order(self, job: str) -> None:
        """Everything that the record names of a job is in the folder, and nothing else is anywhere."""
        while await self.storage.bring_one():
            pass
        assert await self.waiting() == []
        rows = await self.engine.files(job)
        assert self.files() == {row.key for row in rows}
        [master] = [row for row in rows if row.role == "master"]
        assert await self.disk.get(master.key) == self.painter.data


@asynccontextmanager
async def opened(folder: Path, *, most: int = 2**30, **settings: Any) -> AsyncGenerator[Site]:
    painter = Meanwhile()
    async with Studio(folder, painter) as studio, engine(folder, IMAGE, tools=studio.tools, workers=0, **settings) as e:
        disk = Disk(folder / "pictures")
        await disk.belong_to("this record")
        storage = KeptStorage(disk, e.database, most=most, pause_ms=0)
        e.tools[Storage] = storage
        await e.start()
        yield Site(e, storage, disk, painter, folder / "pictures")
    await disk.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(tmp_path) as site:
        yield site


async def doubts(site: Site, job: str) -> int:
    return (await site.engine.steps(job))["generate"].doubts


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
async def test_a_picture_that_the_disk_did_not_take_is_not_lost(site: Site, number: int) -> None:
    def fail() -> None:
        site.disk.number, site.disk.times = number, 1

    site.painter.happens = fail
    job = await site.engine.submit(KIND, wanted(A, B))
    last = await site.engine.final(job)
    assert (last["status"], last["attempt"], site.painter.bills) == (Status.COMPLETED, 1, 1)
    assert (await site.waiting(), await doubts(site, job)) == (["master.png"], 0)
    assert not [name for name in site.files() if name.endswith(".part")]
    await site.in_order(job)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO])
async def test_an_outage_that_outlasts_every_attempt_costs_one_bill(site: Site, number: int) -> None:
    e = site.engine
    site.disk.number, site.disk.times = number, 1e9
    job = await e.submit(KIND, wanted(A, B))
    last = await e.final(job)
    assert (last["status"], last["error"]["code"], last["attempt"]) == (Status.FAILED, "storage_upload_failed", 3)
    assert (site.painter.bills, await site.waiting(), await doubts(site, job)) == (1, ["master.png"], 0)
    site.disk.times = 0
    await e.client.retry(job, owner=OWNER)
    again = await e.final(job, run=2)
    assert [image["status"] for image in again["result"]["images"]] == ["completed"] * 2
    assert site.painter.bills == 1
    await site.in_order(job)


async def test_a_folder_that_goes_in_the_middle_and_comes_back_costs_an_attempt_and_no_bill(site: Site) -> None:
    e, elsewhere = site.engine, site.root.with_name("elsewhere")
    site.painter.happens = lambda: shutil.move(site.root, elsewhere)
    job = await e.submit(KIND, wanted(A))
    assert (await e.event(job, type=ERROR))["code"] == "storage_unavailable"
    shutil.move(elsewhere, site.root)
    last = await e.final(job)
    assert (last["status"], last["attempt"], site.painter.bills) == (Status.COMPLETED, 2, 1)
    assert await doubts(site, job) == 0
    await site.in_order(job)


async def test_a_process_that_dies_while_the_disk_is_full_leaves_the_picture_in_the_record(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        e, held = site.engine, asyncio.Event()

        async def guard(operation: Write[Any] | Read[Any]) -> None:
            saved = any(isinstance(one, FinishStep) and one.step == "decode" for one in changes_of(operation))
            if saved:
                held.set()
                await asyncio.Event().wait()

        site.disk.times = 1
        e.database.guard = guard
        job = await e.submit(KIND, wanted(A))
        await within(held.wait())
        e.database.guard = None
        await e.take_away(job)
        await e.runners.pop().stop()
        await e.start()
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert (site.painter.bills, await doubts(site, job)) == (1, 0)
        await site.in_order(job)


class TestBeforePaying:
    async def test_what_could_not_be_kept_is_not_paid_for(self, tmp_path: Path) -> None:
        async with opened(tmp_path, most=1) as site:
            site.disk.number, site.disk.times = errno.EROFS, 1e9
            first = await site.engine.submit(KIND, wanted(A))
            await site.engine.final(first)
            shutil.move(site.root, site.root.with_name("elsewhere"))
            second = await site.engine.submit(KIND, wanted(A))
            last = await site.engine.final(second)
            assert (last["error"]["code"], last["error"]["retryable"]) == ("storage_unavailable", True)
            assert "nothing more is paid for" in last["error"]["message"]
            assert (site.painter.bills, "generate" in await site.engine.steps(second)) == (1, False)

    async def test_a_disk_that_is_known_to_be_full_is_not_paid_for(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.disk, "_room", lambda: 1_000)
        job = await site.engine.submit(KIND, wanted(A))
        last = await site.engine.final(job)
        assert (last["error"]["code"], site.painter.bills) == ("storage_unavailable", 0)
        monkeypatch.undo()
        await site.engine.client.retry(job, owner=OWNER)
        assert (await site.engine.final(job, run=2))["status"] == Status.COMPLETED
        assert site.painter.bills == 1

    async def test_what_is_paid_for_already_needs_no_room_to_be_paid_for(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.disk, "_room", lambda: 1_000 if site.painter.bills else 2**40)
        site.disk.refusals[A] = [StorageUnavailable()]
        job = await site.engine.submit(KIND, wanted(A))
        last = await site.engine.final(job)
        assert (last["status"], last["attempt"], site.painter.bills) == (Status.COMPLETED, 2, 1)


async def test_a_picture_too_large_to_be_kept_is_stored_or_told_and_never_paid_for_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as site:
        storage = KeptStorage(site.disk, site.engine.database, largest=len(site.painter.data) - 1)
        site.engine.tools[Storage] = storage
        await site.engine.runners.pop().stop()
        await site.engine.start()
        fine = await site.engine.submit(KIND, wanted(A))
        assert (await site.engine.final(fine))["status"] == Status.COMPLETED
        assert await site.waiting() == []

        site.painter.happens = lambda: setattr(site.disk, "times", 1)
        job = await site.engine.submit(KIND, wanted(A))
        last = await site.engine.final(job)
        assert (last["status"], last["attempt"]) == (Status.FAILED, 1)
        assert (last["error"]["code"], last["error"]["retryable"]) == ("bad_picture", False)
        assert "larger than" in last["error"]["message"]
        assert site.painter.bills == 2
