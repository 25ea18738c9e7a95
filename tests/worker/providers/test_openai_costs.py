"""What a job was expected to cost and what it cost: told before and after, a row for each call."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.database import Read, Statement
from snapasset.errors import StorageUnavailable
from snapasset.job import Status
from snapasset.settings import Settings
from tests.fakes.openai import MICRO_USD, FakeOpenAI, loses_the_answer, made, refuses
from tests.worker.engine import engine
from tests.worker.processors.pictures import SMALL, Studio, wanted
from tests.worker.providers.desk import REQUEST, desk
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from snapasset.database import Row, Steps
    from tests.fakes.openai import Behaviour
    from tests.worker.engine import Engine

IMAGE = image_generation(Settings(), PLATFORMS)
JOB = wanted(SMALL[0])


class Costs(Read["list[Row]"]):
    def steps(self) -> Steps[list[Row]]:
        return (
            yield Statement(
                "SELECT state, request_id, micro_usd, size, quality, priced, usage FROM costs ORDER BY fence"
            )
        )


@asynccontextmanager
async def shop(folder: Path, *script: Behaviour, **settings: Any) -> AsyncGenerator[tuple[Engine, Studio]]:
    async with (
        desk(FakeOpenAI(*script)) as d,
        Studio(folder, d.provider) as studio,
        engine(folder, IMAGE, tools=studio.tools, **settings) as e,
    ):
        yield e, studio


def came_to(usd: float, calls: int, doubtful: int = 0) -> Any:
    return {"usd": usd, "calls": calls, "doubtfulCalls": doubtful, "unpricedCalls": 0}


async def test_a_picture_is_charged_once_and_its_job_says_so(tmp_path: Path) -> None:
    async with shop(tmp_path) as (e, _):
        job = await e.submit(IMAGE.kind, JOB)
        told = await e.final(job)
        assert told["cost"] == came_to(MICRO_USD / 1e6, 1)
        ((state, request_id, micro, size, quality, priced, usage),) = await e.record.read(Costs())
        assert (state, request_id, micro, quality, priced) == ("charged", "req_1", MICRO_USD, "medium", "2026-11-01")
        master = told["result"]["master"]
        assert size == f"{master['width']}x{master['height']}"
        assert json.loads(usage)["output_tokens"] == 1_000
        row = await e.job(job)
        assert row.estimate is not None
        assert row.estimate > MICRO_USD


async def test_a_lost_answer_and_the_call_after_it_are_both_told(tmp_path: Path) -> None:
    async with shop(tmp_path, loses_the_answer) as (e, _):
        told = await e.final(await e.submit(IMAGE.kind, JOB))
        assert (told["status"], told["cost"]) == (Status.COMPLETED, came_to(MICRO_USD / 1e6, 2, doubtful=1))
        assert [row[:3] for row in await e.record.read(Costs())] == [
            ("doubtful", None, None),
            ("charged", "req_2", MICRO_USD),
        ]


async def test_a_failure_that_the_provider_names_costs_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path, refuses(500), refuses(429)) as (e, _):
        assert (await e.final(await e.submit(IMAGE.kind, JOB)))["cost"] == came_to(MICRO_USD / 1e6, 1)


async def test_a_picture_that_could_not_be_stored_is_no_doubt_but_a_bill(tmp_path: Path) -> None:
    async with shop(tmp_path) as (e, studio):
        studio.shelf.refusals["master"] = [StorageUnavailable()]
        told = await e.final(await e.submit(IMAGE.kind, JOB))
        assert told["cost"] == came_to(2 * MICRO_USD / 1e6, 2)
        assert [row[:3] for row in await e.record.read(Costs())] == [
            ("charged", "req_1", MICRO_USD),
            ("charged", "req_2", MICRO_USD),
        ]


async def test_an_answer_that_comes_when_the_job_is_lost_is_charged_all_the_same(tmp_path: Path) -> None:
    asked, allowed = asyncio.Event(), asyncio.Event()

    async def late(call: Any) -> None:
        asked.set()
        await allowed.wait()
        await made(call)

    async with shop(tmp_path, late) as (e, _):
        job = await e.submit(IMAGE.kind, JOB)
        await asked.wait()
        await e.take_away(job)
        assert [row[0] for row in await e.record.read(Costs())] == ["doubtful"]
        allowed.set()
        await e.step_done(job, "generate")
        assert [row[:3] for row in await e.record.read(Costs())] == [("charged", "req_1", MICRO_USD)]
        await e.upkeep()
        assert (await e.final(job))["cost"] == came_to(MICRO_USD / 1e6, 1)


# --- what is expected


@pytest.mark.parametrize(
    ("quality", "size", "tokens"),
    [
        ("high", (1024, 1024), 7024),
        ("high", (1536, 1024), 5488),
        ("low", (976, 704), 129),
        ("auto", (1024, 1024), 7024),
    ],
)
async def test_what_is_expected_is_what_the_provider_would_bill(
    quality: str, size: tuple[int, int], tokens: int
) -> None:
    async with desk(FakeOpenAI(), image_quality=quality, image_previews=0) as d:
        request = replace(REQUEST, width=size[0], height=size[1])
        words = len("A lighthouse at dusk\n\nStyle: vivid, with saturated colours and strong contrast.")
        assert d.provider.estimate(request) == -(-words // 3) * 5 + tokens * 30


async def test_previews_and_finer_qualities_are_expected_to_cost_more() -> None:
    expected: list[int] = []
    for quality, previews in (("low", 0), ("low", 1), ("medium", 1), ("high", 1), ("xhigh", 1), ("max", 1), ("max", 3)):
        async with desk(FakeOpenAI(), image_quality=quality, image_previews=previews) as d:
            expected.append(d.provider.estimate(REQUEST) or 0)
    assert expected == sorted(set(expected))
    assert expected[1] - expected[0] == 100 * 30


async def test_nobody_knows_what_a_model_without_a_price_will_cost() -> None:
    fake = FakeOpenAI(strict=False)
    async with desk(fake, openai_backend="compatible", openai_image_model="mine") as d:
        assert d.provider.estimate(REQUEST) is None
    fake = FakeOpenAI(strict=False)
    async with desk(fake, openai_backend="localai", openai_image_model="mine") as d:
        assert d.provider.estimate(REQUEST) == 0
