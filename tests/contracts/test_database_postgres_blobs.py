"""PostgreSQL: pictures over a slow line. They get the time that they take, and nothing small waits behind them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.database import BULK, Both, postgres_connection
from snapasset.database.postgres import PostgresDatabase
from snapasset.database.postgres_blobs import SMALL
from snapasset.errors import DatabaseUnavailable
from snapasset.records.blobs import BlobPart, BlobsAfter, KeepBlob
from snapasset.records.claims import Beat, GiveBack
from snapasset.records.costs import Charge, SaveCharge
from snapasset.records.jobs import GetJob
from snapasset.records.steps import FinishStep, SavePaidStep, StartStep
from snapasset.storage.kept import LARGEST, KeptStorage
from snapasset.storage.local import LocalStorage
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import Do, Look
from tests.contracts.record_jobs import held, stored
from tests.contracts.record_postgres import PostgresRecord
from tests.contracts.test_storage_kept import paid_file, waiting
from tests.servers.postgres import shared_server
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.job import Job

LARGE = bytes(range(256)) * (LARGEST // 256)
PICTURE = LARGE[: BULK + BULK // 2]


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[PostgresRecord]:
    opened = PostgresRecord(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy(shared_server().port)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
async def database(record: PostgresRecord, proxy: Proxy) -> AsyncIterator[Database]:
    """The record behind the proxy."""
    url = shared_server().tcp_url("record").replace(str(shared_server().port), str(proxy.port))
    # As managed servers have it: whatever takes long is ended, unless it has asked for more.
    impatient = {"statement_timeout": "2500"}
    database = PostgresDatabase(url, more_settings=lambda: {**record.settings(), **impatient})
    await database.open()
    yield database
    proxy.let_through()
    await database.close()


@pytest.fixture
def slow(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over which the largest picture takes longer than any answer is waited for."""
    monkeypatch.setattr(postgres_connection, "STATEMENT_SECONDS", 1.0)
    monkeypatch.setattr(postgres_connection, "_IDLE_MS", 1_000)
    proxy.delay = 0.006  # for each 64 KiB: three seconds for a picture


async def begun(database: Database) -> Job:
    job = await held(database, generation_id="g")
    await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=1))
    return job


def finished(job: Job, data: bytes = PICTURE) -> FinishStep:
    return FinishStep(job.id, job.fence, "generate", "{}", 2, (paid_file("g/1", data),))


@pytest.mark.usefixtures("slow")
async def test_the_largest_picture_gets_through_and_small_changes_go_on_meanwhile(
    record: PostgresRecord, database: Database
) -> None:
    job = await begun(database)
    saving = asyncio.create_task(database.write(finished(job, LARGE)))
    for seconds in range(5):
        assert await database.write(Beat(job.id, job.fence, float(seconds))) is False
        assert await database.read(GetJob(job.id)) is not None
        assert not saving.done(), "it is still on its way"
        [(running,)] = record.glimpse(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'record' AND backend_xid IS NOT NULL"
        )
        assert running == 0, "and no feed waits for its transaction"
    assert await saving is False
    assert await waiting(database) == ["g/1"]
    [(step, size)] = await database.read(
        Look("SELECT state, (SELECT length(data) FROM blobs) FROM job_steps WHERE job_id = $1", (job.id,))
    )
    assert (step, size) == ("done", len(LARGE))


@pytest.mark.usefixtures("slow")
async def test_it_is_read_over_a_slow_line_and_small_questions_go_on_meanwhile(
    record: PostgresRecord, database: Database, proxy: Proxy, tmp_path: Path
) -> None:
    other = await record.open()
    job = await begun(other)
    await other.write(finished(job))
    storage = LocalStorage(tmp_path / "files")
    storage.remote = True
    kept = KeptStorage(storage, database)
    proxy.delay = 0.012  # more than a second for each part
    reading = asyncio.create_task(kept.get("g/1"))
    for _ in range(5):
        assert await database.read(GetJob(job.id)) is not None
        assert not reading.done()
    assert await reading == PICTURE
    assert await kept.bring_one()
    assert await storage.get("g/1") == PICTURE
    assert await waiting(database) == []
    await storage.close()


async def test_a_late_picture_goes_the_same_way_with_what_it_cost(database: Database) -> None:
    job = await begun(database)
    await database.write(GiveBack(job.id, job.fence))
    assert await database.write(finished(job)) is None
    late = SavePaidStep(job.id, job.run, "generate", "{}", (paid_file("g/1", PICTURE),))
    await database.write(Both(late, SaveCharge(job, "generate", Charge(micro_usd=5))))
    assert await waiting(database) == ["g/1"]
    assert await database.read(Look("SELECT micro_usd FROM costs")) == [(5,)]


async def test_what_is_there_already_is_not_sent_again(database: Database, proxy: Proxy) -> None:
    job = await begun(database)
    await database.write(finished(job))
    sent = 0

    def count(chunk: bytes, *, there: bool) -> bytes:
        nonlocal sent
        sent += len(chunk) if there else 0
        return chunk

    proxy.forward = count
    await database.write(finished(job))
    assert 0 < sent < SMALL


async def test_a_picture_that_is_cut_off_on_its_way_leaves_nothing_and_is_sent_again(
    database: Database, proxy: Proxy
) -> None:
    job = await begun(database)
    proxy.delay = 0.01
    saving = asyncio.create_task(database.write(finished(job)))
    seen = 0

    def count(chunk: bytes, *, there: bool) -> bytes:
        nonlocal seen
        seen += len(chunk) if there else 0
        return chunk

    async def under_way() -> bool:
        return seen > len(PICTURE) // 4

    proxy.forward = count
    await wait_until(under_way)
    proxy.reset()
    with pytest.raises(DatabaseUnavailable):
        await saving
    assert await waiting(database) == []
    assert (await stored(database, job.id)).progress == 1
    proxy.delay = 0.0
    assert await database.write(finished(job)) is False
    assert await waiting(database) == ["g/1"]


async def test_closing_sends_what_was_handed_in(record: PostgresRecord) -> None:
    database = await record.open()
    job = await begun(database)
    saving = asyncio.create_task(database.write(finished(job)))
    await asyncio.sleep(0)
    await database.close()
    assert await saving is False
    assert record.glimpse("SELECT key, length(data) FROM blobs") == [("g/1", len(PICTURE))]
    assert record.glimpse("SELECT state FROM job_steps") == [("done",)]


async def test_one_that_nobody_waits_for_any_more_is_not_sent(database: Database, record: PostgresRecord) -> None:
    job = await begun(database)
    first = asyncio.create_task(database.write(finished(job)))
    second = asyncio.create_task(database.write(FinishStep(job.id, 99, "x", "{}", 2, (paid_file("g/2", PICTURE),))))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert [facts.key for facts in await database.read(BlobsAfter(""))] == ["g/1"]


async def test_a_bug_in_what_is_large_reaches_its_caller_and_the_next_is_served(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await begun(database)
    with monkeypatch.context() as patch:
        patch.setattr(KeepBlob, "steps", Do("SELECT nonsense").steps)
        with pytest.raises(Exception, match="nonsense"):
            await database.write(finished(job))
    assert await database.write(finished(job)) is False


async def test_parts_of_it_can_be_read(database: Database) -> None:
    job = await begun(database)
    await database.write(finished(job))
    assert await database.read(BlobPart("g/1", BULK - 1, 3)) == PICTURE[BULK - 1 : BULK + 2]
    assert await database.read(BlobPart("g/1", len(PICTURE) - 1, BULK)) == PICTURE[-1:]
    assert await database.read(BlobPart("g/2", 0, BULK)) is None
