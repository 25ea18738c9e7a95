"""Somebody is always there to answer rings: whoever ends unasked is followed by another, and it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.job import Status
from tests.worker.engine import engine, wait_until, within
from worker.posts import Post
from worker.processors.trial import NOOP

if TYPE_CHECKING:
    import logging
    from pathlib import Path

ENDED = "a worker of a queue has ended unasked; another begins"


class Hands:
    """Workers, each of which ends, or stays, when the test says so."""

    def __init__(self) -> None:
        self.hired = 0
        self.way = asyncio.Event()
        self.error: Exception | None = None

    def __call__(self) -> Hands:
        return self

    async def start(self) -> None:
        self.hired += 1
        await self.way.wait()
        if self.error is not None:
            raise self.error


def complaints(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [line for line in caplog.records if line.getMessage() == ENDED]


async def test_who_ends_is_followed_by_another_and_its_error_is_told(caplog: pytest.LogCaptureFixture) -> None:
    hands = Hands()
    post = Post("pictures", hands, lambda: False, pause=0.0)
    holding = asyncio.create_task(post.hold())
    hands.error = ConnectionError("the far end of it all")
    hands.way.set()
    await wait_until(lambda: hands.hired > 1)
    hands.way.clear()
    assert "the far end of it all" in caplog.text
    assert complaints(caplog)[0].__dict__["queue"] == "pictures"
    assert not holding.done()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding


async def test_those_who_end_one_after_the_other_are_reported_and_the_pauses_grow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hands = Hands()
    hands.way.set()
    post = Post("pictures", hands, lambda: False, pause=0.02)
    holding = asyncio.create_task(post.hold())
    await wait_until(lambda: hands.hired > 1)
    assert post.steady
    await wait_until(lambda: len(complaints(caplog)) >= 3)
    assert not post.steady
    loop = asyncio.get_running_loop()
    began, hired = loop.time(), hands.hired
    await wait_until(lambda: hands.hired > hired + 1)
    assert loop.time() - began > 0.02 * 2**3
    holding.cancel()
    await asyncio.wait({holding})


async def test_nobody_follows_who_was_dismissed(caplog: pytest.LogCaptureFixture) -> None:
    hands = Hands()
    hands.way.set()
    await within(Post("pictures", hands, lambda: True).hold())
    assert (hands.hired, complaints(caplog)) == (1, [])


async def test_a_queue_whose_worker_has_ended_is_served_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with engine(tmp_path, NOOP) as e:
        await e.final(await e.submit("noop"))
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "saq-noop"]
        task.cancel()  # as far as SAQ's worker knows it is to stop
        await wait_until(lambda: complaints(caplog))
        assert e.runners[0].lives
        assert (await e.final(await e.submit("noop")))["status"] == Status.COMPLETED
