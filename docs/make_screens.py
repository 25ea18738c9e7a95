"""`python3 dev.py pictures` makes these too: the studio in each of its states, light and dark, on a phone and on a wide screen.

Everything is real but the provider: a process of its own would be too quick to be looked at in the middle, so the built-in
painter paints behind an API like a provider's, and waits where it is told to.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import aclosing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageFilter

from tests.browser.chromium import launched
from tests.browser.easel import Easel
from tests.browser.tour import Stage, dear_states, main_states, other_states, staged
from tests.flows.process import hosting
from tests.servers.redis import running_redis
from tests.web.studio import built
from worker.providers import ImageRequest
from worker.providers.sketch.painter import paint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

FOLDER: Final = Path(__file__).with_name("studio")

BOTH_THEMES: Final = {"empty", "previews", "ready", "gallery", "editor"}
"""The states that are shown dark as well as light."""

EARLIER: Final = (
    "A desert road under a sky full of stars, calm, wide",
    "Dunes at the golden hour, one balloon far away",
    "A forest in the mist, autumn, first light",
    "Coffee and fruit on a table by the window",
)
"""What was made before, so that the gallery has something to show."""

_SCROLL: Final = """to => {
    for (const element of document.querySelectorAll("form, form *")) element.scrollTop = 0;
    document.querySelector(to).scrollIntoView();
}"""
_MODEL: Final = "built-in-painter"
_LITTLE_USD: Final = 0.01
"""Less than one picture costs."""
_QUALITY: Final = 80
_BLUR: Final = (36, 12)
"""How unfinished each preview is: pixels of blur."""


class PaintersEasel(Easel):
    """The built-in painter's picture, and before it what it may have looked like on the way."""

    def paint(self, prompt: str, size: str, previews: int) -> list[bytes]:
        width, height = map(int, size.split("x"))
        done = paint(ImageRequest(prompt=prompt, width=width, height=height), lambda _: None).image
        blurred = [done.filter(ImageFilter.GaussianBlur(radius)) for radius in _BLUR[:previews]]
        return [_png(image) for image in (*blurred, done)]


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def main() -> None:
    """Make them all anew. Ends as a skipped test does where a browser, a Node or a Redis is not to be had."""
    built()
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.webp"):
        path.unlink()
    asyncio.run(_take_all())
    sizes = [path.stat().st_size for path in FOLDER.glob("*.webp")]
    print(f"{FOLDER.relative_to(FOLDER.parents[1])}: {len(sizes)} pictures of the studio, {sum(sizes):,} bytes")


async def _take_all() -> None:
    with tempfile.TemporaryDirectory() as folder, running_redis() as redis, hosting(Path(folder)) as host:
        async with (
            launched() as browser,
            await browser.new_context() as context,
            staged(host, context, redis=redis, easel=PaintersEasel, openai_image_model=_MODEL) as stage,
        ):
            await _take(stage, main_states(stage))
            for prompt in EARLIER:
                await _make(stage, prompt)
            await _take(stage, other_states(stage))
    with tempfile.TemporaryDirectory() as folder, hosting(Path(folder)) as host:
        async with (
            launched() as browser,
            await browser.new_context() as context,
            staged(host, context, spend_cap_owner_usd=_LITTLE_USD) as stage,
        ):
            await _take(stage, dear_states(stage))


async def _make(stage: Stage, prompt: str) -> None:
    await stage.visit.open()
    stage.next_easel().finish()
    await stage.visit.make(prompt)
    await stage.visit.ends()


async def _take(stage: Stage, states: AsyncGenerator[str]) -> None:
    async with aclosing(states) as names:
        async for name in names:
            page = stage.visit.page
            for theme in ("light", "dark") if name in BOTH_THEMES else ("light",):
                for width in ("wide", "narrow"):
                    await stage.dress(width, theme)
                    await page.evaluate(_SCROLL, "#made-before" if name == "gallery" and width == "narrow" else "body")
                    taken = await page.screenshot(animations="disabled")
                    with Image.open(BytesIO(taken)) as image:
                        image.convert("RGB").save(
                            FOLDER / f"{name}-{width}-{theme}.webp", "WEBP", quality=_QUALITY, method=6
                        )
            await stage.dress("wide", "light")


if __name__ == "__main__":
    main()
