"""A whole job in front of a provider that fails: what becomes of it, and how often the provider sends a bill."""

from __future__ import annotations

from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from snapasset.event import ERROR
from snapasset.job import Status
from snapasset.records.queues import QueueRooms
from snapasset.settings import Settings
from tests.fakes.openai import (
    FakeOpenAI,
    answer,
    completed,
    file_of,
    frame,
    hangs,
    loses_the_answer,
    made,
    packed,
    partial,
    refuses,
    says,
    streams,
)
from tests.worker.engine import Clock, engine
from tests.worker.processors.pictures import SMALL, Studio, wanted
from tests.worker.providers.desk import desk
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.fakes.openai import Behaviour
    from tests.worker.engine import Body, Engine
    from tests.worker.providers.desk import Desk

IMAGE = image_generation(Settings(), PLATFORMS)
KIND = IMAGE.kind
JOB = wanted(SMALL[0])
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


class Ended(NamedTuple):
    """How a job ended: its status or what it failed by, after how many attempts, and what was billed and doubted."""

    outcome: str
    attempts: int
    bills: int
    doubts: int


@asynccontextmanager
async def shop(folder: Path, *script: Behaviour, **settings: Any) -> AsyncGenerator[tuple[Engine, Desk]]:
    """A worker for pictures whose provider's server does this."""
    known = Settings.model_fields.keys() & {name for name in settings if name.startswith("openai_")}
    theirs = {name: settings.pop(name) for name in known}
    async with (
        desk(FakeOpenAI(*script, strict=not theirs.get("openai_backend")), **theirs) as d,
        Studio(folder, d.provider) as studio,
        engine(folder, IMAGE, tools=studio.tools, **settings) as e,
    ):
        yield e, d


async def run(folder: Path, *script: Behaviour, **settings: Any) -> Ended:
    async with shop(folder, *script, **settings) as (e, d):
        job = await e.submit(KIND, JOB)
        final: Body = await e.final(job)
        step = (await e.steps(job)).get("generate")
        failed = final["status"] == Status.FAILED
        return Ended(
            final["error"]["code"] if failed else final["status"],
            final["attempt"],
            d.fake.bills,
            step.doubts if step else 0,
        )


async def test_a_picture_that_is_made_is_paid_for_once(tmp_path: Path):
    assert await run(tmp_path) == Ended("completed", 1, 1, 0)


async def test_whoever_asks_is_known_to_the_provider_by_a_mark(tmp_path: Path):
    async with shop(tmp_path) as (e, d):
        await e.final(await e.submit(KIND, JOB))
        (request,) = d.fake.requests
        assert len(request.fields["safety_identifier"]) == 64
        assert b"somebody" not in request.body


@pytest.mark.parametrize(
    "failure",
    [refuses(500), refuses(503), refuses(429, "rate_limit_exceeded"), refuses(408), refuses(409), says("no", status=502, billed=False)],
)  # fmt: skip
async def test_two_failures_that_pass_cost_nothing(tmp_path: Path, failure: Behaviour):
    assert await run(tmp_path, failure, failure) == Ended("completed", 3, 1, 0)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (refuses(400, "moderation_blocked"), "content_policy"),
        (refuses(400, "content_policy_violation"), "content_policy"),
        (refuses(401), "provider_refused"),
        (refuses(403), "provider_refused"),
        (refuses(404), "provider_refused"),
        (refuses(422), "provider_refused"),
        (refuses(400, param="prompt"), "invalid_prompt"),
    ],
)
async def test_what_asking_again_cannot_mend_ends_the_job(tmp_path: Path, failure: Behaviour, code: str):
    assert await run(tmp_path, failure) == Ended(code, 1, 0, 0)


@pytest.mark.parametrize("failure", [refuses(429, "insufficient_quota"), refuses(400, "billing_hard_limit_reached")])
async def test_a_quota_that_is_used_up_pauses_the_queue_and_loses_no_job(tmp_path: Path, failure: Behaviour):
    async with shop(tmp_path, failure, failure, failure) as (e, d):
        job = await e.submit(KIND, JOB)
        told = await e.event(job, type=ERROR)
        assert (told["code"], told["attempt"], told["retryable"]) == ("provider_quota_exceeded", 0, False)
        for times in (2, 3):
            await e.upkeep()
            await e.client.resume(IMAGE.queue)
            await e.upkeep()
            row = await e.job_where(job, lambda row: len(d.fake.requests) == times and row.status != Status.ACTIVE)  # noqa: B023
            assert (row.status, row.cost, (await e.steps(job))["generate"].doubts) == (Status.DELAYED, None, 0)
        another = await e.submit(KIND, JOB)
        await e.upkeep()
        assert (await e.job(job)).status == (await e.job(another)).status == Status.WAITING
        room = (await e.record.read(QueueRooms()))[IMAGE.queue]
        assert (room.paused, room.reason, len(d.fake.requests)) == (True, "provider_quota_exceeded", 3)
        await e.client.resume(IMAGE.queue)
        await e.upkeep()
        for one in (job, another):
            last = await e.final(one)
            assert (last["status"], last["attempt"]) == (Status.COMPLETED, 1)
        assert (d.fake.bills, await e.record.read(QueueRooms())) == (2, {})


