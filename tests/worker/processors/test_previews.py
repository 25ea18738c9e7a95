"""Unfinished pictures: shown while the finished one is made, gone soon after their job, and never a reason to fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.database import Read, Statement, Write
from snapasset.errors import AnswerLost, StorageUnavailable
from snapasset.job import Status
from snapasset.records.previews import GRACE_MS
from snapasset.settings import Settings
from snapasset.storage import Storage
from snapasset.storage.supabase.opening import Patience
from tests.fakes.supabase import KEY, running_supabase
from tests.fakes.supabase_bucket import opened_bucket
from tests.worker.engine import OWNER, Clock, StoredRow, engine, opened_at_last, wait_until, within
from tests.worker.processors.pictures import MASTER, SMALL, Painter, Studio, picture, wanted
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation
from worker.providers import GeneratedImage, ImageRequest, Preview
from worker.spent import SpentRemovals
from worker.storeroom import Storeroom

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from snapasset.database import Steps
    from tests.worker.engine import Body, Engine

IMAGE = image_generation(Settings(), PLATFORMS)
JOB = wanted(SMALL[0])
KINDS = (IMAGE.kind,)


class Shower(Painter):
    """Shows `shown` pictures before it is done, and is done when `go` says so."""

    def __init__(self, shown: int = 2, *mishaps: BaseException) -> None:
        super().__init__(*mishaps)
        self.shown = shown
        self.go = asyncio.Event()

    async def generate(
        self,
        request: ImageRequest,
        progress: Callable[[float], None],
        previews: Callable[[Preview], None] | None = None,
    ) -> GeneratedImage:
        assert previews is not None
        for index in range(self.shown):
            previews(Preview(index, picture(), "image/png", MASTER.width, MASTER.height))
        await self.go.wait()
        return await super().generate(request, progress, previews)


class Long(Write[None]):
    """Have every job that has ended have done so long enough ago for its previews to go."""

    def steps(self) -> Steps[None]:
        yield Statement("UPDATE jobs SET finished_at = finished_at - $1 WHERE finished_at IS NOT NULL", (GRACE_MS,))


class AllRows(Read["list[StoredRow]"]):
    def steps(self) -> Steps[list[StoredRow]]:
        return [StoredRow._make(row) for row in (yield Statement(f"SELECT {', '.join(StoredRow._fields)} FROM files"))]


def previews(e: Engine, job: str) -> list[Body]:
    return [event["preview"] for event in e.story(job) if "preview" in event]


async def shown(e: Engine, job: str, count: int = 2) -> list[Body]:
    """The previews once so many have been told of."""
    await wait_until(lambda: len(previews(e, job)) >= count)
    return previews(e, job)


async def later(e: Engine, studio: Studio, removals: SpentRemovals | None = None) -> list[str]:
    """The names of what is stored once the minute after its job's end has brought what it brings."""
    await e.record.write(Long())
    await (removals or SpentRemovals(Storeroom(e.record, studio.shelf), KINDS)).tick()
    keys = {file.key async for file in studio.shelf.list()}
    assert {row.key for row in await e.record.read(AllRows())} == keys
    return sorted(key.rpartition("/")[2][37:] for key in keys)


async def test_each_is_a_file_that_events_tell_of_and_that_is_there_until_its_job_has_ended(tmp_path: Path) -> None:
    painter = Shower()
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        with opened_at_last(painter.go):
            job = await e.submit(IMAGE.kind, JOB)
            told = await shown(e, job)
            assert [(one["index"], one["width"], one["height"]) for one in told] == [(0, 96, 64), (1, 96, 64)]
            files = {file.id: file for file in await e.files(job)}
            for one in told:
                file = files[one["fileId"]]
                assert (file.role, file.size, file.content_type) == ("preview", one["size"], one["contentType"])
                assert await studio.shelf.get(file.key) == picture()
        last = await e.final(job)
        assert last["status"] == Status.COMPLETED
        for one in told:
            assert await studio.shelf.get(files[one["fileId"]].key) == picture(), (
                "who was told of it a moment ago misses it"
            )
        assert not [name for name in await later(e, studio) if "preview" in name]
        assert {file.key for file in await e.files(job)} == {file.key async for file in studio.shelf.list()}
        steps = [event.get("state", "preview") for event in e.story(job) if event["step"] == "generate"]
        assert steps == ["started", "preview", "preview", "done"]


@pytest.mark.parametrize("error", [StorageUnavailable(), LookupError("a bug")], ids=lambda error: type(error).__name__)
async def test_one_that_cannot_be_stored_is_left_out(tmp_path: Path, error: BaseException) -> None:
    painter = Shower()
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        with opened_at_last(painter.go):
            studio.shelf.refusals["preview"] = [error]
            job = await e.submit(IMAGE.kind, JOB)
            assert [one["index"] for one in await shown(e, job, 1)] == [1]
        assert (await e.final(job))["status"] == Status.COMPLETED
    assert painter.bills == 1


async def test_one_that_is_still_being_stored_holds_nothing_up(tmp_path: Path) -> None:
    painter = Shower()
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        reached, put = asyncio.Event(), studio.shelf.put

        async def slow(key: str, data: bytes, content_type: str) -> None:
            if "preview" in key:
                reached.set()
                await asyncio.Event().wait()
            await put(key, data, content_type)

        studio.shelf.put = slow
        job = await e.submit(IMAGE.kind, JOB)
        await within(reached.wait())
        painter.go.set()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert previews(e, job) == []


