"""Who makes the pictures here: whoever is configured, and never another in his place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.errors import BadConfiguration
from worker.providers import ImageRequest
from worker.providers.sketch import SketchProvider

if TYPE_CHECKING:
    from snapasset.settings import Settings
    from worker.images.pool import PixelPool
    from worker.providers import ImageProvider

_ANY: Final = ImageRequest("a hill", 1024, 1024)
"""A picture of which it only matters whether it has a price."""


async def choose_provider(settings: Settings, pool: PixelPool) -> ImageProvider:
    """The provider of this deployment, ready to be asked; the caller closes it.

    With OPENAI_API_KEY or OPENAI_BASE_URL it is whoever those name, also while he cannot be reached: then jobs fail, by his
    name. Without both it is the sketch. Raises `BadConfiguration`.
    """
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return SketchProvider(pool)
    from worker.providers.openai import OpenAIProvider

    provider = OpenAIProvider(settings, pool)
    try:
        if settings.spend_caps is not None and provider.estimate(_ANY) is None:
            raise BadConfiguration(
                "SPEND_CAP_USD and SPEND_CAP_OWNER_USD need to know what the model costs: name its price in OPENAI_PRICES_FILE."
            )
        await provider.open()
    except BaseException:
        await provider.close()
        raise
    return provider
