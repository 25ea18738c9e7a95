"""Which size of master loses least over the platforms it is cut for, under the rules of who makes it.

Pure arithmetic, no pixels: the server may use it for an estimate as well.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ASPECTS_TRIED = 40
"""Steps between the narrowest and the widest ratio, 6 % each, beside the ratios that are wanted and their mean."""
_SAME_LOSS = 5e-4
"""Losses closer than this (2 % cut off) are the same to the eye: then a master that need not be enlarged wins, whose
pixels can be taken as they are, and of those the smallest, which is the cheapest."""


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height


class Target(Protocol):
    """Anything with a wanted width and height: a platform, a size."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SizeRules:
    """The sizes that a provider can make: those of `fixed`, or else all that fit the bounds.

    Attributes:
        multiple: both sides are multiples of it.
        max_ratio: longer side over shorter side, at most.
        min_pixels: width times height, at least; `max_pixels` at most.
        max_edge: the longer side, at most.
        fixed: when not empty, the only sizes there are, and the bounds do not count.
    """

    multiple: int
    max_ratio: float
    min_pixels: int
    max_pixels: int
    max_edge: int
    fixed: tuple[Size, ...] = ()

    def allow(self, size: Size) -> bool:
        """Whether the provider can make this size."""
        if self.fixed:
            return size in self.fixed
        short, long = sorted((size.width, size.height))
        return (
            short > 0
            and size.width % self.multiple == 0
            and size.height % self.multiple == 0
            and long <= short * self.max_ratio
            and self.min_pixels <= size.pixels <= self.max_pixels
            and long <= self.max_edge
        )


def plan_size(targets: Collection[Target], rules: SizeRules) -> Size:
    """The allowed size whose cover crops lose least over all `targets`; of equals, the smallest that suffices.

    No targets: the square of the fewest pixels that has 1 megapixel where the rules allow it. The order of the targets
    does not matter. Raises `ValueError` when the rules allow no size at all.
    """
    wanted = sorted(targets or (Size(1024, 1024),), key=lambda target: (target.width, target.height))
    candidates = rules.fixed or tuple(dict.fromkeys(_candidates(wanted, rules)))
    if not candidates:
        raise ValueError(f"no size fits {rules}")

    def worth(size: Size) -> tuple[int, bool, int, Size]:
        enlarged = any(target.width > size.width or target.height > size.height for target in wanted)
        return round(loss(size, wanted) / _SAME_LOSS), enlarged, size.pixels, size

    best = min(candidates, key=worth)
    # Where sides come in coarse steps, a few steps on there may be a better one.
    while not rules.fixed and (better := min((best, *_beside(best, rules)), key=worth)) != best:
        best = better
    return best


def loss(size: Size, targets: Collection[Target]) -> float:
    """How much a master of this size loses over all targets: 0 is nothing, and a doubled defect counts four times.

    Two defects of each target are squared and added: the share that its cover crop throws away and the enlargement of
    the rest, both as logarithms, so that "half is lost" weighs like "enlarged twice".
    """
    total = 0.0
    for target in targets:
        aspect = target.width / target.height
        scale = max(target.width / size.width, target.height / size.height)
        total += math.log(aspect / size.aspect) ** 2 + math.log(max(1.0, scale)) ** 2
    return total


def kept(size: Target, target: Target) -> float:
    """The share (0 to 1) of a master of `size` that a cover crop for `target` keeps."""
    ratio = (target.width * size.height) / (target.height * size.width)
    return min(ratio, 1 / ratio)


def _candidates(targets: Collection[Target], rules: SizeRules) -> Iterator[Size]:
    """For each ratio worth trying: the smallest size that enlarges nothing, or the nearest that the rules allow."""
    widest, tallest = max(target.width for target in targets), max(target.height for target in targets)
    for aspect in _aspects(targets, rules.max_ratio):
        enough = max(widest, aspect * tallest) ** 2 / aspect
        largest = min(float(rules.max_pixels), rules.max_edge**2 / max(aspect, 1 / aspect))
        pixels = min(max(enough, rules.min_pixels), largest)
        yield from _rounded(math.sqrt(pixels * aspect), math.sqrt(pixels / aspect), rules)


def _aspects(targets: Collection[Target], max_ratio: float) -> Iterator[float]:
    wanted = [target.width / target.height for target in targets]
    mean = math.prod(aspect ** (1 / len(wanted)) for aspect in wanted)
    for aspect in (*wanted, mean):
        yield min(max(aspect, 1 / max_ratio), max_ratio)
    for step in range(_ASPECTS_TRIED + 1):
        yield max_ratio ** (2 * step / _ASPECTS_TRIED - 1)


def _beside(size: Size, rules: SizeRules) -> Iterator[Size]:
    """The allowed sizes at most two steps away on each side."""
    for row, column in itertools.product(range(-2, 3), repeat=2):
        near = Size(size.width + column * rules.multiple, size.height + row * rules.multiple)
        if rules.allow(near):
            yield near


def _rounded(width: float, height: float, rules: SizeRules) -> Iterator[Size]:
    """The allowed sizes next to these sides: of a few heights, the widths that come nearest to the ratio."""
    unit = rules.multiple
    least = math.floor(height / unit)
    for row in range(least - 1, least + 3):
        nearest = round(row * width / height)
        for column in (nearest - 1, nearest, nearest + 1):
            size = Size(column * unit, row * unit)
            if rules.allow(size):
                yield size
