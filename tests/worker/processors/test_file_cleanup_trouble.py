"""Whatever happens in the middle of a cleanup, its report is true, and nothing goes that somebody has begun to need."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import DatabaseUnavailable
from snapasset.job import Status
from snapasset.records.files import FileRow
from snapasset.records.generations import Forget
from snapasset.records.retention import CondemnLost, RemoveJobs
from snapasset.records.revival import Retry
from snapasset.records.steps import FinishStep
from snapasset.records.stocktaking import DropFiles
from tests.contracts.record_backends import Do
from tests.contracts.record_jobs import a_job
from tests.worker.engine import within
from tests.worker.processors.cleaning import ANNA, BEN, DAY, NOTHING, room

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from snapasset.database import Read, Write
    from tests.worker.engine import Body
    from tests.worker.processors.cleaning import Room


def went(**counts: Any) -> Body:
    return {**NOTHING, **counts}


def before_first(r: Room, wanted: type, act: Callable[[], Awaitable[None]]) -> None:
    """Have `act` done right before the first operation of a type reaches the record."""

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if isinstance(operation, wanted):
            r.e.database.guard = None
            await act()

    r.e.database.guard = guard


async def break_down() -> None:
    raise DatabaseUnavailable


def saving_of(step: str) -> type:
    """What saves a step's output; `isinstance` says so for this step only."""

    class Meta(type):
        def __instancecheck__(cls, operation: object) -> bool:
            return isinstance(operation, FinishStep) and operation.step == step

    return Meta("Saving", (), {})


async def clutter(r: Room) -> None:
    """A failed generation, a rendition that was replaced, an orphan, a row without its file, half a file, jobs to go."""
    r.half_written("picture", age=2 * DAY)
    await r.job("failed", "master", "a", "b", generation="lost")
    await r.forget(await r.job("completed", "x", "gone", generation="well"))
    r.pass_time(1)
    await r.job("completed", "x", generation="well", adds=True)
    await r.lose(await r.key_of("gone"))
    r.pass_time(40 * DAY)
    await r.put("generations/nobodys/orphan", age=2 * DAY)
    await r.job("waiting", queue="another", owner=BEN)


FEW = {"keep_completed_jobs": 0, "keep_failed_jobs": 0}
WHOLE = went(files=5, bytes=50, generations=1, orphans=1, missing=1, leftovers=1, jobs=2)


async def test_undisturbed_it_takes_it_all(tmp_path: Path) -> None:
    async with room(tmp_path, **FEW) as r:
        await clutter(r)
        assert await r.clean() == WHOLE


# Where it breaks down: whatever had gone by then, without its being written down, had gone by this job.
BREAKS: dict[str, type] = {
    "before a generation is condemned": CondemnLost,
    "between its files and its row": Forget,
    "between its row and the report": saving_of("failed-generations:1"),
    "between half-written files and report": saving_of("leftovers:1"),
    "before the row of a missing file": DropFiles,
    "between orphan and report": saving_of("strays:1"),
    "between replaced file and report": saving_of("superseded:1"),
    "before jobs go": RemoveJobs,
    "between jobs and report": saving_of("jobs:draw:completed:1"),
    "between page and page": saving_of("strays:0"),
}


@pytest.mark.parametrize("where", BREAKS)
@pytest.mark.parametrize("how", ["the record goes away", "the worker dies"])
async def test_an_interrupted_page_is_done_again_and_counted_once(tmp_path: Path, where: str, how: str) -> None:
    wanted = BREAKS[where]
    async with room(tmp_path, **FEW) as r:
        await clutter(r)
        job = ""

        async def die() -> None:
            await r.e.take_away(job)
            await r.e.upkeep()
            await asyncio.Event().wait()

        saves = wanted.__name__ == "Saving"  # a running job holds on to what it wants to save
        before_first(r, wanted, die if how == "the worker dies" or saves else break_down)
        job = await r.begin()
        assert await r.report(job) == WHOLE
        assert (await r.e.job(job)).attempt == 2
        assert await r.clean() == NOTHING or await r.jobs() == set()
        assert await r.generations() == {"well"}
        assert await r.names() == {"x"}


async def dies_in(r: Room, step: type, *, then: Callable[[], Awaitable[None]], **asked: Any) -> Body:
    """The report of a cleanup whose worker dies right before `step`; `then` is done before its page is done again."""
    job = ""

    async def die() -> None:
        await r.e.take_away(job)
        await then()
        await r.e.upkeep()
        await asyncio.Event().wait()

    before_first(r, step, die)
    job = await r.begin(**asked)
    return await r.report(job)


