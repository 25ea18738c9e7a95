"""Real tools of the image kind that can be told to fail, and that count what they were asked to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from snapasset.storage import Storage
from snapasset.storage.local import LocalStorage
from worker.images.fit import Fit
from worker.images.planning import Size, SizeRules
from worker.images.platforms import PLATFORMS
from worker.images.pool import PixelPool
from worker.images.provenance import SourceType
from worker.images.render import Renderer
from worker.processors.image_generation.request import GenerateImage, request_model
from worker.providers import GeneratedImage, ImageProvider, ImageRequest, Preview

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worker.images.compose import Colour, Point
    from worker.images.decode import Master
    from worker.images.platforms import Platform
    from worker.images.render import Rendition

MASTER = Size(96, 64)

SMALL = ("linkedin-cover", "twitter-header", "facebook-cover", "open-graph")
"""The platforms with the fewest pixels."""


def picture(size: Size = MASTER) -> bytes:
    """A PNG in which every pixel tells where it is, so that crops can be told apart."""
    image = Image.new("RGB", (size.width, size.height))
    image.putdata([(x * 2 % 256, y * 3 % 256, 90) for y in range(size.height) for x in range(size.width)])
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class Painter(ImageProvider):
    """A provider that is paid: `bills` counts the calls, `mishaps` are raised by the first of them."""

    name = "painter"
    model = "painter-1"
    paid = True
    simulated = False
    sizes = SizeRules(multiple=1, max_ratio=3, min_pixels=1, max_pixels=10_000, max_edge=200, fixed=(MASTER,))

    def __init__(self, *mishaps: BaseException, data: bytes | None = None) -> None:
        self.data = data or picture()
        self.bills = 0
        self.requests: list[ImageRequest] = []
        self._mishaps = list(mishaps)

    async def generate(
        self,
        request: ImageRequest,
        progress: Callable[[float], None],
        previews: Callable[[Preview], None] | None = None,
    ) -> GeneratedImage:
        self.requests.append(request)
        self.bills += 1
        if self._mishaps:
            raise self._mishaps.pop(0)
        progress(0.5)
        return GeneratedImage(
            data=self.data,
            content_type="image/png",
            width=MASTER.width,
            height=MASTER.height,
            model=self.model,
            simulated=self.simulated,
            source=SourceType.TRAINED,
            understood="a gradient",
        )

    async def close(self) -> None:
        """Nothing is held."""


class Shelf(LocalStorage):
    """A folder that refuses what it is told to: `refusals` holds, by a file's name, the errors to raise for it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.refusals: dict[str, list[BaseException]] = {}
        self.puts: Counter[str] = Counter()

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        name = key.rpartition("/")[2][37:].partition(".")[0]  # after the file's id and a hyphen
        self.puts[name] += 1
        if self.refusals.get(name):
            raise self.refusals[name].pop(0)
        await super().put(key, data, content_type)


class Press(Renderer):
    """A renderer that counts, fails where it is told to, and can be made to wait."""

    def __init__(self, pool: PixelPool) -> None:
        super().__init__(pool)
        self.decodes = 0
        self.renders: Counter[str] = Counter()
        self.failures: dict[str, BaseException] = {}
        self.at_once = self.most_at_once = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.reached: dict[str, asyncio.Event] = {}

    def hold(self, name: str) -> None:
        """Have the decoding (`decode`), or a platform's rendering, wait for `gates[name]`."""
        self.gates[name], self.reached[name] = asyncio.Event(), asyncio.Event()

    async def _wait(self, name: str) -> None:
        if name in self.gates:
            self.reached[name].set()
            await self.gates[name].wait()

    async def decode(self, data: bytes, source: SourceType) -> Master:
        self.decodes += 1
        await self._wait("decode")
        return await super().decode(data, source)

    async def render(
        self,
        master: Master,
        platform: Platform,
        *,
        fit: Fit = Fit.COVER,
        focal: Point | None = None,
        background: Colour | None = None,
    ) -> Rendition:
        self.renders[platform.name] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._wait(platform.name)
            if platform.name in self.failures:
                raise self.failures[platform.name]
            return await super().render(master, platform, fit=fit, focal=focal, background=background)
        finally:
            self.at_once -= 1

    async def thumbnail(self, master: Master, longest: int = 480) -> Rendition:
        if "thumbnail" in self.failures:
            raise self.failures["thumbnail"]
        return await super().thumbnail(master, longest)


class Studio:
    """The tools together. `async with Studio(folder) as studio`."""

    def __init__(self, folder: Path, painter: ImageProvider | None = None) -> None:
        self.pool = PixelPool()
        self.painter = Painter()
        self.provider = painter or self.painter
        self.shelf = Shelf(folder / "files")
        self.press = Press(self.pool)

    @property
    def tools(self) -> dict[type, object]:
        return {ImageProvider: self.provider, Storage: self.shelf, Renderer: self.press}

    async def __aenter__(self) -> Studio:
        self.pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.close()
        await self.shelf.close()


def wanted(*platforms: str, prompt: str = "a gradient in the evening", **cut: Any) -> GenerateImage:
    """What is asked for, checked as the API checks it."""
    return request_model(PLATFORMS, 4_000)(prompt=prompt, platforms=platforms, **cut)
