"""A storage is the one that a record's pictures are in, or nothing is begun with it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadConfiguration, StorageUnavailable
from snapasset.records.files import FileRow
from snapasset.records.steps import FinishStep, StartStep
from snapasset.storage.belonging import see_that_it_belongs
from snapasset.storage.local import LocalStorage
from tests.contracts.record_jobs import held
from tests.contracts.test_storage import keys_of, put
from tests.contracts.test_storage_local import names_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.storage import Storage


async def recorded(database: Database, storage: Storage, *keys: str, stored: int) -> None:
    """Rows for these keys, the oldest first, of which the first `stored` have a file."""
    job = await held(database, generation_id="g")
    for number, key in enumerate(keys):
        file = FileRow(f"f{number:03}", "rendition", key, key, "image/png", 4)
        await database.write(StartStep(job.id, job.fence, key, paid=False, progress=1))
        await database.write(FinishStep(job.id, job.fence, key, "{}", 2, (file,)))
        if number < stored:
            await put(storage, key)


class TestAtTheStart:
    async def test_both_new_belong_together_from_then_on(self, storage: Storage, database: Database) -> None:
        for _ in range(2):
            await see_that_it_belongs(storage, database)
            assert await storage.owner() == database.record_id
        await put(storage, "a")
        await see_that_it_belongs(storage, database)
        assert await keys_of(storage) == ["a"]

    async def test_a_storage_with_one_of_the_newest_files_is_the_right_one(
        self, storage: Storage, database: Database
    ) -> None:
        await recorded(database, storage, *(f"g/{number}" for number in range(20)), stored=1)
        await see_that_it_belongs(storage, database)
        assert await storage.owner() == database.record_id

    @pytest.mark.parametrize("others", [(), ("another",)])
    async def test_one_with_none_of_them_may_not_be_mounted(
        self, storage: Storage, database: Database, others: tuple[str, ...]
    ) -> None:
        await recorded(database, storage, "g/1", stored=0)
        await put(storage, *others)
        with pytest.raises(StorageUnavailable, match="is the volume mounted") as caught:
            await see_that_it_belongs(storage, database)
        assert storage.mark in caught.value.detail
        assert database.record_id in caught.value.detail
        assert await storage.owner() is None
        await storage.belong_to(database.record_id)  # as it says
        await see_that_it_belongs(storage, database)

    async def test_what_is_another_records_is_refused_with_our_files_in_it_too(
        self, storage: Storage, database: Database
    ) -> None:
        await recorded(database, storage, "g/1", stored=1)
        await storage.belong_to("another")
        with pytest.raises(BadConfiguration, match="another record"):
            await see_that_it_belongs(storage, database)
        assert await storage.owner() == "another"

    @pytest.mark.parametrize("owner", [None, "another"])
    async def test_a_new_record_takes_no_storage_with_files(
        self, storage: Storage, database: Database, owner: str | None
    ) -> None:
        await put(storage, "a")
        if owner is not None:
            await storage.belong_to(owner)
        with pytest.raises(BadConfiguration, match="names none"):
            await see_that_it_belongs(storage, database)
        assert await storage.owner() == owner

    async def test_an_empty_storage_of_another_record_goes_to_a_new_one(
        self, storage: Storage, database: Database
    ) -> None:
        await storage.belong_to("another")
        await see_that_it_belongs(storage, database)
        assert await storage.owner() == database.record_id


def unmount(root: Path) -> None:
    root.rename(root.with_name("away"))


def mount(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.with_name("away").rename(root)


def _make_folder(path: Path) -> None:
    path.mkdir()


USES: dict[str, Callable[[LocalStorage], Awaitable[object]]] = {
    "put": lambda storage: put(storage, "a/new"),
    "get": lambda storage: storage.get("a/b"),
    "stream": lambda storage: anext(aiter(storage.stream("a/b"))),
    "delete": lambda storage: storage.delete(["a/b"]),
    "list": keys_of,
    "find": lambda storage: storage.find("a/b"),
    "check": lambda storage: storage.check(),
    "count": lambda storage: storage.count_leftovers(),
}


class TestAWhileLater:
    @pytest.fixture
    async def root(self, tmp_path: Path) -> Path:
        return tmp_path / "files"

    @pytest.fixture
    async def mounted(self, root: Path) -> AsyncIterator[LocalStorage]:
        storage = LocalStorage(root)
        await put(storage, "a/b")
        await storage.belong_to("record")
        yield storage
        await storage.close()

    @pytest.mark.parametrize("use", USES)
    @pytest.mark.parametrize("there", ["nothing", "an empty folder", "another storage"])
    async def test_a_folder_that_is_not_the_storage_is_not_used(
        self, root: Path, mounted: LocalStorage, use: str, there: str
    ) -> None:
        unmount(root)
        if there != "nothing":
            _make_folder(root)
        if there == "another storage":
            other = LocalStorage(root)
            await put(other, "c")
            await other.belong_to("another")
            await other.close()
        before = names_in(root.parent)
        with pytest.raises(StorageUnavailable, match="is the volume mounted"):
            await USES[use](mounted)
        assert names_in(root.parent) == before
        mount(root)
        await USES[use](mounted)

    async def test_one_that_goes_while_it_is_listed_is_not_empty(self, root: Path, mounted: LocalStorage) -> None:
        await put(mounted, *(f"a/{number}" for number in range(600)), "z/z")
        listing = mounted.list()
        await anext(listing)
        unmount(root)
        with pytest.raises(StorageUnavailable):
            async for _ in listing:
                pass
