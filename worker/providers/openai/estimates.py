"""How many tokens a picture is expected to use, before it is made.

The gpt-image-2 models count a grid of squares, finer with each quality, weighed by the picture's area; that was read from the
provider's own calculator and comes out at what is billed. Of the two finest qualities nobody has said, so they are guesses, and so
is everything about other models: the real usage is what is charged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from worker.providers.openai.order import Order

_SQUARES: Final = {"low": 16, "medium": 48, "high": 96, "xhigh": 144, "max": 192}
"""Squares along the longer edge. Where the model chooses, the finest of what it usually chooses is expected."""

_CHOSEN: Final = "high"
_PREVIEW_TOKENS: Final = 100
_CHARACTERS: Final = 3
"""Of a prompt in a token: fewer than in English, more than in most other languages."""


def expected_usage(order: Order, quality: str, width: int, height: int) -> dict[str, int]:
    """The counters that a call is expected to come back with."""
    return {
        "input_tokens": math.ceil(len(order.fields["prompt"]) / _CHARACTERS),
        "output_tokens": _picture(quality, width, height) + order.previews * _PREVIEW_TOKENS,
    }


def _picture(quality: str, width: int, height: int) -> int:
    long = _SQUARES.get(quality, _SQUARES[_CHOSEN])
    short = math.floor(long * min(width, height) / max(width, height) + 0.5)
    return math.ceil(long * short * (2_000_000 + width * height) / 4_000_000)
