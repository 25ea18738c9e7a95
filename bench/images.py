"""Pictures: how quick and true renditions are, what crops keep, what a server needs for them, how quick a sketch is."""

from __future__ import annotations

import asyncio
import statistics
import time

from bench import images_crop, images_server, images_speed
from bench.report import Figure, table
from worker.images.pool import PixelPool
from worker.providers import ImageRequest
from worker.providers.sketch import SketchProvider
from worker.providers.sketch.lexicon import SCENES

_ROUNDS = 3


def run() -> None:
    """Print the figures of pictures. The peers are installed first where they are not there, each by itself."""
    images_speed.run()
    images_crop.run()
    images_server.run()
    took = asyncio.run(_sketch_every_scene())
    slowest = max(took, key=lambda scene: took[scene])
    table(
        f"images: a sketch of {images_speed.SIDE}², written as PNG, {len(took)} scenes, medians of {_ROUNDS}",
        [
            Figure("median of the scenes", f"{statistics.median(took.values()) * 1000:.0f} ms", "≤ 300 ms"),
            Figure(f"the slowest: {slowest}", f"{took[slowest] * 1000:.0f} ms", "≤ 300 ms"),
        ],
    )


async def _sketch_every_scene() -> dict[str, float]:
    """Each scene's seconds for one picture with nothing beside it."""
    took: dict[str, float] = {}
    async with PixelPool(images_speed.THREADS) as pool:
        painter = SketchProvider(pool)
        for scene in SCENES:
            rounds: list[float] = []
            for seed in range(_ROUNDS):
                started = time.perf_counter()
                request = ImageRequest(scene, images_speed.SIDE, images_speed.SIDE, seed=seed)
                await painter.generate(request, lambda _share: None)
                rounds.append(time.perf_counter() - started)
            took[scene] = statistics.median(rounds)
    return took