LOST = {
    "answer lost": loses_the_answer,
    "hung": hangs,
    "HTML": says("<html>", "text/html"),
    "empty": says(""),
    "null": says("null"),
    "no data": says({"created": 1, "data": None}),
    "bad base64": says(answer({"b64_json": "%%%"})),
    "SVG": says(answer({"b64_json": packed(SVG)})),
    "cut picture": says(answer({"b64_json": packed(file_of()[:-40])})),
    "bomb": says(answer({"b64_json": packed(file_of("64x64")[:16] + (30_000).to_bytes(4, "big") * 2 + file_of("64x64")[24:])})),
    "gateway": says("", status=504),
}  # fmt: skip


@pytest.mark.parametrize("failure", LOST.values(), ids=LOST)
async def test_a_lost_answer_is_paid_for_twice_at_most_and_that_is_told(tmp_path: Path, failure: Behaviour):
    quick = {"openai_seconds": 0.5} if failure is hangs else {}
    assert await run(tmp_path / "once", failure, **quick) == Ended("completed", 2, 2, 1)
    assert await run(tmp_path / "ever", *[failure] * 5, **quick) == Ended("outcome_unknown", 2, 2, 2)
    assert await run(tmp_path / "asked", failure, paid_doubt="ask", **quick) == Ended("outcome_unknown", 1, 1, 1)


async def test_a_doubt_and_failures_that_pass_do_not_mix(tmp_path: Path):
    assert await run(tmp_path, refuses(500), loses_the_answer, made) == Ended("completed", 3, 2, 1)


STREAMS = {
    "cut": streams(partial(0), then="cut"),
    "ended": streams(partial(0)),
    "hung": streams(partial(0), then="hang"),
    "error": streams(partial(0), frame("error", {"error": {"message": "No.", "code": "server_error"}})),
    "bad JSON": streams("data: {\n\n"),
    "no picture": streams(completed(b64_json="%%%")),
}


@pytest.mark.parametrize("failure", STREAMS.values(), ids=STREAMS)
async def test_a_broken_stream_is_paid_for_twice_at_most_and_that_is_told(tmp_path: Path, failure: Behaviour):
    quick = {"openai_seconds": 0.5} if failure is STREAMS["hung"] else {}
    assert await run(tmp_path / "once", failure, **quick) == Ended("completed", 2, 2, 1)
    assert await run(tmp_path / "ever", *[failure] * 5, **quick) == Ended("outcome_unknown", 2, 2, 2)


@pytest.mark.parametrize(
    "odd",
    [
        streams(completed(), completed("1536x1024")),
        streams(partial(0), completed(), then="hang"),
        says(answer({"b64_json": packed(file_of("640x512", "JPEG"))})),
    ],
    ids=["two finals", "never closed", "another size and kind"],
)
async def test_an_odd_answer_with_a_picture_in_it_is_paid_for_once(tmp_path: Path, odd: Behaviour):
    assert await run(tmp_path, odd, odd) == Ended("completed", 1, 1, 0)


# --- told when to come back


@pytest.mark.parametrize(
    ("after", "least", "most"), [("1", 1_000, 3_000), ("3600", 3_600_000, 3_602_000), ("date", 590_000, 602_100)]
)
async def test_a_job_stays_away_as_long_as_it_is_told(tmp_path: Path, after: str, least: int, most: int):
    clock = Clock()
    told = formatdate(clock.now / 1000 + 600, usegmt=True) if after == "date" else after
    slow_down = refuses(429, "rate_limit_exceeded", headers={"retry-after": told})
    async with shop(tmp_path, slow_down, clock=clock, retry_base_seconds=2.0, job_max_concurrency=1) as (e, d):
        first = await e.submit(KIND, JOB)
        await e.event(first, type=ERROR)
        row = await e.job(first)
        assert row.due_at is not None
        assert row.status == Status.DELAYED
        assert least <= row.due_at - clock.now <= most
        # Its slot is free meanwhile, and it comes back when it may.
        assert (await e.final(await e.submit(KIND, JOB)))["status"] == Status.COMPLETED
        assert (await e.job(first)).status == Status.DELAYED
        clock.now = row.due_at
        await e.upkeep()
        assert (await e.final(first))["status"] == Status.COMPLETED
        assert d.fake.bills == 2


# --- pictures that lie somewhere


async def test_a_picture_that_lies_at_the_server_itself_is_fetched(tmp_path: Path):
    async with shop(tmp_path, openai_backend="compatible") as (e, d):
        d.fake.files["/generated/a.png"] = ("image/png", file_of())
        d.fake.script.append(says(answer({"url": f"{d.fake.origin}/generated/a.png"})))
        assert (await e.final(await e.submit(KIND, JOB)))["status"] == Status.COMPLETED
        assert (d.fake.bills, d.fake.fetches) == (1, ["/generated/a.png"])


async def test_fetching_again_costs_nothing_and_making_again_is_told(tmp_path: Path):
    async with shop(tmp_path, openai_backend="compatible") as (e, d):
        d.fake.files["/a"] = ("text/html", b"<html>")
        d.fake.script += [says(answer({"url": f"{d.fake.origin}/a"}))] * 5
        final = await e.final(await e.submit(KIND, JOB))
        assert (final["status"], final["error"]["code"]) == (Status.FAILED, "outcome_unknown")
        assert (d.fake.bills, len(d.fake.fetches)) == (2, 6)


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "https://127.0.0.1/a", "file:///etc/passwd", "a.png"])
async def test_a_picture_where_nothing_is_fetched_from_is_not_paid_for_again(tmp_path: Path, url: str):
    lies_there = says(answer({"url": url}))
    ended = await run(tmp_path, lies_there, lies_there, openai_backend="compatible")
    assert ended == Ended("download_refused", 1, 1, 1)