@pytest.mark.parametrize("looked", [False, True])
async def test_those_of_a_lost_call_are_not_left_behind(tmp_path: Path, *, looked: bool) -> None:
    painter = Shower(2, AnswerLost())
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        removals = SpentRemovals(Storeroom(e.record, studio.shelf), KINDS)
        if looked:
            await removals.tick()
        with opened_at_last(painter.go):
            job = await e.submit(IMAGE.kind, JOB)
            await shown(e, job)
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert not [name for name in await later(e, studio, removals) if "preview" in name]


@pytest.mark.parametrize("looked", [False, True])
async def test_those_of_a_job_that_failed_or_was_cancelled_are_not_left_behind(tmp_path: Path, *, looked: bool) -> None:
    painter = Shower(2, AnswerLost(), AnswerLost(), AnswerLost())
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        removals = SpentRemovals(Storeroom(e.record, studio.shelf), KINDS)
        if looked:
            await removals.tick()
        with opened_at_last(painter.go):
            cancelled = await e.submit(IMAGE.kind, JOB)
            await shown(e, cancelled)
            await e.client.cancel(cancelled, owner=OWNER)
        assert (await e.final(cancelled))["status"] == Status.CANCELLED
        assert (await e.final(await e.submit(IMAGE.kind, JOB)))["status"] == Status.FAILED
        assert len([file async for file in studio.shelf.list()]) >= 2, "this tests nothing"
        assert await later(e, studio, removals) == []


async def test_none_is_left_behind_in_a_bucket(tmp_path: Path) -> None:
    painter = Shower(2, AnswerLost())
    with running_supabase() as fake:
        bucket = await opened_bucket(fake.url, KEY, "pictures", Patience(silence=5.0, pauses=()))
        async with (
            Studio(tmp_path, painter) as studio,
            engine(tmp_path, IMAGE, tools={**studio.tools, Storage: bucket}) as e,
        ):
            with opened_at_last(painter.go):
                job = await e.submit(IMAGE.kind, JOB)
                await shown(e, job)
                assert len([file async for file in bucket.list()]) == 2
            assert (await e.final(job))["status"] == Status.COMPLETED
            await e.record.write(Long())
            await SpentRemovals(Storeroom(e.record, bucket), KINDS).tick()
            assert not [file.key async for file in bucket.list() if "preview" in file.key]
            assert {file.key for file in await e.files(job)} == {file.key async for file in bucket.list()}
        await bucket.close()


async def test_those_that_are_shown_now_stay(tmp_path: Path) -> None:
    painter = Shower()
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        with opened_at_last(painter.go):
            job = await e.submit(IMAGE.kind, JOB)
            await shown(e, job)
            assert len(await later(e, studio)) == 2
        await e.final(job)


async def test_one_that_a_dead_process_was_storing_is_not_left_behind(tmp_path: Path) -> None:
    painter = Shower(1)
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        stored, put = asyncio.Event(), studio.shelf.put

        async def dies(key: str, data: bytes, content_type: str) -> None:
            await put(key, data, content_type)
            if "preview" in key and not stored.is_set():
                stored.set()
                await asyncio.Event().wait()

        studio.shelf.put = dies
        job = await e.submit(IMAGE.kind, JOB)
        await within(stored.wait())
        await e.take_away(job)
        painter.go.set()
        await e.upkeep()
        assert (await e.final(job))["status"] == Status.COMPLETED
        assert not [name for name in await later(e, studio) if "preview" in name]


async def test_what_cannot_be_removed_is_looked_for_again(tmp_path: Path) -> None:
    painter, clock = Shower(1, AnswerLost(), AnswerLost()), Clock()
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools, clock=clock) as e:
        removals = SpentRemovals(Storeroom(e.record, studio.shelf), KINDS)
        await removals.tick()
        with opened_at_last(painter.go):
            job = await e.submit(IMAGE.kind, JOB)
            await shown(e, job, 1)
        assert (await e.final(job))["status"] == Status.FAILED
        delete = studio.shelf.delete

        async def refuses(keys: Collection[str]) -> frozenset[str]:
            raise StorageUnavailable

        studio.shelf.delete = refuses
        for passed in (GRACE_MS, 100_000):  # longer than ends are looked for twice
            clock.now += passed
            await removals.tick()
        assert await e.files(job)
        studio.shelf.delete = delete
        assert await later(e, studio, removals) == []


async def test_who_has_lost_the_job_shows_nothing(tmp_path: Path) -> None:
    painter = Shower(1)
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        with opened_at_last(painter.go):
            reached, allowed, put = asyncio.Event(), asyncio.Event(), studio.shelf.put

            async def held(key: str, data: bytes, content_type: str) -> None:
                if "preview" in key:
                    reached.set()
                    await allowed.wait()
                await put(key, data, content_type)

            studio.shelf.put = held
            job = await e.submit(IMAGE.kind, JOB)
            await within(reached.wait())
            await e.take_away(job)
            allowed.set()
            painter.go.set()
            await e.step_done(job, "generate")
        assert previews(e, job) == []
        assert painter.bills == 1
