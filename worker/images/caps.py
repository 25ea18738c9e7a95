"""How far quality may go down for a file to get under a platform's cap. Pure arithmetic, no pixels.

The first step of a platform's ladder whose file is small enough is the one that is taken. Nothing else decides, so two
platforms that want the same pixels can share a file whenever both ladders stop at the same step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.images.platforms import Format, Platform

Quality = int | None
"""The encoder's quality, 0 to 100; None where the format has none."""

_QUALITIES: dict[Format, tuple[Quality, ...]] = {
    "JPEG": tuple(range(85, 39, -5)),
    "WEBP": tuple(range(85, 39, -5)),
    "AVIF": tuple(range(70, 24, -5)),
    "PNG": (None,),
}
"""AVIF's numbers mean more: its 70 looks like the others' 85."""
_AIMED = 3
"""A size that is only aimed at is worth this many steps down, and no more."""


def ladder(platform: Platform) -> Iterator[tuple[Quality, int]]:
    """Each quality to try, in order, with the most bytes that its file may have."""
    for step, quality in enumerate(_QUALITIES[platform.format]):
        aim = platform.aim_bytes if step < _AIMED and quality is not None else None
        yield quality, min(aim or platform.max_bytes, platform.max_bytes)


def serves(size: int, quality: Quality, made_for: Platform, other: Platform) -> bool:
    """Whether a file made for one platform is what the other would have got, both wanting the same pixels and format.

    It is not when it is too large for the other, nor when the other allows more at a better quality, which might have
    been enough there.
    """
    for (step, allowed), (_, allowed_there) in zip(ladder(made_for), ladder(other), strict=True):
        if step == quality:
            return size <= allowed_there
        if allowed_there > allowed:
            return False
    return False
