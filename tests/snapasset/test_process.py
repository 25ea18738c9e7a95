"""Parts that are opened until somebody says stop: what is open then is closed, and a stop is no failure."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import DatabaseUnavailable
from snapasset.process import opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

WITHIN = 10.0


class Parts:
    """Parts whose opening ends when `gate` is set, badly when there is an `error`."""

    def __init__(self) -> None:
        self.opening = asyncio.Event()
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        self.done: list[str] = []

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str]:
        try:
            self.opening.set()
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            self.done.append("opened")
            yield "the parts"
        finally:
            self.done.append("closed")


async def use(parts: Parts, told: asyncio.Event, *, until: asyncio.Event | None = None) -> str | None:
    """What the block got; it goes on `until` an event."""
    async with opened(parts.open(), told) as got:
        if until is not None:
            await until.wait()
        parts.done.append("used")
        return got


async def test_told_to_stop_meanwhile_the_opening_is_broken_off() -> None:
    parts, told = Parts(), asyncio.Event()
    using = asyncio.create_task(use(parts, told))
    await parts.opening.wait()
    told.set()
    async with asyncio.timeout(WITHIN):
        assert await using is None
    assert parts.done == ["closed", "used"]


async def test_told_to_stop_before_the_opening_is_broken_off_too() -> None:
    parts, told = Parts(), asyncio.Event()
    told.set()
    async with asyncio.timeout(WITHIN):
        assert await use(parts, told) is None


async def test_told_to_stop_when_all_is_open_the_block_ends_by_itself() -> None:
    parts, told, until = Parts(), asyncio.Event(), asyncio.Event()
    parts.gate.set()
    using = asyncio.create_task(use(parts, told, until=until))
    await parts.opening.wait()
    while "opened" not in parts.done:  # noqa: ASYNC110  as soon as the loop turns
        await asyncio.sleep(0)
    told.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task(), using}, "somebody still waits for the stop"
    until.set()
    async with asyncio.timeout(WITHIN):
        assert await using == "the parts"
    assert parts.done == ["opened", "used", "closed"]


async def test_what_cannot_be_opened_is_a_failure_until_the_stop() -> None:
    parts, told = Parts(), asyncio.Event()
    parts.error = DatabaseUnavailable()
    parts.gate.set()
    with pytest.raises(DatabaseUnavailable):
        await use(parts, told)


async def test_what_fails_as_it_is_broken_off_is_none() -> None:
    told = asyncio.Event()

    @asynccontextmanager
    async def parts() -> AsyncGenerator[str]:
        try:
            told.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise DatabaseUnavailable from None
        yield "never"

    async with asyncio.timeout(WITHIN), opened(parts(), told) as got:
        assert got is None


async def test_a_time_that_is_over_within_the_parts_stays_what_it_is() -> None:
    told = asyncio.Event()

    @asynccontextmanager
    async def parts() -> AsyncGenerator[str]:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
        yield "never"

    with pytest.raises(TimeoutError):
        async with opened(parts(), told):
            raise AssertionError("it is not open")
