"""What was paid for is in the record until the storage has it; whoever reads it cannot tell."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadPicture, FileMissing, StorageQuotaExceeded, StorageUnavailable
from snapasset.job import new_id
from snapasset.records.blobs import Blob, BlobBytes, BlobsAfter, DropBlobs, KeepBlob
from snapasset.records.claims import GiveBack
from snapasset.records.endings import Fail
from snapasset.records.files import FileRow
from snapasset.records.generations import Condemn, Forget
from snapasset.records.steps import FinishStep, SavePaidStep, StartStep
from snapasset.storage.kept import KeptStorage
from snapasset.storage.local import LocalStorage
from tests.contracts.conftest import wait_until
from tests.contracts.record_jobs import FAULT, held
from tests.contracts.test_storage import keys_of, put
from worker.storeroom import Storeroom
from worker.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.job import Job
    from tests.contracts.record_backends import Clock

BYTES = bytes(range(256)) * 1000


class Away(LocalStorage):
    """A storage that may be away, and counts what it is brought."""

    remote = True

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.away = False
        self.refuses: set[str] = set()
        self.brought: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """What happens while bytes are on their way here."""

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        self.brought.append(key)
        self._see()
        if self.meanwhile is not None:
            await self.meanwhile()
        if key in self.refuses:
            raise StorageQuotaExceeded
        await super().put(key, data, content_type)

    async def get(self, key: str) -> bytes:
        self._see()
        return await super().get(key)

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        self._see()
        return await super().delete(keys)

    async def check(self) -> None:
        self._see()

    def _see(self) -> None:
        if self.away:
            raise StorageUnavailable


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Away]:
    opened = Away(tmp_path / "files")
    yield opened
    await opened.close()


@pytest.fixture
def kept(remote: Away, database: Database) -> KeptStorage:
    return KeptStorage(remote, database)


def paid_file(key: str, data: bytes = BYTES) -> FileRow:
    return FileRow(f"id-{key}", "master", "master", key, "image/png", len(data), data=data)


async def paid_step(database: Database, *files: FileRow) -> Job:
    """A job whose paid step is done, and has left these files."""
    job = await held(database, generation_id=new_id())
    await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1))
    await database.write(FinishStep(job.id, job.fence, "generate", "{}", 2, files))
    return job


async def waiting(database: Database) -> list[str]:
    return [facts.key for facts in await database.read(BlobsAfter(""))]


class TestTheRecord:
    async def test_the_bytes_come_with_the_commit_of_their_step(self, database: Database, kept: KeptStorage) -> None:
        await paid_step(database, paid_file("g/1"), FileRow("id", "rendition", "r", "g/2", "image/png", 1))
        assert await waiting(database) == ["g/1"]
        assert await database.read(BlobBytes()) == len(BYTES)
        assert await kept.get("g/1") == BYTES

    async def test_who_has_lost_the_job_leaves_none_beside_what_is_there(self, database: Database) -> None:
        job = await paid_step(database, paid_file("g/1"))
        late = (paid_file("g/2"),)
        assert await database.write(FinishStep(job.id, 99, "generate", "{}", 2, late)) is None
        await database.write(SavePaidStep(job.id, job.run, "generate", "{}", late))
        assert await waiting(database) == ["g/1"]

    async def test_a_late_answer_that_is_brought_twice_stays(self, database: Database) -> None:
        job = await held(database, generation_id="g")
        await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1))
        await database.write(GiveBack(job.id, job.fence))
        for _ in range(2):  # the answer to the first was lost
            await database.write(SavePaidStep(job.id, job.run, "generate", "{}", (paid_file("g/1"),)))
        assert await waiting(database) == ["g/1"]

    async def test_a_late_answer_brings_its_bytes(self, database: Database) -> None:
        job = await held(database, generation_id="g")
        await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1))
        await database.write(GiveBack(job.id, job.fence))
        await database.write(SavePaidStep(job.id, job.run, "generate", "{}", (paid_file("g/1"),)))
        assert await waiting(database) == ["g/1"]

    async def test_a_change_that_is_carried_out_twice_keeps_them_once(self, database: Database) -> None:
        job = await paid_step(database, paid_file("g/1"))
        await database.write(FinishStep(job.id, job.fence, "generate", "{}", 2, (paid_file("g/1"),)))
        assert await database.read(BlobBytes()) == len(BYTES)


class TestReaders:
    async def test_the_storage_is_not_even_asked(self, database: Database, remote: Away, kept: KeptStorage) -> None:
        await paid_step(database, paid_file("g/1"))
        remote.away = True
        assert await kept.get("g/1") == BYTES
        pieces = [piece async for piece in kept.stream("g/1", chunk_size=100_000)]
        assert [len(piece) for piece in pieces] == [100_000, 100_000, 56_000]
        assert b"".join(pieces) == BYTES
        found = await kept.find("g/1")
        assert found is not None
        assert (found.key, found.size) == ("g/1", len(BYTES))
        with pytest.raises(StorageUnavailable):
            await kept.get("g/2")

    async def test_a_list_has_all_in_order_and_nothing_twice(
        self, database: Database, remote: Away, kept: KeptStorage
    ) -> None:
        await put(remote, "g/2", "g/4", "h/1")
        await paid_step(database, *(paid_file(key) for key in ("a/1", "g/1", "g/3", "g/4", "g/5", "z/1")))
        assert await keys_of(kept) == ["a/1", "g/1", "g/2", "g/3", "g/4", "g/5", "h/1", "z/1"]
        assert await keys_of(kept, "g/") == ["g/1", "g/2", "g/3", "g/4", "g/5"]
        assert [file.key async for file in kept.list(after="g/3")] == ["g/4", "g/5", "h/1", "z/1"]

    async def test_the_clean_up_takes_none_for_missing_and_none_for_an_orphan(
        self, database: Database, kept: KeptStorage
    ) -> None:
        await paid_step(database, paid_file("generations/g/1"))
        await put(kept, "generations/other/1")
        strays = await Storeroom(database, kept).find_strays("", stored_before=2**60, lost_before=-1, limit=10)
        assert strays is not None
        assert ([file.key for file in strays.orphans], strays.missing) == (["generations/other/1"], ())


class TestBringing:
    async def test_it_is_in_the_storage_and_the_record_forgets_it(
        self, database: Database, remote: Away, kept: KeptStorage
    ) -> None:
        await paid_step(database, paid_file("g/1"), paid_file("g/2"))
        assert [await kept.bring_one() for _ in range(3)] == [True, True, False]
        assert await waiting(database) == []
        assert await keys_of(remote) == await keys_of(kept) == ["g/1", "g/2"]
        assert await remote.get("g/1") == await kept.get("g/1") == BYTES

    async def test_many_processes_bring_each_once(self, database: Database, remote: Away) -> None:
        keys = [f"g/{number}" for number in range(6)]
        await paid_step(database, *map(paid_file, keys))
        others = [KeptStorage(remote, database) for _ in range(4)]

        async def bring(storage: KeptStorage) -> None:
            while await storage.bring_one():
                pass

        await asyncio.gather(*map(bring, others))
        assert sorted(remote.brought) == keys
        assert await waiting(database) == []

    async def test_while_the_storage_is_away_it_stays_and_is_read(self, database: Database, remote: Away) -> None:
        kept = KeptStorage(remote, database, pause_ms=600_000)
        await paid_step(database, paid_file("g/1"))
        remote.away = True
        with pytest.raises(StorageUnavailable):
            await kept.bring_one()
        assert await waiting(database) == ["g/1"]
        assert not await kept.bring_one(), "for a while it is not due again"
        assert await kept.get("g/1") == BYTES

    async def test_uploads_go_on_by_themselves_when_it_is_back(
        self, database: Database, remote: Away, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "worker.uploads")
        kept = KeptStorage(remote, database, pause_ms=0)
        await paid_step(database, paid_file("g/1"))
        remote.away = True
        task = asyncio.create_task(Uploads(kept, pause=0.001, trouble=0.001).run())

        async def tried() -> bool:
            return len(remote.brought) > 2

        async def gone() -> bool:
            return await waiting(database) == []

        async def told() -> bool:
            return len(caplog.records) > 1

        await wait_until(tried)
        assert await waiting(database) == ["g/1"]
        remote.away = False
        await wait_until(gone)
        await wait_until(told)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await remote.get("g/1") == BYTES
        assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"], "each is said once"

    async def test_one_that_the_storage_refuses_holds_up_no_other(
        self, database: Database, clock: Clock, remote: Away, kept: KeptStorage, caplog: pytest.LogCaptureFixture
    ) -> None:
        remote.refuses = {"g/1", "g/2"}
        await paid_step(database, *(paid_file(f"g/{number}") for number in range(1, 5)))
        assert [await kept.bring_one() for _ in range(5)] == [True] * 4 + [False]
        assert (await waiting(database), await keys_of(remote)) == (["g/1", "g/2"], ["g/3", "g/4"])

        clock.move(8 * 60_000)  # it has waited so long that it is tried once a minute
        assert [await kept.bring_one() for _ in range(3)] == [True, True, False]
        clock.move(59_000)
        await paid_step(database, paid_file("g/5"))
        assert [await kept.bring_one() for _ in range(2)] == [True, False]
        assert await waiting(database) == ["g/1", "g/2"]
        clock.move(1_000)
        remote.refuses.clear()
        assert [await kept.bring_one() for _ in range(3)] == [True, True, False]
        assert await waiting(database) == []
        told = [line for line in caplog.records if line.levelname == "ERROR"]
        assert [vars(line)["key"] for line in told] == ["g/1", "g/2"], "each is said once"

    async def test_it_says_what_has_waited_for_long(self, database: Database, clock: Clock, kept: KeptStorage) -> None:
        assert await kept.complaint() is None
        await paid_step(database, paid_file("g/1"))
        clock.move(59_000)
        assert await kept.complaint() is None
        await paid_step(database, paid_file("g/2"))
        clock.move(61_000)
        said = await kept.complaint()
        assert said is not None
        assert "2, with 512,000 bytes, the oldest for 2 min" in said
        await kept.bring_one()
        await kept.bring_one()
        assert await kept.complaint() is None

    async def test_one_that_died_in_the_middle_is_followed_by_another(
        self, database: Database, remote: Away, kept: KeptStorage
    ) -> None:
        await paid_step(database, paid_file("g/1"))
        await put(remote, "g/1", data=BYTES)  # brought, and nobody was left to say so
        assert await kept.bring_one()
        assert await waiting(database) == []
        assert await kept.get("g/1") == BYTES


class TestRemoval:
    async def test_both_places_are_cleared(self, database: Database, remote: Away, kept: KeptStorage) -> None:
        await put(remote, "g/1", "g/2")
        await paid_step(database, paid_file("g/2"), paid_file("g/3"))
        assert await kept.delete(["g/1", "g/2", "g/3", "g/4"]) == {"g/1", "g/2", "g/3"}
        assert (await keys_of(kept), await waiting(database)) == ([], [])
        with pytest.raises(FileMissing):
            await kept.get("g/3")

    async def test_what_cannot_be_removed_from_the_storage_stays_in_the_record(
        self, database: Database, remote: Away, kept: KeptStorage
    ) -> None:
        await paid_step(database, paid_file("g/1"))
        remote.away = True
        with pytest.raises(StorageUnavailable):
            await kept.delete(["g/1"])
        assert await kept.get("g/1") == BYTES

    async def test_a_generation_that_is_being_removed_takes_no_bytes(self, database: Database) -> None:
        job = await held(database, generation_id="g")
        await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1))
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
        await database.write(Condemn("g", job.owner))
        await database.write(SavePaidStep(job.id, job.run, "generate", "{}", (paid_file("g/1"),)))
        assert await waiting(database) == []


class TestComingLate:
    async def test_what_is_removed_while_it_is_on_its_way_does_not_stay_behind(
        self, database: Database, remote: Away, kept: KeptStorage
    ) -> None:
        job = await held(database, generation_id="g")
        key = "generations/g/1"
        await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1))
        await database.write(FinishStep(job.id, job.fence, "generate", "{}", 2, (paid_file(key),)))
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))

        async def removal() -> None:
            keys = await database.write(Condemn("g", job.owner))
            assert await kept.delete(keys) == {key}
            await database.write(Forget("g"))

        remote.meanwhile = removal
        assert await kept.bring_one()
        assert remote.brought == [key]
        assert await keys_of(kept) == []

    async def test_what_somebody_else_has_brought_meanwhile_stays(
        self, database: Database, remote: Away, kept: KeptStorage
    ) -> None:
        await paid_step(database, paid_file("g/1"))
        remote.meanwhile = partial(database.write, DropBlobs(("g/1",)))
        assert await kept.bring_one()
        assert (await keys_of(kept), await kept.get("g/1")) == (["g/1"], BYTES)

    async def test_what_a_job_that_still_runs_may_name_stays(
        self, database: Database, remote: Away, kept: KeptStorage
    ) -> None:
        await held(database, generation_id="g")
        key = "generations/g/1"
        await database.write(KeepBlob(Blob(key, "image/png", BYTES)))  # it goes before the row, where it is large
        remote.meanwhile = partial(database.write, DropBlobs((key,)))
        assert await kept.bring_one()
        assert await keys_of(kept) == [key]


class TestLimits:
    async def test_what_is_too_large_goes_to_the_storage_or_ends_the_job(
        self, database: Database, remote: Away
    ) -> None:
        kept = KeptStorage(remote, database, largest=len(BYTES))
        assert not await kept.place("g/1", BYTES, "image/png")
        assert remote.brought == [], "what fits waits for no network"
        assert await kept.place("g/2", BYTES + b"x", "image/png")
        assert await remote.get("g/2") == BYTES + b"x"
        remote.away = True
        with pytest.raises(BadPicture, match="larger than") as caught:
            await kept.place("g/3", BYTES + b"x", "image/png")
        assert not caught.value.retryable, "or it would be paid for again"

    async def test_nothing_is_paid_for_that_could_not_be_kept(self, database: Database, remote: Away) -> None:
        small = KeptStorage(remote, database, most=len(BYTES))
        await paid_step(database, paid_file("g/1"))
        await small.make_sure()
        await paid_step(database, paid_file("g/2"))
        with pytest.raises(StorageUnavailable, match="nothing more is paid for"):
            await small.make_sure()
        await small.bring_one()
        await small.make_sure()
