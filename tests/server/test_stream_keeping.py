"""The tasks that streams live by: held, begun anew when they fail, and there whenever somebody reads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from server.streams import job_topic, keeping
from server.streams.keeping import Keeper
from tests.server.breakable import Breakable
from tests.server.listener import following
from tests.server.service import ALICE, opened, served, settings_for, wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(keeping, "_AGAIN_SECONDS", 0.01)


async def test_work_that_fails_is_begun_anew() -> None:
    keeper, begun = Keeper(), 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise ValueError("unforeseen")

    keeper.keep_doing("work", work)
    await wait_until(lambda: begun == 3)
    await keeper.close()


async def test_work_is_done_once_at_a_time_and_again_when_it_is_wanted_again() -> None:
    keeper, begun, may_end = Keeper(), 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        await may_end.wait()

    for _ in range(3):
        keeper.keep_doing("work", work)
        await asyncio.sleep(0)
    assert begun == 1
    may_end.set()
    await asyncio.sleep(0)
    keeper.keep_doing("work", work)
    await wait_until(lambda: begun == 2)
    await keeper.close()
    keeper.keep_doing("work", work)
    await asyncio.sleep(0)
    assert begun == 2


async def test_a_sweep_that_fails_is_not_the_last(tmp_path: Path) -> None:
    async with (
        opened(settings_for(tmp_path, sweep_seconds=0.02), wrap=Breakable) as service,
        served(service) as port,
    ):
        database = cast("Breakable", service.state["database"])
        job_id = await service.submit()
        async with following(port, job_id) as stream:
            await stream.next()
            database.real._listeners.clear()  # pyright: ignore[reportPrivateUsage]
            database.error = ValueError("unforeseen")
            await asyncio.sleep(0.1)
            await service.claim()
            database.error = None
            assert (await stream.next()).id == "2"


async def test_a_look_that_fails_in_a_way_nobody_foresaw_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(job_topic, "AWAY_SECONDS", 0.01)
    async with (
        opened(settings_for(tmp_path, sweep_seconds=600), wrap=Breakable) as service,
        served(service) as port,
    ):
        database = cast("Breakable", service.state["database"])
        hub = service.state["hub"]
        job_id = await service.submit()
        async with following(port, job_id) as stream:
            await stream.next()
            await service.claim()
            await stream.next()
            database.error = ValueError("unforeseen")
            hub.job(job_id).fill()
            await wait_until(lambda: "it is tried again" in caplog.text)
            await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
            database.error = None
            assert (await stream.next()).id == "3"


async def test_who_comes_when_the_last_one_has_just_gone_is_kept_alive(tmp_path: Path) -> None:
    async with (
        opened(settings_for(tmp_path, heartbeat_seconds=0.1)) as service,
        served(service) as port,
    ):
        job_id = await service.submit()
        for _ in range(5):
            async with following(port, job_id) as stream:
                await stream.next()
                frame = await stream.frame()
                assert frame is not None
                assert frame.comment is not None
