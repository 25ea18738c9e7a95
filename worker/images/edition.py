"""All renditions of one master under the same wishes: what two platforms share is rendered once.

Every platform still has an outcome of its own: one that fails, or is cancelled, takes nothing from those it shares with.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from worker.images.caps import serves
from worker.images.fit import Fit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.images.compose import Colour, Point
    from worker.images.decode import Master
    from worker.images.platforms import Format, Platform
    from worker.images.render import Renderer, Rendition


class SharingKey(NamedTuple):
    """What decides a rendition's pixels, and how they are written, when master, fit, focal point and ground are given."""

    width: int
    height: int
    format: Format


def sharing_key(platform: Platform) -> SharingKey:
    """Two platforms with the same key have the same pixels; caps may still make their files different."""
    return SharingKey(platform.width, platform.height, platform.format)


def served(rendition: Rendition, made_for: Platform, other: Platform) -> Rendition | None:
    """The other platform's rendition out of the one that was made, byte for byte what `render` would have given.

    None when they share no pixels, or when the caps would have led to another quality: then it is to be rendered.
    """
    if sharing_key(made_for) != sharing_key(other):
        return None
    if not serves(len(rendition.data), rendition.quality, made_for, other):
        return None
    return replace(rendition, platform=other.name)


class Edition:
    """Renders for the platforms it is told of beforehand, each when asked, in any order and side by side."""

    def __init__(
        self,
        renderer: Renderer,
        platforms: Iterable[Platform],
        *,
        fit: Fit = Fit.COVER,
        focal: Point | None = None,
        background: Colour | None = None,
    ) -> None:
        self._renderer = renderer
        self._fit = fit
        self._focal = focal
        self._background = background
        counts = Counter(map(sharing_key, platforms))
        self._shared = {key: _Shared() for key, count in counts.items() if count > 1}

    async def render(self, master: Master, platform: Platform) -> Rendition:
        """The platform's rendition of the edition's one master. Raises `BadPicture`, see `Renderer.render`.

        Whoever asks for what is being rendered waits for that, and renders for itself when nothing comes of it.
        """
        shared = self._shared.get(sharing_key(platform))
        if shared is None:
            return await self._render(master, platform)
        async with shared.turn:
            for made_for, rendition in shared.made:
                reused = served(rendition, made_for, platform)
                if reused is not None:
                    return reused
            rendition = await self._render(master, platform)
            shared.made.append((platform, rendition))
            return rendition

    async def _render(self, master: Master, platform: Platform) -> Rendition:
        return await self._renderer.render(
            master, platform, fit=self._fit, focal=self._focal, background=self._background
        )


class _Shared:
    """What has been made for one key, and whose turn it is to make more."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.made: list[tuple[Platform, Rendition]] = []
