"""What a cleanup takes, and what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from snapasset.job import Status
from snapasset.records.generations import Condemn
from tests.worker.processors.cleaning import ANNA, BEN, DAY, HOUR, NOTHING, room
from worker.processors.file_cleanup.report import FAILED_SHOWN, FileCleanup, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from tests.worker.engine import Body
    from tests.worker.processors.cleaning import Room


def went(**counts: Any) -> Body:
    return {**NOTHING, **counts}


async def test_nothing_to_clean_up_is_reported_as_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        job = await r.begin(olderThanDays=3)
        result = (await r.e.final(job))["result"]
    assert result == {"type": "all", "dryRun": False, "olderThanDays": 3, **NOTHING}


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "all", "olderThanDays": -1},
        {"type": "all", "olderThanDays": float("nan")},
        {"type": "all", "olderThanDays": float("inf")},
        {"type": "all", "olderThanDays": "1"},
        {"type": "temp"},
        {"type": "all", "dryRun": "no"},
        {"type": "all", "owner": "system"},
    ],
)
def test_what_makes_no_sense_is_refused(asked: Body) -> None:
    with pytest.raises(ValidationError):
        FileCleanup.model_validate(asked)


def test_what_it_says_of_itself_is_in_the_words_of_the_api() -> None:
    told = FileCleanup.model_json_schema()["description"]
    assert "olderThanDays" in told
    assert "older_than" not in told
    assert "an hour at the least" in told


async def test_an_age_beyond_all_times_takes_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", generation="g")
        await r.put("generations/nobodys/x", age=1000 * DAY)
        assert await r.clean(olderThanDays=1e300) == NOTHING


# --- failed generations


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_pictures_of_a_lost_generation_go_when_their_time_is_over(tmp_path: Path, end: str) -> None:
    async with room(tmp_path, keep_failed_files_days=5) as r:
        await r.job("completed", "well", generation="well")
        await r.job(end, "master", "a", generation="lost")
        await r.job("waiting", generation="under-way", queue="another")
        r.pass_time(5 * DAY - 1)
        assert await r.clean("failed-generations") == NOTHING
        r.pass_time(1)
        assert await r.clean("temp-files") == NOTHING
        assert await r.clean("failed-generations") == went(files=2, bytes=20, generations=1)
        assert await r.generations() == {"well", "under-way"}
        assert await r.names() == {"well"}


async def test_the_age_that_is_asked_for_counts_instead(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", generation="lost")
        assert await r.clean("failed-generations", olderThanDays=0.5) == NOTHING
        r.pass_time(DAY // 2)
        assert await r.clean("failed-generations", olderThanDays=0.5) == went(files=1, bytes=10, generations=1)


async def test_a_removal_that_was_begun_is_finished_whatever_its_age(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "a", "b", generation="g")
        await r.e.record.write(Condemn("g", ANNA))
        await r.lose(await r.key_of("a"))
        report = await r.clean("failed-generations", owner=ANNA)
        assert report == went(files=1, bytes=10, generations=1, alreadyGone=1)
        assert await r.generations() == set()
        assert await r.names() == set()


async def test_one_that_somebody_works_on_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("failed", "a", generation="lost")
        await r.job("waiting", generation="lost", adds=True, queue="another")
        assert await r.clean("failed-generations", olderThanDays=0) == NOTHING


# --- stored files that no row names


async def test_a_stored_file_that_no_row_names_goes_after_a_day(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "named", generation="g")
        old = await r.put("generations/g/old", age=DAY, size=7)
        young = await r.put("generations/g/young", age=DAY - 1000)
        elsewhere = await r.put("elsewhere", age=DAY)
        assert await r.clean("temp-files") == went(files=2, bytes=17, orphans=2)
        assert {old, young, elsewhere} & await r.stored() == {young}
        assert len(await r.stored()) == 2


async def test_an_hour_is_the_least_age_of_an_orphan(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        old = await r.put("generations/g/old", age=HOUR)
        young = await r.put("generations/g/young", age=HOUR - 1000)
        assert await r.clean("temp-files", olderThanDays=0) == went(files=1, bytes=10, orphans=1)
        assert {old, young} & await r.stored() == {young}


async def test_what_a_running_job_has_stored_and_not_yet_recorded_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("running", generation="g")
        await r.put("generations/g/just-stored", age=30 * DAY)
        assert await r.clean("temp-files") == NOTHING
        assert await r.stored() == {"generations/g/just-stored"}


# --- rows whose file is gone


async def test_a_row_whose_file_is_gone_is_removed_and_counted(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "a", "b", "c", generation="g")
        await r.lose(await r.key_of("a"))
        await r.lose(await r.key_of("c"))
        assert await r.clean("temp-files") == went(missing=2)
        assert await r.names() == {"b"}


async def test_a_masters_row_is_never_removed_only_reported(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "master", "a", "b", generation="g")
        for name in ("master", "a"):
            await r.lose(await r.key_of(name))
        assert await r.clean("temp-files", dryRun=True) == went(missing=1, lostMasters=1)
        assert await r.clean("temp-files") == went(missing=1, lostMasters=1)
        assert await r.clean("temp-files") == went(lostMasters=1)
        assert await r.recorded() == {await r.key_of("master"), await r.key_of("b")}


async def test_a_storage_that_shows_nothing_may_not_be_mounted(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "a", generation="g")
        await r.lose(await r.key_of("a"))
        job = await r.begin("temp-files")
        assert await r.report(job) == NOTHING
        assert "strays:1" not in await r.e.steps(job)  # nothing was even found
        assert len(await r.recorded()) == 1


async def test_a_storage_that_cannot_be_listed_has_lost_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.job("completed", "a", "b", generation="g")
        await r.lose(await r.key_of("a"))
        r.shelf.unlisted = True
        final = await r.e.final(await r.begin("temp-files"))
        assert (final["status"], final["error"]["code"]) == (Status.FAILED, "storage_unavailable")
        assert len(await r.recorded()) == 2


# --- renditions that newer ones have replaced


async def test_a_rendition_that_was_replaced_goes_and_the_newest_stays(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        first = await r.job("completed", "master", "a", "b", generation="g")
        r.pass_time(1)
        second = await r.job("completed", "master", "a", generation="g", adds=True)
        r.pass_time(1)
        await r.forget(first, second, await r.job("completed", "a", generation="g", adds=True))
        newest = await r.key_of("a")
        assert await r.clean("temp-files") == NOTHING
        r.pass_time(DAY - 1)
        assert await r.clean("temp-files", owner=ANNA) == went(files=2, bytes=20)
        assert await r.names() == {"master", "a", "b"}
        assert newest in await r.stored()
        assert len(await r.stored()) == 4


async def test_what_the_result_of_a_job_names_stays_as_long_as_the_job(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        first = await r.job("completed", "a", generation="g")
        r.pass_time(1)
        await r.job("completed", "a", generation="g", adds=True)
        r.pass_time(30 * DAY)
        for owner in ("system", ANNA):
            assert await r.clean("temp-files", owner=owner, olderThanDays=0) == NOTHING
        await r.forget(first)
        assert await r.clean("temp-files", owner=ANNA, olderThanDays=0) == went(files=1, bytes=10)


@pytest.mark.parametrize("asked", [{}, {"olderThanDays": 0}])
async def test_what_was_replaced_stays_as_long_as_its_address_may_open_it(tmp_path: Path, asked: Body) -> None:
    async with room(tmp_path, file_url_seconds=3 * DAY // 1000) as r:
        await r.forget(await r.job("completed", "a", generation="g"))
        await r.job("completed", "a", generation="g", adds=True)
        r.pass_time(3 * DAY - 1)
        assert await r.clean("temp-files", **asked) == NOTHING
        r.pass_time(1)
        assert await r.clean("temp-files", **asked) == went(files=1, bytes=10)


@pytest.mark.parametrize("owner", ["system", ANNA])
async def test_where_the_newest_is_missing_the_one_before_it_stays(tmp_path: Path, owner: str) -> None:
    async with room(tmp_path) as r:
        for _ in range(3):
            await r.forget(await r.job("completed", "a", generation="g", adds=bool(await r.generations())))
            r.pass_time(1)
        await r.lose(await r.key_of("a"))
        r.pass_time(DAY)
        assert await r.clean("temp-files", owner=owner) == went(files=1, bytes=10, missing=int(owner == "system"))
        assert len(await r.stored()) == 1


# --- half-written files


async def test_what_dead_writers_left_goes(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        old, young = r.half_written("old", age=2 * DAY), r.half_written("young", age=0)
        assert await r.clean("temp-files", owner=ANNA) == NOTHING
        assert await r.clean("temp-files") == went(leftovers=1)
        assert (old.exists(), young.exists()) == (False, True)


# --- jobs


async def test_jobs_go_by_the_settings_only(tmp_path: Path) -> None:
    settings = {"keep_completed_hours": 2, "keep_completed_jobs": 1, "keep_failed_days": 1, "keep_failed_jobs": 2}
    async with room(tmp_path, **settings) as r:
        ends = ("completed", "completed", "failed", "cancelled", "failed")
        jobs: list[str] = []
        for end in ends:
            jobs.append((await r.job(end)).id)
            r.pass_time(1)
        r.pass_time(2 * HOUR - 6)
        assert await r.clean(olderThanDays=0) == NOTHING
        r.pass_time(1)
        assert await r.clean("temp-files") == NOTHING
        assert await r.clean("failed-generations") == NOTHING
        assert await r.clean(owner=ANNA) == NOTHING
        assert await r.clean(owner="admin", olderThanDays=999) == went(jobs=1)
        r.pass_time(DAY)
        assert await r.clean() == went(jobs=1 + 4)  # all but one of the five cleanups before it
        assert await r.jobs() == {jobs[1], jobs[3], jobs[4]}


# --- whose


async def clutter(r: Room) -> None:
    """Something of every sort, of two owners and of nobody."""
    r.half_written("picture", age=2 * DAY)
    for owner in (ANNA, BEN):
        name = owner.partition(":")[2]
        await r.forget(await r.job("completed", "master", "a", "b", "c", generation=f"{name}-well", owner=owner))
        await r.job("failed", "master", "a", "b", generation=f"{name}-badly", owner=owner)
        r.pass_time(1)
        await r.job("completed", "a", "b", generation=f"{name}-well", owner=owner, adds=True)
        await r.job("completed", "x", generation=f"{name}-condemned", owner=owner)
        await r.e.record.write(Condemn(f"{name}-condemned", owner))
        await r.lose(await r.key_of("b"))
        await r.lose(await r.key_of("x"))
        await r.lose(await r.key_of("c"))
    r.pass_time(40 * DAY)
    await r.job("failed", "a", generation="young")
    for number in range(3):
        await r.put(f"generations/anna-badly/nameless-{number}", age=2 * DAY, size=number)
        await r.put(f"generations/young/nameless-{number}", age=number * DAY)
    await r.job("waiting", depends_on=((await r.job("completed")).id,))


EACH: Body = {"keep_completed_jobs": 1, "keep_failed_jobs": 0}


@pytest.mark.parametrize("owner", ["system", "admin", ANNA, "session:nobody"])
@pytest.mark.parametrize("kind", ["all", "temp-files", "failed-generations"])
async def test_a_dry_run_changes_nothing_and_reports_what_the_real_one_does(
    tmp_path: Path, kind: str, owner: str
) -> None:
    async with room(tmp_path, **EACH) as r:
        await clutter(r)
        before = await r.everything()
        rehearsed = await r.clean(kind, owner=owner, dryRun=True)
        assert await r.everything() == before
        assert r.shelf.deletions == []
        assert await r.clean(kind, owner=owner) == rehearsed
        assert (await r.everything() == before) is (owner == "session:nobody")
        assert (rehearsed == NOTHING) is (owner == "session:nobody")
        assert await r.clean(kind, owner=owner, dryRun=True) == NOTHING
        assert await r.clean(kind, owner=owner) == NOTHING


async def test_a_sessions_cleanup_leaves_alone_what_is_not_its_own(tmp_path: Path) -> None:
    async with room(tmp_path, **EACH) as r:
        await clutter(r)
        bens, orphans = "generations/ben-", "/nameless-"
        kept = {key for key in await r.stored() if key.startswith(bens) or orphans in key}
        jobs = await r.jobs()
        # All three files of its failed generation and the older a of the good one; the condemned one's file is gone.
        assert await r.clean(owner=ANNA) == went(files=4, bytes=40, generations=2, alreadyGone=1)
        assert kept <= await r.stored()
        assert await r.jobs() == jobs
        assert await r.generations() == {"anna-well", "ben-well", "ben-badly", "ben-condemned", "young"}


async def test_the_systems_cleanup_takes_all_that_nobody_needs(tmp_path: Path) -> None:
    async with room(tmp_path, **EACH) as r:
        await clutter(r)
        report = await r.clean()
        assert await r.recorded() == await r.stored() - {"generations/young/nameless-0"}
        assert await r.generations() == {"anna-well", "ben-well", "young"}
        assert {name: report[name] for name in ("generations", "orphans", "leftovers")} == {
            "generations": 4,
            "orphans": 5,
            "leftovers": 1,
        }
        # Left are the young failed one, the newest completed one, and the two that belong together.
        assert len(await r.jobs()) == 3


def test_tallies_add_up_and_name_so_many_failures() -> None:
    many = Tally(files=1, failures=80, failed=tuple(map(str, range(80))))
    total = many + many
    assert (total.files, total.failures, len(total.failed)) == (2, 160, FAILED_SHOWN)
