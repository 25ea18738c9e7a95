"""One picture's failure takes no other with it; what was paid for or made before is not made again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import (
    AnswerLost,
    BadPicture,
    ContentPolicy,
    DatabaseUnavailable,
    InvalidPrompt,
    ProviderTimeout,
    SnapAssetError,
    StorageFailed,
    StorageQuotaExceeded,
    StorageUnavailable,
)
from snapasset.event import ERROR, FINAL
from snapasset.job import Status
from snapasset.records.endings import Complete
from snapasset.settings import Settings
from tests.worker.engine import Body, changes_of, engine, within
from tests.worker.processors.pictures import SMALL, Painter, Studio, wanted
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snapasset.database import Read, Write

KIND = "image-generation"
IMAGE = image_generation(Settings(), PLATFORMS)
SECRET = "password=hunter2"
A, B, C, D = SMALL


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with Studio(tmp_path) as opened:
        yield opened


def outcomes(final: Body) -> list[str]:
    """For each picture its status or, if it failed, why."""
    return [image["error"]["code"] if "error" in image else image["status"] for image in final["result"]["images"]]


# --- a rendition that fails for good


@pytest.mark.parametrize("error", [BadPicture("Too large for it."), StorageQuotaExceeded()], ids=lambda e: e.code)
async def test_a_picture_that_cannot_be_made_leaves_the_others(tmp_path: Path, studio: Studio, error: SnapAssetError):
    if isinstance(error, StorageQuotaExceeded):
        studio.shelf.refusals[B] = [error]
    else:
        studio.press.failures[B] = error
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A, B, C))
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 1)
        assert outcomes(last) == ["completed", error.code, "completed"]
        problem = {"code": error.code, "message": error.detail, "retryable": False}
        assert last["result"]["images"][1] == {"platform": B, "status": "failed", "error": problem}
        assert (await e.event(job, state="failed"))["step"] == f"render:{B}"
        assert (await e.event(job, state="failed"))["error"] == problem
        assert (await e.steps(job))[f"render:{B}"].state == "failed"
        assert {file.name for file in await e.files(job)} == {"master", "thumbnail", A, C}
    assert studio.painter.bills == 1


async def test_a_thumbnail_that_cannot_be_made_costs_nothing_else(tmp_path: Path, studio: Studio):
    studio.press.failures["thumbnail"] = BadPicture("Not small.")
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A, B))
        last = await e.final(job)
        assert (last["status"], last["attempt"], outcomes(last)) == (Status.COMPLETED, 1, ["completed"] * 2)
        assert (await e.steps(job))["thumbnail"].state == "failed"
        assert {file.name for file in await e.files(job)} == {"master", A, B}


async def test_a_job_with_no_picture_at_all_fails_for_the_first_one_s_reason(tmp_path: Path, studio: Studio):
    studio.press.failures = {A: BadPicture("Not this one."), B: BadPicture("Nor this.")}
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        last = await e.final(await e.submit(KIND, wanted(A, B)))
    assert (last["status"], last["attempt"]) == (Status.FAILED, 1)
    assert (last["error"]["code"], last["error"]["retryable"]) == ("bad_picture", False)


# --- a rendition that may succeed later


async def test_what_failed_for_a_moment_is_made_in_the_next_attempt_and_nothing_else(tmp_path: Path, studio: Studio):
    studio.shelf.refusals = {B: [StorageFailed()], D: [StorageUnavailable()]}
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(*SMALL))
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 2)
        assert outcomes(last) == ["completed"] * 4
        assert (await e.event(job, type=ERROR))["retryable"] is True
        assert len(await e.files(job)) == 6
    assert studio.painter.bills == 1
    assert studio.press.decodes == 2
    assert studio.press.renders == {A: 1, B: 2, C: 1, D: 2}


async def test_in_the_last_attempt_the_others_are_given_out_without_it(tmp_path: Path, studio: Studio):
    studio.shelf.refusals[B] = [StorageFailed() for _ in range(9)]
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        last = await e.final(await e.submit(KIND, wanted(A, B, C)))
    assert (last["status"], last["attempt"]) == (Status.COMPLETED, 3)
    assert outcomes(last) == ["completed", "storage_upload_failed", "completed"]
    assert last["result"]["images"][1]["error"]["retryable"] is True
    assert studio.press.renders == {A: 1, B: 3, C: 1}


async def test_when_none_could_be_stored_in_any_attempt_the_job_fails_for_it(tmp_path: Path, studio: Studio):
    studio.shelf.refusals = {name: [StorageUnavailable() for _ in range(9)] for name in (A, B)}
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A, B))
        last = await e.final(job)
        assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 3, "storage_unavailable")
        # Tried again by hand once the storage is back, it costs nothing.
        studio.shelf.refusals.clear()
        await e.client.retry(job, owner=(await e.job(job)).owner)
        assert outcomes(await e.final(job, run=2)) == ["completed", "completed"]
    assert studio.painter.bills == 1


@pytest.mark.parametrize("error", [LookupError(SECRET), SystemExit(SECRET)], ids=lambda error: type(error).__name__)
async def test_a_renderer_that_breaks_down_costs_its_picture_only(tmp_path: Path, studio: Studio, error: BaseException):
    studio.press.failures[A] = error
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A, B))
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 3)
        assert outcomes(last) == ["internal_error", "completed"]
        assert SECRET not in str(e.story(job))
    assert studio.press.renders == {A: 3, B: 1}


async def test_a_picture_that_failed_for_good_is_tried_again_when_the_job_is(tmp_path: Path, studio: Studio):
    studio.press.failures[A] = BadPicture()
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        studio.shelf.refusals[B] = [StorageFailed()]
        job = await e.submit(KIND, wanted(A, B))
        last = await e.final(job)
        assert (last["attempt"], outcomes(last)) == (2, ["bad_picture", "completed"])
        assert (await e.steps(job))[f"render:{A}"].state == "failed"
    assert studio.press.renders == {A: 2, B: 2}


# --- the master


@pytest.mark.parametrize("error", [ContentPolicy(), InvalidPrompt("The prompt has no subject.")], ids=lambda e: e.code)
async def test_a_prompt_that_the_provider_refuses_ends_the_job(tmp_path: Path, studio: Studio, error: SnapAssetError):
    studio.provider = painter = Painter(error)
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A))
        last = await e.final(job)
        assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 1, error.code)
        assert (await e.steps(job))["generate"].doubts == 0
    assert painter.bills == 1
    assert studio.press.decodes == 0


async def test_a_provider_that_failed_is_asked_again_and_a_lost_answer_is_told(tmp_path: Path, studio: Studio):
    studio.provider = painter = Painter(ProviderTimeout(), AnswerLost())
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A))
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 3)
        assert [body["code"] for body in e.story(job) if body["type"] == ERROR] == [
            "provider_timeout",
            "provider_answer_lost",
        ]
        assert (await e.steps(job))["generate"].doubts == 1
    assert painter.bills == 3


async def test_bytes_that_are_no_picture_fail_the_job_and_are_kept(tmp_path: Path, studio: Studio):
    studio.provider = painter = Painter(data=b"<html>no picture</html>")
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A))
        last = await e.final(job)
        assert (last["status"], last["error"]["code"]) == (Status.FAILED, "bad_picture")
        (master,) = await e.files(job)
        assert await studio.shelf.get(master.key) == painter.data
    assert painter.bills == 1


async def test_a_platform_that_is_no_longer_known_fails_the_job(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.put(KIND, KIND, '{"prompt":"x","platforms":["myspace-banner"]}')
        await e.upkeep()
        last = await e.final(job)
    assert (last["status"], last["error"]["code"]) == (Status.FAILED, "invalid_input")
    assert studio.painter.bills == 0


# --- a worker that dies


async def test_a_worker_that_dies_after_paying_does_not_make_the_next_one_pay(tmp_path: Path, studio: Studio):
    studio.press.hold("decode")
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A, B))
        await within(studio.press.reached["decode"].wait())
        await e.take_away(job)
        studio.press.gates["decode"].set()
        await e.upkeep()
        last = await e.final(job)
        assert (last["status"], last["attempt"], outcomes(last)) == (Status.COMPLETED, 2, ["completed", "completed"])
        assert [file.role for file in await e.files(job)].count("master") == 1
    assert studio.painter.bills == 1


async def test_a_worker_that_dies_between_renditions_leaves_only_the_rest_to_make(tmp_path: Path, studio: Studio):
    for name in (B, C):
        studio.press.hold(name)
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit(KIND, wanted(A, B, C))
        await e.event(job, step=f"render:{A}", state="done")
        await within(studio.press.reached[C].wait())
        await e.take_away(job)
        for gate in studio.press.gates.values():
            gate.set()
        await e.upkeep()
        last = await e.final(job)
        assert (last["status"], last["attempt"], outcomes(last)) == (Status.COMPLETED, 2, ["completed"] * 3)
        assert {file.name for file in await e.files(job)} == {"master", "thumbnail", A, B, C}
        assert len(await e.files(job)) == 5
    assert (studio.painter.bills, studio.press.renders[A]) == (1, 1)


async def test_with_nothing_left_to_render_the_master_is_not_even_decoded(tmp_path: Path, studio: Studio):
    unwritten = asyncio.Event()

    async def guard(operation: Write[Any] | Read[Any]) -> None:
        if any(isinstance(change, Complete) for change in changes_of(operation)):
            unwritten.set()
            raise DatabaseUnavailable

    async with engine(tmp_path, IMAGE, tools=studio.tools, workers=0) as e:
        e.database.guard = guard
        job = await e.submit(KIND, wanted(A, B))
        handler = asyncio.create_task(e.executor().answer(KIND, e.record.record_id))
        await within(unwritten.wait())
        handler.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await within(handler)
        e.database.guard = None
        await e.start()
        last = await e.event(job, type=FINAL)
        assert (last["status"], outcomes(last)) == (Status.COMPLETED, ["completed", "completed"])
    assert (studio.painter.bills, studio.press.decodes, studio.press.renders) == (1, 1, {A: 1, B: 1})
