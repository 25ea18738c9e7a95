"""A remote storage that is away, for a moment or for an hour: nothing is paid for twice. The bills are counted."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from snapasset.errors import StorageUnavailable
from snapasset.event import ERROR
from snapasset.job import Status
from snapasset.records.blobs import BlobsAfter
from snapasset.settings import Settings
from snapasset.storage import Storage
from snapasset.storage.kept import KeptStorage
from snapasset.storage.supabase.opening import Patience
from tests.fakes.supabase import KEY, Fault, running_supabase
from tests.fakes.supabase_bucket import opened_bucket
from tests.flows.waiting import awaited
from tests.worker.engine import OWNER, engine
from tests.worker.processors.pictures import SMALL, Painter, Studio, picture, wanted
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.fakes.supabase import FakeSupabase
    from tests.worker.engine import Engine
    from worker.providers import GeneratedImage, ImageRequest, Preview

KIND = "image-generation"
IMAGE = image_generation(Settings(), PLATFORMS)
A, B = SMALL[:2]
AWAY = Fault("refused", times=math.inf, status=503)
MASTER = "POST /object/pictures/.*-master"


class Sketcher(Painter):
    """The same for nothing."""

    paid = False


class Site(NamedTuple):
    """An engine whose pictures go to the fake's bucket."""

    engine: Engine
    storage: KeptStorage
    painter: Painter

    async def waiting(self) -> list[str]:
        """What the record keeps for the storage, by its names."""
        kept = await self.engine.record.read(BlobsAfter(""))
        return [facts.key.rpartition("-")[2] for facts in kept]

    async def brought(self) -> None:
        """Bring all that waits, as soon as it is due."""
        async with asyncio.timeout(10):
            while await self.waiting():
                if not await self.storage.bring_one():
                    await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeSupabase]:
    with running_supabase() as fake:
        yield fake


@pytest.fixture
def fake(server: FakeSupabase) -> Iterator[FakeSupabase]:
    server.buckets.clear()
    server.requests.clear()
    yield server
    server.heal()


@asynccontextmanager
async def opened(
    folder: Path, fake: FakeSupabase, painter: Painter, *, most: int = 2**30, silence: float = 5.0
) -> AsyncGenerator[Site]:
    patience = Patience(silence=silence, pauses=())
    remote = await opened_bucket(fake.url, KEY, "pictures", patience)
    async with (
        Studio(folder, painter) as studio,
        engine(folder, IMAGE, tools=studio.tools, workers=0, retry_max_seconds=0.0) as e,
    ):
        storage = KeptStorage(remote, e.database, most=most, pause_ms=50)
        e.tools[Storage] = storage
        await e.start()
        yield Site(e, storage, painter)
    await remote.close()


@pytest.fixture
async def site(tmp_path: Path, fake: FakeSupabase) -> AsyncIterator[Site]:
    async with opened(tmp_path, fake, Painter()) as site:
        yield site


async def test_a_paid_picture_goes_by_way_of_the_record(fake: FakeSupabase, site: Site) -> None:
    job = await site.engine.submit(KIND, wanted(A))
    last = await site.engine.final(job)
    assert (last["status"], last["attempt"]) == (Status.COMPLETED, 1)
    assert (await site.waiting(), fake.sent(MASTER)) == (["master.png"], 0)
    while await site.storage.bring_one():
        pass
    assert await site.waiting() == []
    stored = fake.buckets["pictures"].objects
    assert {row.key for row in await site.engine.files(job)} == {key for key in stored if not key.startswith(".")}
    [master] = [stored[row.key] for row in await site.engine.files(job) if row.role == "master"]
    assert (master.data, master.content_type) == (site.painter.data, "image/png")


