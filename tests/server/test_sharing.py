"""What many ask for at once is asked once, and nobody gets an answer that is older than was agreed."""

from __future__ import annotations

import asyncio

import pytest

from server.sharing import Shared


class Oracle:
    """Answers with the number of the question, once its gate is open."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        if number == 2:
            raise LookupError(number)
        return number


async def test_those_who_come_meanwhile_and_soon_after_get_the_one_answer() -> None:
    oracle, shared = Oracle(), Shared[int](60)
    asking = [asyncio.create_task(shared.get(oracle)) for _ in range(20)]
    await asyncio.sleep(0)
    oracle.gate.set()
    assert await asyncio.gather(*asking) == [1] * 20
    assert [await shared.get(oracle) for _ in range(20)] == [1] * 20
    assert oracle.asked == 1


async def test_who_goes_away_takes_it_from_nobody() -> None:
    oracle, shared = Oracle(), Shared[int](60)
    first, second = (asyncio.create_task(shared.get(oracle)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    oracle.gate.set()
    assert await second == 1
    assert first.cancelled()


async def test_an_answer_that_is_too_old_or_too_late_is_asked_for_again() -> None:
    oracle, shared = Oracle(), Shared[int](0)
    first, second = (asyncio.create_task(shared.get(oracle)) for _ in range(2))
    await asyncio.sleep(0)
    oracle.gate.set()
    assert await first == 1
    with pytest.raises(LookupError):
        await second
    assert await shared.get(oracle) == 3
