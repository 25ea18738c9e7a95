"""What a call cost: its tokens by a table that has a date, or by a deployment's own. Unknown stays unknown.

A deployment's own is a JSON file, named by OPENAI_PRICES_FILE, that takes the place of the built-in table:

    {"asOf": "2026-11-01", "usdPerMillionTokens": {"gpt-image-2": {"textIn": 5, "imageIn": 8, "imageOut": 30}}}

Of what is wrong in it the place is said and nothing that it holds, for the path may be mistaken.
"""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, ValidationError

from snapasset.errors import BadConfiguration
from snapasset.job_type import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LONGEST_FILE: Final = 1_000_000
_PLACES: Final = {"asOf", "usdPerMillionTokens", "textIn", "imageIn", "imageOut", "textOut"}
_MOST_TOKENS: Final = 1_000_000_000
"""No call uses as many: a counter above it is none."""

_Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Price(Wire):
    """US dollars for a million tokens, which is millionths of a dollar for one."""

    text_in: _Usd
    image_in: _Usd
    image_out: _Usd
    text_out: _Usd | None = None
    """Unset: as for a picture's, so that a cost is rather told too high."""

    def micro_usd(self, usage: Mapping[str, int]) -> int | None:
        """The cost of a picture in millionths of a dollar, rounded up; None when the counters do not tell it.

        No picture comes of no words and without tokens of its own, so counters that say so say nothing.
        """
        image_in, text_out = usage.get("input_image_tokens", 0), usage.get("output_text_tokens", 0)
        if usage.get("input_tokens", 0) <= 0 or usage.get("output_tokens", 0) <= text_out:
            return None
        text_in = max(0, usage["input_tokens"] - image_in)
        image_out = usage["output_tokens"] - text_out
        text_price = self.image_out if self.text_out is None else self.text_out
        cost = text_in * self.text_in + image_in * self.image_in + image_out * self.image_out + text_out * text_price
        return math.ceil(round(cost, 6))


class PriceTable(Wire):
    """What tokens cost on one day, by model; a name stands for its dated and finer variants too."""

    as_of: date
    usd_per_million_tokens: dict[str, Price]

    def price_of(self, model: str) -> Price | None:
        """The price of the entry that names most of the model; None when no entry does."""
        fitting = (
            name for name in self.usd_per_million_tokens if model == name or model.startswith((f"{name}-", f"{name}."))
        )
        best = max(fitting, key=len, default=None)
        return None if best is None else self.usd_per_million_tokens[best]


BUILT_IN: Final = PriceTable(
    as_of=date(2026, 11, 1),
    usd_per_million_tokens={"gpt-image-2": Price(text_in=5, image_in=8, image_out=30)},
)


def read_prices(file: Path | None) -> PriceTable:
    """The deployment's table, else the built-in one. Reads a file. Raises `BadConfiguration`."""
    if file is None:
        return BUILT_IN
    try:
        with file.open("rb") as opened:
            text = opened.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise BadConfiguration(f"OPENAI_PRICES_FILE cannot be read: {error.strerror}.") from None
    if len(text) > _LONGEST_FILE:
        raise BadConfiguration(f"OPENAI_PRICES_FILE is longer than {_LONGEST_FILE} bytes.")
    try:
        return PriceTable.model_validate_json(text)
    except ValidationError as error:
        wrong = {str(part) for complaint in error.errors() for part in complaint["loc"]} & _PLACES
        places = f" ({', '.join(sorted(wrong))})" if wrong else ""
        raise BadConfiguration(f"OPENAI_PRICES_FILE is not a table of prices{places}; see the README.") from None


def counters(usage: Mapping[str, Any]) -> dict[str, int]:
    """The provider's counters as they stand in a charge: whole numbers only, whatever was sent."""
    found = {name: usage.get(name) for name in ("input_tokens", "output_tokens", "total_tokens")}
    for side in ("input", "output"):
        details: Any = usage.get(f"{side}_tokens_details")
        if isinstance(details, dict):
            found |= {f"{side}_{kind}_tokens": details.get(f"{kind}_tokens") for kind in ("text", "image")}  # pyright: ignore[reportUnknownMemberType]
    return {name: count for name, count in found.items() if type(count) is int and 0 <= count <= _MOST_TOKENS}
