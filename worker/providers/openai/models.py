"""What each model of pictures can do, and until when there is one: read in November 2026 from OpenAI's own pages.

The provider's list of models, asked at the start, counts more than the dates here; they are for when it says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.images.planning import Size, SizeRules

DEFAULT_MODEL: Final = "gpt-image-2.6-flare"

LONGEST_PROMPT: Final = 32_000
"""Characters that a gpt-image model takes."""

SHUTDOWNS: Final = {
    "dall-e-2": date(2026, 5, 12),
    "dall-e-3": date(2026, 5, 12),
    "gpt-image-1": date(2026, 10, 23),
    "gpt-image-1-mini": date(2026, 12, 1),
    "gpt-image-1.5": date(2026, 12, 1),
    "gpt-image-1.5-2025-12-16": date(2026, 12, 1),
    "chatgpt-image-latest": date(2026, 12, 1),
}
"""From which day on OpenAI has these models no more."""

_SQUARE: Final = Size(1024, 1024)
_ANY: Final = SizeRules(multiple=16, max_ratio=3.0, min_pixels=655_360, max_pixels=8_294_400, max_edge=3_840)
_LOCAL: Final = SizeRules(multiple=64, max_ratio=2.0, min_pixels=589_824, max_pixels=1_572_864, max_edge=1_536)
"""What diffusion models of one megapixel were trained near; outside of it they repeat themselves."""

_COARSE: Final = frozenset({"low", "medium", "high"})
_FINE: Final = _COARSE | {"xhigh", "max"}


@dataclass(frozen=True, slots=True)
class Model:
    """What a model can do.

    Attributes:
        sizes: what it can make.
        qualities: what it can be told about how finely to draw.
    """

    sizes: SizeRules
    qualities: frozenset[str]


def _fixed(*sizes: Size) -> SizeRules:
    return SizeRules(multiple=1, max_ratio=3.0, min_pixels=1, max_pixels=8_294_400, max_edge=3_840, fixed=sizes)


_KNOWN: Final = (
    (r"gpt-image-1\b|chatgpt-image", Model(_fixed(_SQUARE, Size(1536, 1024), Size(1024, 1536)), _COARSE)),
    (r"gpt-image-2(-\d{4}-\d\d-\d\d)?$", Model(_ANY, _COARSE)),
    (r"gpt-image-", Model(_ANY, _FINE)),
    (r"dall-e-3\b", Model(_fixed(_SQUARE, Size(1792, 1024), Size(1024, 1792)), frozenset({"standard", "hd"}))),
    (r"dall-e-2\b", Model(_fixed(Size(256, 256), Size(512, 512), _SQUARE), frozenset({"standard"}))),
)
_UNKNOWN: Final = Model(_LOCAL, _FINE | {"standard", "hd"})
"""A model of some other server: nobody here knows, so it is told whatever whoever set it up wants."""


def model_of(name: str | None) -> Model:
    """What a model can do, by its name; a later gpt-image model counts as the newest known one."""
    return next((model for start, model in _KNOWN if re.match(start, name or "")), _UNKNOWN)


def is_openai_model(name: str | None) -> bool:
    """Whether it is a model that wants OpenAI's own fields, whoever stands before it."""
    return re.match(r"gpt-image-|chatgpt-image", name or "") is not None
