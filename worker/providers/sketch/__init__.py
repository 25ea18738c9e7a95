"""The offline provider: a painter that draws a picture from the words, without a model, a key or a network.

It never hides what it is: the picture wears a badge, its file says `algorithmicMedia`, its answer `simulated`.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from worker.images import badge
from worker.images.planning import SizeRules
from worker.images.provenance import SourceType
from worker.images.render import encode
from worker.providers import GeneratedImage, ImageProvider, ImageRequest, Preview
from worker.providers.sketch.painter import VERSION, Painting, paint

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.images.pool import PixelPool

_PAINTED = 0.85
"""The share of the work that is done when the last layer is laid; the rest is writing the file."""


class _Stopped(Exception):
    """Nobody waits for the picture any more."""


class SketchProvider(ImageProvider):
    """Paints on the pool it is given; the pool's owner opens and closes that."""

    name = "sketch"
    model = VERSION
    paid = False
    simulated = True
    sizes = SizeRules(multiple=16, max_ratio=3.0, min_pixels=655_360, max_pixels=1_572_864, max_edge=2_160)

    def __init__(self, pool: PixelPool) -> None:
        self._pool = pool

    async def generate(
        self,
        request: ImageRequest,
        progress: Callable[[float], None],
        previews: Callable[[Preview], None] | None = None,
    ) -> GeneratedImage:
        """Paint it: about 0.2 s for a megapixel. When the caller is cancelled, the painter stops after its layer."""
        loop = asyncio.get_running_loop()
        stopped = threading.Event()

        def tell(share: float) -> None:
            if not stopped.is_set():
                progress(share)

        def report(share: float) -> None:
            if stopped.is_set():
                raise _Stopped
            loop.call_soon_threadsafe(tell, share * _PAINTED)

        try:
            painting, data = await self._pool.run(_make, request, report)
            progress(1.0)
        finally:
            stopped.set()
        return GeneratedImage(
            data=data,
            content_type="image/png",
            width=painting.image.width,
            height=painting.image.height,
            model=self.model,
            simulated=self.simulated,
            source=SourceType.ALGORITHMIC,
            focal=painting.focal,
            understood=painting.understood,
        )

    async def close(self) -> None:
        """Nothing is held: the pool belongs to who made it."""


def _make(request: ImageRequest, report: Callable[[float], None]) -> tuple[Painting, bytes]:
    painting = paint(request, report)
    badge.stamp(painting.image)
    return painting, encode(painting.image, "PNG", SourceType.ALGORITHMIC)
