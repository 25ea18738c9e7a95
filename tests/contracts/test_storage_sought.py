"""A storage beyond a network that is not there, or not to be used, when a process begins: nothing waits, nothing is touched."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import (
    BadConfiguration,
    SnapAssetError,
    StorageQuotaExceeded,
    StorageUnavailable,
    StorageUnusable,
)
from snapasset.records.files import FileRow
from snapasset.records.steps import FinishStep, StartStep
from snapasset.storage.kept import KeptStorage
from snapasset.storage.local import LocalStorage
from snapasset.storage.sought import SoughtStorage
from tests.contracts.record_jobs import held
from tests.contracts.test_storage import keys_of, put
from tests.contracts.test_storage_local import names_in
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.storage import Storage

PUBLIC = BadConfiguration("SUPABASE_BUCKET is public.")
REFUSED = StorageUnusable("SUPABASE_SERVICE_KEY is refused.")
AWAY = StorageUnavailable("The file storage cannot be reached (SUPABASE_URL).")


class Place(LocalStorage):
    """A folder as if it lay beyond a network. `trouble` is what whoever looks for it meets; `silent`: nothing at all."""

    setting = "SUPABASE_URL"
    remote = True
    trouble: SnapAssetError | None = None
    silent = False
    looks = 0

    async def prepare(self) -> None:
        self.looks += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path / "files")
    yield place
    await place.close()


@pytest.fixture
def sought(place: Place, database: Database) -> SoughtStorage:
    return SoughtStorage(place, database, pause=0.01)


@asynccontextmanager
async def looking(storage: SoughtStorage) -> AsyncGenerator[None]:
    """It is looked for as long as the block runs."""
    task = asyncio.create_task(storage.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def told(storage: Storage) -> str | None:
    """What `check` complains of."""
    try:
        await storage.check()
    except StorageUnavailable as error:
        return error.detail
    return None


async def until(storage: Storage, words: str | None) -> None:
    """Wait for that complaint, None for none."""

    async def is_said() -> bool:
        return await told(storage) == words

    await awaited(is_said, f"the complaint {words}")


async def _read(storage: Storage) -> bytes:
    return b"".join([piece async for piece in storage.stream("a/b")])


USES: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "put": lambda storage: put(storage, "a/new"),
    "get": lambda storage: storage.get("a/b"),
    "stream": _read,
    "delete": lambda storage: storage.delete(["a/b"]),
    "list": keys_of,
    "find": lambda storage: storage.find("a/b"),
    "check": lambda storage: storage.check(),
    "owner": lambda storage: storage.owner(),
    "belong_to": lambda storage: storage.belong_to("another"),
    "prepare": lambda storage: storage.prepare(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("begun", [True, False])
async def test_until_it_is_found_nothing_is_done_with_it(
    place: Place, sought: SoughtStorage, database: Database, tmp_path: Path, use: str, *, begun: bool
) -> None:
    await put(place, "a/b")
    await place.belong_to(database.record_id)
    place.trouble = REFUSED
    before = names_in(tmp_path)
    if begun:
        await sought.open()
    with pytest.raises(StorageUnusable if begun else StorageUnavailable, match="SUPABASE_"):
        await USES[use](sought)
    assert names_in(tmp_path) == before
    place.trouble = None
    async with looking(sought):
        await until(sought, None)
        await USES[use](sought)


async def test_what_it_is_and_why_it_cannot_be_used_is_said_once(
    place: Place, sought: SoughtStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    place.trouble = AWAY
    await sought.open()
    assert await told(sought) == AWAY.detail
    async with looking(sought):
        seen = place.looks

        async def is_looked_for() -> bool:
            return place.looks > seen + 2

        await awaited(is_looked_for, "it is looked for again and again")
        place.trouble = REFUSED
        await until(sought, REFUSED.detail)
        place.trouble = StorageQuotaExceeded("The Supabase project is over its quota.")
        await until(sought, "The Supabase project is over its quota.")
        place.trouble = None
        await until(sought, None)
        seen = place.looks
    said = [record for record in caplog.records if record.name == "snapasset.storage.sought"]
    assert [record.levelname for record in said] == ["WARNING"] * 3 + ["INFO"]
    assert place.looks == seen, "once it is found nobody looks for it"


async def test_the_opening_look_does_not_wait_for_who_is_silent(place: Place, sought: SoughtStorage) -> None:
    place.silent = True
    async with asyncio.timeout(10):
        await sought.open(seconds=0.05)
    assert await told(sought) == "The file storage did not answer in time (SUPABASE_URL)."


async def test_what_must_not_be_used_ends_the_start_and_later_is_a_complaint(
    place: Place, sought: SoughtStorage, database: Database, tmp_path: Path
) -> None:
    place.trouble = PUBLIC
    with pytest.raises(BadConfiguration, match="public"):
        await sought.open()
    place.trouble = AWAY
    await sought.open()
    place.trouble = None
    await put(place, "somebody/s")
    await place.belong_to("another")
    before = names_in(tmp_path)
    async with looking(sought):

        async def is_refused() -> bool:
            return "names none" in (await told(sought) or "")

        await awaited(is_refused, "what is found is not taken")
        with pytest.raises(StorageUnusable, match="names none"):
            await sought.put("a", b"data", "image/png")
        assert names_in(tmp_path) == before
        assert await place.owner() == "another"
        await place.belong_to(database.record_id)  # as it says
        await until(sought, None)


async def test_what_the_record_keeps_itself_is_not_missed_in_a_new_storage(
    place: Place, sought: SoughtStorage, database: Database
) -> None:
    place.trouble = AWAY
    await sought.open()
    kept = KeptStorage(sought, database, pause_ms=0)
    job = await held(database, generation_id="g")
    await kept.make_sure()
    assert not await kept.place("g/1", b"paid", "image/png")
    await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1))
    file = FileRow("f1", "master", "1", "g/1", "image/png", 4, data=b"paid")
    await database.write(FinishStep(job.id, job.fence, "generate", "{}", 2, (file,)))
    place.trouble = None
    await sought.open()
    assert await place.owner() == database.record_id
    assert await kept.bring_one()
    assert await place.get("g/1") == b"paid"


@pytest.mark.parametrize("trouble", [REFUSED, AWAY])
async def test_paid_for_is_only_what_an_outage_keeps_waiting(
    place: Place, sought: SoughtStorage, database: Database, trouble: StorageUnavailable
) -> None:
    kept = KeptStorage(sought, database)
    place.trouble = trouble
    await sought.open()
    if trouble is AWAY:
        await kept.make_sure()
    else:
        with pytest.raises(StorageUnusable, match="SUPABASE_SERVICE_KEY"):
            await kept.make_sure()
    place.trouble = None
    await sought.open()
    await kept.make_sure()
