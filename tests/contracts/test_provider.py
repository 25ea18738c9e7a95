"""What every provider of pictures must keep. Another provider is one more line in `PROVIDERS`."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.fakes.openai import FakeOpenAI
from tests.worker.images.pictures import decoded
from tests.worker.providers.desk import desk
from worker.images.decode import decode
from worker.images.planning import Size
from worker.images.platforms import PLATFORMS
from worker.images.pool import PixelPool
from worker.images.provenance import SourceType
from worker.providers import ImageProvider, ImageRequest, ImageType
from worker.providers.sketch import SketchProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager


@asynccontextmanager
async def sketch() -> AsyncGenerator[ImageProvider]:
    async with PixelPool(2) as pool:
        provider = SketchProvider(pool)
        yield provider
        await provider.close()


@asynccontextmanager
async def openai(backend: str) -> AsyncGenerator[ImageProvider]:
    async with desk(FakeOpenAI(strict=backend == "openai"), openai_backend=backend) as opened:
        yield opened.provider


PROVIDERS: dict[str, Callable[[], AbstractAsyncContextManager[ImageProvider]]] = {
    "sketch": sketch,
    **{f"openai:{backend}": partial(openai, backend) for backend in ("openai", "compatible")},
}


@pytest.fixture(params=PROVIDERS)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[ImageProvider]:
    async with PROVIDERS[request.param]() as opened:
        yield opened


def order(provider: ImageProvider, prompt: str, *platforms: str, style: ImageType = ImageType.VIVID) -> ImageRequest:
    size = provider.plan_size(PLATFORMS.pick(platforms))
    return ImageRequest(prompt, size.width, size.height, image_type=style)


def unheard(_: float) -> None:
    """Progress that nobody looks at."""


def test_what_it_expects_a_picture_to_cost_is_nothing_when_it_is_free(provider: ImageProvider):
    expected = provider.estimate(order(provider, "a hill", "instagram-post"))
    assert provider.paid or expected == 0
    assert expected is None or expected >= 0


def test_a_provider_says_what_it_is(provider: ImageProvider):
    assert provider.name == provider.name.lower().strip() != ""
    assert provider.model
    assert not (provider.paid and provider.simulated)


@pytest.mark.parametrize("platforms", [(), ("instagram-story",), ("linkedin-cover",), PLATFORMS.names])
def test_the_planned_size_is_one_it_can_make(provider: ImageProvider, platforms: tuple[str, ...]):
    assert provider.sizes.allow(provider.plan_size(PLATFORMS.pick(platforms)))


async def test_the_picture_is_what_its_description_says(provider: ImageProvider):
    request = order(provider, "A lighthouse at dusk", "twitter-post")
    made = await provider.generate(request, unheard)
    image = decoded(made.data)
    assert made.content_type == f"image/{(image.format or '').lower()}"
    assert image.size == (made.width, made.height)
    assert decode(made.data, made.source).size == Size(made.width, made.height)
    assert abs(made.width / made.height - request.width / request.height) < 0.02
    assert made.simulated == provider.simulated
    assert (made.source is SourceType.ALGORITHMIC) == made.simulated
    assert made.model
    assert made.focal is None or all(0 <= part <= 1 for part in made.focal)
    assert (made.charge is not None) <= provider.paid


async def test_progress_rises_on_the_loop_and_ends_with_the_call(provider: ImageProvider):
    told: list[tuple[float, int]] = []
    await provider.generate(
        order(provider, "city", "open-graph"), lambda share: told.append((share, threading.get_ident()))
    )
    shares, threads = [share for share, _ in told], {thread for _, thread in told}
    assert shares == sorted(shares)
    assert shares
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert threads == {threading.get_ident()}
    count = len(told)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(told) == count


async def test_cancelling_is_safe_and_nothing_is_told_afterwards(provider: ImageProvider):
    told: list[float] = []
    work = asyncio.ensure_future(provider.generate(order(provider, "forest", "open-graph"), told.append))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    count = len(told)
    made = await provider.generate(order(provider, "sea", "open-graph"), unheard)
    assert made.data
    assert len(told) == count


async def test_a_listener_that_fails_fails_the_call(provider: ImageProvider):
    def broken(_: float) -> None:
        raise LookupError("nobody is listening")

    with pytest.raises(LookupError):
        await provider.generate(order(provider, "sea", "open-graph"), broken)


@pytest.mark.parametrize("prompt", ["?", "日本の山", "🏖️ 🌅", "a\r\n\0\u2028b", "x " * 2000])
async def test_any_words_are_taken(provider: ImageProvider, prompt: str):
    made = await provider.generate(order(provider, prompt, "instagram-post", style=ImageType.NATURAL), unheard)
    assert made.understood is None or "\n" not in made.understood
    assert decode(made.data, made.source).size.pixels > 0


async def test_two_pictures_at_once_do_not_mix(provider: ImageProvider):
    requests = [order(provider, "sea at night", "open-graph"), order(provider, "desert by day", "open-graph")]
    together = await asyncio.gather(*(provider.generate(request, unheard) for request in requests))
    assert together[0].data != together[1].data
    if provider.simulated:
        alone = [await provider.generate(request, unheard) for request in requests]
        assert [made.data for made in alone] == [made.data for made in together]