async def test_what_was_gone_when_it_was_found_is_not_counted_by_a_page_done_again(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", "b", "c", generation="lost")
        await r.lose(await r.key_of("a"))
        r.pass_time(40 * DAY)

        async def nothing() -> None:
            pass

        for_whole = went(files=2, bytes=20, generations=1, alreadyGone=1)
        assert await dies_in(r, saving_of("failed-generations:1"), then=nothing) == for_whole


async def test_what_others_take_of_a_later_page_was_gone_already(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", generation="lost")
        r.pass_time(40 * DAY)
        orphan = await r.put("generations/nobodys/orphan", age=2 * DAY)

        async def lose_it_when_it_is_found() -> None:
            async def lose() -> None:
                await r.lose(orphan)

            before_first(r, saving_of("strays:0"), lose)

        seen = await dies_in(r, saving_of("failed-generations:1"), then=lose_it_when_it_is_found)
        assert seen == went(files=1, bytes=10, generations=1, alreadyGone=1)


async def test_a_dry_run_that_is_interrupted_has_removed_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        orphan = await r.put("generations/nobodys/orphan", age=2 * DAY)

        async def lose() -> None:
            await r.lose(orphan)

        assert await dies_in(r, saving_of("strays:1"), then=lose, dryRun=True) == went(alreadyGone=1)


async def test_what_was_gone_between_row_and_row_is_found_by_the_next_cleanup(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", generation="lost")
        r.pass_time(40 * DAY)

        async def guard(operation: Write[Any] | Read[Any]) -> None:
            if isinstance(operation, Forget):
                raise DatabaseUnavailable

        r.e.database.guard = guard
        assert (await r.e.final(await r.begin()))["status"] == Status.FAILED
        r.e.database.guard = None
        assert (await r.generations(), await r.stored()) == ({"lost"}, set())
        assert await r.clean(olderThanDays=1000) == went(generations=1, alreadyGone=1)


# --- a storage in trouble


async def test_what_cannot_be_removed_is_named_and_its_row_stays(tmp_path: Path) -> None:
    async with room(tmp_path, **FEW) as r:
        await clutter(r)
        stuck = [await r.key_of("a"), "generations/nobodys/orphan"]
        r.shelf.stuck = set(stuck)
        report = await r.clean()
        assert report == {
            **WHOLE,
            "files": 3,
            "bytes": 30,
            "generations": 0,
            "orphans": 0,
            "failures": 2,
            "failed": stuck,
        }
        assert await r.generations() == {"well", "lost"}
        assert set(stuck) <= await r.stored()
        assert await r.key_of("a") == stuck[0]
        r.shelf.stuck = set()
        assert await r.clean("failed-generations") == went(files=1, bytes=10, generations=1, alreadyGone=2)


async def test_a_replaced_file_that_cannot_be_removed_keeps_its_row(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await clutter(r)
        rows = await r.e.record.write(Do("SELECT key FROM files WHERE name = 'x' ORDER BY created_at"))
        r.shelf.stuck = {rows[0][0]}
        assert await r.clean("temp-files", owner=ANNA) == went(failures=1, failed=[rows[0][0]])
        assert rows[0][0] in await r.recorded()


async def test_a_storage_that_is_away_is_waited_for(tmp_path: Path) -> None:
    async with room(tmp_path, **FEW) as r:
        await clutter(r)

        async def go_away() -> None:
            r.shelf.away = True

        before_first(r, CondemnLost, go_away)
        job = await r.begin()
        told = await r.e.event(job, type="error")
        assert (told["code"], told["retryable"]) == ("storage_unavailable", True)
        r.shelf.away = False
        assert await r.report(job) == WHOLE


async def test_a_storage_that_stays_away_ends_it_and_nothing_is_lost(tmp_path: Path) -> None:
    async with room(tmp_path, **FEW) as r:
        await clutter(r)
        recorded = await r.recorded()
        r.shelf.away = True
        final = await r.e.final(await r.begin())
        assert (final["status"], final["error"]["code"]) == ("failed", "storage_unavailable")
        r.shelf.away = False
        assert await r.recorded() == recorded


async def test_a_storage_that_is_away_keeps_even_what_has_no_files(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", generation="lost")
        r.pass_time(40 * DAY)
        r.shelf.away = True
        assert (await r.e.final(await r.begin()))["error"]["code"] == "storage_unavailable"
        assert await r.generations() == {"lost"}


async def test_a_full_storage_is_cleaned_up(tmp_path: Path) -> None:
    async with room(tmp_path, **FEW) as r:
        await clutter(r)
        r.shelf.full = True
        r.shelf.stuck = {"generations/nobodys/orphan"}
        report = await r.clean()
        assert (report["files"], report["failures"]) == (4, 1)


# --- others at work


async def test_a_generation_that_is_tried_again_in_the_last_moment_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        job = await r.job("failed", "a", generation="lost")
        r.pass_time(40 * DAY)

        async def retry() -> None:
            await r.e.record.write(Retry(job.id, ANNA))

        before_first(r, CondemnLost, retry)
        assert await r.clean() == NOTHING
        assert await r.names() == {"a"}
        assert (await r.e.job(job.id)).status == Status.WAITING


async def test_a_generation_that_gets_renditions_in_the_last_moment_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", generation="lost")
        r.pass_time(40 * DAY)

        async def submit() -> None:
            await r.e.record.write(a_job(owner=ANNA, generation_id="lost", adds=True, queue="another"))

        before_first(r, CondemnLost, submit)
        assert await r.clean() == NOTHING
        assert await r.names() == {"a"}


async def test_a_generation_that_somebody_else_removes_meanwhile_was_gone_already(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", generation="lost")
        r.pass_time(40 * DAY)

        async def remove() -> None:
            await r.e.record.write(CondemnLost("lost", r.clock.now))
            await r.lose(await r.key_of("a"))
            await r.e.record.write(Forget("lost"))

        before_first(r, CondemnLost, remove)
        assert await r.clean() == went(alreadyGone=2)


async def test_an_orphan_that_is_named_or_worked_on_by_the_time_of_its_removal_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        job = await r.job("completed", "a", generation="g")
        for name in ("b", "c"):
            await r.put(f"generations/{name}/orphan", age=2 * DAY)

        async def claim_them() -> None:
            row = FileRow("an-id", "rendition", "b", "generations/b/orphan", "image/png", 10)
            insert = row.insert(job)
            await r.e.record.write(Do(insert.sql, insert.params))
            await r.e.record.write(a_job(owner=ANNA, generation_id="c", queue="another"))

        before_first(r, saving_of("strays:0"), claim_them)
        assert await r.clean() == NOTHING
        assert {"generations/b/orphan", "generations/c/orphan"} <= await r.stored()


async def test_a_missing_file_that_is_back_by_then_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "a", "b", generation="g")
        key = await r.key_of("a")
        await r.lose(key)

        async def bring_back() -> None:
            await r.put(key)

        before_first(r, saving_of("strays:0"), bring_back)
        assert await r.clean() == NOTHING
        assert await r.names() == {"a", "b"}


async def test_a_storage_that_shows_nothing_by_then_may_not_be_mounted(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "a", "b", generation="g")
        await r.lose(await r.key_of("a"))

        async def unmount() -> None:
            await r.lose(await r.key_of("b"))

        before_first(r, saving_of("strays:0"), unmount)
        assert await r.clean() == NOTHING
        assert len(await r.recorded()) == 2


async def test_a_replaced_file_whose_newer_one_is_lost_by_then_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.forget(await r.job("completed", "a", "b", generation="g"))
        r.pass_time(1)
        await r.job("completed", "a", "b", generation="g", adds=True)
        r.pass_time(2 * DAY)

        async def lose() -> None:
            await r.lose(await r.key_of("a"))

        before_first(r, saving_of("superseded:0"), lose)
        assert await r.clean() == went(files=1, bytes=10)
        assert len(await r.stored()) == 2


# --- many


async def test_many_things_go_page_by_page(tmp_path: Path) -> None:
    async with room(tmp_path, **FEW) as r:
        for number in range(205):
            await r.put(f"generations/{number:03}/orphan", age=2 * DAY, size=1)
        await r.job("completed", "a", *(f"gone-{number}" for number in range(101)), generation="g")
        for number in range(101):
            await r.lose(await r.key_of(f"gone-{number}"))
        for number in range(120):
            await r.job("failed", *("m",) * (number % 3), generation=f"lost-{number:03}")
        r.pass_time(40 * DAY)
        await r.job("waiting", queue="another")
        expected = went(files=205 + 120, bytes=205 + 1200, orphans=205, missing=101, generations=120, jobs=121)
        assert await r.clean(dryRun=True) == expected
        job = await r.begin()
        assert await r.report(job) == expected
        steps = await r.e.steps(job)
        assert {"strays:4", "failed-generations:3", "jobs:draw:failed:2"} <= steps.keys()
        assert all(len(keys) <= 100 for keys in r.shelf.deletions)
        progress = [body["progress"] for body in r.e.story(job)]
        assert progress == sorted(progress)
        assert await r.stored() == await r.recorded()


async def test_it_stops_between_pages_when_it_is_cancelled(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        for number in range(150):
            await r.put(f"generations/{number:03}/orphan", age=2 * DAY)
        job = ""

        async def cancel() -> None:
            await r.e.client.cancel(job, owner="system")

        before_first(r, saving_of("strays:1"), cancel)
        job = await r.begin("temp-files")
        final = await within(r.e.final(job))
        assert final["status"] == Status.CANCELLED
        assert len(await r.stored()) == 50
