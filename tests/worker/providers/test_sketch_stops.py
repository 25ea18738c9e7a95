"""The painter and the one who waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from worker.images.pool import PixelPool
from worker.providers import ImageRequest
from worker.providers.sketch import SketchProvider
from worker.providers.sketch.painter import SCENES

if TYPE_CHECKING:
    from collections.abc import Callable


class WatchedPool(PixelPool):
    """Notes what the painter is told when it reports a layer."""

    def __init__(self) -> None:
        super().__init__(1)
        self.layers = 0
        self.ended_by: list[str] = []

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        request, report = args

        def watched(share: float) -> None:
            self.layers += 1
            try:
                report(share)
            except BaseException as error:
                self.ended_by.append(type(error).__name__)
                raise

        return await super().run(work, request, watched)


class FailingPool(PixelPool):
    """Reports two layers and fails, before the loop could hear of either."""

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        _, report = args
        report(0.1)
        report(0.2)
        raise LookupError("out of paint")


async def test_a_painter_whom_nobody_waits_for_stops_after_its_layer():
    begun = asyncio.Event()
    pool = WatchedPool()
    async with pool:
        work = asyncio.ensure_future(
            SketchProvider(pool).generate(ImageRequest("city", 1024, 1024), lambda _: begun.set())
        )
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert pool.ended_by == ["_Stopped"]
    assert pool.layers <= SCENES["city"].layers


async def test_nothing_is_told_once_the_call_has_failed():
    told: list[float] = []
    with pytest.raises(LookupError):
        await SketchProvider(FailingPool(1)).generate(ImageRequest("city", 64, 64), told.append)
    for _ in range(5):
        await asyncio.sleep(0)
    assert told == []
