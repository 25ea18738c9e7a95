"""The kinds that tests and measurements run on do what they are asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snapasset.event import ERROR
from snapasset.job import Status
from tests.worker.engine import engine
from worker.processors.trial import NOOP, WALK, Mishap, Walk

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_job_that_does_nothing_ends_well(tmp_path: Path):
    async with engine(tmp_path, NOOP) as e:
        last = await e.final(await e.submit("noop"))
    assert (last["status"], last["result"]) == (Status.COMPLETED, {})


@pytest.mark.parametrize(
    ("mishap", "code"),
    [
        ("fail", "provider_timeout"),
        ("raise", "internal_error"),
        ("exit", "internal_error"),
        ("lose-answer", "provider_answer_lost"),
    ],
)
async def test_a_mishap_is_walked_over_in_the_next_attempt(tmp_path: Path, mishap: Mishap, code: str):
    async with engine(tmp_path, WALK) as e:
        job = await e.submit("walk", Walk(mishap=mishap, mishap_at=2))
        last = await e.final(job)
        assert (last["status"], last["attempt"]) == (Status.COMPLETED, 2)
        assert (await e.event(job, type=ERROR))["code"] == code
        assert [mark["attempt"] for mark in last["result"]["footprints"]] == [1, 2, 2]


async def test_a_refused_walk_is_not_walked_again(tmp_path: Path):
    async with engine(tmp_path, WALK) as e:
        last = await e.final(await e.submit("walk", Walk(mishap="refuse")))
    assert (last["status"], last["attempt"], last["error"]["code"]) == (Status.FAILED, 1, "invalid_input")


async def test_a_walk_takes_its_time(tmp_path: Path):
    async with engine(tmp_path, WALK, workers=0) as e:
        job = await e.submit("walk", Walk(steps=2, seconds=0.05, paid=True))
        news = await e.news(job)
        await e.answer(e.executor(), "walk")
        row = await e.job(job)
        assert row.status == Status.COMPLETED
        assert row.started_at is not None
        assert (row.finished_at or 0) - row.started_at >= 90
        assert any('"tick":true' in item.body for item in news)