async def test_an_outage_that_outlasts_every_attempt_costs_one_bill(fake: FakeSupabase, site: Site) -> None:
    e = site.engine
    fake.break_down(AWAY)
    job = await e.submit(KIND, wanted(A, B))
    last = await e.final(job)
    assert (last["status"], last["error"]["code"], last["attempt"]) == (Status.FAILED, "storage_unavailable", 3)
    assert (await e.steps(job))["generate"].state == "done"
    assert (site.painter.bills, await site.waiting()) == (1, ["master.png"])
    fake.heal()
    await e.client.retry(job, owner=OWNER)
    again = await e.final(job, run=2)
    assert (again["status"], [image["status"] for image in again["result"]["images"]]) == (
        "completed",
        ["completed"] * 2,
    )
    assert site.painter.bills == 1
    assert await site.storage.bring_one()
    assert {row.key for row in await e.files(job)} == set(fake.buckets["pictures"].objects)


async def test_an_outage_that_ends_meanwhile_costs_an_attempt_and_no_bill(fake: FakeSupabase, site: Site) -> None:
    e = site.engine
    fake.break_down(AWAY)
    job = await e.submit(KIND, wanted(A))
    await e.event(job, type=ERROR)
    fake.heal()
    last = await e.final(job)
    assert (last["status"], site.painter.bills) == (Status.COMPLETED, 1)
    assert last["attempt"] == 2


async def test_what_was_stored_and_answered_with_an_error_is_stored_again_and_not_paid_again(
    fake: FakeSupabase, site: Site
) -> None:
    e = site.engine
    fake.break_down(Fault("lost", f"POST /object/pictures/.*-{A}"), Fault("cut", f"POST /object/pictures/.*-{B}"))
    job = await e.submit(KIND, wanted(A, B))
    last = await e.final(job)
    assert (last["status"], site.painter.bills) == (Status.COMPLETED, 1)
    named = {row.key for row in await e.files(job) if row.role != "master"}
    assert named < set(fake.buckets["pictures"].objects), "and what no row names is left to the clean-up"


async def test_a_bill_that_could_not_be_kept_is_not_run_up(tmp_path: Path, fake: FakeSupabase) -> None:
    async with opened(tmp_path, fake, Painter(), most=1) as site:
        first = await site.engine.submit(KIND, wanted(A))
        assert (await site.engine.final(first))["status"] == Status.COMPLETED
        second = await site.engine.submit(KIND, wanted(A))
        last = await site.engine.final(second)
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, "storage_unavailable")
        assert site.painter.bills == 1
        assert "generate" not in await site.engine.steps(second), "so it leaves no doubt either"


async def test_what_cost_nothing_is_not_kept_in_the_record(tmp_path: Path, fake: FakeSupabase) -> None:
    async with opened(tmp_path, fake, Sketcher()) as site:
        job = await site.engine.submit(KIND, wanted(A))
        assert (await site.engine.final(job))["status"] == Status.COMPLETED
        assert (await site.waiting(), fake.sent(MASTER)) == ([], 1)


OUTAGES = {
    "500": Fault("refused", times=math.inf, status=500),
    "503": AWAY,
    "429": Fault("refused", times=math.inf, status=429, error="too_many_connections"),
    "silence": Fault("hang", times=math.inf),
    "stored and answered 500": Fault("lost", "POST /object/pictures/gen", times=math.inf),
}
"""What goes on for a minute, or for as long as the job is tried."""


@pytest.mark.parametrize("fault", OUTAGES)
async def test_whatever_the_storage_says_meanwhile_one_picture_is_paid_for(
    tmp_path: Path, fake: FakeSupabase, fault: str
) -> None:
    async with opened(tmp_path, fake, Painter(), silence=0.3) as site:
        e = site.engine
        fake.break_down(replace(OUTAGES[fault]))
        job = await e.submit(KIND, wanted(A))
        last = await e.final(job)
        assert (last["status"], last["error"]["code"], last["attempt"]) == (Status.FAILED, "storage_unavailable", 3)
        with suppress(StorageUnavailable):
            await site.storage.bring_one()
        steps = await e.steps(job)
        assert (site.painter.bills, steps["generate"].doubts, await site.waiting()) == (1, 0, ["master.png"])

        fake.heal()
        await e.client.retry(job, owner=OWNER)
        assert (await e.final(job, run=2))["status"] == Status.COMPLETED
        assert site.painter.bills == 1
        await site.brought()
        stored = fake.buckets["pictures"].objects
        [master] = [stored[row.key] for row in await e.files(job) if row.role == "master"]
        assert master.data == site.painter.data


