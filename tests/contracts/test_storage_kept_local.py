"""A folder of this host that fails at the wrong moment: what was paid for is in the record then, and comes to the folder later."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from typing import TYPE_CHECKING, BinaryIO

import pytest

from snapasset.errors import FileMissing, StorageUnavailable
from snapasset.storage.kept import KeptStorage
from snapasset.storage.local import LocalStorage
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import WAIT
from tests.contracts.test_storage import keys_of
from tests.contracts.test_storage_kept import BYTES, paid_file, paid_step, waiting
from worker.storeroom import Storeroom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Database


class Disk(LocalStorage):
    """A disk that fails with `number` in the middle of a file, has `room` bytes left, or hangs until `gate` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.number: int | None = None
        self.room = 2**40
        self.gate = threading.Event()
        self.gate.set()

    def _fill(self, file: BinaryIO, data: bytes) -> None:
        assert self.gate.wait(WAIT)
        if self.number is not None:
            super()._fill(file, data[: len(data) // 2])
            raise OSError(self.number, os.strerror(self.number))
        super()._fill(file, data)

    def _room(self) -> int:
        return self.room


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
async def disk(root: Path) -> AsyncIterator[Disk]:
    opened = Disk(root)
    await opened.belong_to("this record")
    yield opened
    opened.gate.set()
    await opened.close()


@pytest.fixture
def kept(disk: Disk, database: Database) -> KeptStorage:
    return KeptStorage(disk, database, patience=0.2, pause_ms=0)


def pictures_in(root: Path) -> list[str]:
    """All files in the folder, half ones among them."""
    return sorted(path.name for path in root.rglob("*") if path.is_file() and path.name != ".snapasset-record")


async def place(kept: KeptStorage, database: Database, key: str) -> bool:
    """What a paid step does: whether the storage has taken it; else it is in the record."""
    taken = await kept.place(key, BYTES, "image/png")
    if not taken:
        await paid_step(database, paid_file(key))
    return taken


async def test_one_that_is_well_takes_it_and_the_record_is_left_alone(
    database: Database, disk: Disk, kept: KeptStorage
) -> None:
    assert await place(kept, database, "g/1")
    assert (await waiting(database), await disk.get("g/1")) == ([], BYTES)
    await database.close()
    assert await kept.get("g/1") == BYTES, "nor is it asked when it is read"
    assert b"".join([piece async for piece in kept.stream("g/1")]) == BYTES
    assert await kept.find("g/1") is not None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
async def test_a_disk_that_fails_in_the_middle_keeps_no_half_file_and_loses_nothing(
    database: Database, disk: Disk, kept: KeptStorage, root: Path, number: int
) -> None:
    disk.number = number
    assert not await place(kept, database, "g/1")
    assert pictures_in(root) == []
    assert await kept.get("g/1") == BYTES
    assert b"".join([piece async for piece in kept.stream("g/1")]) == BYTES
    found = await kept.find("g/1")
    assert found is not None
    assert (found.key, found.size) == ("g/1", len(BYTES))
    assert await keys_of(kept) == ["g/1"]

    disk.number = None
    assert await kept.bring_one()
    assert (await waiting(database), pictures_in(root)) == ([], ["1"])
    assert await kept.get("g/1") == await disk.get("g/1") == BYTES


async def test_a_folder_that_is_gone_loses_nothing(
    database: Database, disk: Disk, kept: KeptStorage, root: Path
) -> None:
    shutil.move(root, root.with_name("elsewhere"))
    assert not await place(kept, database, "g/1")
    assert pictures_in(root) == [], "nothing is begun in the place of another volume"
    assert await kept.get("g/1") == BYTES
    with pytest.raises(StorageUnavailable):
        await kept.bring_one()
    with pytest.raises(StorageUnavailable):
        await kept.get("g/2")
    shutil.move(root.with_name("elsewhere"), root)
    assert await kept.bring_one()
    assert await disk.get("g/1") == BYTES


async def test_a_disk_that_hangs_is_not_waited_for(
    database: Database, disk: Disk, kept: KeptStorage, root: Path
) -> None:
    disk.gate.clear()
    assert not await place(kept, database, "g/1")
    assert await kept.get("g/1") == BYTES
    disk.gate.set()  # it is written late: the same bytes
    assert await kept.bring_one()
    assert await waiting(database) == []

    async def all_written() -> bool:
        return pictures_in(root) == ["1"]

    await wait_until(all_written, WAIT)


async def test_whoever_is_cancelled_meanwhile_still_saves_it_and_then_goes(
    database: Database, disk: Disk, root: Path
) -> None:
    kept = KeptStorage(disk, database)
    disk.gate.clear()
    reached = asyncio.Event()
    saved: list[bool] = []

    async def work() -> None:
        reached.set()
        saved.append(await kept.place("g/1", BYTES, "image/png"))
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=WAIT)
    assert done
    assert task.cancelled()
    assert saved == [False], "so the step hands it to the record"


class TestBeforePaying:
    async def test_a_disk_without_room_is_not_paid_for(self, disk: Disk, kept: KeptStorage) -> None:
        await kept.make_sure()
        disk.room = 1_000_000
        with pytest.raises(StorageUnavailable, match="Nothing is paid for until there is room") as caught:
            await kept.make_sure()
        assert caught.value.retryable
        disk.room = 2**40
        await kept.make_sure()

    async def test_one_that_is_known_to_be_away_is_paid_for_until_the_record_has_enough(
        self, database: Database, disk: Disk, root: Path
    ) -> None:
        kept = KeptStorage(disk, database, most=len(BYTES), pause_ms=0)
        shutil.move(root, root.with_name("elsewhere"))
        for key in ("g/1", "g/2"):
            await kept.make_sure()
            assert not await place(kept, database, key)
        with pytest.raises(StorageUnavailable, match="nothing more is paid for"):
            await kept.make_sure()
        shutil.move(root.with_name("elsewhere"), root)
        await kept.make_sure()  # what waits is no matter where the storage is well

    async def test_a_look_that_hangs_is_taken_for_an_outage(self, database: Database, root: Path) -> None:
        class Hanging(LocalStorage):
            async def check(self) -> None:
                await asyncio.Event().wait()

        storage = Hanging(root)
        await KeptStorage(storage, database, patience=0.01).make_sure()
        await paid_step(database, paid_file("g/1"))
        with pytest.raises(StorageUnavailable):
            await KeptStorage(storage, database, patience=0.01, most=1).make_sure()
        await storage.close()


async def test_what_is_moved_on_between_two_looks_is_found(database: Database, disk: Disk) -> None:
    class Mover(KeptStorage):
        """Has brought it to the storage just after that was asked in vain."""

        async def _whole(self, key: str) -> bytes | None:
            await self._storage.put(key, BYTES, "image/png")
            return await super()._whole(key)

    mover = Mover(disk, database)
    assert await mover.get("g/1") == BYTES
    with pytest.raises(FileMissing):
        await KeptStorage(disk, database).get("g/2")


async def test_left_overs_are_found_behind_the_record_too(kept: KeptStorage, database: Database, root: Path) -> None:
    await kept.place("g/1", BYTES, "image/png")
    (root / "g/.a.png.0011aabb.part").write_bytes(b"half")
    os.utime(root / "g/.a.png.0011aabb.part", (1, 1))
    room = Storeroom(database, kept)
    assert await room.find_leftovers(60.0) == 1
    assert await room.remove_leftovers(60.0) == 1
    assert pictures_in(root) == ["1"]
