"""The real provider in front of a fake OpenAI, opened and closed around a test."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from snapasset.settings import Settings
from tests.fakes.openai import KEY, FakeOpenAI
from worker.images.pool import PixelPool
from worker.providers import GeneratedImage, ImageRequest, Preview
from worker.providers.openai import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

TODAY = date(2026, 11, 23)

REQUEST = ImageRequest("A lighthouse at dusk", 1024, 1024, owner="session:somebody")


class Desk(NamedTuple):
    """Who asks and who is asked."""

    provider: OpenAIProvider
    fake: FakeOpenAI

    async def make(self, request: ImageRequest = REQUEST, previews: list[Preview] | None = None) -> GeneratedImage:
        return await self.provider.generate(request, unheard, None if previews is None else previews.append)


@asynccontextmanager
async def desk(
    fake: FakeOpenAI, *, day: date = TODAY, look_seconds: float = 60.0, **settings: Any
) -> AsyncGenerator[Desk]:
    """A provider for this fake, as OpenAI's own unless `settings` say otherwise. Raises what opening it raises."""
    async with fake, PixelPool(2) as pool:
        provider = OpenAIProvider(
            settings_for(fake, **settings), pool, today=lambda: day, pauses=(0.0, 0.0), look_seconds=look_seconds
        )
        try:
            await provider.open()
            yield Desk(provider, fake)
        finally:
            await provider.close()


def settings_for(fake: FakeOpenAI, **settings: Any) -> Settings:
    given = {"openai_api_key": KEY, "openai_base_url": fake.url, "openai_backend": "openai", "openai_seconds": 10.0}
    return Settings.model_validate({**given, **settings})


def unheard(_: float) -> None:
    """Progress that nobody looks at."""