REFUSALS = {
    "401": Fault("refused", times=math.inf, status=401, message="Invalid API key"),
    "403": Fault("refused", times=math.inf, status=403, error="Unauthorized"),
    "no bucket": Fault("refused", times=math.inf, status=404, error="Bucket not found", message="Bucket not found"),
}
"""What goes on until somebody mends it."""


async def errors(e: Engine, job: str, times: int) -> list[Any]:
    """Its failed attempts, as soon as there are so many, each followed by the next at once."""

    async def told() -> list[Any] | None:
        await e.upkeep()
        failed = [body for body in e.story(job) if body["type"] == ERROR]
        return failed if len(failed) >= times else None

    return await awaited(told, f"{times} failed attempts")


@pytest.mark.parametrize("fault", REFUSALS)
async def test_nothing_is_paid_for_while_the_storage_waits_for_somebody_to_mend_it(
    tmp_path: Path, fake: FakeSupabase, fault: str
) -> None:
    async with opened(tmp_path, fake, Painter()) as site:
        e = site.engine
        fake.break_down(replace(REFUSALS[fault]))
        job = await e.submit(KIND, wanted(A))
        told = await errors(e, job, times=5)  # more often than it has attempts
        assert {(error["code"], error["retryable"]) for error in told} == {("storage_unavailable", True)}
        assert (site.painter.bills, "generate" in await e.steps(job)) == (0, False)
        fake.heal()
        last = await e.final(job)
        assert (last["status"], last["attempt"], site.painter.bills) == (Status.COMPLETED, 1, 1)


async def test_a_key_that_is_refused_when_the_picture_is_paid_for_costs_no_attempt(
    tmp_path: Path, fake: FakeSupabase
) -> None:
    class Slow(Painter):
        """While it paints, the key is taken back."""

        async def generate(
            self,
            request: ImageRequest,
            progress: Callable[[float], None],
            previews: Callable[[Preview], None] | None = None,
        ) -> GeneratedImage:
            fake.break_down(replace(REFUSALS["401"]))
            return await super().generate(request, progress, previews)

    async with opened(tmp_path, fake, Slow()) as site:
        job = await site.engine.submit(KIND, wanted(A))
        await errors(site.engine, job, times=5)
        assert await site.waiting() == ["master.png"]
        fake.heal()
        last = await site.engine.final(job)
        assert (last["status"], last["attempt"], site.painter.bills) == (Status.COMPLETED, 1, 1)


async def test_a_master_larger_than_the_bucket_takes_stays_in_the_record_and_holds_nobody_up(
    tmp_path: Path, fake: FakeSupabase
) -> None:
    usual, large = fake.largest, Painter(data=picture() + bytes(200_000))
    async with opened(tmp_path, fake, large) as site:
        e = site.engine
        fake.largest = 150_000
        job = await e.submit(KIND, wanted(A))
        assert (await e.final(job))["status"] == Status.COMPLETED, "its renditions are smaller"
        large.data = picture()
        other = await e.submit(KIND, wanted(A))
        assert (await e.final(other))["status"] == Status.COMPLETED
        for _ in range(3):
            await site.storage.bring_one()
        assert (await site.waiting(), site.painter.bills) == (["master.png"], 2)
        [master] = [row for row in await e.files(job) if row.role == "master"]
        assert len(await site.storage.get(master.key)) == master.size

        fake.largest = usual
        await site.brought()
        assert fake.buckets["pictures"].objects[master.key].data == await site.storage.get(master.key)
